//! The binary: one subcommand for each job.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use axum::http::Uri;
use clap::Parser;
use kube::Client;
use meta_channel_operator::base::clock::Clock;
use meta_channel_operator::base::watch_health::{Patience, WatchHealth};
use meta_channel_operator::cluster::leader::{Lease, Tenure, lead};
use meta_channel_operator::controller::context::Policy;
use meta_channel_operator::gateway::{ForwardingConfig, Gateway, Isolation};
use meta_channel_operator::graph::{GraphClient, GraphOptions};
use meta_channel_operator::metrics::Metrics;
use meta_channel_operator::operator::Operator;
use meta_channel_operator::server::{self, Readiness};
use meta_channel_operator::settings::{Cli, Command, CrdsSettings, GatewaySettings, GraphSettings, RunSettings};
use meta_channel_operator::{api, build_info, core_dumps, install_crypto_provider, telemetry};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use webhook_forwarder::address::{AddressPolicy, SystemNames};

/// What a shell reports of a program that SIGPIPE ended.
const NO_READER: i32 = 141;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        None => serve(run(cli.run)),
        Some(Command::Run(settings)) => serve(run(*settings)),
        Some(Command::Gateway(settings)) => serve(run_gateway(*settings)),
        Some(Command::Crds(settings)) => crds(&settings),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            telemetry::last_words(&error);
            ExitCode::FAILURE
        }
    }
}

