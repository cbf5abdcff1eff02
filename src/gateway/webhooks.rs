//! The two requests that Meta sends to the webhook of an application: the verification of its address, and events.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, Path, RawQuery, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::body::BodyReader;
use super::events::{Events, Taken};
use super::forwarding::Forwarding;
use super::keyring::{AppKeys, Keyring};
use super::{challenge, signature};
use crate::base::key::Key;
use crate::graph::AppSecret;
use crate::metrics::Metrics;

/// What every webhook request shares.
pub(super) struct Webhooks {
    bodies: BodyReader,
    keyring: Arc<Keyring>,
    events: Events,
    forwarding: Option<Forwarding>,
    metrics: Metrics,
}

impl Webhooks {
    pub(super) fn new(keyring: Arc<Keyring>, events: Events, forwarding: Option<Forwarding>, metrics: Metrics) -> Self {
        Self { bodies: BodyReader::default(), keyring, events, forwarding, metrics }
    }
}

/// The routes, for the public listener.
pub(super) fn routes(webhooks: Arc<Webhooks>) -> Router {
    Router::new().route("/webhooks/{namespace}/{metaapp}", get(verify).post(receive)).with_state(webhooks)
}

/// What a request to an application is checked against; `None` if there is none, to which everything is wrong.
struct TargetApp(Option<AppKeys>);

impl FromRequestParts<Arc<Webhooks>> for TargetApp {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, webhooks: &Arc<Webhooks>) -> Result<Self, StatusCode> {
        // A path that cannot be decoded is unknown too.
        let path = Path::<(String, String)>::from_request_parts(parts, webhooks).await;
        let Ok(Path((namespace, name))) = path else { return Ok(Self(None)) };
        let key = Key::new(namespace, name);
        let app = webhooks.keyring.app(&key);
        if app.is_some() || webhooks.keyring.knows_apps(&key) { Ok(Self(app)) } else { Err(denied(false)) }
    }
}

/// What is wrong, as far as is known; what may be right is to be asked again.
fn denied(is_known: bool) -> StatusCode {
    if is_known { StatusCode::FORBIDDEN } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// Meta's verification request.
async fn verify(
    State(webhooks): State<Arc<Webhooks>>,
    TargetApp(app): TargetApp,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(app) = app else { return denied(true).into_response() };
    let challenge = challenge::answer(query.as_deref().unwrap_or_default(), |token| app.knows_verify_token(token));
    webhooks.metrics.gateway().challenge(challenge.is_some());
    match challenge {
        Some(challenge) => (StatusCode::OK, [("content-type", "text/plain")], challenge).into_response(),
        None => denied(app.verify_token_is_known).into_response(),
    }
}

/// Events. Their signature is checked on the raw bytes; what is in them changes no answer, unless what is to be forwarded cannot be kept. Without a
/// signature to check the body is not read; that of an unknown application is, so that the time taken tells nothing.
async fn receive(
    State(webhooks): State<Arc<Webhooks>>,
    TargetApp(app): TargetApp,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Body,
) -> StatusCode {
    let signature = headers.get(signature::HEADER).and_then(|value| value.to_str().ok()).and_then(signature::parse);
    let Some(signature) = signature else {
        if let Some(app) = app {
            webhooks.metrics.gateway().signature(&app.key(), None);
        }
        return denied(true);
    };
    let body = match webhooks.bodies.read(address.ip(), body).await {
        Ok(body) => body,
        Err(status) => return status,
    };
    let Some(app) = app else { return denied(true) };
    let signs = |(_, secret): &(_, AppSecret)| signature::holds(&signature, secret.expose().as_bytes(), body.bytes());
    let entry = app.secrets().find(signs).map(|(entry, _)| entry);
    if entry.is_some() || app.app_secret_is_known {
        webhooks.metrics.gateway().signature(&app.key(), entry);
    }
    if entry.is_none() {
        return denied(app.app_secret_is_known);
    }
    let Taken { to_forward, misses } = webhooks.events.take(&app.app, body.bytes());
    drop(body);
    match &webhooks.forwarding {
        Some(_) if misses => StatusCode::SERVICE_UNAVAILABLE,
        Some(forwarding) if !to_forward.is_empty() => forwarding.keep(to_forward).await,
        _ => StatusCode::OK,
    }
}
