//! Before another version of the Graph API is used, everything that is read is tried in it: about the application with its own
//! token, and about one page with the token of its channel. A read that is refused counts only if the version in use answers it:
//! else the fault is the token's or the page's.

use super::observe::Asked;
use crate::api::{MetaApp, MetaAppStatus};
use crate::engine::answer::Refusal;
use crate::engine::calls::Calls;
use crate::engine::pass::Pass;
use crate::engine::{Context, Failure, KindName};
use crate::facebook_channel::preflight::{PageReads, somebody};
use crate::graph::{AppCredentials, GraphError, Operation, Version};

/// Why a declared version that answers for the application is not used yet.
#[derive(Clone, Debug)]
pub enum Trial {
    /// Meta refuses this read in it, and answers it in the version in use.
    Refused(Operation, Refusal),
    /// Meta serves another version in its place.
    ServedAs(Version),
    /// Something was not answered.
    Unanswered(Refusal),
}

/// The two versions that are compared.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// The version in use.
    pub from: Version,
    /// The one that is declared.
    pub to: Version,
}

/// Tries a version that answered for the application itself; what is in its way, if anything is.
///
/// # Errors
/// When the Kubernetes API does not answer, or the process ends.
pub async fn run(
    ctx: &Context,
    app: &MetaApp,
    pass: &Pass<MetaAppStatus>,
    asked: &mut Asked,
    change: Change,
) -> Result<Option<Trial>, Failure> {
    let Some(credentials) = asked.credentials.clone() else { return Ok(None) };
    if let Some(other) = ctx.served.by(&pass.uid, change.to).filter(|by| *by != change.to) {
        return Ok(Some(Trial::ServedAs(other)));
    }
    let (credentials, lent) = (&*credentials, somebody(ctx, &pass.key, pass.now).await?);
    let reads = Reads { ctx, credentials, page: lent.as_ref().map(|lent| PageReads { ctx, credentials, lent }) };
    let webhook = app.spec.webhook.as_ref().map(|_| Operation::ReadAppSubscriptions);
    for read in [Operation::ReadAppPermissions].into_iter().chain(webhook) {
        let trial = reads.compare(&mut asked.calls, read, change).await?;
        if trial.is_some() {
            return Ok(trial);
        }
    }
    // What Meta says of the page is no news of the application.
    let mut calls = Calls::default();
    let mut trial = None;
    for read in reads.page.iter().flat_map(PageReads::all) {
        trial = reads.compare(&mut calls, read, change).await?;
        if trial.is_some() {
            break;
        }
    }
    calls.log(KindName::MetaApp, &pass.key, pass.told());
    Ok(trial)
}

/// What is read.
struct Reads<'a> {
    ctx: &'a Context,
    credentials: &'a AppCredentials,
    /// About a page; `None` if no channel is connected whose token is at hand.
    page: Option<PageReads<'a>>,
}

impl Reads<'_> {
    /// Makes a read in the new version, and, if that is refused, in the one in use.
    async fn compare(&self, calls: &mut Calls, read: Operation, change: Change) -> Result<Option<Trial>, Failure> {
        let new = self.ctx.read(self.make(read, &change.to)).await?;
        let Err(refusal) = calls.answer(read, new) else { return Ok(None) };
        if refusal.may_pass() {
            return Ok(Some(Trial::Unanswered(refusal)));
        }
        let old = self.ctx.read(self.make(read, &change.from)).await?;
        Ok(match calls.answer(read, old) {
            Ok(()) => Some(Trial::Refused(read, refusal)),
            Err(silence) if silence.may_pass() => Some(Trial::Unanswered(silence)),
            Err(_) => None,
        })
    }

    async fn make(&self, read: Operation, version: &Version) -> Result<(), GraphError> {
        let (graph, credentials) = (&self.ctx.graph, self.credentials);
        match (read, &self.page) {
            (Operation::ReadAppPermissions, _) => graph.app_permissions(version, credentials).await.map(drop),
            (Operation::ReadAppSubscriptions, _) => graph.app_subscriptions(version, credentials).await.map(drop),
            (_, Some(page)) => page.make(read, version).await,
            (_, None) => Ok(()),
        }
    }
}
