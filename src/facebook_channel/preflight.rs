//! What is read about a page, each once: for whoever tries another version of the Graph API before it is used.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::credentials::Source;
use super::{observe, threads};
use crate::api::{Connection, FacebookChannel, ManagementPolicy};
use crate::engine::budgets::Budget;
use crate::engine::{Context, Failure, Key};
use crate::graph::{AppCredentials, Conversation, GraphError, Operation, OwnerRead, PageRead, Token, Version};
use crate::meta_app::seen;

/// How many channels are looked at for those whose token is at hand.
const FEW: usize = 5;
/// How many of them lend it.
const LENDERS: usize = 3;

/// A connected channel and its token.
pub struct Lent {
    channel: Arc<FacebookChannel>,
    token: Token,
    fingerprint: Option<String>,
}

impl Lent {
    /// What is used up by asking about its page for the application with this UID.
    pub fn budgets(&self, app: &str) -> Vec<Budget> {
        let token = self.fingerprint.as_deref().map(|fingerprint| Budget::token(app, fingerprint));
        [Budget::app(app), Budget::page(app, &self.channel.spec.page_id)].into_iter().chain(token).collect()
    }
}

/// A few connected channels of an application whose tokens are at hand.
///
/// # Errors
/// When the process ends.
pub async fn lenders(ctx: &Context, app: &Key, now: Timestamp) -> Result<Vec<Lent>, Failure> {
    let mut channels = ctx.channels.all();
    channels.retain(|channel| lends(channel) && observe::app_key(ctx, channel).as_ref() == Some(app));
    // The same ones each time.
    channels.sort_by_key(|channel| Key::of(&**channel));
    let mut lenders = Vec::new();
    for channel in channels.into_iter().take(FEW) {
        match lent(ctx, app, channel, now).await {
            Ok(lent) => lenders.extend(lent),
            // Another one is there for it: no tenant's Secret stops the application.
            Err(Failure::Kubernetes { .. }) => {}
            Err(failure) => return Err(failure),
        }
        if lenders.len() == LENDERS {
            break;
        }
    }
    Ok(lenders)
}

/// Whether a channel is connected, and may be asked about.
fn lends(channel: &FacebookChannel) -> bool {
    let connected = channel.status.as_ref().is_some_and(|status| status.connection == Connection::Connected);
    connected && channel.spec.management_policy != ManagementPolicy::Pause
}

/// The token of a channel, if its namespace may use the application and the token is at hand.
async fn lent(
    ctx: &Context,
    app: &Key,
    channel: Arc<FacebookChannel>,
    now: Timestamp,
) -> Result<Option<Lent>, Failure> {
    let namespace = channel.namespace().unwrap_or_default();
    if seen::look(ctx, Some(app), &namespace).await?.1.is_none() {
        return Ok(None);
    }
    let uid = channel.uid().unwrap_or_default();
    let (seen, token) = Source::of(ctx, &channel).look(ctx, &uid, now).await?;
    let fingerprint = seen.fingerprint().map(ToOwned::to_owned);
    Ok(token.map(|token| Lent { channel, token, fingerprint }))
}

/// The reads about the page of a channel.
pub struct PageReads<'a> {
    /// What every pass shares.
    pub ctx: &'a Context,
    /// The credentials of the application.
    pub credentials: &'a AppCredentials,
    /// The channel.
    pub lent: &'a Lent,
}

impl PageReads<'_> {
    /// All that are made about such a channel.
    pub fn all(&self) -> impl Iterator<Item = Operation> + use<> {
        use Operation::{DebugToken, ReadConversations, ReadPage, ReadPageSubscriptions, ReadThreadOwner};
        let threads = threads::is_wanted(&self.lent.channel).then_some([ReadConversations, ReadThreadOwner]);
        [DebugToken, ReadPage, ReadPageSubscriptions].into_iter().chain(threads.into_iter().flatten())
    }

    /// Makes one of them in this version; only whether it is answered is told.
    ///
    /// # Errors
    /// If there is no usable answer.
    pub async fn make(&self, read: Operation, version: &Version) -> Result<(), GraphError> {
        let Self { ctx, credentials, lent: Lent { channel, token, .. } } = self;
        let (graph, page_id) = (&ctx.graph, channel.spec.page_id.as_str());
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
        let Lent { channel, token, .. } = self.lent;
        let reads = [PageRead { page_id: &channel.spec.page_id, token }];
        let rows = self.ctx.graph.conversations(version, self.credentials, &reads, 1).await.pop();
        Ok(rows.transpose()?.and_then(|rows| rows.into_iter().next()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn channel(connection: &str, policy: &str) -> FacebookChannel {
        let spec = json!({"pageId": "2200000000000001", "managementPolicy": policy, "credentials": {}, "endpoint": {"direct": {}}});
        let mut channel = FacebookChannel::new("shop", serde_json::from_value(spec).unwrap());
        channel.status = Some(serde_json::from_value(json!({"connection": connection})).unwrap());
        channel
    }

    #[test]
    fn only_a_connected_channel_that_may_be_asked_about_lends_its_token() {
        let rows = [
            ("Connected", "Manage", true),
            ("Connected", "Observe", true),
            ("Connected", "Pause", false),
            ("Disconnected", "Manage", false),
        ];
        for (connection, policy, expected) in rows {
            assert_eq!(lends(&channel(connection, policy)), expected, "{connection} {policy}");
        }
    }

    #[test]
    fn asking_about_a_page_uses_up_its_budget_that_of_its_token_and_that_of_the_app() {
        let token = Token::parse(b"EAAsandbox-page-a-000000000000000000").unwrap();
        let lent = |fingerprint: Option<&str>| Lent {
            channel: Arc::new(channel("Connected", "Manage")),
            token: token.clone(),
            fingerprint: fingerprint.map(ToOwned::to_owned),
        };
        let page = [Budget::app("uid"), Budget::page("uid", "2200000000000001")];
        assert_eq!(lent(None).budgets("uid"), page);
        assert_eq!(lent(Some("f")).budgets("uid"), [&page[..], &[Budget::token("uid", "f")]].concat());
    }
}