/// Runs a server to its end. Nothing may outlive it: what still runs then is cut off, not waited for.
fn serve(server: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    core_dumps::forbid().context("core dumps cannot be forbidden")?;
    install_crypto_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(server);
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

async fn run(settings: RunSettings) -> anyhow::Result<()> {
    settings.validate()?;
    let candidate = settings.candidate()?;
    telemetry::init(settings.common.log_format, &settings.common.log_filter)?;
    let (metrics, ready, shutdown) = (Metrics::default(), Readiness::default(), on_signal()?);
    metrics.uses_test_graph(settings.graph.is_test_graph());
    let listener = server::bind(settings.metrics_addr)?;
    tokio::spawn(server::serve(listener, metrics.clone(), ready.clone(), CancellationToken::new()));
    let Some((client, config)) = connect(&shutdown).await? else { return Ok(()) };
    let tenure = Tenure::default();
    let lease = Lease { tenure: tenure.clone(), fresh: candidate.timing.fresh(settings.graph.graph_timeout) };
    let lease = settings.leader_elect.then_some(lease);
    let operator = operator(&settings, client, lease, metrics.clone(), ready.clone(), shutdown.clone())?;
    tracing::info!(
        version = build_info::VERSION,
        commit = build_info::COMMIT,
        instance = operator.instance,
        namespaces = settings.common.shown_scopes(),
        graph_url = operator.policy.graph_url,
        "starting"
    );
    if settings.graph.is_test_graph() {
        tracing::warn!("the Graph API is not Meta's: tokens and app secrets go to --graph-url");
    }
    if !settings.leader_elect {
        metrics.leading(true);
        return Box::pin(operator.run()).await;
    }
    // A follower does its work by waiting, so it is ready.
    ready.set(true);
    let leading = AtomicBool::new(false);
    // On the heap: what is moved from one future into the next lies on the stack more than once, and this is most of it.
    let work = Box::pin(async {
        leading.store(true, Ordering::Relaxed);
        ready.set(false);
        metrics.leading(true);
        operator.run().await
    });
    tokio::select! {
        done = lead(config, &candidate, &tenure, &metrics, work) => {
            done?.context("the lease was lost; exiting because this process must not act without it")?
        }
        () = until_shutdown_as_follower(&shutdown, &leading) => Ok(()),
        () = overdue(&shutdown) => {
            tracing::warn!("the lease could not be released in time; it expires on its own");
            Ok(())
        }
    }
}

/// How long the end of a leader may take from the shutdown on: its passes get most of it, releasing the lease the rest.
const LONGEST_END: Duration = Duration::from_secs(4);

async fn overdue(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(LONGEST_END).await;
}

/// Ends a follower at once; a leader ends on its own, after its passes did and the lease was released.
async fn until_shutdown_as_follower(shutdown: &CancellationToken, leading: &AtomicBool) {
    shutdown.cancelled().await;
    if leading.load(Ordering::Relaxed) {
        std::future::pending().await
    }
}

fn operator(
    settings: &RunSettings,
    client: Client,
    lease: Option<Lease>,
    metrics: Metrics,
    ready: Readiness,
    shutdown: CancellationToken,
) -> anyhow::Result<Operator> {
    let graph = graph(&settings.graph, &metrics)?;
    let policy = Policy {
        panic_over: Default::default(),
        safeguards: Default::default(),
        claims_namespace: settings.claims_namespace.clone(),
        inbox_namespace: settings.inbox_namespace.clone(),
        keyring: settings.keyring.clone(),
        graph_url: settings.graph.graph_url.trim_end_matches('/').to_owned(),
        gateway_url: settings.gateway_base(),
        forwarding: settings.forwarding,
        channel_period: settings.probe_period,
        token_period: settings.token_probe_period,
        app_period: settings.app_probe_period,
        count_period: Duration::from_secs(60),
        broken_period: Duration::from_secs(2 * 60 * 60),
        edit_interval: settings.edit_interval,
        staleness_limit: settings.staleness_limit,
    };
    Ok(Operator {
        client,
        graph,
        clock: Clock::System,
        policy,
        scopes: settings.common.scopes(),
        max_objects: settings.common.max_objects(),
        release: settings.release(),
        concurrency: settings.concurrency,
        instance: settings.instance(),
        metrics,
        ready,
        lease,
        shutdown,
    })
}

fn graph(settings: &GraphSettings, metrics: &Metrics) -> anyhow::Result<GraphClient> {
    let mut options = GraphOptions::new(&settings.graph_url).context("--graph-url")?;
    options.timeout = settings.graph_timeout;
    if let Some(proxy) = settings.proxy() {
        options = options.through(proxy).context("--graph-proxy-url")?;
    }
    Ok(GraphClient::new(options, Arc::new(metrics.clone()))?)
}

async fn run_gateway(settings: GatewaySettings) -> anyhow::Result<()> {
    settings.validate()?;
    telemetry::init(settings.common.log_format, &settings.common.log_filter)?;
    // What it was told stays true: if it were not ready, every event of Meta's would be lost while the API server is silent.
    let patience = Patience { server: Duration::MAX, ..Patience::default() };
    let (metrics, ready) = (Metrics::with(WatchHealth::new(patience)), Readiness::default());
    let shutdown = on_signal()?;
    metrics.uses_test_graph(settings.graph.is_test_graph());
    let listener = server::bind(settings.metrics_addr)?;
    tokio::spawn(server::serve(listener, metrics.clone(), ready.clone(), CancellationToken::new()));
    let public = server::bind(settings.listen_addr)?;
    let Some((client, _)) = connect(&shutdown).await? else { return Ok(()) };
    let namespaces = settings.common.shown_scopes();
    tracing::info!(version = build_info::VERSION, commit = build_info::COMMIT, namespaces, "starting the gateway");
    let forwarding = forwarding(&settings)?;
    let gateway = Gateway {
        client,
        graph: graph(&settings.graph, &metrics)?,
        clock: Clock::System,
        scopes: settings.common.scopes(),
        max_objects: settings.common.max_objects(),
        login_url: settings.login()?,
        inbox_namespace: settings.inbox_namespace,
        keyring: settings.keyring,
        trusted_proxies: settings.trusted_proxies,
        metrics,
        ready,
        shutdown,
        isolation: Isolation::default(),
        forwarding,
    };
    gateway.run(public).await
}

/// What to do where there is neither a ServiceAccount nor a kubeconfig.
const NO_ACCESS: &str =
    "no access to a Kubernetes API server; run this program in a Pod, or set KUBECONFIG to the path of a kubeconfig";

/// What forwarding needs, if there is a queue.
fn forwarding(settings: &GatewaySettings) -> anyhow::Result<Option<ForwardingConfig>> {
    let Some(directory) = settings.queue.clone() else { return Ok(None) };
    let names = SystemNames::new().context("the system's name servers cannot be read")?;
    let addresses = AddressPolicy { denied: settings.deny_cidrs.clone(), allowed: settings.allow_cidrs.clone() };
    let cluster_domain = settings.cluster_domain.clone();
    Ok(Some(ForwardingConfig { directory, addresses, names: Arc::new(names), cluster_domain }))
}

/// How long the API server may take for its first answer.
const FIRST_ANSWER: Duration = Duration::from_secs(15);

/// A client of the Kubernetes API and what it was made from, once that answered; `None` if the shutdown came first. Without an API server nothing
/// can be done, and a process that ends says so louder than one that waits.
async fn connect(shutdown: &CancellationToken) -> anyhow::Result<Option<(Client, kube::Config)>> {
    // Its text has that of its causes already.
    let mut config = kube::Config::infer().await.map_err(|error| anyhow::anyhow!("{NO_ACCESS}: {error}"))?;
    config.connect_timeout = Some(Duration::from_secs(5));
    // What the environment names is for the world outside. One that the kubeconfig names stays, and is refused below.
    if config.proxy_url.is_some() && config.proxy_url == proxy_of_environment() {
        config.proxy_url = None;
    }
    let url = config.cluster_url.clone();
    let client = Client::try_from(config.clone())?;
    let answer = tokio::select! {
        answer = tokio::time::timeout(FIRST_ANSWER, client.apiserver_version()) => answer,
        () = shutdown.cancelled() => return Ok(None),
    };
    let answer = answer.unwrap_or_else(|late| Err(kube::Error::Service(late.into())));
    answer.with_context(|| {
        format!(
            "no usable answer from the Kubernetes API server at {url}; check that it runs and lets this account in, and that the kubeconfig names the right one"
        )
    })?;
    Ok(Some((client, config)))
}

/// The proxy that kube would take from the environment.
fn proxy_of_environment() -> Option<Uri> {
    let variables = ["HTTPS_PROXY", "https_proxy"].into_iter().filter_map(|name| std::env::var(name).ok());
    variables.filter(|value| !value.is_empty()).find_map(|value| value.parse().ok())
}

/// A token that is canceled by SIGTERM or Ctrl-C.
fn on_signal() -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let signaled = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("shutting down");
        signaled.cancel();
    });
    Ok(token)
}

/// Prints to standard output. Once nobody reads it, as after `| head`, the program ends: at once, and without a complaint.
fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(NO_READER),
        result => result,
    }
}

fn crds(settings: &CrdsSettings) -> anyhow::Result<()> {
    for crd in api::crds() {
        let yaml = api::yaml(&crd)?;
        match &settings.dir {
            Some(dir) => {
                let file = dir.join(format!("{}_{}.yaml", api::GROUP, crd.spec.names.plural));
                std::fs::write(&file, yaml).with_context(|| format!("cannot write {}", file.display()))?;
            }
            None => print(&format!("---\n{yaml}"))?,
        }
    }
    Ok(())
}
