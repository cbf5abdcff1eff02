//! A leader that stands still, as on a machine that was suspended, and goes on when another one leads.

use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::sandbox::FaultEffect;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::many_pages::{GRANT, many_page, seed_of_granted};
use crate::support::server::PATIENCE;

const QUICK: [&str; 3] = ["--lease-duration=15s", "--lease-renew-deadline=10s", "--lease-retry-period=2s"];

/// So many that some go on if the loss of the lease does not end them at once.
const CHANNELS: usize = 40;

/// Frozen before the last read that precedes a write. When it goes on, the answers are there.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_frozen_until_another_one_led_writes_nothing_at_meta_when_it_goes_on() -> Result<()> {
    let env = Env::with_seed(&seed_of_granted(CHANNELS)).await?;
    let first = env.operator("first", &[&QUICK[..], &["--concurrency=64"]].concat()).await?;
    first.leads().await?;
    let late = Duration::from_secs(3);
    let ms = late.as_millis().try_into()?;
    env.fault("GET", Some(SUBSCRIBED_APPS), FaultEffect::Slow { ms });
    let channels = (0..CHANNELS).map(|n| env.granted(&format!("shop-{n}"), &many_page(n)));
    env.apply(&(env.app("") + &env.grant(GRANT) + &channels.collect::<String>())).await?;
    let requests = |method: &str| {
        let ledger = env.sandbox.ledger();
        let of = ledger.iter().filter(|it| it.method == method && it.template.as_deref() == Some(SUBSCRIBED_APPS));
        of.count()
    };
    wait_for("the last reads", PATIENCE, async || {
        ensure!(requests("GET") == CHANNELS, "{}", requests("GET"));
        Ok(())
    })
    .await?;
    first.process.freeze()?;
    ensure!(requests("POST") == 0, "it was too fast");

    // It does its work with a Graph of its own, so that its writes can be told from the other's.
    let graph = sandbox(&seed_of_granted(CHANNELS)).await?;
    let second = env.operator("second", &[&QUICK[..], &[&format!("--graph-url={}", graph.url())]].concat()).await?;
    second.leads().await?;
    let versions = async || {
        let mut versions = Vec::new();
        for n in 0..CHANNELS {
            let channel = env.channel_is(&format!("shop-{n}"), "Ready=True/ReconcileSucceeded").await?;
            versions.push(channel.metadata.resource_version);
        }
        anyhow::Ok(versions)
    };
    versions().await?;
    tokio::time::sleep(late).await;
    let before = versions().await?;
    first.process.thaw()?;
    let log = first.fails().await?;
    ensure!(log.contains("the lease was lost; exiting because this process must not act without it"), "{log}");
    ensure!(requests("POST") == 0, "{} writes", requests("POST"));
    ensure!(versions().await? == before, "it wrote a status");
    Ok(())
}
