//! The reads about a page, each once, with a token that its channel lends: they try another version of the Graph API before it
//! is used.

use futures::future::BoxFuture;
use jiff::Timestamp;

use super::state::MetaApps;
use crate::base::ids::{PageId, Uid};
use crate::base::key::Key;
use crate::cluster::error::Failure;
use crate::graph::{AppCredentials, Conversation, GraphError, Operation, OwnerRead, PageRead, Token, Version};
use crate::limits::app_usage::Budget;

/// A page that is connected, and its token.
pub struct Lent {
    pub page_id: PageId,
    pub token: Token,
    /// Fingerprint of what the token is read with, if it is known.
    pub fingerprint: Option<String>,
    /// Whether threads of it are read too.
    pub reads_threads: bool,
}

impl Lent {
    /// What is used up by asking about the page for the application with this UID.
    pub fn budgets(&self, app: &Uid) -> Vec<Budget> {
        let token = self.fingerprint.as_deref().map(|fingerprint| Budget::token(app, fingerprint));
        [Budget::app(app), Budget::page(app, &self.page_id)].into_iter().chain(token).collect()
    }
}

/// Who knows the tokens of pages, and lends a few.
pub trait LendsPages: Send + Sync {
    /// A few connected pages of an application whose tokens are at hand.
    ///
    /// # Errors
    /// When the process ends.
    fn lend<'a>(&'a self, app: &'a Key, now: Timestamp) -> BoxFuture<'a, Result<Vec<Lent>, Failure>>;
}

/// The reads about a page.
pub struct PageReads<'a> {
    /// The applications.
    pub apps: &'a MetaApps,
    /// The credentials of the application.
    pub credentials: &'a AppCredentials,
    /// The page.
    pub lent: &'a Lent,
}

impl PageReads<'_> {
    /// All that are made about such a page.
    pub fn all(&self) -> impl Iterator<Item = Operation> + use<> {
        use Operation::{DebugToken, ReadConversations, ReadPage, ReadPageSubscriptions, ReadThreadOwner};
        let threads = self.lent.reads_threads.then_some([ReadConversations, ReadThreadOwner]);
        [DebugToken, ReadPage, ReadPageSubscriptions].into_iter().chain(threads.into_iter().flatten())
    }

    /// Makes one of them in this version; only whether it is answered is told.
    ///
    /// # Errors
    /// If there is no usable answer.
    pub async fn make(&self, read: Operation, version: &Version) -> Result<(), GraphError> {
        let Self { apps, credentials, lent: Lent { page_id, token, .. } } = self;
        let graph = &apps.ctx.graph;
        match read {
            Operation::DebugToken => graph.debug_token(version, credentials, token).await.map(drop),
            Operation::ReadPage => graph.page(version, credentials, token, page_id).await.map(drop),
            Operation::ReadPageSubscriptions => {
                graph.page_subscriptions(version, credentials, token, page_id).await.map(drop)
            }
            Operation::ReadThreadOwner => {
                let latest = self.latest(version).await?;
                // It is asked only of threads of which Meta tells whether they have an owner.
                let Some(person) = latest.filter(|it| it.routed).and_then(|it| it.person) else { return Ok(()) };
                let reads = [OwnerRead { page_id, token, person: &person }];
                graph.thread_owners(version, credentials, &reads).await.pop().map_or(Ok(()), |owner| owner.map(drop))
            }
            _ => self.latest(version).await.map(drop),
        }
    }

    async fn latest(&self, version: &Version) -> Result<Option<Conversation>, GraphError> {
        let Lent { page_id, token, .. } = self.lent;
        let reads = [PageRead { page_id, token }];
        let rows = self.apps.ctx.graph.conversations(version, self.credentials, &reads, 1).await.pop();
        Ok(rows.transpose()?.and_then(|rows| rows.into_iter().next()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn asking_about_a_page_uses_up_its_budget_that_of_its_token_and_that_of_the_app() {
        let lent = |fingerprint: Option<&str>| Lent {
            page_id: "2200000000000001".into(),
            token: Token::parse(b"EAAsandbox-page-a-000000000000000000").unwrap(),
            fingerprint: fingerprint.map(ToOwned::to_owned),
            reads_threads: false,
        };
        let page = [Budget::app(&"uid".into()), Budget::page(&"uid".into(), &"2200000000000001".into())];
        assert_eq!(lent(None).budgets(&"uid".into()), page);
        assert_eq!(lent(Some("f")).budgets(&"uid".into()), [&page[..], &[Budget::token(&"uid".into(), "f")]].concat());
    }
}
