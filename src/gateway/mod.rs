//! The gateway: answers Meta's webhook requests, and lets people authorise again in a browser. It has a public listener of
//! its own and never needs the leader.
//!
//! A request costs no read of the Kubernetes API: applications, grants and the keyring are kept in memory by watches. The keyring is
//! one Secret of the release's namespace; no Secret of a tenant's is read.

mod body;
mod challenge;
mod keyring;
mod oauth;
mod room;
mod scopes;
pub mod signature;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, Path, RawQuery, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use kube::Client;
use reqwest::Url;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::base::clock::Clock;
use crate::base::key::Key;
use crate::cluster::secret_guard::Guard;
use crate::cluster::surplus::Surplus;
use crate::graph::{AppSecret, GraphClient};
use crate::metrics::Metrics;
use crate::server::Readiness;
use crate::server::listener::{self, Limits};
use body::Budget;
use keyring::{AppKeys, Keyring};
use oauth::{Grants, Login, OAuth};
use scopes::Scopes;

/// How long requests that were accepted may take to end after the shutdown began.
const DRAIN: Duration = Duration::from_secs(3);

/// How long watched namespaces that give no answer are waited for at the start. What is not known then is answered with 503.
const PATIENCE: Duration = Duration::from_secs(30);

/// What keeps the trouble of one tenant from the others. No flag, variable or object reaches it: a test takes one of them out to
/// see what it is for.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Isolation {
    /// A namespace that cannot be listed does not keep the gateway from being ready.
    pub ready: bool,
    /// What is not known yet is answered with 503, not as if it did not exist or were wrong.
    pub unknown: bool,
}

impl Default for Isolation {
    fn default() -> Self {
        Self { ready: true, unknown: true }
    }
}

