//! The clock of the operator's machine is wrong: what only that clock says has no consequence until it is right again.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use meta_channel_operator::api::ClaimState;
use meta_channel_operator::api::inbox::INBOX_TYPE;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::grant_fixtures::*;

/// Longer than answers that count as one.
const SECOND: Duration = Duration::from_millis(1500);

const MONTHS: SignedDuration = SignedDuration::from_hours(60 * 24);
const CLAIM: &str = "facebook-page-2200000000000002";

/// Waits until channel and grant were checked anew.
async fn looked_at(env: &Env, request: &str) -> Result<()> {
    env.request_look(&env.tenant_a, "shop", request).await?;
    env.request_grant_look(request).await?;
    wait_for("both to be checked", PATIENCE, async || {
        let channel = env.channels(&env.tenant_a).get("shop").await?.status.context("no status")?;
        let grant = env.grants().get("acme").await?.status.context("no status")?;
        let handled = [channel.last_handled_requested_at, grant.last_handled_requested_at];
        ensure!(handled.iter().all(|it| it.as_deref() == Some(request)), "{handled:?}");
        Ok(())
    })
    .await
}

async fn claim_state(env: &Env) -> Result<ClaimState> {
    Ok(env.claims().get(CLAIM).await?.state())
}

/// How much mail there is.
async fn mail(env: &Env) -> Result<usize> {
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.inbox);
    Ok(secrets
        .list(&ListParams::default())
        .await?
        .items
        .iter()
        .filter(|it| it.type_.as_deref() == Some(INBOX_TYPE))
        .count())
}

async fn skew_is(operator: &Running, days: f64) -> Result<()> {
    wait_for("the gauge", PATIENCE, async || {
        let shown = operator.gauge("clock_skew_seconds") / (24.0 * 3600.0);
        ensure!((shown - days).abs() < 0.01, "{shown}");
        Ok(())
    })
    .await
}

/// A channel with a token of its own, a grant, and a page whose channel was just deleted.
async fn connected(env: &Env) -> Result<()> {
    env.put_app().await?;
    env.put_grant(&text("robot"), "{}").await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, &text("shop")).await?;
    env.put_channel(&env.tenant_a, "gone", PAGE_B, TOKEN_B).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded"]).await?;
    env.channel_is(&env.tenant_a, "gone", &["Ready=True"]).await?;
    env.grant_is(&["Ready=True/ReconcileSucceeded", "Renewed=True/UpToDate"]).await?;
    Ok(())
}

async fn env() -> Result<Env> {
    Env::seeded(|seed| {
        add_system_user(seed, "robot", 10);
        seed.tokens.push(grant_token("endless", "system_user", SYSTEM_USER, ", issued_at: -20d"));
        seed.tokens.push(page_token("shop", PAGE_A, ", expires_at: +50d, data_access_expires_at: +45d"));
    })
    .await
}

/// Whether nothing ended, was replaced, renewed or cleaned up.
async fn all_is_as_it_was(env: &Env, request: &str) -> Result<()> {
    looked_at(env, request).await?;
    let channel =
        env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "Authorized=True/TokenValid"]).await?;
    let shown = channel.status.context("no status")?.connection;
    ensure!(shown.as_str() == "Connected", "{shown:?}");
    env.grant_is(&[
        "Ready=True/ReconcileSucceeded",
        "Valid=True/TokenValid",
        "Expired=False",
        "Renewed=Unknown/Pending",
    ])
    .await?;
    ensure!(env.kept("token").await? == Some(text("robot")), "the token was replaced");
    ensure!(claim_state(env).await? == ClaimState::CleanupPending, "the claim went on");
    ensure!(mail(env).await? == 1, "mail was thrown away");
    let (writes, exchanges) = (env.writes(), env.calls(EXCHANGE));
    ensure!(writes.is_empty() && exchanges.is_empty(), "{writes:?} {exchanges:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_months_ahead_has_no_consequence_and_all_goes_on_once_it_is_right() -> Result<()> {
    let env = env().await?;
    let operator = env.daily();
    connected(&env).await?;
    skew_is(&operator, 0.0).await?;
    env.channels(&env.tenant_a).delete("gone", &DeleteParams::default()).await?;
    wait_for("the cleanup to be pending", PATIENCE, async || {
        ensure!(claim_state(&env).await? == ClaimState::CleanupPending);
        Ok(())
    })
    .await?;
    // What the gateway leaves is thrown away after an hour if nobody takes it.
    let labels = "labels: {metachannels.io/purpose: grant-inbox}";
    env.apply(&format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: left, namespace: {}, {labels}}}\ntype: {INBOX_TYPE}\n",
        env.inbox
    ))
    .await?;
    env.sandbox.clear_ledger();

    env.shift.set_off(MONTHS);
    // Whatever serves would take the place of a token that has ended.
    env.put_seed(&text("endless")).await?;
    all_is_as_it_was(&env, "ahead").await?;
    env.grant_is(&["SourceTokenAccepted=False/SourceTokenOlder"]).await?;
    tokio::time::sleep(SECOND).await;
    all_is_as_it_was(&env, "still").await?;
    skew_is(&operator, 60.0).await?;
    operator.stop().await;

    // Nor has it for a process that begins with it. What was answered within a second is one answer.
    let operator = env.daily();
    all_is_as_it_was(&env, "begun").await?;
    tokio::time::sleep(SECOND).await;
    all_is_as_it_was(&env, "again").await?;
    skew_is(&operator, 60.0).await?;

    // What that one remembers is of the future.
    env.shift.set_off(-MONTHS);
    wait_for("the end of the operator", PATIENCE, async || {
        ensure!(operator.task.is_finished(), "it goes on");
        Ok(())
    })
    .await?;
    let operator = env.daily();
    looked_at(&env, "right").await?;
    env.advance(2);
    wait_for("the page to be cleaned up", PATIENCE, async || {
        ensure!(claim_state(&env).await? == ClaimState::Tombstone);
        Ok(())
    })
    .await?;
    assert_eq!(env.requests("DELETE", PAGE_ROWS).len(), 1);
    skew_is(&operator, 0.0).await?;
    env.grant_is(&["Renewed=True/UpToDate"]).await?;
    env.advance(40 * DAY);
    wait_for("the renewal, and the mail to be old", PATIENCE, async || {
        ensure!(env.calls(EXCHANGE).len() == 1 && mail(&env).await? == 0);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_dates_the_clock_counts_as_before() -> Result<()> {
    let env = env().await?;
    env.sandbox.add_fault(fault("{match: {}, do: {headers: {Date: none}}}"));
    let operator = env.daily();
    connected(&env).await?;
    env.advance(46 * DAY);
    env.channel_is(&env.tenant_a, "shop", &["Authorized=False/DataAccessExpired"]).await?;
    assert_eq!(operator.gauge("clock_skew_seconds"), 0.0);
    Ok(())
}
