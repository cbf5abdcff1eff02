//! What Meta is asked about an application. Everything is asked with the app token alone, so that what is found is about
//! the application and nobody else.

use super::MetaAppKind;
use super::observe::{Asked, declared_version};
use super::secrets::Entry;
use crate::api::{MetaApp, MetaAppStatus};
use crate::engine::answer::{Answer, Refusal};
use crate::engine::budgets::Budget;
use crate::engine::pass::Pass;
use crate::engine::{Context, Failure};
use crate::graph::{AppNode, Operation, Verdict, Version};

/// Asks Meta what was not asked in this pass yet.
///
/// # Errors
/// When the process ends.
pub async fn ask(
    ctx: &Context,
    app: &MetaApp,
    entries: &[Entry],
    mut asked: Asked,
    pass: &Pass<MetaAppStatus>,
    inputs: &str,
) -> Result<Asked, Failure> {
    if asked.node.is_none() {
        // Only silence holds it back: it is this look that hears how much of a limit is used.
        let silence = || ctx.budgets.silent_until(&[Budget::app(&pass.uid)], &pass.uid, pass.now);
        if let Some(held) = pass.held::<MetaAppKind>(ctx, inputs, silence) {
            asked.node = Some(Err(held));
            return Ok(asked);
        }
        look(ctx, app, entries, &mut asked, &pass.previous).await?;
    }
    let (Some(Ok(_)), Some(credentials), Some(version)) = (&asked.node, asked.credentials.clone(), asked.version)
    else {
        return Ok(asked);
    };
    if asked.permissions.is_none() {
        let result = ctx.read(ctx.graph.app_permissions(&version, &credentials)).await?;
        asked.permissions = Some(asked.calls.answer(Operation::ReadAppPermissions, result));
    }
    if asked.subscriptions.is_none() && app.spec.webhook.is_some() {
        let result = ctx.read(ctx.graph.app_subscriptions(&version, &credentials)).await?;
        asked.subscriptions = Some(asked.calls.answer(Operation::ReadAppSubscriptions, result));
    }
    Ok(asked)
}

/// Reads the application in the declared version, and in the one that answered before if Meta does not serve that one.
async fn look(
    ctx: &Context,
    app: &MetaApp,
    entries: &[Entry],
    asked: &mut Asked,
    previous: &MetaAppStatus,
) -> Result<(), Failure> {
    let declared = declared_version(app);
    let mut node = with_any(ctx, entries, asked, declared).await?;
    if let Err(refusal) = &node
        && refusal.verdict == Verdict::VersionRetired
    {
        asked.version_refused = Some(refusal.clone());
        let before = previous.graph_version.as_deref().and_then(|text| text.parse().ok());
        if let Some(before) = before.filter(|before| *before != declared) {
            node = with_any(ctx, entries, asked, before).await?;
        }
    }
    asked.node = Some(node);
    Ok(())
}

/// Reads the application with the entry that Meta accepts, the one in use first. Only if it rejects all of them the
/// credentials are rejected.
async fn with_any(
    ctx: &Context,
    entries: &[Entry],
    asked: &mut Asked,
    version: Version,
) -> Result<Answer<AppNode>, Failure> {
    asked.version = Some(version);
    let mut rejected: Option<Refusal> = None;
    for entry in entries {
        let result = ctx.read(ctx.graph.app(&version, &entry.credentials)).await?;
        match asked.calls.answer(Operation::ReadApp, result) {
            Err(refusal) if matches!(refusal.verdict, Verdict::AppBroken(_)) => rejected = rejected.or(Some(refusal)),
            answer => {
                asked.credentials = Some(entry.credentials.clone());
                asked.secret_in_use = Some(entry.name.clone());
                return Ok(answer);
            }
        }
    }
    Ok(Err(rejected.unwrap_or_else(Refusal::nothing)))
}
