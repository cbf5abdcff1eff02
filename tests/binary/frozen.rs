//! A leader that stands still, as on a machine that was suspended, and goes on when another one leads.

use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::sandbox::FaultEffect;
use testkit::wait_for;

use crate::server::PATIENCE;
use crate::stage::*;

const QUICK: [&str; 3] = ["--lease-duration=6s", "--lease-renew-deadline=4s", "--lease-retry-period=1s"];

/// Pages of the usual seed, and tokens for them.
const PAGES: [(&str, &str, &str); 2] =
    [("shop", PAGE_A, TOKEN_A), ("support", PAGE_B, "EAAsandbox-page-b-000000000000000000")];

/// Frozen before the last read that precedes a write. When it goes on, the answer is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_frozen_until_another_one_led_writes_nothing_at_meta_when_it_goes_on() -> Result<()> {
    let stage = Stage::new().await?;
    let first = stage.operator("first", &[&QUICK[..], &["--graph-timeout=30s"]].concat()).await?;
    first.leads().await?;
    let late = Duration::from_secs(3);
    let ms = late.as_millis().try_into()?;
    stage.fault("GET", Some(SUBSCRIBED_APPS), FaultEffect::Slow { ms });
    let channels = PAGES.map(|(name, page, token)| stage.channel(name, page, token));
    stage.apply(&(stage.app("") + &channels.concat())).await?;
    let reads = |method: &str| {
        let of = |entry: &&testkit::sandbox::LedgerEntry| {
            entry.method == method && entry.template.as_deref() == Some(SUBSCRIBED_APPS)
        };
        stage.sandbox.ledger().iter().filter(of).count()
    };
    wait_for("the last reads", PATIENCE, async || {
        ensure!(reads("GET") == PAGES.len(), "{}", reads("GET"));
        Ok(())
    })
    .await?;
    first.process.freeze()?;
    ensure!(reads("POST") == 0, "it was too fast");

    // It does its work with a Graph of its own, so that its writes can be told from the other's.
    let graph = sandbox(SEED).await?;
    let second = stage.operator("second", &[&QUICK[..], &[&format!("--graph-url={}", graph.url())]].concat()).await?;
    second.leads().await?;
    for (name, _, _) in PAGES {
        stage.channel_is(name, "Ready=True/Reached").await?;
    }
    tokio::time::sleep(late).await;
    let versions = async || {
        let mut versions = Vec::new();
        for (name, _, _) in PAGES {
            versions.push(stage.channel_is(name, "Ready=True/Reached").await?.metadata.resource_version);
        }
        anyhow::Ok(versions)
    };
    let before = versions().await?;
    first.process.thaw()?;
    let log = first.fails().await?;
    ensure!(log.contains("the lease was lost; ending, so that nothing is done without it"), "{log}");
    ensure!(reads("POST") == 0, "{:?}", stage.sandbox.ledger());
    ensure!(versions().await? == before, "it wrote a status");
    println!("withheld: {}", log.contains("a write at Meta was withheld"));
    Ok(())
}
