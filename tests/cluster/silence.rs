//! Connections to the API server that stay open and go silent.

use std::time::Duration;

use anyhow::{Result, ensure};
use meta_channel_operator::base::watch_health::{Patience, WatchHealth};
use meta_channel_operator::metrics::Metrics;
use meta_channel_operator::server::{self, Readiness};
use testkit::{Proxy, wait_for};
use tokio_util::sync::CancellationToken;

use crate::support::env::*;

/// A fraction of the times that people wait for, in the same relation.
const LIMITS: Patience = Patience { watch: Duration::from_secs(12), server: Duration::from_secs(16) };

/// Waits until the probe answers so.
async fn readyz(url: &str, expected: (u16, &str)) -> Result<()> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    wait_for(&format!("/readyz to be {expected:?}"), PATIENCE, async || {
        let answer = http.get(url).send().await?;
        let (status, text) = (answer.status().as_u16(), answer.text().await?);
        ensure!((status, text.as_str()) == expected, "{status} {text}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_on_which_nothing_is_heard_is_told_and_begun_anew_and_nothing_is_missed() -> Result<()> {
    let env = Env::new().await?;
    let proxy = Proxy::start(env.plane).await?;
    let original = env.plane.service_account_kubeconfig(&env.inbox, "operator").await?;
    let client = testkit::client(&proxy.kubeconfig(env.plane, &original)?).await?;
    let ready = Readiness::default();
    let operator = env.operator_with(|operator| {
        operator.client = client;
        operator.metrics = Metrics::with(WatchHealth::new(LIMITS));
        operator.ready = ready.clone();
    });
    let listener = server::bind("127.0.0.1:0".parse()?)?;
    let url = format!("http://{}/readyz", listener.local_addr()?);
    let serving = tokio::spawn(server::serve(listener, operator.metrics.clone(), ready, CancellationToken::new()));
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded"]).await?;
    readyz(&url, (200, "ok")).await?;
    let heard = || operator.gauge("watch_heard_timestamp_seconds{kind=\"MetaGrant\"}");
    let silences = |kind: &str| operator.count("watch_silences_total", kind);
    // Nothing ever happens to a grant here. The end of its watches is a sign of life all the same.
    let before = heard();
    wait_for("a sign of life", PATIENCE, async || {
        ensure!(heard() > before + 1.0, "heard at {}", heard());
        Ok(())
    })
    .await?;

    proxy.freeze();
    readyz(&url, (503, "the API server is silent")).await?;
    for kind in ["MetaApp", "MetaGrant", "FacebookChannel", "AssetClaim", "Secret", "ConfigMap"] {
        wait_for(&format!("silence to be told of {kind}"), PATIENCE, async || {
            ensure!(silences(kind) >= 1);
            Ok(())
        })
        .await?;
    }
    let silent = heard();
    // What came and went meanwhile is noticed.
    env.put_channel(&env.tenant_b, "support", PAGE_B, TOKEN_B).await?;
    proxy.thaw();
    env.channel_is(&env.tenant_b, "support", &["Ready=True/ReconcileSucceeded"]).await?;
    readyz(&url, (200, "ok")).await?;
    wait_for("every watch to be heard again", PATIENCE, async || {
        ensure!(heard() > silent, "heard at {}", heard());
        Ok(())
    })
    .await?;
    serving.abort();
    Ok(())
}
