//! Gateways of a test: in this process, with its clock.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use kube::Client;
use meta_channel_operator::base::clock::Clock;
use meta_channel_operator::base::clock::Shift;
use meta_channel_operator::gateway::{ForwardingConfig, Gateway, Isolation};
use meta_channel_operator::graph::{GraphClient, GraphOptions};
use meta_channel_operator::metrics::Metrics;
use meta_channel_operator::server::{self, Readiness};
use meta_channel_operator::settings::DEFAULT_KEYRING;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use testkit::sandbox::Sandbox;
use tokio_util::sync::CancellationToken;
use webhook_forwarder::address::AddressPolicy;

use crate::support::env::{Env, Running};

/// Every host is this machine.
struct Loopback;

impl Resolve for Loopback {
    fn resolve(&self, _: Name) -> Resolving {
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Box::pin(async move { Ok(Box::new(std::iter::once(here)) as Addrs) })
    }
}

impl Env {
    /// The watched namespaces.
    pub fn scopes(&self) -> Vec<String> {
        vec![self.platform.clone(), self.tenant_a.clone(), self.tenant_b.clone()]
    }

    /// Another replica of the gateway, and where it listens.
    pub async fn replica(&self) -> Result<(Running, String)> {
        let (running, url, _) = self.gateway_by(&self.gateway_account.client).await?;
        Ok((running, url))
    }

    /// A gateway that asks the API server in this way; where it listens, and whether it is ready.
    pub async fn gateway_by(&self, client: &Client) -> Result<(Running, String, Readiness)> {
        let ready = Readiness::default();
        let (running, url) = start(client, &self.sandbox, &self.shift, self.scopes(), &self.inbox, &ready).await?;
        Ok((running, url, ready))
    }
}

/// Starts a gateway, and says where it listens.
pub async fn start_gateway(
    client: &Client,
    sandbox: &Sandbox,
    shift: &Shift,
    scopes: Vec<String>,
    inbox: &str,
) -> Result<(Running, String)> {
    start(client, sandbox, shift, scopes, inbox, &Readiness::default()).await
}

async fn start(
    client: &Client,
    sandbox: &Sandbox,
    shift: &Shift,
    scopes: Vec<String>,
    inbox: &str,
    ready: &Readiness,
) -> Result<(Running, String)> {
    let (metrics, shutdown) = (Metrics::default(), CancellationToken::new());
    let queue = tempfile::tempdir()?;
    let listener = server::bind("127.0.0.1:0".parse()?)?;
    let url = format!("http://{}", listener.local_addr()?);
    let gateway = Gateway {
        client: client.clone(),
        graph: graph(sandbox, &metrics),
        clock: Clock::Shifted(shift.clone()),
        scopes,
        login_url: sandbox.url().parse()?,
        inbox_namespace: inbox.to_owned(),
        max_objects: 20_000,
        keyring: DEFAULT_KEYRING.to_owned(),
        trusted_proxies: 1,
        metrics: metrics.clone(),
        ready: ready.clone(),
        shutdown: shutdown.clone(),
        isolation: Isolation::default(),
        forwarding: Some(ForwardingConfig {
            directory: queue.path().to_owned(),
            addresses: AddressPolicy { denied: Vec::new(), allowed: vec!["127.0.0.0/8".parse()?] },
            names: Arc::new(Loopback),
            cluster_domain: "cluster.local".to_owned(),
        }),
    };
    let task = tokio::spawn(async move {
        gateway.run(listener).await.expect("a gateway that runs");
        drop(queue);
    });
    Ok((Running { metrics, shutdown, task }, url))
}

/// A client of the simulated Graph API, as patient as the program is by default.
pub fn graph(sandbox: &Sandbox, metrics: &Metrics) -> GraphClient {
    let mut options = GraphOptions::new(&sandbox.url()).unwrap();
    options.timeout = Duration::from_secs(10);
    GraphClient::new(options, Arc::new(metrics.clone())).unwrap()
}
