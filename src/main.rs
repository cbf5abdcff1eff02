//! The binary: one subcommand for each job.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use kube::Client;
use meta_channel_operator::engine::context::Policy;
use meta_channel_operator::engine::leader::{Candidate, lead};
use meta_channel_operator::graph::{GraphClient, GraphOptions};
use meta_channel_operator::metrics::Metrics;
use meta_channel_operator::operator::Operator;
use meta_channel_operator::server::{self, Readiness};
use meta_channel_operator::settings::{Cli, Command, CrdsSettings, GatewaySettings, RunSettings};
use meta_channel_operator::{api, engine::Clock, gateway, install_crypto_provider, telemetry};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match cli.command {
        None => serve(run(cli.run)),
        Some(Command::Run(settings)) => serve(run(settings)),
        Some(Command::Gateway(settings)) => serve(run_gateway(settings)),
        Some(Command::Crds(settings)) => crds(&settings),
    }
}

/// Runs a server to its end. Nothing may outlive it: what still runs then is cut off, not waited for.
fn serve(server: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    install_crypto_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(server);
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

async fn run(settings: RunSettings) -> anyhow::Result<()> {
    telemetry::init(settings.common.log_format, &settings.common.log_filter)?;
    settings.validate()?;
    let (metrics, ready, shutdown) = (Metrics::default(), Readiness::default(), on_signal()?);
    metrics.uses_test_graph(settings.is_test_graph());
    let listener = server::bind(settings.metrics_addr).await?;
    tokio::spawn(server::serve(listener, metrics.clone(), ready.clone(), CancellationToken::new()));
    let client = kubernetes_client().await?;
    let operator = operator(&settings, client.clone(), metrics.clone(), ready.clone(), shutdown.clone())?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        instance = operator.instance,
        namespaces = ?operator.scopes,
        graph_url = operator.policy.graph_url,
        "starting"
    );
    if settings.is_test_graph() {
        tracing::warn!("the Graph API is not Meta's: tokens and app secrets go to --graph-url");
    }
    if !settings.leader_elect {
        operator.run().await;
        return Ok(());
    }
    let candidate = Candidate {
        namespace: settings.leader_election_namespace.clone(),
        lease: settings.leader_election_id.clone(),
        identity: operator.instance.clone(),
    };
    // A follower does its work by waiting, so it is ready.
    ready.set(true);
    let leading = AtomicBool::new(false);
    let work = async {
        leading.store(true, Ordering::Relaxed);
        ready.set(false);
        metrics.leading(true);
        operator.run().await;
    };
    tokio::select! {
        done = lead(client, &candidate, work) => done.context("the lease was lost; ending, so that nothing is done without it"),
        () = until_shutdown_as_follower(&shutdown, &leading) => Ok(()),
    }
}

/// Ends a follower at once; a leader ends by itself, after its passes did and the lease was released.
async fn until_shutdown_as_follower(shutdown: &CancellationToken, leading: &AtomicBool) {
    shutdown.cancelled().await;
    if leading.load(Ordering::Relaxed) {
        std::future::pending().await
    }
}

fn operator(
    settings: &RunSettings,
    client: Client,
    metrics: Metrics,
    ready: Readiness,
    shutdown: CancellationToken,
) -> anyhow::Result<Operator> {
    let mut options = GraphOptions::new(&settings.graph_url).context("--graph-url")?;
    options.timeout = settings.graph_timeout;
    let graph = GraphClient::new(options, Arc::new(metrics.clone()))?;
    let policy = Policy {
        claims_namespace: settings.claims_namespace.clone(),
        graph_url: settings.graph_url.trim_end_matches('/').to_owned(),
        gateway_url: settings.gateway_url.clone(),
        channel_period: settings.probe_period,
        app_period: settings.app_probe_period,
        broken_period: Duration::from_secs(2 * 60 * 60),
        staleness_limit: settings.staleness_limit,
    };
    Ok(Operator {
        client,
        graph,
        clock: Clock::System,
        policy,
        scopes: settings.common.scopes(),
        concurrency: settings.concurrency,
        instance: settings.instance(),
        metrics,
        ready,
        shutdown,
    })
}

async fn run_gateway(settings: GatewaySettings) -> anyhow::Result<()> {
    telemetry::init(settings.common.log_format, &settings.common.log_filter)?;
    let (metrics, ready, shutdown) = (Metrics::default(), Readiness::default(), on_signal()?);
    let listener = server::bind(settings.metrics_addr).await?;
    tokio::spawn(server::serve(listener, metrics.clone(), ready.clone(), CancellationToken::new()));
    let public = server::bind(settings.listen_addr).await?;
    let scopes = settings.common.scopes();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), namespaces = ?scopes, "starting the gateway");
    gateway::run(kubernetes_client().await?, scopes, public, metrics, ready, shutdown).await
}

async fn kubernetes_client() -> anyhow::Result<Client> {
    let mut config = kube::Config::infer().await.context("no access to a Kubernetes API server")?;
    config.connect_timeout = Some(Duration::from_secs(5));
    Ok(Client::try_from(config)?)
}

/// A token that is cancelled by SIGTERM or Ctrl-C.
fn on_signal() -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let signalled = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("shutting down");
        signalled.cancel();
    });
    Ok(token)
}

fn crds(settings: &CrdsSettings) -> anyhow::Result<()> {
    for crd in api::crds() {
        let yaml = api::yaml(&crd)?;
        match &settings.dir {
            Some(dir) => {
                let file = dir.join(format!("{}_{}.yaml", api::GROUP, crd.spec.names.plural));
                std::fs::write(&file, yaml).with_context(|| format!("cannot write {}", file.display()))?;
            }
            None => print!("---\n{yaml}"),
        }
    }
    Ok(())
}
