//! Another system writes what the operator writes, and faster than that can be read back.

use anyhow::{Context, Result};
use kube::api::{Patch, PatchParams};
use meta_channel_operator::api::conditions::sentence;
use serde_json::json;
use testkit::sandbox::AppSubscriptionChange;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;
use crate::support::subscriptions::repaired;
use crate::support::subscriptions::*;

/// Lets two hours go by six times, with a restart in between; nothing is written at Meta, and no status.
async fn is_left_alone(env: &Env, operator: Running, kind: &str, count: u64) -> Result<Running> {
    quiet(&operator).await?;
    let (before, writes) = (versions(env).await?, env.writes().len());
    for _ in 0..3 {
        advance_and_pass(env, &operator, 125, kind, count).await?;
    }
    operator.stop().await;
    let operator = env.operator();
    awake(&operator).await?;
    for _ in 0..3 {
        advance_and_pass(env, &operator, 125, kind, count).await?;
    }
    assert_eq!((versions(env).await?, env.writes().len()), (before, writes));
    Ok(operator)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_is_rewritten_faster_than_it_is_read_back_is_left_alone_after_two_writes() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    let foreign = format!("{FOREIGN}?key=hidden");
    env.sandbox.add_fault(fault(&format!(
        "{{match: {{method: POST, template: '{APP_ROWS}'}}, do: {{overwrite: {{callback_url: '{foreign}'}}}}}}"
    )));
    change_app(&env, AppSubscriptionChange { callback_url: Some(foreign), ..AppSubscriptionChange::default() })?;
    repaired(&env, &operator, 61, APP_ROWS, 1).await?;
    env.app_is(&["WebhookSubscribed=False/Overwritten", "Reconciling=True", "!Stalled"]).await?;
    warned(&env, &env.platform, &[""; 0]).await?;
    // Also a process that comes in between knows that it was tried once.
    operator.stop().await;
    let operator = env.operator();
    awake(&operator).await?;
    assert_eq!(env.writes().len(), 1);
    env.advance(1);
    let app = env.app_is(&["Ready=False/RepairFight", "WebhookSubscribed=False/RepairFight", "Stalled=True"]).await?;
    let conditions = app.status.context("no status")?.conditions;
    let message = sentence(&conditions).context("no message")?;
    assert!(message.contains(FOREIGN) && !message.contains("hidden"), "{message}");
    assert_eq!(env.requests("POST", APP_ROWS).len(), 2);
    warned(&env, &env.platform, &["acme RepairFight"]).await?;
    let operator = is_left_alone(&env, operator, "MetaApp", 1).await?;
    warned(&env, &env.platform, &["acme RepairFight"]).await?;

    // Once the other system is found and stopped, a person lets the operator repair it.
    env.sandbox.clear_faults();
    let patch = json!({ "metadata": { "annotations": { "metachannels.io/requested-at": "now" } } });
    env.apps().patch("acme", &PatchParams::default(), &Patch::Merge(&patch)).await?;
    env.app_is(&["Ready=True", "WebhookSubscribed=True", "!Stalled"]).await?;
    quiet(&operator).await?;
    assert_eq!(env.requests("POST", APP_ROWS).len(), 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_row_that_is_rewritten_faster_than_it_is_read_back_is_left_alone_after_two_writes() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    env.sandbox.add_fault(fault(&format!(
        "{{match: {{method: POST, template: '{PAGE_ROWS}', page: {PAGE_A}}}, do: {{overwrite: {{fields: [feed, messages]}}}}}}"
    )));
    change_row(&env, PAGE_A, APP_ID, None)?;
    repaired(&env, &operator, 16, PAGE_ROWS, 1).await?;
    env.channel_is(&env.tenant_a, "shop", &["Subscribed=False/Overwritten", "Reconciling=True"]).await?;
    env.advance(1);
    let fought = ["Ready=False/RepairFight", "Subscribed=False/RepairFight", "Disconnected=True", "Stalled=True"];
    let channel = env.channel_is(&env.tenant_a, "shop", &fought).await?;
    let conditions = channel.status.context("no status")?.conditions;
    assert!(sentence(&conditions).is_some_and(|message| message.contains("Found: feed, messages.")), "{conditions:?}");
    env.channel_is(&env.tenant_a, "support", &["Ready=True"]).await?;
    warned(&env, &env.tenant_a, &["shop RepairFight"]).await?;
    let _operator = is_left_alone(&env, operator, "FacebookChannel", 2).await?;
    assert_eq!(env.writes().len(), 2);
    warned(&env, &env.tenant_a, &["shop RepairFight"]).await?;
    Ok(())
}
