//! Looks that someone asks for: none is lost, and the status repeats the request once the check is done.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::api::{Patch, PatchParams};
use serde_json::json;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::grant_channels::{self, ACCOUNTS, grant_is, grants, look_at_grant, person_manages_pages};
use crate::support::observe::*;
use crate::support::subscriptions;

const CONVERSATIONS: &str = "/{version}/{page-id}/conversations";

/// Looks at the conversations of a page.
fn conversations(env: &Env, page: &str) -> usize {
    subscriptions::methods(env, CONVERSATIONS, page).len()
}

async fn handled(env: &Env, name: &str) -> Result<Option<String>> {
    let status = env.channels(&env.tenant_a).get(name).await?.status.context("no status")?;
    Ok(status.last_handled_requested_at)
}

/// Waits until the status of a channel repeats this request.
async fn is_handled(env: &Env, name: &str, at: &str) -> Result<()> {
    wait_for(&format!("the look of {at}"), PATIENCE, async || {
        let handled = handled(env, name).await?;
        ensure!(handled.as_deref() == Some(at), "{handled:?}");
        Ok(())
    })
    .await
}

async fn ask_app(env: &Env, at: &str) -> Result<()> {
    let patch = json!({ "metadata": { "annotations": { "metachannels.io/requested-at": at } } });
    env.apps().patch("acme", &PatchParams::default(), &Patch::Merge(&patch)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_is_asked_for_within_a_minute_of_the_last_conversations_looks_at_them_too() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    subscriptions::connected(&env).await?;
    quiet(&operator).await?;
    // They were checked when the channel was connected, a moment ago.
    env.request_look(&env.tenant_a, "shop", "2026-03-01T12:00:00Z").await?;
    is_handled(&env, "shop", "2026-03-01T12:00:00Z").await?;
    quiet(&operator).await?;
    assert_eq!((conversations(&env, PAGE_A), conversations(&env, PAGE_B)), (1, 0));
    assert_eq!(subscriptions::methods(&env, "/{version}/{page-id}", PAGE_A).len(), 1, "one look is enough");
    // Then it is as if nobody had asked: nothing is written.
    let before = versions(&env).await?;
    for _ in 0..2 {
        advance_and_sweep(&env, &operator, 16).await?;
    }
    assert_eq!(versions(&env).await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_leader_takes_the_look_that_the_one_before_still_owed() -> Result<()> {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let env = Env::new().await?;
    // A slot that comes by chance would bring a check that nobody asked for.
    let leader = || {
        env.operator_with(|operator| {
            let policy = &mut operator.policy;
            (policy.channel_period, policy.app_period) = (365 * DAY, 365 * DAY);
        })
    };
    let operator = leader();
    subscriptions::connected(&env).await?;
    quiet(&operator).await?;
    env.sandbox.add_fault(fault(&format!("{{match: {{template: '{CONVERSATIONS}'}}, do: html}}")));
    env.request_look(&env.tenant_a, "shop", "owed").await?;
    wait_for("the try", PATIENCE, async || {
        ensure!(conversations(&env, PAGE_A) == 1);
        Ok(())
    })
    .await?;
    quiet(&operator).await?;
    assert_eq!(handled(&env, "shop").await?, None);
    // It is tried again some minutes later.
    env.advance(6);
    wait_for("another try", PATIENCE, async || {
        ensure!(conversations(&env, PAGE_A) == 2);
        Ok(())
    })
    .await?;
    quiet(&operator).await?;
    assert_eq!(handled(&env, "shop").await?, None);
    env.sandbox.clear_faults();
    operator.stop().await;
    env.sandbox.clear_ledger();
    let operator = leader();
    is_handled(&env, "shop", "owed").await?;
    quiet(&operator).await?;
    assert_eq!((conversations(&env, PAGE_A), conversations(&env, PAGE_B)), (1, 0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_of_many_requests_is_handled_once_the_brake_lets_it() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    subscriptions::connected(&env).await?;
    env.advance(10);
    quiet(&operator).await?;
    for number in 1..=9 {
        env.request_look(&env.tenant_a, "shop", &format!("request {number}")).await?;
        quiet(&operator).await?;
    }
    env.advance(1);
    is_handled(&env, "shop", "request 9").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_meta_leaves_unanswered_stays_owed_also_over_a_restart() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    subscriptions::connected(&env).await?;
    env.advance(2);
    quiet(&operator).await?;
    env.sandbox.add_fault(fault("{match: {}, do: html}"));
    env.request_look(&env.tenant_a, "shop", "unanswered").await?;
    ask_app(&env, "unanswered").await?;
    wait_for("the tries", PATIENCE, async || {
        ensure!(env.sandbox.ledger().len() >= 2);
        Ok(())
    })
    .await?;
    operator.stop().await;
    assert_eq!(handled(&env, "shop").await?, None);
    assert_eq!(env.apps().get("acme").await?.status.context("no status")?.last_handled_requested_at, None);
    env.sandbox.clear_faults();
    let _operator = env.operator();
    is_handled(&env, "shop", "unanswered").await?;
    let app = async || env.apps().get("acme").await?.status.context("no status");
    wait_for("the look at the app", PATIENCE, async || {
        let handled = app().await?.last_handled_requested_at;
        ensure!(handled.as_deref() == Some("unanswered"), "{handled:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_a_grant_lists_its_pages_once_and_is_repeated() -> Result<()> {
    let env = Env::seeded(person_manages_pages).await?;
    let operator = env.operator();
    grant_channels::connected(&env, &operator).await?;
    look_at_grant(&env, "now").await?;
    wait_for("the look", PATIENCE, async || {
        let handled = grants(&env).get("acme-grant").await?.status.context("no status")?.last_handled_requested_at;
        ensure!(handled.as_deref() == Some("now"), "{handled:?}");
        Ok(())
    })
    .await?;
    quiet(&operator).await?;
    assert_eq!(env.requests("GET", ACCOUNTS).len(), 1);
    grant_is(&env, &["Ready=True"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_no_status_can_repeat_is_told_of_once_and_the_look_is_taken() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    subscriptions::connected(&env).await?;
    env.advance(2);
    quiet(&operator).await?;
    let looks = || subscriptions::methods(&env, "/{version}/{page-id}", PAGE_A).len();
    env.sandbox.clear_ledger();
    env.request_look(&env.tenant_a, "shop", &"x".repeat(200)).await?;
    warned(&env, &env.tenant_a, &["shop InvalidRequest"]).await?;
    assert_eq!((looks(), handled(&env, "shop").await?), (1, None));
    for _ in 0..2 {
        advance_and_sweep(&env, &operator, 16).await?;
    }
    warned(&env, &env.tenant_a, &["shop InvalidRequest"]).await
}
