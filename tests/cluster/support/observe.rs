//! What tests look at: requests in the ledger, Events and versions in the cluster, and when the operator has come to rest.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::{Api, ResourceExt};
use meta_channel_operator::api::MetaAppStatus;
pub use meta_channel_operator::api::conditions::sentence;
use testkit::sandbox::LedgerEntry;
use testkit::wait_for;

use crate::support::env::*;

/// Requests made with the token of this alias.
pub fn made_with(env: &Env, alias: &str) -> Vec<LedgerEntry> {
    let is = |entry: &LedgerEntry| entry.token.as_ref().is_some_and(|it| it.alias.as_deref() == Some(alias));
    env.sandbox.ledger().into_iter().filter(is).collect()
}

/// Requests about the token of this alias.
pub fn made_about(env: &Env, alias: &str) -> Vec<LedgerEntry> {
    let is = |entry: &LedgerEntry| entry.inspected.as_ref().is_some_and(|it| it.alias.as_deref() == Some(alias));
    env.sandbox.ledger().into_iter().filter(is).collect()
}

pub async fn app_status(env: &Env) -> Result<MetaAppStatus> {
    env.apps().get("acme").await?.status.context("no status")
}

/// Warning Events of a namespace, as `name reason`; each repetition counts.
pub async fn warnings(env: &Env, namespace: &str) -> Result<Vec<String>> {
    told(env, namespace, "Warning").await
}

/// Events of a namespace of this type, as `name reason`; each repetition counts.
pub async fn told(env: &Env, namespace: &str, type_: &str) -> Result<Vec<String>> {
    let events: Api<Event> = Api::namespaced(env.client.clone(), namespace);
    let mut all = Vec::new();
    for event in events.list(&Default::default()).await? {
        if event.type_.as_deref() == Some(type_) {
            let name = event.regarding.and_then(|it| it.name).unwrap_or_default();
            let times = event.series.map_or(1, |series| series.count.max(1));
            all.extend((0..times).map(|_| format!("{name} {}", event.reason.clone().unwrap_or_default())));
        }
    }
    all.sort();
    Ok(all)
}

/// What those Events of a namespace say that have this reason.
pub async fn notes(env: &Env, namespace: &str, reason: &str, which: impl Fn(&Event) -> bool) -> Result<Vec<String>> {
    let events: Api<Event> = Api::namespaced(env.client.clone(), namespace);
    let all = events.list(&Default::default()).await?.items.into_iter();
    let of = all.filter(|event| event.reason.as_deref() == Some(reason) && which(event));
    Ok(of.filter_map(|event| event.note).collect())
}

/// Waits for exactly these Warning Events. An Event comes after the status that it is about.
pub async fn warned(env: &Env, namespace: &str, expected: &[&str]) -> Result<()> {
    wait_for(&format!("the warnings {expected:?}"), PATIENCE, async || {
        let warnings = warnings(env, namespace).await?;
        ensure!(warnings == expected, "{warnings:?}");
        Ok(())
    })
    .await
}

/// Waits until every pass has ended, and those that they caused.
pub async fn quiet(operator: &Running) -> Result<()> {
    let passes = || ["MetaApp", "MetaGrant", "FacebookChannel", "AssetClaim"].map(|kind| operator.passes(kind));
    let (mut before, mut calm) = (passes(), 0);
    wait_for("the passes to end", PATIENCE, async || {
        let running = operator.gauge("reconciles_active");
        let now = passes();
        calm = if running == 0.0 && now == before { calm + 1 } else { 0 };
        before = now;
        ensure!(calm >= 3, "{running} running, {before:?} ended");
        Ok(())
    })
    .await
}

/// Waits until an operator that has just begun has passed over what there is.
pub async fn awake(operator: &Running) -> Result<()> {
    wait_for("the first passes", PATIENCE, async || {
        let passes = ["MetaApp", "FacebookChannel"].map(|kind| operator.passes(kind));
        ensure!(passes.iter().all(|passes| *passes > 0), "{passes:?}");
        Ok(())
    })
    .await?;
    quiet(operator).await
}

/// Moves the clock and waits until everybody whose slot came was visited.
pub async fn advance_and_sweep(env: &Env, operator: &Running, minutes: i64) -> Result<()> {
    quiet(operator).await?;
    sweep_after(env, operator, minutes).await
}

/// The same where nothing runs that could see the clock move.
pub async fn sweep_after(env: &Env, operator: &Running, minutes: i64) -> Result<()> {
    env.advance(minutes);
    let now = env.now().as_second() as f64;
    wait_for("the visits", PATIENCE, async || {
        let until = operator.gauge("sweep_complete_timestamp_seconds{kind=\"FacebookChannel\"");
        ensure!(until >= now, "visited until {until} of {now}");
        Ok(())
    })
    .await?;
    quiet(operator).await
}

/// Moves the clock and waits until at least so many passes and visits of a kind have ended since.
pub async fn advance_and_pass(env: &Env, operator: &Running, minutes: i64, kind: &str, count: u64) -> Result<()> {
    quiet(operator).await?;
    let before = operator.looks(kind);
    env.advance(minutes);
    wait_for(&format!("{count} looks at {kind}"), PATIENCE, async || {
        let looks = operator.looks(kind) - before;
        ensure!(looks >= count, "{looks} looks");
        Ok(())
    })
    .await?;
    quiet(operator).await
}

/// Name and version of everything stored about the objects of a test, to see that nothing was written.
pub async fn versions(env: &Env) -> Result<Vec<(String, Option<String>)>> {
    let mut all = Vec::new();
    for namespace in [&env.tenant_a, &env.tenant_b] {
        all.extend(
            env.channels(namespace)
                .list(&Default::default())
                .await?
                .into_iter()
                .map(|it| (it.name_any(), it.resource_version())),
        );
    }
    all.extend(
        env.apps().list(&Default::default()).await?.into_iter().map(|it| (it.name_any(), it.resource_version())),
    );
    all.extend(
        env.claims().list(&Default::default()).await?.into_iter().map(|it| (it.name_any(), it.resource_version())),
    );
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.platform);
    all.extend(secrets.list(&Default::default()).await?.into_iter().map(|it| (it.name_any(), it.resource_version())));
    Ok(all)
}
