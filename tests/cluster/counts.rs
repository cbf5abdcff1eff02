//! How many channels an application has, in its status.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use meta_channel_operator::api::ChannelCounts;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::observe::*;
use crate::support::subscriptions::connected;

/// Longer than any test takes, so that channels are counted only when the clock is moved.
const PERIOD: i64 = 60;

fn counting(env: &Env) -> Running {
    env.operator_with(|operator| {
        operator.policy.count_period = Duration::from_secs(PERIOD as u64 * 60);
        operator.policy.app_period = Duration::from_secs(365 * 24 * 60 * 60);
    })
}

fn counts(total: i32, connected: i32, expired: i32, disconnected: i32) -> Option<ChannelCounts> {
    Some(ChannelCounts { total, connected, expired, disconnected })
}

/// Waits until the operator sees these channels, moves the clock to the next counting, and waits for what the status says then.
async fn counted(env: &Env, operator: &Running, expected: &Option<ChannelCounts>) -> Result<()> {
    wait_for("the channels to be seen", PATIENCE, async || {
        let text = operator.metrics.text();
        let of = |state: &str| {
            let lines = text.lines().filter(|line| line.contains("_channel_connection{") && line.contains(state));
            i32::try_from(lines.count()).unwrap()
        };
        let found = counts(of(""), of("\"Connected\""), of("\"Expired\""), of("\"Disconnected\""));
        ensure!(&found == expected, "{found:?}");
        Ok(())
    })
    .await?;
    quiet(operator).await?;
    env.advance(PERIOD + 1);
    wait_for("the count", PATIENCE, async || {
        let found = env.apps().get("acme").await?.status.context("no status")?.channels;
        ensure!(&found == expected, "{found:?}");
        Ok(())
    })
    .await?;
    quiet(operator).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_of_an_app_counts_its_channels_once_a_period_and_wakes_none_of_them() -> Result<()> {
    let env = Env::new().await?;
    let operator = counting(&env);
    connected(&env).await?;
    quiet(&operator).await?;
    assert_eq!(env.apps().get("acme").await?.status.context("no status")?.channels, None, "they were not counted yet");
    let (passes, writes) = (operator.passes("FacebookChannel"), operator.count("status_writes_total", "MetaApp"));
    counted(&env, &operator, &counts(2, 2, 0, 0)).await?;
    let stored = env.apps().get("acme").await?.resource_version();
    for _ in 0..3 {
        counted(&env, &operator, &counts(2, 2, 0, 0)).await?;
    }
    assert_eq!(operator.count("status_writes_total", "MetaApp"), writes + 1);
    assert_eq!(env.apps().get("acme").await?.resource_version(), stored);
    assert_eq!(operator.passes("FacebookChannel"), passes, "no channel is woken");

    // However many change, it is told once.
    env.put_channel(&env.tenant_b, "outlet", PAGE_C, TOKEN_C).await?;
    env.channel_is(&env.tenant_b, "outlet", &["Expired=True"]).await?;
    let parted = env.channel_manifest_with(&env.tenant_a, "support", PAGE_B, "connection: Disconnected");
    env.apply(&parted).await?;
    env.channel_is(&env.tenant_a, "support", &["Disconnected=True"]).await?;
    counted(&env, &operator, &counts(3, 1, 1, 1)).await?;
    assert_eq!(operator.count("status_writes_total", "MetaApp"), writes + 2);
    env.channels(&env.tenant_b).delete("outlet", &Default::default()).await?;
    counted(&env, &operator, &counts(2, 1, 0, 1)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_of_a_paused_app_are_counted_too() -> Result<()> {
    let env = Env::new().await?;
    let operator = counting(&env);
    connected(&env).await?;
    env.apply(&env.app_manifest_with("webhook: {}\n  managementPolicy: Pause")).await?;
    env.app_is(&["Ready=Unknown/Paused"]).await?;
    counted(&env, &operator, &counts(2, 2, 0, 0)).await?;
    env.app_is(&["Ready=Unknown/Paused"]).await?;
    Ok(())
}
