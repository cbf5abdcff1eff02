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
async fn is_left_alone(world: &World, operator: Running, kind: &str, count: u64) -> Result<Running> {
    quiet(&operator).await?;
    let (before, writes) = (versions(world).await?, world.writes().len());
    for _ in 0..3 {
        advance_and_pass(world, &operator, 125, kind, count).await?;
    }
    operator.stop().await;
    let operator = world.operator();
    awake(&operator).await?;
    for _ in 0..3 {
        advance_and_pass(world, &operator, 125, kind, count).await?;
    }
    assert_eq!((versions(world).await?, world.writes().len()), (before, writes));
    Ok(operator)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_is_rewritten_faster_than_it_is_read_back_is_left_alone_after_two_writes() -> Result<()> {
    let world = World::new().await?;
    let operator = world.operator();
    connected(&world).await?;
    let foreign = format!("{FOREIGN}?key=hidden");
    world.sandbox.add_fault(fault(&format!(
        "{{match: {{method: POST, template: '{APP_ROWS}'}}, do: {{overwrite: {{callback_url: '{foreign}'}}}}}}"
    )));
    change_app(&world, AppSubscriptionChange { callback_url: Some(foreign), ..AppSubscriptionChange::default() })?;
    repaired(&world, &operator, 61, APP_ROWS, 1).await?;
    world.app_is(&["WebhookSubscribed=False/Overwritten", "Reconciling=True", "!Stalled"]).await?;
    warned(&world, &world.platform, &[""; 0]).await?;
    // Also a process that comes in between knows that it was tried once.
    operator.stop().await;
    let operator = world.operator();
    awake(&operator).await?;
    assert_eq!(world.writes().len(), 1);
    world.advance(1);
    let app = world.app_is(&["Ready=False/RepairFight", "WebhookSubscribed=False/RepairFight", "Stalled=True"]).await?;
    let conditions = app.status.context("no status")?.conditions;
    let message = sentence(&conditions).context("no message")?;
    assert!(message.contains(FOREIGN) && !message.contains("hidden"), "{message}");
    assert_eq!(world.requests("POST", APP_ROWS).len(), 2);
    warned(&world, &world.platform, &["acme RepairFight"]).await?;
    let operator = is_left_alone(&world, operator, "MetaApp", 1).await?;
    warned(&world, &world.platform, &["acme RepairFight"]).await?;

    // Once the other system is found and stopped, a person lets the operator repair it.
    world.sandbox.clear_faults();
    let patch = json!({ "metadata": { "annotations": { "metachannels.io/requested-at": "now" } } });
    world.apps().patch("acme", &PatchParams::default(), &Patch::Merge(&patch)).await?;
    world.app_is(&["Ready=True", "WebhookSubscribed=True", "!Stalled"]).await?;
    quiet(&operator).await?;
    assert_eq!(world.requests("POST", APP_ROWS).len(), 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_row_that_is_rewritten_faster_than_it_is_read_back_is_left_alone_after_two_writes() -> Result<()> {
    let world = World::new().await?;
    let operator = world.operator();
    connected(&world).await?;
    world.sandbox.add_fault(fault(&format!(
        "{{match: {{method: POST, template: '{PAGE_ROWS}', page: {PAGE_A}}}, do: {{overwrite: {{fields: [feed, messages]}}}}}}"
    )));
    change_row(&world, PAGE_A, APP_ID, None)?;
    repaired(&world, &operator, 16, PAGE_ROWS, 1).await?;
    world.channel_is(&world.tenant_a, "shop", &["Subscribed=False/Overwritten", "Reconciling=True"]).await?;
    world.advance(1);
    let fought = ["Ready=False/RepairFight", "Subscribed=False/RepairFight", "Disconnected=True", "Stalled=True"];
    let channel = world.channel_is(&world.tenant_a, "shop", &fought).await?;
    let conditions = channel.status.context("no status")?.conditions;
    assert!(sentence(&conditions).is_some_and(|message| message.contains("Found: feed, messages.")), "{conditions:?}");
    world.channel_is(&world.tenant_a, "support", &["Ready=True"]).await?;
    warned(&world, &world.tenant_a, &["shop RepairFight"]).await?;
    let _operator = is_left_alone(&world, operator, "FacebookChannel", 2).await?;
    assert_eq!(world.writes().len(), 2);
    warned(&world, &world.tenant_a, &["shop RepairFight"]).await?;
    Ok(())
}
