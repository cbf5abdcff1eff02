//! Who gets a page's conversations, from what can be seen of its threads.

use anyhow::{Result, ensure};
use jiff::SignedDuration;
use meta_channel_operator::api::{Connection, ReceiverEvidence};
use serde_json::{Value, json};
use testkit::sandbox::RoutingChange;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;

const PSID: &str = "7700000000000001";
/// The page's inbox is an application too.
const INBOX: &str = "263902037430900";
const OTHER_APP: &str = "9999000099990000";

/// The default app of page A from now on; `none` turns routing off.
fn set_default_app(env: &Env, app: &str) -> Result<()> {
    let change: RoutingChange = serde_json::from_value(json!({ "default_app": app }))?;
    Ok(env.sandbox.change_routing(PAGE_A, change)?)
}

fn person_writes(env: &Env, more: Value) -> Result<()> {
    let mut message = json!({"psid": PSID, "text": "hi"});
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    env.sandbox.customer_writes(PAGE_A, serde_json::from_value(message)?)?;
    Ok(())
}

async fn declare(env: &Env, requirement: &str) -> Result<()> {
    let more = format!("primaryReceiver: {{requirement: {requirement}}}");
    env.put_token(&env.tenant_a, "shop", TOKEN_A).await?;
    env.apply(&env.channel_manifest_with(&env.tenant_a, "shop", PAGE_A, &more)).await
}

/// No thread is ever taken, passed or released, nor is anything sent.
pub fn leaves_threads_alone(env: &Env) -> Result<()> {
    let writes = env.writes();
    let touched = |template: &str| template.contains("thread_control") || template.contains("messages");
    let bad: Vec<_> = writes.iter().filter(|it| it.template.as_deref().is_some_and(touched)).collect();
    ensure!(bad.is_empty(), "{bad:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_verified_blocks_only_where_it_must_be() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    env.put_app().await?;
    declare(&env, "NotContradicted").await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "PrimaryReceiver=Unknown/NotVerifiable"])
        .await?;
    declare(&env, "Verified").await?;
    let expected = ["Ready=Unknown/NotVerifiable", "Reconciling=True", "!Stalled", "Connected=Unknown"];
    env.channel_is(&env.tenant_a, "shop", &expected).await?;
    let word = "primaryReceiver: {requirement: Verified, attested: {by: ops@acme, at: \"2026-11-01T00:00:00Z\"}}";
    env.apply(&env.channel_manifest_with(&env.tenant_a, "shop", PAGE_A, word)).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "PrimaryReceiver=True/Attested"]).await?;
    leaves_threads_alone(&env)
}

#[tokio::test(flavor = "multi_thread")]
async fn newer_evidence_takes_the_place_of_older() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    env.put_app().await?;
    set_default_app(&env, APP_ID)?;
    person_writes(&env, json!({}))?;
    declare(&env, "NotContradicted").await?;
    let ours = ["Ready=True/ReconcileSucceeded", "Connected=True", "PrimaryReceiver=True/DefaultApp"];
    let channel = env.channel_is(&env.tenant_a, "shop", &ours).await?;
    let evidence = channel.status.unwrap().primary_receiver.unwrap();
    ensure!(evidence.evidence == ReceiverEvidence::ThreadsOwned, "{evidence:?}");
    ensure!(evidence.observed_at.duration_since(env.now()).abs() < SignedDuration::from_mins(5), "{evidence:?}");

    // Another application becomes the default app, and the person writes again when the thread is idle.
    set_default_app(&env, OTHER_APP)?;
    advance_and_sweep(&env, &operator, 25 * 60).await?;
    person_writes(&env, json!({}))?;
    advance_and_pass(&env, &operator, 75, "FacebookChannel", 1).await?;
    let cut = [
        "PrimaryReceiver=False/AnotherAppControls",
        "Disconnected=True/NotPrimaryReceiver",
        "Ready=False",
        "Stalled=True",
    ];
    let channel = env.channel_is(&env.tenant_a, "shop", &cut).await?;
    ensure!(channel.status.unwrap().connection == Connection::Disconnected);
    leaves_threads_alone(&env)
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_in_the_inbox_and_a_page_without_default_app_block_nothing() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    env.put_app().await?;
    set_default_app(&env, APP_ID)?;
    person_writes(&env, json!({}))?;
    env.sandbox
        .staff_writes(PAGE_A, &serde_json::from_value(json!({"psid": PSID, "text": "staff here", "app": INBOX}))?)?;
    let handed = ["Ready=True/ReconcileSucceeded", "PrimaryReceiver=False/HandedToInbox", "Connected=True"];
    for requirement in ["Verified", "NotContradicted"] {
        declare(&env, requirement).await?;
        env.channel_is(&env.tenant_a, "shop", &handed).await?;
    }

    set_default_app(&env, "none")?;
    advance_and_pass(&env, &operator, 75, "FacebookChannel", 1).await?;
    let unset = ["Ready=True/ReconcileSucceeded", "PrimaryReceiver=False/NoDefaultApp", "Connected=True"];
    env.channel_is(&env.tenant_a, "shop", &unset).await?;
    leaves_threads_alone(&env)
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_is_looked_for_once_an_hour_and_not_at_all_where_it_is_ignored() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    env.put_app().await?;
    declare(&env, "NotContradicted").await?;
    env.put_channels(&env.tenant_a, &[("support", PAGE_B, TOKEN_B)]).await?;
    let ignored =
        env.channel_manifest_with(&env.tenant_a, "support", PAGE_B, "primaryReceiver: {requirement: Ignored}");
    for name in ["shop", "support"] {
        env.channel_is(&env.tenant_a, name, &["Ready=True/ReconcileSucceeded"]).await?;
    }
    env.apply(&ignored).await?;
    env.channel_is(&env.tenant_a, "support", &["PrimaryReceiver=Unknown/NotRequired"]).await?;
    env.sandbox.clear_ledger();
    for _ in 0..12 {
        advance_and_pass(&env, &operator, 15, "FacebookChannel", 2).await?;
    }
    let looks = env.requests("GET", "/{version}/{page-id}/conversations");
    ensure!(looks.iter().all(|it| it.node.as_deref() == Some(PAGE_A)), "{looks:?}");
    ensure!((2..=4).contains(&looks.len()), "{} looks in three hours", looks.len());
    ensure!(env.requests("GET", "/{version}/{page-id}/thread_owner").is_empty());
    Ok(())
}
