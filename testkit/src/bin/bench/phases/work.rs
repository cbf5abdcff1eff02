//! An operator at work: nothing changes, and something comes.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::SWEEP;
use crate::figures::{Phase, Unit};
use crate::meter::Meter;
use crate::percentile::percentile;
use crate::ready::Ready;
use crate::stage::{Operator, Stage};
use crate::{metrics, proc};

/// How many sweeps are measured.
const SWEEPS: u32 = 2;

/// Lets one sweep pass, in which what comes once an hour is asked for the first time, and measures the following ones.
pub async fn sweep(stage: &Stage, operator: &Operator, channels: usize) -> Result<Phase> {
    tokio::time::sleep(SWEEP).await;
    let before = visits(operator).await?;
    let pid = operator.process.pid();
    // Scrapes stay outside of what is measured.
    let (meter, began) = (Meter::start(stage)?, proc::usage(pid)?);
    tokio::time::sleep(SWEEP * SWEEPS).await;
    let (reading, ended) = (meter.read()?, proc::usage(pid)?);
    check(visits(operator).await? - before, channels)?;

    let times = channels * usize::try_from(SWEEPS)?;
    let mut phase = Phase::new("2 unchanged sweep: every channel checked once, nothing changed");
    phase.cpu("CPU time in a sweep", (ended.cpu - began.cpu) / SWEEPS);
    phase.mebibytes("steady RSS", ended.resident_kib);
    phase.per_channel("Graph requests", reading.requests, times);
    phase.per_channel("Graph operations in batches", reading.operations, times);
    phase.per_channel("API writes", reading.api_writes, times);
    phase.each_per_channel(&reading.api, times);
    Ok(phase)
}

async fn visits(operator: &Operator) -> Result<f64> {
    let text = metrics::scrape(&metrics::client()?, operator.metrics).await?;
    Ok(metrics::sum_of_channels(&text, "sweep_visits_total"))
}

/// The ring goes with the clock, so that each is checked once in a period, give or take a round.
#[allow(clippy::cast_precision_loss)]
fn check(visits: f64, channels: usize) -> Result<()> {
    let expected = channels as f64 * f64::from(SWEEPS);
    ensure!((visits / expected - 1.0).abs() < 0.1, "{visits} looks in {SWEEPS} sweeps at {channels} channels");
    Ok(())
}

/// Creates channels one after another, each when the one before is Ready, while the sweeps go on.
pub async fn arrivals(stage: &Stage, ready: &mut Ready, numbers: Range<usize>, patience: Duration) -> Result<Phase> {
    let mut times = Vec::new();
    for number in numbers {
        stage.crowd.create_secret(&stage.client, number).await?;
        let created = Instant::now();
        stage.crowd.create_channel(&stage.client, number).await?;
        ready.more(1, patience).await?;
        times.push(created.elapsed());
    }
    let mut phase = Phase::new("3 new channels: one after another, while sweeps go on");
    for percent in [50, 99] {
        let time = percentile(&times, percent).context("no channel was created")?;
        phase.add(format!("Ready after, p{percent}"), Unit::Milliseconds, time.as_secs_f64() * 1000.0);
    }
    Ok(phase)
}
