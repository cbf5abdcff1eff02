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
async fn said(env: &Env) -> Result<Vec<(Option<String>, String)>> {
    let all = env.channels(&env.tenant_a).list(&Default::default()).await?;
    let of = |channel: FacebookChannel| {
        let status = channel.status.unwrap_or_default();
        (channel.metadata.resource_version, sentence(&status.conditions).unwrap_or_default().to_owned())
    };
    Ok(all.into_iter().map(of).collect())
}

/// Waits until the app says something with this in it.
async fn app_says(env: &Env, part: &str) -> Result<()> {
    wait_for(&format!("the app to say {part}"), PATIENCE, async || {
        let status = env.apps().get("acme").await?.status.context("no status")?;
        let message = &find(&status.conditions, ConditionType::CredentialsValid).context("no condition")?.message;
        ensure!(message.contains(part), "{message}");
        Ok(())
    })
    .await
}

fn breaks(env: &Env, effect: &str) {
    env.sandbox.clear_faults();
    env.sandbox.add_fault(fault(&format!("{{match: {{template: '/{{version}}/{{app-id}}'}}, do: {effect}}}")));
}

/// Applies an app, its grant and their channels while Meta gives no answer about the app.
async fn put_all(env: &Env) -> Result<()> {
    breaks(env, "{status: {code: 500}}");
    let [app, seed, _] = secrets(env);
    let granted = CHANNELS.map(|(name, page)| env.granted_manifest(&env.tenant_a, name, page, "acme-grant"));
    let all = [&[app, seed, env.app_manifest(), grant_manifest(env)][..], &granted[..]].concat();
    env.apply(&all.join("---\n")).await?;
    for (name, _) in CHANNELS {
        env.channel_is(&env.tenant_a, name, &["Ready=Unknown/AppUnverified", "Reconciling=True"]).await?;
    }
    app_says(env, "no usable answer").await
}

#[tokio::test(flavor = "multi_thread")]
async fn words_that_change_and_come_back_cause_no_passes_without_end() -> Result<()> {
    let env = Env::seeded(person_manages_pages).await?;
    let operator = env.operator();
    put_all(&env).await?;
    quiet(&operator).await?;
    for (effect, words) in [("{graph_error: {code: 4}}", "limits"), ("{status: {code: 500}}", "no usable answer")] {
        breaks(&env, effect);
        env.advance(6);
        app_says(&env, words).await?;
        quiet(&operator).await?;
    }
    // Past the slots until which the other words were put off.
    for _ in 0..3 {
        env.advance(16);
        quiet(&operator).await?;
    }
    env.sandbox.clear_faults();
    env.advance(61);
    for (name, _) in CHANNELS {
        env.channel_is(&env.tenant_a, name, &["Ready=True/ReconcileSucceeded"]).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_that_wait_for_an_app_do_not_repeat_each_change_of_its_words() -> Result<()> {
    let env = Env::seeded(person_manages_pages).await?;
    // So long that no slot of a channel comes by chance.
    let period = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    let operator = env.operator_with(|operator| operator.policy.channel_period = period);
    put_all(&env).await?;
    quiet(&operator).await?;
    let before = said(&env).await?;
    breaks(&env, "{graph_error: {code: 4}}");
    env.advance(6);
    app_says(&env, "limits").await?;
    quiet(&operator).await?;
    assert_eq!(said(&env).await?, before);

    // What it waited for is told at once.
    env.sandbox.clear_faults();
    env.advance(61);
    for (name, _) in CHANNELS {
        env.channel_is(&env.tenant_a, name, &["Ready=True/ReconcileSucceeded"]).await?;
    }
    Ok(())
}
