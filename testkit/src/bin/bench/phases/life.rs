//! Begin and end of an operator.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::figures::Phase;
use crate::meter::Meter;
use crate::ready::Ready;
use crate::stage::{Operator, Stage};
use crate::{metrics, proc};

/// Between two looks at a process that starts.
const LOOK: Duration = Duration::from_millis(50);

/// Between two scrapes of all metrics, which cost the operator something.
const SCRAPE: Duration = Duration::from_millis(500);

/// How long the end may take; a kubelet waits as long.
const GRACE: Duration = Duration::from_secs(30);

/// Starts an operator for channels that are all there, and waits until it made all of them Ready.
pub async fn start(stage: &Stage, ready: &mut Ready, channels: usize, patience: Duration) -> Result<(Operator, Phase)> {
    let meter = Meter::start(stage)?;
    let operator = stage.operator()?;
    let all = ready.more(channels, patience).await;
    all.with_context(|| operator.process.last_lines(10))?;
    let (usage, reading) = (proc::usage(operator.process.pid())?, meter.read()?);
    let mut phase = Phase::new("1 cold create: all applied, then the operator is started");
    phase.seconds("all Ready after", reading.elapsed);
    phase.cpu("CPU time until then", usage.cpu);
    phase.mebibytes("peak RSS", usage.peak_kib);
    phase.per_channel("Graph requests", reading.requests, channels);
    phase.per_channel("Graph operations in batches", reading.operations, channels);
    phase.each_per_channel(&reading.api, channels);
    Ok((operator, phase))
}

/// Kills an operator, starts another in its place, and waits until that has checked every channel.
pub async fn restart(
    stage: &Stage,
    operator: &Operator,
    channels: usize,
    patience: Duration,
) -> Result<(Operator, Phase)> {
    let meter = Meter::start(stage)?;
    operator.process.kill();
    let operator = stage.operator()?;
    let leading = until_leading(&operator, &meter, patience).await?;
    until_passed(&operator, &meter, channels, patience).await?;
    let (usage, reading) = (proc::usage(operator.process.pid())?, meter.read()?);
    let mut phase = Phase::new("4 restart: kill -9, then the operator is started under the same identity");
    phase.seconds("leading with all listed after", leading);
    phase.seconds("a pass over every channel after", reading.elapsed);
    phase.cpu("CPU time until then", usage.cpu);
    phase.mebibytes("peak RSS", usage.peak_kib);
    // Not what is in batches: how many rounds of the sweep come meanwhile is chance. Reading all anew, 25 in a request, shows here.
    phase.per_channel("Graph requests", reading.requests, channels);
    phase.per_channel("API reads of Secrets", reading.secret_reads, channels);
    phase.per_channel("API writes", reading.api_writes, channels);
    Ok((operator, phase))
}

/// A follower is ready too, and tells so little that it can be asked often.
async fn until_leading(operator: &Operator, meter: &Meter<'_>, patience: Duration) -> Result<Duration> {
    let http = metrics::client()?;
    loop {
        tokio::time::sleep(LOOK).await;
        check(operator, meter, patience)?;
        let url = format!("http://{}/readyz", operator.metrics);
        let is_ready = http.get(url).send().await.is_ok_and(|answer| answer.status().is_success());
        let seen = meter.elapsed();
        if is_ready
            && let Ok(text) = metrics::scrape(&http, operator.metrics).await
            && metrics::value(&text, "leader") > 0.0
        {
            return Ok(seen);
        }
    }
}

#[allow(clippy::cast_precision_loss)]
async fn until_passed(operator: &Operator, meter: &Meter<'_>, channels: usize, patience: Duration) -> Result<()> {
    let http = metrics::client()?;
    loop {
        check(operator, meter, patience)?;
        let text = metrics::scrape(&http, operator.metrics).await?;
        let passes = metrics::sum_of_channels(&text, "reconcile_duration_seconds_count");
        if passes >= channels as f64 && metrics::sum_of_channels(&text, "reconciles_active") == 0.0 {
            return Ok(());
        }
        tokio::time::sleep(SCRAPE).await;
    }
}

fn check(operator: &Operator, meter: &Meter<'_>, patience: Duration) -> Result<()> {
    let ended = operator.process.exit_status()?;
    ensure!(ended.is_none() && meter.elapsed() < patience, "given up; {}", operator.process.last_lines(10));
    Ok(())
}

/// Ends an operator in order.
pub async fn stop(operator: &Operator) -> Result<Phase> {
    let exit = operator.process.terminate(GRACE).await?;
    ensure!(exit.status.success(), "the operator ended with {}; {}", exit.status, operator.process.last_lines(10));
    let mut phase = Phase::new("5 stop: SIGTERM");
    phase.seconds("ended after", exit.after);
    Ok(phase)
}
