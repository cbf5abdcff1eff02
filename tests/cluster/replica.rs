//! Gateways of a test: in this process, with its clock.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use kube::Client;
use meta_channel_operator::engine::Clock;
use meta_channel_operator::engine::clock::Shift;
use meta_channel_operator::gateway::Gateway;
use meta_channel_operator::graph::{GraphClient, GraphOptions};
use meta_channel_operator::metrics::Metrics;
use meta_channel_operator::server::{self, Readiness};
use testkit::sandbox::Sandbox;
use tokio_util::sync::CancellationToken;

use crate::world::{Running, World};

impl World {
    /// Another replica of the gateway, and where it listens.
    pub async fn replica(&self) -> Result<(Running, String)> {
        start_gateway(&self.gateway_account.client, &self.sandbox, &self.shift, self.scopes(), &self.mailbox).await
    }
}

/// Starts a gateway, and says where it listens.
pub async fn start_gateway(
    client: &Client,
    sandbox: &Sandbox,
    shift: &Shift,
    scopes: Vec<String>,
    mailbox: &str,
) -> Result<(Running, String)> {
    let (metrics, shutdown) = (Metrics::default(), CancellationToken::new());
    let listener = server::bind("127.0.0.1:0".parse()?)?;
    let url = format!("http://{}", listener.local_addr()?);
    let gateway = Gateway {
        client: client.clone(),
        graph: graph(sandbox, &metrics),
        clock: Clock::Shifted(shift.clone()),
        scopes,
        login_url: sandbox.url().parse()?,
        mailbox_namespace: mailbox.to_owned(),
        metrics: metrics.clone(),
        ready: Readiness::default(),
        shutdown: shutdown.clone(),
    };
    let task = tokio::spawn(async move { gateway.run(listener).await });
    Ok((Running { metrics, shutdown, task }, url))
}

/// A client of the simulated Graph API, as patient as the program is by default.
pub fn graph(sandbox: &Sandbox, metrics: &Metrics) -> GraphClient {
    let mut options = GraphOptions::new(&sandbox.url()).unwrap();
    options.timeout = Duration::from_secs(10);
    GraphClient::new(options, Arc::new(metrics.clone())).unwrap()
}
