//! An operator or gateway as a child process, and what its probes and metrics listener says.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use testkit::{Exit, Process, free_port, wait_for};

/// Longer than anything that works ever took, even while compilers hold all cores.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// More than twice of what an orderly end takes where something hangs, which is four seconds of doing nothing; and less than anybody
/// waits for what hangs, which is ten seconds and more.
pub const END: Duration = Duration::from_secs(9);

pub struct Server {
    pub process: Process,
    pub metrics: SocketAddr,
}

/// The program, with the given subcommand.
pub fn program(subcommand: &str, kubeconfig: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meta-channel-operator"));
    command.arg(subcommand).env("KUBECONFIG", kubeconfig);
    // As in the image, whose C library gives large pieces of memory back at once: what is measured is what is in use.
    command.env("MALLOC_MMAP_THRESHOLD_", "131072");
    command
}

impl Server {
    /// Starts a command with a metrics listener on a free port. `add` is called once more with other ports if someone
    /// else took one in between.
    pub async fn start(mut command: impl FnMut() -> Command) -> Result<Self> {
        for _ in 0..3 {
            let metrics = loopback(free_port());
            let mut command = command();
            command.arg(format!("--metrics-addr={metrics}"));
            let server = Self { process: Process::spawn(&command)?, metrics };
            match server.process.wait_ready(&format!("http://{metrics}/healthz"), PATIENCE).await {
                Err(_) if server.process.logs().contains("cannot listen on") => {}
                result => return result.map(|()| server),
            }
        }
        bail!("no port stays free for long enough")
    }

    pub async fn ready(&self) -> Result<()> {
        self.process.wait_ready(&format!("http://{}/readyz", self.metrics), PATIENCE).await
    }

    /// Status and body of the answer to a GET.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        meta_channel_operator::install_crypto_provider();
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let answer = http.get(format!("http://{}{path}", self.metrics)).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// The sum of all samples of a metric, whatever their labels.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        let (_, text) = self.get("/metrics").await?;
        let name = format!("meta_channel_operator_{name}");
        let samples = text.lines().filter_map(|line| line.split_once([' ', '{']).filter(|(it, _)| *it == name));
        samples.map(|(_, rest)| Ok(rest.rsplit(' ').next().context("a value")?.parse::<f64>()?)).sum()
    }

    /// Waits until this process is the leader and its stores are filled.
    pub async fn leads(&self) -> Result<()> {
        wait_for("the lease", PATIENCE, async || {
            ensure!(self.process.exit_status()?.is_none(), "it ended: {}", self.process.last_lines(5));
            ensure!(self.metric("leader").await? == 1.0, "not the leader: {}", self.process.last_lines(3));
            Ok(())
        })
        .await?;
        self.ready().await
    }

    /// SIGTERM ends the process in time, with status 0 and without a panic.
    pub async fn ends_well(&self, when: &str) -> Result<Exit> {
        let exit = self.process.terminate(PATIENCE).await?;
        // For whoever wants to see how much of the time is used: --nocapture.
        println!("{when}: ended {:?} after SIGTERM", exit.after);
        let lines = self.process.last_lines(10);
        ensure!(exit.status.success(), "{when}: {}; its last lines:\n{lines}", exit.status);
        ensure!(exit.after < END, "{when}: ended only after {:?}; its last lines:\n{lines}", exit.after);
        ensure!(!self.process.logs().contains("panicked"), "{when}:\n{lines}");
        Ok(exit)
    }

    /// Waits for the process to end on its own with another status than 0.
    pub async fn fails(&self) -> Result<String> {
        let status = wait_for("the process to end on its own", PATIENCE, async || {
            self.process.exit_status()?.context("it still runs")
        })
        .await?;
        let logs = self.process.logs();
        ensure!(status.code().is_some_and(|code| code != 0), "{status}:\n{logs}");
        ensure!(!logs.contains("panicked"), "{logs}");
        Ok(logs)
    }
}

pub fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
