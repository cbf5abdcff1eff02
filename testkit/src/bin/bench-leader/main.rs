//! `make bench-leader`: channels of one grant, applied before an operator starts that stands for election, on a machine that
//! control plane, sandbox and operator share. It tells whether the leader stayed, and what it took.

mod crowd;
mod report;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use testkit::sandbox::{Options, Sandbox};
use testkit::{ControlPlane, Process, Progress, free_port};

use crate::report::Report;

/// Where `crds/` is.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Between two looks at the operator; a scrape of 10,000 channels costs it something.
const PAUSE: Duration = Duration::from_secs(3);

#[derive(Parser)]
struct Arguments {
    /// The operator's program.
    #[arg(long)]
    operator: PathBuf,
    /// How many channels.
    #[arg(long, default_value_t = 10_000)]
    channels: usize,
    /// After how many seconds to give up.
    #[arg(long, default_value_t = 1_800)]
    patience: u64,
    /// More flags of the operator.
    #[arg(last = true)]
    flags: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let progress = Progress::new();
    progress.say("starting the control plane");
    let plane = ControlPlane::start().await?;
    plane.install_crds(&Path::new(ROOT).join("crds")).await?;
    let sandbox = Sandbox::start(crowd::seed(arguments.channels)?, Options::default()).await?;
    progress.say(&format!("applying {} channels", arguments.channels));
    crowd::prepare(&plane).await?;
    crowd::apply(&plane.client().await?, arguments.channels).await?;
    let kubeconfig = plane.service_account_kubeconfig(crowd::RELEASE, "operator").await?;

    progress.say("starting the operator");
    let mut report = Report::new(&plane, arguments.channels).await?;
    let started = Instant::now();
    let (mut operator, mut metrics) = start(&arguments, &kubeconfig, &sandbox)?;
    while !report.is_complete() {
        ensure!(started.elapsed().as_secs() < arguments.patience, "given up; {report}\n{}", operator.last_lines(10));
        tokio::time::sleep(PAUSE).await;
        if let Some(status) = operator.exit_status()? {
            progress.say(&format!("the operator ended, {status}:\n{}", operator.last_lines(3)));
            // As a kubelet would.
            (operator, metrics) = start(&arguments, &kubeconfig, &sandbox)?;
            report.restarted();
        }
        report.look(operator.pid(), metrics, started.elapsed()).await;
        progress.say(&report.line());
    }
    println!("{report}");
    let exit = operator.terminate(Duration::from_secs(30)).await?;
    println!("ended {:?} after SIGTERM, {}", exit.after, exit.status);
    report.verdict()
}

fn start(arguments: &Arguments, kubeconfig: &Path, sandbox: &Sandbox) -> Result<(Process, SocketAddr)> {
    let metrics = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let program = arguments.operator.canonicalize().with_context(|| arguments.operator.display().to_string())?;
    let mut command = Command::new(program);
    command
        .env("KUBECONFIG", kubeconfig)
        .arg("run")
        .arg(format!("--watch-namespaces={},{}", crowd::PLATFORM, crowd::TENANT))
        .arg(format!("--claims-namespace={}", crowd::CLAIMS))
        .arg(format!("--leader-election-namespace={}", crowd::RELEASE))
        .arg(format!("--metrics-addr={metrics}"))
        .arg(format!("--graph-url={}", sandbox.url()))
        .arg("--allow-test-graph")
        .args(&arguments.flags);
    Ok((Process::spawn(&command)?, metrics))
}
