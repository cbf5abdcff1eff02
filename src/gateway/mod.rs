//! The gateway: answers Meta's webhook requests. It has a public listener of its own and never needs the leader.
//!
//! A request costs no read of the Kubernetes API: applications and their secrets are kept in memory by watches.

mod challenge;
mod keyring;
pub mod signature;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Path, RawQuery, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use kube::Client;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::engine::Key;
use crate::metrics::Metrics;
use crate::server::Readiness;
use keyring::{AppKeys, Keyring};

/// The largest event body that is read. Meta sends up to 1,000 updates in one (graph-api §5.6).
const LARGEST_BODY: usize = 4 << 20;

/// How long requests that were accepted may take to end after the shutdown began.
const DRAIN: Duration = Duration::from_secs(3);

/// Longest wait for the body of an event, which Meta sends at once.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Bodies that may be in memory at once: whoever sends slowly must not fill it.
const BODIES: usize = 16;

/// What every request shares.
struct Gateway {
    bodies: Semaphore,
    keyring: Arc<Keyring>,
    metrics: Metrics,
}

/// Runs the gateway until the shutdown.
///
/// # Errors
/// When the listener breaks.
pub async fn run(
    client: Client,
    scopes: Vec<String>,
    listener: TcpListener,
    metrics: Metrics,
    ready: Readiness,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let (keyring, watches) = Keyring::start(client, &scopes, metrics.clone());
    let filled = {
        let keyring = Arc::clone(&keyring);
        async move {
            keyring.wait_until_filled().await;
            ready.set(true);
            tracing::info!("every application is known; answering");
            std::future::pending::<()>().await
        }
    };
    let gateway = Arc::new(Gateway { bodies: Semaphore::new(BODIES), keyring, metrics });
    let server = axum::serve(listener, router(gateway));
    let ends = shutdown.clone();
    let server = server.with_graceful_shutdown(async move { ends.cancelled().await });
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    let result = tokio::select! {
        result = server => result.map_err(Into::into),
        () = filled => Ok(()),
        () = overdue => Ok(()),
    };
    drop(watches);
    result
}

fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/webhooks/{namespace}/{metaapp}", get(verify).post(receive))
        // One answer for everything that is unknown. A known application refuses what is wrong with 403, as Meta expects.
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
        .with_state(gateway)
}

async fn not_found() -> StatusCode {
    StatusCode::NOT_FOUND
}

/// What a request to a known application is checked against. It comes before the body, so that nothing is read for an
/// unknown one.
struct Known(AppKeys);

impl FromRequestParts<Arc<Gateway>> for Known {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, StatusCode> {
        // A path that cannot be decoded is unknown too.
        let path = Path::<(String, String)>::from_request_parts(parts, gateway).await;
        let app = path.ok().and_then(|Path((namespace, name))| gateway.keyring.app(&Key::new(namespace, name)));
        app.map(Self).ok_or(StatusCode::NOT_FOUND)
    }
}

/// Meta's verification request (graph-api §5.2).
async fn verify(State(gateway): State<Arc<Gateway>>, Known(app): Known, RawQuery(query): RawQuery) -> Response {
    let challenge = challenge::answer(query.as_deref().unwrap_or_default(), app.verify_token.as_deref());
    gateway.metrics.challenge(challenge.is_some());
    match challenge {
        Some(challenge) => (StatusCode::OK, [("content-type", "text/plain")], challenge).into_response(),
        None => StatusCode::FORBIDDEN.into_response(),
    }
}

/// An event (graph-api §5.3). Its signature is checked on the raw bytes; what is in it is for later steps. Without a
/// signature to check the body is not read.
async fn receive(State(gateway): State<Arc<Gateway>>, Known(app): Known, headers: HeaderMap, body: Body) -> StatusCode {
    let signature = headers.get(signature::HEADER).and_then(|value| value.to_str().ok()).and_then(signature::parse);
    let Some(signature) = signature else {
        gateway.metrics.signature(false);
        return StatusCode::FORBIDDEN;
    };
    let Ok(_slot) = gateway.bodies.acquire().await else { return StatusCode::SERVICE_UNAVAILABLE };
    let body = match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, LARGEST_BODY)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE,
        Err(_) => return StatusCode::REQUEST_TIMEOUT,
    };
    let valid = app.secrets().any(|key| signature::holds(&signature, key.expose().as_bytes(), &body));
    gateway.metrics.signature(valid);
    if valid { StatusCode::OK } else { StatusCode::FORBIDDEN }
}
