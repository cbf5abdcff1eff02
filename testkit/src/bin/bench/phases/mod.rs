//! `make bench`: channels with a page token each, from their creation to the end of the operator. What a refactor costs shows
//! in the comparison with the figures of another build.

mod life;
mod work;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use testkit::Progress;
use testkit::sandbox::{Fault, FaultEffect, FaultMatch, print};

use crate::compare;
use crate::crowd::{By, Crowd};
use crate::figures::Record;
use crate::ready::Ready;
use crate::stage::{Program, Stage};

/// Namespaces of the channels.
const TENANTS: usize = 4;

/// How many channels come one after another once the others are Ready.
const ARRIVALS: usize = 50;

/// How long the Graph API takes for a request. Meta takes ten times as long, and longer would only measure waiting.
const LATENCY_MS: u64 = 20;

/// Short, so that whole sweeps can be measured; each object is checked as often as others are in a day.
const SWEEP: Duration = Duration::from_secs(60);

/// Who starts again is the same to the election, as a container that ended is in its Pod: it need not wait for the Lease.
const IDENTITY: &str = "bench-0";

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    program: Program,
    /// How many channels.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    channels: u32,
    /// Commit that the operator was built from.
    #[arg(long, default_value = "unknown")]
    commit: String,
    /// Where to write the figures.
    #[arg(long)]
    out: PathBuf,
    /// Figures of another run; fails if one got worse.
    #[arg(long)]
    compare: Option<PathBuf>,
}

pub async fn run(arguments: Arguments) -> Result<()> {
    let Arguments { mut program, channels, commit, out, compare } = arguments;
    let channels = usize::try_from(channels)?;
    let mut record = Record::begin(&program.operator, &commit, channels)?;
    let before = compare.map(|path| Record::read(&path)).transpose()?;
    // Minutes earlier than with the rest of the comparison.
    before.as_ref().map_or(Ok(()), |before| compare::check(before, channels))?;

    program.flags.extend([format!("--probe-period={}s", SWEEP.as_secs()), format!("--identity={IDENTITY}")]);
    record.figures = measure(&program, channels).await?;
    record.write(&out)?;
    print(&format!("{record}\n\n"))?;
    let Some(before) = before else {
        print(&compare::alone(&record))?;
        return Ok(());
    };
    print(&format!("before: {before}\n\n"))?;
    let rows = compare::rows(&before, &record);
    print(&format!("{}\n", compare::table(&rows)))?;
    compare::verdict(&rows)
}

async fn measure(program: &Program, channels: usize) -> Result<Vec<crate::figures::Figure>> {
    let progress = Progress::new();
    let tenants = (0..TENANTS).map(|number| format!("tenant-{number}")).collect();
    let crowd = Crowd { by: By::PageTokens, tenants, pages: channels + ARRIVALS };
    let stage = Stage::set(program, crowd, &progress).await?;
    // A batch is one request, whatever it holds.
    let requests = FaultMatch { batched: Some(false), ..FaultMatch::default() };
    stage.sandbox.add_fault(Fault::new(requests, FaultEffect::Slow { ms: LATENCY_MS }));
    let mut ready = Ready::watch(&stage.client).await?;
    let patience = Duration::from_secs(program.patience);

    progress.say(&format!("applying {channels} channels"));
    stage.crowd.create(&stage.client, 0..channels).await?;
    progress.say("starting the operator");
    let (operator, cold) = life::start(&stage, &mut ready, channels, patience).await?;
    progress.say("all are Ready; waiting for one sweep and measuring two");
    let sweep = work::sweep(&stage, &operator, channels).await?;
    progress.say(&format!("creating {ARRIVALS} channels one after another"));
    let arrivals = work::arrivals(&stage, &mut ready, channels..channels + ARRIVALS, patience).await?;
    progress.say("killing the operator and starting it again");
    let (operator, restart) = life::restart(&stage, &operator, channels + ARRIVALS, patience).await?;
    progress.say("stopping the operator");
    let stop = life::stop(&operator).await?;
    Ok([cold, sweep, arrivals, restart, stop].into_iter().flat_map(|phase| phase.figures).collect())
}
