//! SIGTERM: every server ends in time and in order, whatever it was doing and whoever does not answer it.

use anyhow::{Result, ensure};
use testkit::sandbox::FaultEffect;
use testkit::{Proxy, wait_for};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::env::*;
use crate::support::many_pages::*;
use crate::support::server::{END, PATIENCE, Server};

/// Ends a leader; the next one need not wait for the lease to expire.
async fn leader_ends_well(env: &Env, operator: &Server, when: &str) -> Result<()> {
    ensure!(env.holder().await? == "first", "{when}: held by {}", env.holder().await?);
    operator.ends_well(when).await?;
    let lease = env.lease().await?;
    ensure!(lease.holder_identity.unwrap_or_default().is_empty(), "{when}: the lease was not released");
    Ok(())
}

async fn leader(env: &Env, flags: &[&str]) -> Result<Server> {
    let operator = env.operator("first", flags).await?;
    operator.leads().await?;
    Ok(operator)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_leader_ends_at_once_and_releases_the_lease() -> Result<()> {
    let env = Env::new().await?;
    let operator = leader(&env, &[]).await?;
    env.apply(&(env.app("") + &env.channel("shop", PAGE_A, TOKEN_A))).await?;
    env.channel_is("shop", "Ready=True/ReconcileSucceeded").await?;
    leader_ends_well(&env, &operator, "idle").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_in_the_middle_of_work_ends_in_time_and_the_next_one_finishes_it() -> Result<()> {
    const CHANNELS: usize = 40;
    let env = Env::with_seed(&seed_of_many(CHANNELS)).await?;
    env.fault("GET", None, FaultEffect::Slow { ms: 300 });
    let operator = leader(&env, &["--concurrency=4"]).await?;
    let channels = (0..CHANNELS).map(|n| env.channel(&format!("shop-{n}"), &many_page(n), &many_token(n)));
    env.apply(&(env.app("") + &channels.collect::<String>())).await?;
    wait_for("the work to have begun", PATIENCE, async || {
        let done = operator.metric("status_writes_total").await?;
        ensure!(env.sandbox.ledger().len() > 10, "{done} statuses were written");
        Ok(())
    })
    .await?;
    leader_ends_well(&env, &operator, "in the middle of work").await?;

    let before = env.sandbox.ledger().len();
    env.sandbox.clear_faults();
    let _next = env.operator("second", &[]).await?;
    for n in 0..CHANNELS {
        env.channel_is(&format!("shop-{n}"), "Ready=True/ReconcileSucceeded").await?;
    }
    ensure!(env.sandbox.ledger().len() > before, "nothing was left to do: it was not the middle of work");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_every_read_at_graph_hangs_ends_in_time() -> Result<()> {
    let env = Env::new().await?;
    env.fault("GET", None, FaultEffect::Hang);
    let operator = leader(&env, &["--graph-timeout=30s"]).await?;
    env.apply(&(env.app("") + &env.channel("shop", PAGE_A, TOKEN_A))).await?;
    env.struck("GET").await?;
    leader_ends_well(&env, &operator, "while every read at Graph hangs").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_write_at_graph_hangs_ends_in_time() -> Result<()> {
    let env = Env::new().await?;
    env.fault("POST", Some(SUBSCRIBED_APPS), FaultEffect::Hang);
    let operator = leader(&env, &["--graph-timeout=30s"]).await?;
    env.apply(&(env.app("") + &env.channel("shop", PAGE_A, TOKEN_A))).await?;
    env.struck("POST").await?;
    leader_ends_well(&env, &operator, "while a write at Graph hangs").await?;
    let log = operator.process.logs();
    ensure!(log.contains("a pass did not end in time and is abandoned"), "{log}");
    Ok(())
}

/// The lease cannot be released then; it expires.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_api_server_hangs_ends_in_time() -> Result<()> {
    let env = Env::new().await?;
    let proxy = Proxy::start(env.plane).await?;
    let operator = env.operator_by(&env.by(&proxy)?, "first", &[]).await?;
    operator.leads().await?;
    proxy.freeze();
    operator.ends_well("while the API server hangs").await?;
    ensure!(env.holder().await? == "first");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_still_waits_for_the_api_server_ends_at_once() -> Result<()> {
    let env = Env::new().await?;
    let proxy = Proxy::start(env.plane).await?;
    proxy.freeze();
    for elect in ["--leader-elect=true", "--leader-elect=false"] {
        let operator = env.operator_by(&env.by(&proxy)?, "first", &[elect]).await?;
        operator.ends_well(&format!("before the API server answered, {elect}")).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_without_leader_election_ends_at_once() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator("first", &["--leader-elect=false"]).await?;
    // Who works without a lease counts as the one who leads, so that nobody is alarmed.
    operator.leads().await?;
    operator.ends_well("without leader election").await?;
    ensure!(env.leases().get_opt("meta-channel-operator").await?.is_none(), "a lease was written");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_ends_in_time_though_a_client_keeps_its_connection() -> Result<()> {
    let env = Env::new().await?;
    let (gateway, url) = env.gateway(&[]).await?;
    let _silent = TcpStream::connect(url.trim_start_matches("http://")).await?;
    let exit = gateway.ends_well("a gateway").await?;
    ensure!(exit.after < END);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_answers_what_was_begun_before_it_is_told_to_end_and_takes_nothing_new() -> Result<()> {
    let env = Env::new().await?;
    env.apply(&env.app("")).await?;
    env.tell_gateway().await?;
    let (gateway, url) = env.gateway(&[]).await?;
    let address = url.trim_start_matches("http://");
    let mut begun = TcpStream::connect(address).await?;
    let signature = "0".repeat(64);
    let head = format!(
        "POST /webhooks/{}/acme HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: sha256={signature}\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n",
        env.platform
    );
    begun.write_all(head.as_bytes()).await?;
    // The body is being waited for.
    let mut goes_on = [0; 25];
    begun.read_exact(&mut goes_on).await?;
    ensure!(goes_on.starts_with(b"HTTP/1.1 100 "));
    let rest = async {
        wait_for("the shutdown", PATIENCE, async || {
            ensure!(gateway.process.logs().contains("shutting down"));
            Ok(())
        })
        .await?;
        wait_for("nobody to be let in", PATIENCE, async || {
            ensure!(TcpStream::connect(address).await.is_err());
            Ok(())
        })
        .await?;
        begun.write_all(b"body").await?;
        let mut answer = String::new();
        begun.read_to_string(&mut answer).await?;
        ensure!(answer.starts_with("HTTP/1.1 403 "), "{answer:?}");
        Ok(())
    };
    let (ended, answered) = tokio::join!(gateway.ends_well("with an event on its way"), rest);
    answered.and(ended.map(drop))
}
