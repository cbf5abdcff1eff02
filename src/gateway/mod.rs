//! The gateway: answers Meta's webhook requests, and lets people authorize again in a browser. It has its own public listener
//! and never needs the leader.
//!
//! A request costs no read of the Kubernetes API: watches keep applications, grants and the keyring in memory. The keyring is
//! one Secret of the release's namespace; the gateway reads no Secret of a tenant.

mod body;
mod challenge;
mod events;
mod forwarding;
mod isolation;
mod keyring;
mod memory_pool;
mod oauth;
mod route;
pub mod signature;
mod watched_namespaces;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use futures::FutureExt;
use kube::Client;
use reqwest::Url;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::base::clock::Clock;
use crate::base::key::Key;
use crate::cluster::secret_guard::Guard;
use crate::cluster::surplus::Surplus;
use crate::graph::GraphClient;
use crate::metrics::Metrics;
use crate::server::Readiness;
use crate::server::listener::{self, Limits};
use events::Events;
use forwarding::Forwarding;
pub use forwarding::ForwardingConfig;
pub use isolation::Isolation;
use keyring::Keyring;
use oauth::{Grants, OAuth, OAuthConfig};
use watched_namespaces::WatchedNamespaces;
use webhooks::Webhooks;

/// How long requests that were accepted may take to end after the shutdown began.
const DRAIN: Duration = Duration::from_secs(3);

/// How long watched namespaces that give no answer are waited for at the start. What is not known then is answered with 503.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything the gateway needs from outside.
pub struct Gateway {
    /// Client of the Kubernetes API.
    pub client: Client,
    /// Client of the Graph API.
    pub graph: GraphClient,
    pub clock: Clock,
    /// Watched namespaces; one empty name stands for all.
    pub scopes: Vec<String>,
    /// Where people log in to Meta.
    pub login_url: Url,
    /// Namespace for what people authorized.
    pub inbox_namespace: String,
    /// How many objects of each kind a namespace may have.
    pub max_objects: usize,
    /// Name of the Secret there that the operator writes app secrets and verify tokens into.
    pub keyring: String,
    /// Proxies in front of the gateway that each add to `X-Forwarded-For` whom they got a request from. By the address that the
    /// outermost names clients are told apart.
    pub trusted_proxies: u8,
    /// Forwards events to the endpoints of channels, if this is set.
    pub forwarding: Option<ForwardingConfig>,
    /// Counters.
    pub metrics: Metrics,
    /// Where to say that every application and grant is known that can be.
    pub ready: Readiness,
    /// Ends the work.
    pub shutdown: CancellationToken,
    /// What keeps tenants apart: all of it, but in tests.
    #[doc(hidden)]
    pub isolation: Isolation,
}

impl Gateway {
    /// Answers until the shutdown.
    ///
    /// # Errors
    /// When the queue of events cannot be opened, or breaks: what was acknowledged last may be lost then, and nothing more is.
    pub async fn run(self, listener: TcpListener) -> anyhow::Result<()> {
        let Self { client, metrics, ready, shutdown, isolation, .. } = self;
        let mut watches = JoinSet::new();
        let namespaces = Arc::new(WatchedNamespaces::new(&self.scopes, metrics.clone()));
        let surplus = Arc::new(Surplus::new(self.max_objects));
        let keyring = Key::new(&self.inbox_namespace, &self.keyring);
        let keyring = Keyring::start(&client, keyring, &namespaces, &metrics, isolation, &surplus, &mut watches);
        let grants = Arc::new(Grants::start(&client, &namespaces, &metrics, isolation, &surplus, &mut watches));
        let events = Events::start(&client, namespaces.names(), &grants, &self.clock, &metrics, &mut watches);
        let (forwarding, broken) = match self.forwarding {
            Some(config) => {
                let (forwarding, broken) =
                    Forwarding::start(config, &events.channels, &keyring, &metrics, &mut watches)?;
                (Some(forwarding), broken.boxed())
            }
            None => (None, std::future::pending().boxed()),
        };
        watches.spawn(tell_when_ready(namespaces, Arc::clone(&keyring), ready, isolation));
        let guard = Guard {
            client: client.clone(),
            clock: self.clock.clone(),
            metrics: metrics.clone(),
            policy: "inbox.metachannels.io",
            namespaces: vec![self.inbox_namespace.clone()],
        };
        watches.spawn(guard.run());
        let login = OAuthConfig {
            url: self.login_url,
            inbox_namespace: self.inbox_namespace,
            proxies: self.trusted_proxies,
            clock: self.clock,
        };
        let oauth = OAuth::new(client, self.graph, login, grants, Arc::clone(&keyring), metrics.clone());
        let webhooks = Webhooks::new(keyring, events, forwarding, metrics);
        let server = listener::serve(listener, router(webhooks, oauth), Limits::PUBLIC, shutdown.cancelled());
        let overdue = async {
            shutdown.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::select! {
            () = server => Ok(()),
            () = overdue => Ok(()),
            broken = broken => Err(broken.into()),
        }
    }
}

/// Says that the gateway is ready once it knows what it can: one tenant's namespace that cannot be listed must not take the
/// callback of all others away, and Meta unsubscribes those whose callback fails for long.
async fn tell_when_ready(
    namespaces: Arc<WatchedNamespaces>,
    keyring: Arc<Keyring>,
    ready: Readiness,
    isolation: Isolation,
) {
    keyring.wait_until_listed().await;
    if isolation.ready {
        let settled = async {
            namespaces.wait_until(watched_namespaces::are_settled).await;
            keyring.wait_until_complete().await;
        };
        if tokio::time::timeout(PATIENCE, settled).await.is_err() {
            namespaces.wait_until(watched_namespaces::is_one_listed).await;
            tracing::warn!("not everything is known yet; requests about the rest are answered with 503");
        }
    } else {
        namespaces.wait_until(watched_namespaces::are_listed).await;
    }
    ready.set(true);
    tracing::info!("every readable application and grant is known; answering requests");
}

fn router(webhooks: Webhooks, oauth: OAuth) -> Router {
    webhooks::routes(Arc::new(webhooks))
        .merge(oauth::routes(Arc::new(oauth)))
        // One answer for everything that is unknown. Of applications nobody learns whether there is one: 403 for what is wrong,
        // as Meta expects, is what an unknown one answers too.
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
}

async fn not_found() -> StatusCode {
    StatusCode::NOT_FOUND
}
