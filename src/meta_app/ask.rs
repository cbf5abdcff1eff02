//! The questions to Meta about an application. Each uses only the app token, so that the answers are about the application and
//! nothing else.

use super::facts::declared_version;
use super::model::{Asked, Change, Trial};
use super::preflight;
use super::secrets::Entry;
use super::state::MetaApps;
use crate::api::references::APP_SECRET_KEY;
use crate::api::{MetaApp, MetaAppStatus};
use crate::cluster::error::Failure;
use crate::controller::pass::Pass;
use crate::graph::{AppNode, Operation, Verdict, Version};
use crate::limits::answer::{Answer, Refusal};
use crate::limits::app_usage::Budget;

/// Asks Meta what was not asked in this pass yet.
///
/// # Errors
/// When the process ends.
pub async fn ask(
    apps: &MetaApps,
    app: &MetaApp,
    entries: &[Entry],
    mut asked: Asked,
    pass: &Pass<MetaAppStatus>,
    inputs: &str,
) -> Result<Asked, Failure> {
    if asked.node.is_none() {
        // Only silence holds it back: it is this check that hears how much of a limit is used.
        let silence = || apps.ctx.limits.usage.silent_until(&[Budget::app(&pass.uid)], &pass.uid, pass.now);
        let limited = || apps.ctx.limits.usage.brake(&[Budget::app(&pass.uid)], pass.now);
        if let Some(held) = pass.held::<MetaApps>(&apps.ctx, inputs, limited, silence) {
            asked.node = Some(Err(held));
            return Ok(asked);
        }
        look(apps, app, entries, &mut asked, pass).await?;
    }
    let (Some(Ok(_)), Some(credentials), Some(version)) = (&asked.node, asked.credentials.clone(), asked.version)
    else {
        return Ok(asked);
    };
    if asked.permissions.is_none() {
        let result = apps.ctx.read(apps.ctx.graph.app_permissions(&version, &credentials)).await?;
        asked.permissions = Some(asked.calls.answer(Operation::ReadAppPermissions, result));
    }
    if asked.subscriptions.is_none() && app.spec.webhook.is_some() {
        let result = apps.ctx.read(apps.ctx.graph.app_subscriptions(&version, &credentials)).await?;
        asked.subscriptions = Some(asked.calls.answer(Operation::ReadAppSubscriptions, result));
    }
    Ok(asked)
}

/// Reads the application in the declared version. If that is another one than the one in use, it is tried with everything else
/// that is read; what is in its way leaves all with the one in use.
async fn look(
    apps: &MetaApps,
    app: &MetaApp,
    entries: &[Entry],
    asked: &mut Asked,
    pass: &Pass<MetaAppStatus>,
) -> Result<(), Failure> {
    let declared = declared_version(app);
    let before = pass.previous.graph_version.as_deref().and_then(|text| text.parse().ok());
    let change = before.filter(|before| *before != declared).map(|from| Change { from, to: declared });
    let mut node = with_any(apps, entries, asked, declared, &pass.previous).await?;
    if let Err(refusal) = &node
        && refusal.verdict == Verdict::VersionRetired
    {
        asked.version_refused = Some(refusal.clone());
    }
    if let Some(change) = change {
        let trial = match &node {
            Ok(_) => preflight::run(apps, app, pass, asked, change).await?,
            Err(refusal) if refusal.may_pass() => Some(Trial::Unanswered(refusal.clone())),
            Err(refusal) => Some(Trial::Refused(Operation::ReadApp, refusal.clone())),
        };
        if trial.is_some() {
            let entry =
                (asked.credentials.clone(), asked.secret_in_use.clone(), asked.other_secret.clone(), asked.version);
            let before = with_any(apps, entries, asked, change.from, &pass.previous).await?;
            if is_superseded(&node, &before) {
                (asked.credentials, asked.secret_in_use, asked.other_secret, asked.version) = entry;
                asked.node = Some(node);
                return Ok(());
            }
            node = before;
        }
        // What the version in use does not answer either is not the new one's fault.
        asked.trial = trial.filter(|_| node.is_ok());
    }
    asked.node = Some(node);
    Ok(())
}

