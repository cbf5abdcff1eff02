//! The gateway: answers Meta's webhook requests, and lets people authorise again in a browser. It has a public listener of
//! its own and never needs the leader.
//!
//! A request costs no read of the Kubernetes API: applications, their secrets and grants are kept in memory by watches.

mod body;
mod challenge;
mod keyring;
mod oauth;
pub mod signature;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, RawQuery, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use kube::Client;
use reqwest::Url;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::engine::{Clock, Key};
use crate::graph::{AppSecret, GraphClient};
use crate::metrics::Metrics;
use crate::server::Readiness;
use crate::server::listener::{self, Limits};
use body::Budget;
use keyring::{AppKeys, Keyring};
use oauth::{Grants, Login, OAuth};

/// How long requests that were accepted may take to end after the shutdown began.
const DRAIN: Duration = Duration::from_secs(3);

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
    /// Counters.
    pub metrics: Metrics,
    /// Where to say that every application and grant is known.
    pub ready: Readiness,
    /// Ends the work.
    pub shutdown: CancellationToken,
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
        let Self { client, scopes, metrics, ready, shutdown, .. } = self;
        let (keyring, mut watches) = Keyring::start(client.clone(), &scopes, metrics.clone());
        let grants = Arc::new(Grants::start(&client, &scopes, &metrics, &mut watches));
        let filled = {
            let (keyring, grants) = (Arc::clone(&keyring), Arc::clone(&grants));
            async move {
                tokio::join!(keyring.wait_until_filled(), grants.wait_until_filled());
                ready.set(true);
                tracing::info!("every application and grant is known; answering");
                std::future::pending::<()>().await
            }
        };
        let login = Login { url: self.login_url, mailbox_namespace: self.mailbox_namespace, clock: self.clock };
        let oauth = OAuth::new(client, self.graph, login, grants, Arc::clone(&keyring), metrics.clone());
        let webhooks = Webhooks { bodies: Budget::default(), keyring, metrics };
        let server = listener::serve(listener, router(webhooks, oauth), Limits::default(), shutdown.cancelled());
        let overdue = async {
            shutdown.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::select! {
            () = server => {}
            () = filled => {}
            () = overdue => {}
        }
        drop(watches);
    }
}

fn router(webhooks: Webhooks, oauth: OAuth) -> Router {
    Router::new()
        .route("/webhooks/{namespace}/{metaapp}", get(verify).post(receive))
        .with_state(Arc::new(webhooks))
        .merge(oauth::routes(Arc::new(oauth)))
        // One answer for everything that is unknown. A known application refuses what is wrong with 403, as Meta expects.
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
}

async fn not_found() -> StatusCode {
    StatusCode::NOT_FOUND
}

/// What a request to a known application is checked against. It comes before the body, so that nothing is read for an
/// unknown one.
struct Known(AppKeys);

impl FromRequestParts<Arc<Webhooks>> for Known {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, webhooks: &Arc<Webhooks>) -> Result<Self, StatusCode> {
        // A path that cannot be decoded is unknown too.
        let path = Path::<(String, String)>::from_request_parts(parts, webhooks).await;
        let app = path.ok().and_then(|Path((namespace, name))| webhooks.keyring.app(&Key::new(namespace, name)));
        app.map(Self).ok_or(StatusCode::NOT_FOUND)
    }
}

/// Meta's verification request.
async fn verify(State(webhooks): State<Arc<Webhooks>>, Known(app): Known, RawQuery(query): RawQuery) -> Response {
    let challenge = challenge::answer(query.as_deref().unwrap_or_default(), |token| app.knows_verify_token(token));
    webhooks.metrics.challenge(challenge.is_some());
    match challenge {
        Some(challenge) => (StatusCode::OK, [("content-type", "text/plain")], challenge).into_response(),
        None => StatusCode::FORBIDDEN.into_response(),
    }
}

/// An event. Its signature is checked on the raw bytes; what is in it is for later steps. Without a
/// signature to check the body is not read.
async fn receive(
    State(webhooks): State<Arc<Webhooks>>,
    Known(app): Known,
    headers: HeaderMap,
    body: Body,
) -> StatusCode {
    let signature = headers.get(signature::HEADER).and_then(|value| value.to_str().ok()).and_then(signature::parse);
    let Some(signature) = signature else {
        webhooks.metrics.signature(&app.key(), None);
        return StatusCode::FORBIDDEN;
    };
    let body = match webhooks.bodies.read(body).await {
        Ok(body) => body,
        Err(status) => return status,
    };
    let signs = |(_, secret): &(_, AppSecret)| signature::holds(&signature, secret.expose().as_bytes(), body.bytes());
    let entry = app.secrets().find(signs).map(|(entry, _)| entry);
    webhooks.metrics.signature(&app.key(), entry);
    if entry.is_some() { StatusCode::OK } else { StatusCode::FORBIDDEN }
}
