//! A cluster on which Helm installed both charts, and their Deployments as processes of this machine.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use testkit::sandbox::{Options, Sandbox, Seed};
use testkit::{ControlPlane, Process, free_port};

use crate::support::cluster::{established, make_namespaces};
use crate::support::launch::Launch;
use crate::support::{Chart, Manifests, helm_at, path};

pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// The Graph API; what it sends to the samples' public callback goes to this port.
pub(crate) async fn graph(gateway_port: u16) -> Result<Sandbox> {
    let gateway = ("hooks.example.com".to_owned(), format!("http://127.0.0.1:{gateway_port}"));
    let options = Options { resolve: BTreeMap::from([gateway]), ..Options::default() };
    Sandbox::start(Seed::demo()?, options).await
}

/// The same with other values for the admin chart.
pub(crate) async fn installed_with(graph_url: &str, admin: &[&str]) -> Result<ControlPlane> {
    let cluster = ControlPlane::start().await?;
    let kubectl = cluster.kubectl();
    helm_at(&cluster, &[&["install", "admin"], admin].concat(), &Chart::ADMIN, &Chart::ADMIN.example("default"))?;
    established(&kubectl).await?;
    let samples = path("config/samples").display().to_string();
    kubectl.run(&["apply", "--server-side", "--kustomize", &samples]).await?;
    make_namespaces(&kubectl, &["ops"]).await?;
    let graph = format!("--set=graph.url={graph_url},graph.loginUrl={graph_url}");
    let acme = ["install", "acme", "--namespace=ops", "--set=operator.leaderElection.enabled=true", &graph];
    helm_at(&cluster, &acme, &Chart::OPERATOR, &Chart::OPERATOR.example("sandbox"))?;
    Ok(cluster)
}

/// Starts the container of an installed Deployment and waits until it is ready. Addresses move to loopback, since all
/// processes share this machine's.
pub(crate) async fn start(cluster: &ControlPlane, component: &str, listen: Option<u16>) -> Result<Process> {
    start_in(cluster, "ops", component, listen).await
}

/// The same for a release in another namespace.
pub(crate) async fn start_in(
    cluster: &ControlPlane,
    home: &str,
    component: &str,
    listen: Option<u16>,
) -> Result<Process> {
    let launch = installed_launch(cluster, home, component).await?;
    let launch = match listen {
        Some(port) => launch.with("--listen-addr", &format!("127.0.0.1:{port}"))?,
        None => launch,
    };
    run_as_installed(cluster, launch).await
}

/// How the container of an installed Deployment is started.
pub(crate) async fn installed_launch(cluster: &ControlPlane, home: &str, component: &str) -> Result<Launch> {
    let deployments = Manifests::list(&cluster.kubectl().get(&["deployments", "--namespace", home]).await?)?;
    Launch::of(&deployments, component, &format!("{component}-0"))
}

/// Starts it with the rights of its account, its metrics on a port that is free, and waits until it is ready.
pub(crate) async fn run_as_installed(cluster: &ControlPlane, launch: Launch) -> Result<Process> {
    let metrics = format!("127.0.0.1:{}", free_port());
    let launch = launch.with("--metrics-addr", &metrics)?;
    let kubeconfig = cluster.service_account_kubeconfig(&launch.namespace, &launch.service_account).await?;
    let program = Path::new(env!("CARGO_BIN_EXE_meta-channel-operator"));
    let process = Process::spawn(&launch.command(program, &kubeconfig))?;
    process.wait_ready(&format!("http://{metrics}/readyz"), PATIENCE).await?;
    Ok(process)
}

/// kubectl wait, with the logs of the operator if it waits in vain.
pub(crate) async fn wait(
    cluster: &ControlPlane,
    operator: &Process,
    condition: &str,
    object: &str,
    namespace: &str,
) -> Result<()> {
    let condition = format!("--for=condition={condition}");
    let timeout = format!("--timeout={}s", PATIENCE.as_secs());
    let arguments = ["wait", &condition, &timeout, object, "--namespace", namespace];
    let result = cluster.kubectl().run(&arguments).await;
    result.map(drop).with_context(|| format!("the operator's last lines:\n{}", operator.last_lines(20)))
}
