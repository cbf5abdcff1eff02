//! kube-controller-manager on loopback, with the few controllers that tests need.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::control_plane::ControlPlane;
use crate::process::Process;
use crate::wait::{free_port, wait_for};

/// Longer than any start that was ever seen, even while compilers hold all cores.
const START_TIMEOUT: Duration = Duration::from_secs(180);

/// Those that act on what tests look at. There are no nodes, so that the others have nothing to do.
const CONTROLLERS: [&str; 4] = [
    "clusterrole-aggregation-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "validatingadmissionpolicy-status-controller",
];

/// Starts the controllers of a control plane and waits until they serve.
pub(crate) async fn start(control_plane: &ControlPlane, program: &Path) -> Result<Process> {
    let kubeconfig = control_plane.user_kubeconfig("system:kube-controller-manager", "controllers")?;
    let port = free_port();
    let process = Process::spawn_in(&command(program, &kubeconfig, port), control_plane.directory())?;
    wait_ready(&process, port).await.with_context(|| format!("its last lines:\n{}", process.last_lines(20)))?;
    Ok(process)
}

/// Waits until it serves. Its certificate is one that it made for itself; nothing is sent but the question.
async fn wait_ready(process: &Process, port: u16) -> Result<()> {
    let http = reqwest::Client::builder().no_proxy().danger_accept_invalid_certs(true).timeout(Duration::from_secs(2));
    let http = http.build()?;
    let ended = wait_for("kube-controller-manager to be ready", START_TIMEOUT, async || {
        if let Some(status) = process.exit_status()? {
            return Ok(Some(status));
        }
        http.get(format!("https://127.0.0.1:{port}/healthz")).send().await?.error_for_status()?;
        Ok(None)
    })
    .await?;
    ensure!(ended.is_none(), "kube-controller-manager ended");
    Ok(())
}

fn command(program: &Path, kubeconfig: &Path, port: u16) -> Command {
    let kubeconfig = |flag: &str| format!("--{flag}={}", kubeconfig.display());
    let mut command = Command::new(program);
    command
        .arg(kubeconfig("kubeconfig"))
        .arg(kubeconfig("authentication-kubeconfig"))
        .arg(kubeconfig("authorization-kubeconfig"))
        .arg(format!("--controllers={}", CONTROLLERS.join(",")))
        // Each acts with rights of its own, as in a cluster: what a policy refuses them is refused here too.
        .arg("--use-service-account-credentials=true")
        .arg("--leader-elect=false")
        .arg("--bind-address=127.0.0.1")
        .arg(format!("--secure-port={port}"))
        .arg("--profiling=false")
        .arg("--v=1");
    command
}
