//! An API server that is not heard: connections that stay open and go silent, all of them at once, and answers that come late.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testkit::{Proxy, wait_for};

use crate::support::env::*;
use crate::support::many_pages::{GRANT, many_page, seed_of_granted};
use crate::support::server::{PATIENCE, Server};

/// Longer than a renewal that begins at once, shorter than what a leader is given.
const STALL: Duration = Duration::from_secs(12);

/// The answer of the probe, once it is this.
async fn readyz(server: &Server, expected: (u16, &str)) -> Result<()> {
    wait_for(&format!("/readyz to be {expected:?}"), PATIENCE, async || {
        ensure!(server.process.exit_status()?.is_none(), "it ended: {}", server.process.last_lines(5));
        ensure!(server.get("/healthz").await?.0 == 200);
        let (status, text) = server.get("/readyz").await?;
        ensure!((status, text.as_str()) == expected, "{status} {text}");
        Ok(())
    })
    .await
}

/// As by default: noticed after 90 seconds, where nothing else would notice for five minutes.
#[tokio::test(flavor = "multi_thread")]
async fn watches_that_went_silent_are_begun_anew_and_the_leader_stays_whoever_it_was() -> Result<()> {
    let env = Env::new().await?;
    let proxy = Proxy::start(env.plane).await?;
    let operator = env.operator_by(&env.by(&proxy)?, "first", &[]).await?;
    operator.leads().await?;
    env.apply(&(env.app("") + &env.channel("shop", PAGE_A, TOKEN_A))).await?;
    env.channel_is("shop", "Ready=True/ReconcileSucceeded").await?;
    let before = env.lease().await?;
    ensure!(operator.metric("watch_silences_total").await? == 0.0);

    proxy.forget();
    let silent = Instant::now();
    env.apply(&env.channel("support", PAGE_B, "EAAsandbox-page-b-000000000000000000")).await?;
    env.channel_is("support", "Ready=True/ReconcileSucceeded").await?;
    println!("heard again after {:?} of silence", silent.elapsed());
    ensure!(operator.metric("watch_silences_total").await? >= 1.0);
    let log = operator.process.logs();
    ensure!(log.contains("the API server was silent for too long"), "{log}");
    readyz(&operator, (200, "ok")).await?;
    let after = env.lease().await?;
    ensure!((after.holder_identity, after.lease_transitions) == (before.holder_identity, before.lease_transitions));
    operator.ends_well("after a silence").await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_is_cut_off_from_the_api_server_lives_is_not_ready_and_recovers_and_a_gateway_stays_ready()
-> Result<()> {
    let env = Env::new().await?;
    let proxy = Proxy::start(env.plane).await?;
    let operator = env.operator_by(&env.by(&proxy)?, "first", &["--leader-elect=false"]).await?;
    let (gateway, _) = env.gateway_by(&env.by(&proxy)?, &[]).await?;
    operator.leads().await?;
    proxy.freeze();
    readyz(&operator, (503, "the API server is silent")).await?;
    // An event that Meta cannot deliver would be lost: the gateway answers with what it was told.
    readyz(&gateway, (200, "ok")).await?;
    for server in [&operator, &gateway] {
        ensure!(server.metric("watch_silences_total").await? >= 1.0);
    }
    proxy.thaw();
    for server in [&operator, &gateway] {
        readyz(server, (200, "ok")).await?;
    }
    env.apply(&(env.app("") + &env.channel("shop", PAGE_A, TOKEN_A))).await?;
    env.channel_is("shop", "Ready=True/ReconcileSucceeded").await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_with_many_channels_of_one_grant_outlives_an_api_server_that_stalls() -> Result<()> {
    const CHANNELS: usize = 60;
    let env = Env::with_seed(&seed_of_granted(CHANNELS)).await?;
    let channels = (0..CHANNELS).map(|n| env.granted(&format!("shop-{n}"), &many_page(n)));
    env.apply(&(env.app("") + &env.grant(GRANT) + &channels.collect::<String>())).await?;
    let proxy = Proxy::start(env.plane).await?;
    let operator = env.operator_by(&env.by(&proxy)?, "first", &[]).await?;
    operator.leads().await?;
    proxy.stall();
    tokio::time::sleep(STALL).await;
    let stalled = k8s_openapi::jiff::Timestamp::now();
    proxy.resume();
    wait_for("the lease to be renewed after the stall", PATIENCE, async || {
        ensure!(operator.process.exit_status()?.is_none(), "it ended: {}", operator.process.last_lines(5));
        let renewed = env.lease().await?.renew_time;
        ensure!(renewed.as_ref().is_some_and(|at| at.0 > stalled), "renewed {renewed:?}");
        Ok(())
    })
    .await?;
    for n in 0..CHANNELS {
        env.channel_is(&format!("shop-{n}"), "Ready=True/ReconcileSucceeded").await?;
    }
    let lease = env.lease().await?;
    ensure!(lease.holder_identity.as_deref() == Some("first") && lease.lease_transitions == Some(0), "{lease:?}");
    operator.ends_well("after a stall").await.map(|_| ())
}
