//! `make bench-leader`: channels of one grant, applied before an operator starts that stands for election. It tells whether the
//! leader stayed, and what it took.

mod report;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use testkit::Progress;
use testkit::sandbox::print;

use self::report::Report;
use crate::crowd::{By, Crowd};
use crate::stage::{Program, Stage};

/// Between two looks at the operator; a scrape of 10,000 channels costs it something.
const PAUSE: Duration = Duration::from_secs(3);

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    program: Program,
    /// How many channels.
    #[arg(long, default_value_t = 10_000)]
    channels: usize,
}

pub async fn run(Arguments { program, channels }: Arguments) -> Result<()> {
    let progress = Progress::new();
    let crowd = Crowd { by: By::Grant, tenants: vec!["tenant".to_owned()], pages: channels };
    let stage = Stage::set(&program, crowd, &progress).await?;
    progress.say(&format!("applying {channels} channels"));
    stage.crowd.create(&stage.client, 0..channels).await?;

    progress.say("starting the operator");
    let mut report = Report::new(&stage.client, channels)?;
    let started = Instant::now();
    let mut operator = stage.operator()?;
    while !report.is_complete() {
        let patient = started.elapsed().as_secs() < program.patience;
        ensure!(patient, "given up; {report}\n{}", operator.process.last_lines(10));
        tokio::time::sleep(PAUSE).await;
        if let Some(status) = operator.process.exit_status()? {
            progress.say(&format!("the operator ended, {status}:\n{}", operator.process.last_lines(3)));
            // As a kubelet would.
            operator = stage.operator()?;
            report.restarted();
        }
        report.look(&operator, started.elapsed()).await;
        progress.say(&report.line());
    }
    print(&format!("{report}\n"))?;
    let exit = operator.process.terminate(Duration::from_secs(30)).await?;
    print(&format!("ended {:?} after SIGTERM, {}\n", exit.after, exit.status))?;
    report.verdict()
}
