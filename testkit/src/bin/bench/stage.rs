//! What an operator is measured on: a control plane with a crowd's namespaces, and the Graph sandbox in this process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;
use kube::Client;
use testkit::sandbox::{Options, Sandbox};
use testkit::{ControlPlane, Process, Progress, free_port};

use crate::crowd::{self, Crowd};

/// Where `crds/` is.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What is measured.
#[derive(Args)]
pub struct Program {
    /// The operator's program.
    #[arg(long)]
    pub operator: PathBuf,
    /// After how many seconds of waiting to give up.
    #[arg(long, default_value_t = 1_800)]
    pub patience: u64,
    /// More flags of the operator.
    #[arg(last = true)]
    pub flags: Vec<String>,
}

pub struct Stage {
    pub plane: ControlPlane,
    pub client: Client,
    pub sandbox: Sandbox,
    pub crowd: Crowd,
    program: PathBuf,
    flags: Vec<String>,
    kubeconfig: PathBuf,
}

/// An operator that runs.
pub struct Operator {
    pub process: Process,
    /// Where it tells its metrics.
    pub metrics: SocketAddr,
}

impl Stage {
    /// Starts everything but the operator, and applies everything but the channels.
    pub async fn set(program: &Program, crowd: Crowd, progress: &Progress) -> Result<Self> {
        let (path, flags) = (&program.operator, program.flags.clone());
        let program = path.canonicalize().with_context(|| path.display().to_string())?;
        progress.say("starting the control plane");
        let plane = ControlPlane::start().await?;
        plane.install_crds(&Path::new(ROOT).join("crds")).await?;
        let sandbox = Sandbox::start(crowd.seed()?, Options::default()).await?;
        crowd.prepare(&plane).await?;
        let kubeconfig = plane.service_account_kubeconfig(crowd::RELEASE, "operator").await?;
        Ok(Self { client: plane.client().await?, plane, sandbox, crowd, program, flags, kubeconfig })
    }

    /// Starts the operator.
    pub fn operator(&self) -> Result<Operator> {
        let metrics = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut command = Command::new(&self.program);
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .arg("run")
            .arg(format!("--watch-namespaces={},{}", crowd::PLATFORM, self.crowd.tenants.join(",")))
            .arg(format!("--claims-namespace={}", crowd::CLAIMS))
            .arg(format!("--leader-election-namespace={}", crowd::RELEASE))
            .arg(format!("--metrics-addr={metrics}"))
            .arg(format!("--graph-url={}", self.sandbox.url()))
            .arg("--allow-test-graph")
            .args(&self.flags);
        Ok(Operator { process: Process::spawn(&command)?, metrics })
    }
}
