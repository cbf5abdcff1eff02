//! Many channels that wait for what they all depend on.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use meta_channel_operator::api::FacebookChannel;
use meta_channel_operator::api::conditions::{ConditionType, find};
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::grant_channels::*;
use crate::support::observe::*;

const CHANNELS: [(&str, &str); 3] = [("shop", PAGE_A), ("support", PAGE_B), ("outlet", PAGE_C)];

/// The channels' versions and what they say.
async fn said(world: &World) -> Result<Vec<(Option<String>, String)>> {
    let all = world.channels(&world.tenant_a).list(&Default::default()).await?;
    let of = |channel: FacebookChannel| {
        let status = channel.status.unwrap_or_default();
        (channel.metadata.resource_version, sentence(&status.conditions).unwrap_or_default().to_owned())
    };
    Ok(all.into_iter().map(of).collect())
}

/// Waits until the app says something with this in it.
async fn app_says(world: &World, part: &str) -> Result<()> {
    wait_for(&format!("the app to say {part}"), PATIENCE, async || {
        let status = world.apps().get("acme").await?.status.context("no status")?;
        let message = &find(&status.conditions, ConditionType::CredentialsValid).context("no condition")?.message;
        ensure!(message.contains(part), "{message}");
        Ok(())
    })
    .await
}

fn breaks(world: &World, effect: &str) {
    world.sandbox.clear_faults();
    world.sandbox.add_fault(fault(&format!("{{match: {{template: '/{{version}}/{{app-id}}'}}, do: {effect}}}")));
}

/// Applies an app, its grant and their channels while Meta gives no answer about the app.
async fn put_all(world: &World) -> Result<()> {
    breaks(world, "{status: {code: 500}}");
    let [app, seed, _] = secrets(world);
    let granted = CHANNELS.map(|(name, page)| world.granted_manifest(&world.tenant_a, name, page, "acme-grant"));
    let all = [&[app, seed, world.app_manifest(), grant_manifest(world)][..], &granted[..]].concat();
    world.apply(&all.join("---\n")).await?;
    for (name, _) in CHANNELS {
        world.channel_is(&world.tenant_a, name, &["Ready=Unknown/AppUnverified", "Reconciling=True"]).await?;
    }
    app_says(world, "no usable answer").await
}

#[tokio::test(flavor = "multi_thread")]
async fn words_that_change_and_come_back_cause_no_passes_without_end() -> Result<()> {
    let world = World::seeded(person_manages_pages).await?;
    let operator = world.operator();
    put_all(&world).await?;
    quiet(&operator).await?;
    for (effect, words) in [("{graph_error: {code: 4}}", "limits"), ("{status: {code: 500}}", "no usable answer")] {
        breaks(&world, effect);
        world.advance(6);
        app_says(&world, words).await?;
        quiet(&operator).await?;
    }
    // Past the slots until which the other words were put off.
    for _ in 0..3 {
        world.advance(16);
        quiet(&operator).await?;
    }
    world.sandbox.clear_faults();
    world.advance(61);
    for (name, _) in CHANNELS {
        world.channel_is(&world.tenant_a, name, &["Ready=True/ReconcileSucceeded"]).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_that_wait_for_an_app_do_not_repeat_each_change_of_its_words() -> Result<()> {
    let world = World::seeded(person_manages_pages).await?;
    // So long that no slot of a channel comes by chance.
    let period = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    let operator = world.operator_with(|operator| operator.policy.channel_period = period);
    put_all(&world).await?;
    quiet(&operator).await?;
    let before = said(&world).await?;
    breaks(&world, "{graph_error: {code: 4}}");
    world.advance(6);
    app_says(&world, "limits").await?;
    quiet(&operator).await?;
    assert_eq!(said(&world).await?, before);

    // What it waited for is told at once.
    world.sandbox.clear_faults();
    world.advance(61);
    for (name, _) in CHANNELS {
        world.channel_is(&world.tenant_a, name, &["Ready=True/ReconcileSucceeded"]).await?;
    }
    Ok(())
}
