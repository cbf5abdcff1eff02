//! Two operators, one lease: who waits, who takes over and when, and what becomes of one that lost it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kube::api::{Patch, PatchParams};
use serde_json::json;
use testkit::sandbox::Sandbox;

use crate::support::env::*;
use crate::support::server::{PATIENCE, Server};
use testkit::wait_for;

/// How long a holder may be silent before someone else takes the lease.
const LEASE: Duration = Duration::from_secs(15);
const QUICK: [&str; 3] = ["--lease-duration=15s", "--lease-renew-deadline=10s", "--lease-retry-period=2s"];

/// A leader with a channel, and a follower with a Graph of its own, so that its calls can be told from the leader's.
struct Pair {
    env: Env,
    first: Server,
    second: Server,
    graph_of_second: Sandbox,
}

impl Pair {
    async fn new() -> Result<Self> {
        let env = Env::new().await?;
        let first = env.operator("first", &QUICK).await?;
        first.leads().await?;
        env.apply(&(env.app("") + &env.channel("shop", PAGE_A, TOKEN_A))).await?;
        env.channel_is("shop", "Ready=True/ReconcileSucceeded").await?;
        let graph_of_second = sandbox(SEED).await?;
        let url = format!("--graph-url={}", graph_of_second.url());
        let second = env.operator("second", &[&QUICK[..], &[&url]].concat()).await?;
        second.ready().await?;
        wait_for("the follower to have stood for election", PATIENCE, async || {
            ensure!(second.process.logs().contains("acquire leadership"), "{}", second.process.logs());
            Ok(())
        })
        .await?;
        Ok(Self { env, first, second, graph_of_second })
    }

    /// Waits until the second operator leads and has done something.
    async fn taken_over(&self, since: Instant) -> Result<Duration> {
        self.second.leads().await?;
        let after = since.elapsed();
        ensure!(self.env.holder().await? == "second");
        self.env.apply(&self.env.channel("support", PAGE_B, "EAAsandbox-page-b-000000000000000000")).await?;
        self.env.channel_is("support", "Ready=True/ReconcileSucceeded").await?;
        ensure!(!self.graph_of_second.ledger().is_empty(), "the new leader does the work");
        Ok(after)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_serves_its_probes_and_does_nothing_until_the_leader_was_terminated() -> Result<()> {
    let pair = Pair::new().await?;
    let Pair { env, first, second, graph_of_second } = &pair;
    // Work for the leader, which would be the follower's as well if it did any.
    let known = env.channel_is("shop", "Ready=True/ReconcileSucceeded").await?;
    env.apply(&env.channel("outlet", "2200000000000003", "EAAsandbox-page-c-000000000000000000")).await?;
    env.channel_is("outlet", "Expired=True/PasswordChanged").await?;
    ensure!(second.get("/readyz").await?.0 == 200 && second.get("/healthz").await?.0 == 200);
    for metric in ["leader", "status_writes_total", "secret_reads_total", "reconcile_duration_seconds_count"] {
        ensure!(second.metric(metric).await? == 0.0, "{metric} of a follower");
        ensure!(first.metric(metric).await? > 0.0, "{metric} of the leader");
    }
    ensure!(graph_of_second.ledger().is_empty(), "{:?}", graph_of_second.ledger());
    let now = env.channel_is("shop", "Ready=True/ReconcileSucceeded").await?;
    ensure!(now.metadata.resource_version == known.metadata.resource_version, "someone wrote");

    let terminated = Instant::now();
    first.ends_well("a leader with a follower").await?;
    ensure!(env.holder().await? != "first", "released, so that nobody waits until it expires");
    println!("taken over {:?} after SIGTERM", pair.taken_over(terminated).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_takes_over_from_a_leader_that_was_killed_but_not_before_the_lease_expired() -> Result<()> {
    let pair = Pair::new().await?;
    let killed = Instant::now();
    pair.first.process.kill();
    let left = pair.env.lease().await?;
    ensure!(left.holder_identity.as_deref() == Some("first"));
    println!("taken over {:?} after SIGKILL", pair.taken_over(killed).await?);
    let renewed = left.renew_time.context("renewTime")?.0;
    let acquired = pair.env.lease().await?.acquire_time.context("acquireTime")?.0;
    let silent = Duration::try_from(acquired.duration_since(renewed))?;
    ensure!(silent >= LEASE, "taken over when the holder had been silent for {silent:?} only");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_ends_at_once_and_leaves_the_lease_alone() -> Result<()> {
    let pair = Pair::new().await?;
    let before = pair.env.lease().await?;
    pair.second.ends_well("a follower").await?;
    let log = pair.second.process.logs();
    ensure!(
        !log.contains("the lease could not be released in time"),
        "it waited for a lease that it does not have: {log}"
    );
    let after = pair.env.lease().await?;
    ensure!(after.holder_identity.as_deref() == Some("first"), "held by {:?}", after.holder_identity);
    ensure!((after.acquire_time, after.lease_transitions) == (before.acquire_time, before.lease_transitions));
    ensure!(pair.first.process.exit_status()?.is_none(), "the leader goes on");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_lost_the_lease_ends_with_a_sentence_that_says_so() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator("first", &[]).await?;
    operator.leads().await?;
    let now = k8s_openapi::jiff::Timestamp::now();
    let taken = json!({ "spec": { "holderIdentity": "someone-else", "renewTime": format!("{now:.6}") } });
    env.leases().patch("meta-channel-operator", &PatchParams::default(), &Patch::Merge(&taken)).await?;
    let lost = Instant::now();
    let log = operator.fails().await?;
    println!("ended {:?} after the lease was lost", lost.elapsed());
    ensure!(log.contains("the lease was lost; exiting because this process must not act without it"), "{log}");
    ensure!(env.holder().await? == "someone-else", "the new holder keeps it");
    Ok(())
}
