//! What is read about a page, each once: for whoever tries another version of the Graph API before it is used.

use std::sync::Arc;

use jiff::Timestamp;

use super::credentials::Source;
use super::{observe, threads};
use crate::api::{Connection, FacebookChannel};
use crate::engine::{Context, Failure, Key};
use crate::graph::{AppCredentials, Conversation, GraphError, Operation, OwnerRead, PageRead, Token, Version};

/// How many channels are looked at for one whose token is at hand.
const FEW: usize = 5;

/// A connected channel and its token.
pub struct Lent {
    channel: Arc<FacebookChannel>,
    token: Token,
}

/// A connected channel of an application whose token is at hand.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn somebody(ctx: &Context, app: &Key, now: Timestamp) -> Result<Option<Lent>, Failure> {
    let is_connected = |channel: &FacebookChannel| {
        channel.status.as_ref().is_some_and(|status| status.connection == Connection::Connected)
    };
    let mut channels = ctx.channels.all();
    channels.retain(|channel| is_connected(channel) && observe::app_key(ctx, channel).as_ref() == Some(app));
    // The same ones each time.
    channels.sort_by_key(|channel| Key::of(&**channel));
    for channel in channels.into_iter().take(FEW) {
        let (_, token) = Source::of(ctx, &channel).look(ctx, "preflight", now).await?;
        if let Some(token) = token {
            return Ok(Some(Lent { channel, token }));
        }
    }
    Ok(None)
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
        let Self { ctx, credentials, lent: Lent { channel, token } } = self;
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
        let Lent { channel, token } = self.lent;
        let reads = [PageRead { page_id: &channel.spec.page_id, token }];
        let rows = self.ctx.graph.conversations(version, self.credentials, &reads, 1).await.pop();
        Ok(rows.transpose()?.and_then(|rows| rows.into_iter().next()))
    }
}