/// Everything the gateway needs from outside.
pub struct Gateway {
    /// Client of the Kubernetes API.
    pub client: Client,
    /// Client of the Graph API.
    pub graph: GraphClient,
    /// The one clock.
    pub clock: Clock,
    /// Watched namespaces; one empty name stands for all.
    pub scopes: Vec<String>,
    /// Where people log in to Meta.
    pub login_url: Url,
    /// Namespace for what people authorised.
    pub mailbox_namespace: String,
    /// How many objects of each kind a namespace may have.
    pub max_objects: usize,
    /// Name of the Secret there that the operator writes app secrets and verify tokens into.
    pub keyring: String,
    /// Proxies in front of the gateway that each add to `X-Forwarded-For` whom they got a request from. By the address that the
    /// outermost names clients are told apart.
    pub trusted_proxies: u8,
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

/// What every webhook request shares.
struct Webhooks {
    bodies: Budget,
    keyring: Arc<Keyring>,
    metrics: Metrics,
}

impl Gateway {
    /// Answers until the shutdown.
    pub async fn run(self, listener: TcpListener) {
        let Self { client, metrics, ready, shutdown, isolation, .. } = self;
        let mut watches = JoinSet::new();
        let scopes = Arc::new(Scopes::new(&self.scopes, metrics.clone()));
        let surplus = Arc::new(Surplus::new(self.max_objects));
        let keyring = Key::new(&self.mailbox_namespace, &self.keyring);
        let keyring = Keyring::start(&client, keyring, &scopes, &metrics, isolation, &surplus, &mut watches);
        let grants = Arc::new(Grants::start(&client, &scopes, &metrics, isolation, &surplus, &mut watches));
        watches.spawn(tell_when_ready(scopes, Arc::clone(&keyring), ready, isolation));
        let guard = Guard {
            client: client.clone(),
            clock: self.clock.clone(),
            metrics: metrics.clone(),
            policy: "mail.metachannels.io",
            namespaces: vec![self.mailbox_namespace.clone()],
        };
        watches.spawn(guard.run());
        let login = Login {
            url: self.login_url,
            mailbox_namespace: self.mailbox_namespace,
            proxies: self.trusted_proxies,
            clock: self.clock,
        };
        let oauth = OAuth::new(client, self.graph, login, grants, Arc::clone(&keyring), metrics.clone());
        let webhooks = Webhooks { bodies: Budget::default(), keyring, metrics };
        let server = listener::serve(listener, router(webhooks, oauth), Limits::PUBLIC, shutdown.cancelled());
        let overdue = async {
            shutdown.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::select! {
            () = server => {}
            () = overdue => {}
        }
    }
}

/// Says that the gateway is ready once it knows what it can: one tenant's namespace that cannot be listed must not take the
/// callback of all others away, and Meta unsubscribes those whose callback fails for long.
async fn tell_when_ready(scopes: Arc<Scopes>, keyring: Arc<Keyring>, ready: Readiness, isolation: Isolation) {
    keyring.wait_until_listed().await;
    if isolation.ready {
        let settled = async {
            scopes.wait_until(scopes::are_settled).await;
            keyring.wait_until_complete().await;
        };
        if tokio::time::timeout(PATIENCE, settled).await.is_err() {
            scopes.wait_until(scopes::is_one_listed).await;
            tracing::warn!("not everything is known yet; what is not is answered with 503");
        }
    } else {
        scopes.wait_until(scopes::are_listed).await;
    }
    ready.set(true);
    tracing::info!("every application and grant that can be read is known; answering");
}

fn router(webhooks: Webhooks, oauth: OAuth) -> Router {
    Router::new()
        .route("/webhooks/{namespace}/{metaapp}", get(verify).post(receive))
        .with_state(Arc::new(webhooks))
        .merge(oauth::routes(Arc::new(oauth)))
        // One answer for everything that is unknown. Of applications nobody learns whether there is one: 403 for what is wrong,
        // as Meta expects, is what an unknown one answers too.
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
}

async fn not_found() -> StatusCode {
    StatusCode::NOT_FOUND
}

/// What a request to an application is checked against; `None` if there is none, to which everything is wrong.
struct Named(Option<AppKeys>);

impl FromRequestParts<Arc<Webhooks>> for Named {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, webhooks: &Arc<Webhooks>) -> Result<Self, StatusCode> {
        // A path that cannot be decoded is unknown too.
        let path = Path::<(String, String)>::from_request_parts(parts, webhooks).await;
        let Ok(Path((namespace, name))) = path else { return Ok(Self(None)) };
        let key = Key::new(namespace, name);
        let app = webhooks.keyring.app(&key);
        if app.is_some() || webhooks.keyring.knows_apps(&key) { Ok(Self(app)) } else { Err(wrong(false)) }
    }
}

/// What is wrong, as far as is known; what may be right is to be asked again.
fn wrong(is_known: bool) -> StatusCode {
    if is_known { StatusCode::FORBIDDEN } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// Meta's verification request.
async fn verify(State(webhooks): State<Arc<Webhooks>>, Named(app): Named, RawQuery(query): RawQuery) -> Response {
    let Some(app) = app else { return wrong(true).into_response() };
    let challenge = challenge::answer(query.as_deref().unwrap_or_default(), |token| app.knows_verify_token(token));
    webhooks.metrics.gateway().challenge(challenge.is_some());
    match challenge {
        Some(challenge) => (StatusCode::OK, [("content-type", "text/plain")], challenge).into_response(),
        None => wrong(app.verify_token_is_known).into_response(),
    }
}

/// An event. Its signature is checked on the raw bytes; what is in it is for later steps. Without a
/// signature to check the body is not read; that of an unknown application is, so that the time taken tells nothing.
async fn receive(
    State(webhooks): State<Arc<Webhooks>>,
    Named(app): Named,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Body,
) -> StatusCode {
    let signature = headers.get(signature::HEADER).and_then(|value| value.to_str().ok()).and_then(signature::parse);
    let Some(signature) = signature else {
        if let Some(app) = app {
            webhooks.metrics.gateway().signature(&app.key(), None);
        }
        return wrong(true);
    };
    let body = match webhooks.bodies.read(address.ip(), body).await {
        Ok(body) => body,
        Err(status) => return status,
    };
    let Some(app) = app else { return wrong(true) };
    let signs = |(_, secret): &(_, AppSecret)| signature::holds(&signature, secret.expose().as_bytes(), body.bytes());
    let entry = app.secrets().find(signs).map(|(entry, _)| entry);
    if entry.is_some() || app.app_secret_is_known {
        webhooks.metrics.gateway().signature(&app.key(), entry);
    }
    if entry.is_some() { StatusCode::OK } else { wrong(app.app_secret_is_known) }
}
