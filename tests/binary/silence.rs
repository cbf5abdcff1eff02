//! An API server that is not heard: connections that stay open and go silent, all of them at once, and answers that come late.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testkit::{Proxy, wait_for};

use crate::many::many_page;
use crate::server::{PATIENCE, Server};
use crate::stage::*;

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
    let stage = Stage::new().await?;
    let proxy = Proxy::start(stage.plane).await?;
    let operator = stage.operator_by(&stage.by(&proxy)?, "first", &[]).await?;
    operator.leads().await?;
    stage.apply(&(stage.app("") + &stage.channel("shop", PAGE_A, TOKEN_A))).await?;
    stage.channel_is("shop", "Ready=True/ReconcileSucceeded").await?;
    let before = stage.lease().await?;
    ensure!(operator.metric("watch_silences_total").await? == 0.0);

    proxy.forget();
    let silent = Instant::now();
    stage.apply(&stage.channel("support", PAGE_B, "EAAsandbox-page-b-000000000000000000")).await?;
    stage.channel_is("support", "Ready=True/ReconcileSucceeded").await?;
    println!("heard again after {:?} of silence", silent.elapsed());
    ensure!(operator.metric("watch_silences_total").await? >= 1.0);
    let log = operator.process.logs();
    ensure!(log.contains("nothing was heard of the API server for too long"), "{log}");
    readyz(&operator, (200, "ok")).await?;
    let after = stage.lease().await?;
    ensure!((after.holder_identity, after.lease_transitions) == (before.holder_identity, before.lease_transitions));
    operator.ends_well("after a silence").await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_is_cut_off_from_the_api_server_lives_is_not_ready_and_recovers_and_a_gateway_stays_ready()
-> Result<()> {
    let stage = Stage::new().await?;
    let proxy = Proxy::start(stage.plane).await?;
    let operator = stage.operator_by(&stage.by(&proxy)?, "first", &["--leader-elect=false"]).await?;
    let (gateway, _) = stage.gateway_by(&stage.by(&proxy)?, &[]).await?;
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
    stage.apply(&(stage.app("") + &stage.channel("shop", PAGE_A, TOKEN_A))).await?;
    stage.channel_is("shop", "Ready=True/ReconcileSucceeded").await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_with_many_channels_of_one_grant_outlives_an_api_server_that_stalls() -> Result<()> {
    const CHANNELS: usize = 60;
    let stage = Stage::with_seed(&seed_of_many(CHANNELS)).await?;
    let channels = (0..CHANNELS).map(|n| stage.granted(&format!("shop-{n}"), &many_page(n)));
    stage.apply(&(stage.app("") + &stage.grant(GRANT) + &channels.collect::<String>())).await?;
    let proxy = Proxy::start(stage.plane).await?;
    let operator = stage.operator_by(&stage.by(&proxy)?, "first", &[]).await?;
    operator.leads().await?;
    proxy.stall();
    tokio::time::sleep(STALL).await;
    let stalled = k8s_openapi::jiff::Timestamp::now();
    proxy.resume();
    wait_for("the lease to be renewed after the stall", PATIENCE, async || {
        ensure!(operator.process.exit_status()?.is_none(), "it ended: {}", operator.process.last_lines(5));
        let renewed = stage.lease().await?.renew_time;
        ensure!(renewed.as_ref().is_some_and(|at| at.0 > stalled), "renewed {renewed:?}");
        Ok(())
    })
    .await?;
    for n in 0..CHANNELS {
        stage.channel_is(&format!("shop-{n}"), "Ready=True/ReconcileSucceeded").await?;
    }
    let lease = stage.lease().await?;
    ensure!(lease.holder_identity.as_deref() == Some("first") && lease.lease_transitions == Some(0), "{lease:?}");
    operator.ends_well("after a stall").await.map(|_| ())
}

pub const GRANT: &str = "EAAsandbox-many-grant-00000000000000";

/// The usual seed with more pages, which a person manages who gave a token.
pub fn seed_of_many(count: usize) -> String {
    let person = "6600000000000001";
    let page = |n| {
        let tasks = format!("{{{person}: [MODERATE, MESSAGING, MANAGE]}}");
        format!("  - {{id: {}, name: Shop {n}, tasks: {tasks}}}\n", many_page(n))
    };
    let pages: String = (0..count).map(page).collect();
    let scopes = "[pages_show_list, pages_manage_metadata, pages_messaging]";
    let token = format!("  - {{token: {GRANT}, kind: user, app: {APP_ID}, user: {person}, scopes: {scopes}}}\n");
    SEED.replacen("\npages:\n", &format!("\npages:\n{pages}"), 1).replacen(
        "\ntokens:\n",
        &format!("\ntokens:\n{token}"),
        1,
    )
}
