//! kube-controller-manager on loopback, with the few controllers that tests need.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::control_plane::ControlPlane;
use crate::process::Process;
use crate::wait::free_port;

/// Longer than any start that was ever seen, even while compilers hold all cores.
const START_TIMEOUT: Duration = Duration::from_secs(90);

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
    let ready = process.wait_ready(&format!("https://127.0.0.1:{port}/healthz"), START_TIMEOUT).await;
    ready.with_context(|| format!("the controllers' last lines:\n{}", process.last_lines(20)))?;
    Ok(process)
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
