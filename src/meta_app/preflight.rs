//! Before another version of the Graph API is used, every read is tried in it: about the application with its own token, and
//! about one page with the token of its channel. A refused read counts only if the version in use answers it; otherwise the
//! fault is the token's or the page's. A page that answers in neither version says nothing, and the next page is asked: no
//! tenant's page holds back the version for everyone.

use std::sync::Weak;

use super::model::Asked;
use super::page_reads::PageReads;
use super::state::MetaApps;
use crate::api::{MetaApp, MetaAppStatus};
use crate::base::key::KindName;
use crate::cluster::error::Failure;
use crate::controller::pass::Pass;
use crate::graph::{AppCredentials, GraphError, Operation, ThrottleScope, Verdict, Version};
use crate::limits::answer::{Answer, Refusal};
use crate::limits::calls::Calls;
use crate::meta_app::model::{Change, Trial};

/// Tries a version that answered for the application itself; what is in its way, if anything is.
///
/// # Errors
/// When the Kubernetes API does not answer, or the process ends.
pub async fn run(
    apps: &MetaApps,
    app: &MetaApp,
    pass: &Pass<MetaAppStatus>,
    asked: &mut Asked,
    change: Change,
) -> Result<Option<Trial>, Failure> {
    let Some(credentials) = asked.credentials.clone() else { return Ok(None) };
    if let Some(other) = apps.ctx.limits.served_versions.by(&pass.uid, change.to).filter(|by| *by != change.to) {
        return Ok(Some(Trial::ServedAs(other)));
    }
    let webhook = app.spec.webhook.as_ref().map(|_| Operation::ReadAppSubscriptions);
    for read in [Operation::ReadAppPermissions].into_iter().chain(webhook) {
        let make = |version| make(apps, &credentials, read, version);
        let Err(refusal) = asked.calls.answer(read, apps.ctx.read(make(change.to)).await?) else { continue };
        if refusal.may_pass() {
            return Ok(Some(Trial::Unanswered(refusal)));
        }
        match asked.calls.answer(read, apps.ctx.read(make(change.from)).await?) {
            Ok(()) => return Ok(Some(Trial::Refused(read, refusal))),
            Err(silence) if silence.may_pass() => return Ok(Some(Trial::Unanswered(silence))),
            Err(_) => {}
        }
    }
    pages(apps, &credentials, pass, change).await
}

async fn make(
    apps: &MetaApps,
    credentials: &AppCredentials,
    read: Operation,
    version: Version,
) -> Result<(), GraphError> {
    match read {
        Operation::ReadAppSubscriptions => apps.ctx.graph.app_subscriptions(&version, credentials).await.map(drop),
        _ => apps.ctx.graph.app_permissions(&version, credentials).await.map(drop),
    }
}

/// Tries the reads about a page, with the first one that answers.
async fn pages(
    apps: &MetaApps,
    credentials: &AppCredentials,
    pass: &Pass<MetaAppStatus>,
    change: Change,
) -> Result<Option<Trial>, Failure> {
    let mut silence = None;
    let Some(lenders) = apps.lenders.get().and_then(Weak::upgrade) else { return Ok(None) };
    for lent in &lenders.lend(&pass.key, pass.now).await? {
        // What Meta says of the page is no news of the application.
        let (mut calls, page) = (Calls::default(), PageReads { apps, credentials, lent });
        let heard = try_page(&page, &mut calls, change).await?;
        calls.log(KindName::META_APP, &pass.key, pass.told());
        apps.ctx.limits.heed(&lent.budgets(&pass.uid), calls.refusals(), pass.now);
        match heard {
            Heard::Well => return Ok(None),
            Heard::InTheWay(trial) => return Ok(Some(trial)),
            Heard::NoNews(refusal) => {
                let is_limit = limits_all(&refusal);
                silence = Some(refusal);
                if is_limit {
                    break;
                }
            }
        }
    }
    Ok(silence.map(Trial::PageUnanswered))
}

async fn try_page(page: &PageReads<'_>, calls: &mut Calls, change: Change) -> Result<Heard, Failure> {
    for read in page.all() {
        let new = calls.answer(read, page.apps.ctx.read(page.make(read, &change.to)).await?);
        let old = match &new {
            Err(refusal) if !is_limited(refusal) => {
                Some(calls.answer(read, page.apps.ctx.read(page.make(read, &change.from)).await?))
            }
            _ => None,
        };
        match judge(read, new, old) {
            Heard::Well => {}
            heard => return Ok(heard),
        }
    }
    Ok(Heard::Well)
}

/// What is heard of a page.
#[derive(Debug, PartialEq)]
enum Heard {
    /// The new version does as well as the one in use.
    Well,
    InTheWay(Trial),
    /// The page does not tell, whatever the version.
    NoNews(Refusal),
}

/// Judges a read about a page in the new version by the same in the one in use, if that was asked.
fn judge(read: Operation, new: Answer<()>, old: Option<Answer<()>>) -> Heard {
    let Err(refusal) = new else { return Heard::Well };
    match old {
        Some(Ok(())) if refusal.may_pass() => Heard::InTheWay(Trial::PageUnanswered(refusal)),
        Some(Ok(())) => Heard::InTheWay(Trial::Refused(read, refusal)),
        Some(Err(silence)) if silence.may_pass() => Heard::NoNews(silence),
        Some(Err(_)) if !refusal.may_pass() => Heard::Well,
        _ => Heard::NoNews(refusal),
    }
}

/// Whether it is a limit, which asking again only lengthens.
fn is_limited(refusal: &Refusal) -> bool {
    matches!(refusal.verdict, Verdict::Throttled { .. })
}

/// Whether it is one of the whole application.
fn limits_all(refusal: &Refusal) -> bool {
    matches!(refusal.verdict, Verdict::Throttled { scope: ThrottleScope::App, .. })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::graph::GraphFault;
    use crate::limits::answer::answer;

    const READ: Operation = Operation::ReadConversations;

    fn refused(code: u32) -> Refusal {
        answer::<()>(READ, Err(GraphFault::new(code, None, "(#12) it is deprecated").into())).unwrap_err()
    }

    fn silent() -> Refusal {
        answer::<()>(READ, Err(GraphError::Timeout)).unwrap_err()
    }

    #[test]
    fn a_page_speaks_against_a_version_only_by_what_the_one_in_use_answers() {
        let rows = [
            (Ok(()), None, Heard::Well),
            (Err(refused(12)), Some(Ok(())), Heard::InTheWay(Trial::Refused(READ, refused(12)))),
            (Err(refused(12)), Some(Err(refused(10))), Heard::Well),
            (Err(refused(12)), Some(Err(silent())), Heard::NoNews(silent())),
            (Err(silent()), Some(Ok(())), Heard::InTheWay(Trial::PageUnanswered(silent()))),
            (Err(silent()), Some(Err(silent())), Heard::NoNews(silent())),
            (Err(silent()), Some(Err(refused(10))), Heard::NoNews(silent())),
            (Err(refused(4)), None, Heard::NoNews(refused(4))),
        ];
        for (new, old, expected) in rows {
            let told = format!("{new:?}, {old:?}");
            assert_eq!(judge(READ, new, old), expected, "{told}");
        }
    }

    #[test]
    fn a_limit_is_not_asked_into_and_that_of_the_app_ends_the_trial() {
        for (code, limited, of_all) in [(4, true, true), (32, true, false), (12, false, false)] {
            let refusal = refused(code);
            assert_eq!((is_limited(&refusal), limits_all(&refusal)), (limited, of_all), "{code}");
        }
    }
}