/// Whether there is nothing to go back to: Meta does not serve the version in use any more. Whatever is in the way of the new one
/// is less than that, unless Meta refuses it too.
fn is_superseded(new: &Answer<AppNode>, before: &Answer<AppNode>) -> bool {
    let retired = before.as_ref().is_err_and(|refusal| refusal.verdict == Verdict::VersionRetired);
    retired && new.as_ref().err().is_none_or(Refusal::may_pass)
}

/// Reads the application with the entry that Meta accepts, the one in use first. Only if it rejects all of them the
/// credentials are rejected. While there is another one, what Meta says of that is found out too.
async fn with_any(
    apps: &MetaApps,
    entries: &[Entry],
    asked: &mut Asked,
    version: Version,
    previous: &MetaAppStatus,
) -> Result<Answer<AppNode>, Failure> {
    asked.version = Some(version);
    let mut rejected: Option<Refusal> = None;
    for (number, entry) in entries.iter().enumerate() {
        match with(apps, entry, asked, version).await? {
            Err(refusal) if is_rejected(&refusal) => {
                asked.other_secret = Some((entry.name.clone(), false));
                rejected = rejected.or(Some(refusal));
            }
            answer => {
                uses(asked, entry);
                let rest = entries.get(number + 1).filter(|rest| answer.is_ok() && !is_over(rest, previous));
                let Some(rest) = rest else { return Ok(answer) };
                let also = with(apps, rest, asked, version).await?;
                return Ok(prefer(asked, (entry, answer), (rest, also)));
            }
        }
    }
    asked.other_secret = None;
    Ok(Err(rejected.unwrap_or_else(Refusal::nothing)))
}

async fn with(apps: &MetaApps, entry: &Entry, asked: &mut Asked, version: Version) -> Result<Answer<AppNode>, Failure> {
    let result = apps.ctx.read(apps.ctx.graph.app(&version, &entry.credentials)).await?;
    Ok(asked.calls.answer(Operation::ReadApp, result))
}

fn is_rejected(refusal: &Refusal) -> bool {
    matches!(refusal.verdict, Verdict::AppBroken(_))
}

fn uses(asked: &mut Asked, entry: &Entry) {
    asked.credentials = Some(entry.credentials.clone());
    asked.secret_in_use = Some(entry.name.clone());
}

/// Whether Meta has done with an entry: it refused it, and accepted the current one. It is not asked about any more.
fn is_over(entry: &Entry, previous: &MetaAppStatus) -> bool {
    let known = previous.other_secret.as_ref().filter(|it| it.removable_from.is_some());
    known.is_some_and(|it| (&it.key, &it.fingerprint) == (&entry.name.key, &entry.name.fingerprint))
}

/// Of two entries that Meta accepts the current one is used: the other one will end.
fn prefer(asked: &mut Asked, used: (&Entry, Answer<AppNode>), rest: (&Entry, Answer<AppNode>)) -> Answer<AppNode> {
    let ((entry, node), (rest, also)) = (used, rest);
    match &also {
        Ok(_) if rest.name.key == APP_SECRET_KEY => {
            uses(asked, rest);
            asked.other_secret = Some((entry.name.clone(), true));
            return also;
        }
        Ok(_) => asked.other_secret = Some((rest.name.clone(), true)),
        Err(refusal) if is_rejected(refusal) => asked.other_secret = Some((rest.name.clone(), false)),
        Err(_) => {}
    }
    node
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::graph::{GraphError, GraphFault};
    use crate::limits::answer::answer;

    #[test]
    fn a_version_that_is_gone_is_not_gone_back_to() {
        let well = || Ok(AppNode { id: "1111000011110000".to_owned(), name: None });
        let err = |error| answer::<AppNode>(Operation::ReadApp, Err(error));
        let silent = || err(GraphError::Timeout);
        let gone = || err(GraphFault::new(2500, None, "Unknown path components: /v21.0/1111000011110000").into());
        let rejected = || err(GraphFault::new(190, None, "Error validating application.").into());
        let rows = [
            (well(), gone(), true),
            (silent(), gone(), true),
            (gone(), gone(), false),
            (rejected(), gone(), false),
            (well(), silent(), false),
            (well(), rejected(), false),
            (well(), well(), false),
        ];
        for (new, before, expected) in rows {
            assert_eq!(is_superseded(&new, &before), expected, "{new:?}, {before:?}");
        }
    }
}
