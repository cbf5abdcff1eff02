//! Which control calls there are, and who may make them.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router, middleware};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{deliveries, index, messaging, people, presets, state, usage};
use crate::connection::Peer;
use crate::control::ControlError;
use crate::core::Core;

/// The framework's own refusals are one line.
const MAX_REFUSAL: usize = 64 * 1024;

/// The routes, guarded against strangers.
pub(crate) fn router(core: Arc<Core>, control_token: Option<SecretString>) -> Router {
    let guard = Arc::new(control_token);
    Router::new()
        .nest(
            "/_sandbox",
            state::routes()
                .merge(people::routes())
                .merge(messaging::routes())
                .merge(deliveries::routes())
                .merge(usage::routes())
                .merge(presets::routes()),
        )
        .route("/_sandbox", get(index::read))
        .route("/_sandbox/", get(index::read))
        .route("/_sandbox/{*rest}", any(nowhere))
        .method_not_allowed_fallback(nowhere)
        .layer(middleware::from_fn(errors_as_json))
        .layer(middleware::from_fn_with_state(guard, only_friends))
        .with_state(core)
}

/// Lets in the own machine, and others with the control token.
async fn only_friends(
    State(control_token): State<Arc<Option<SecretString>>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    if peer.is_loopback() || presents(request.headers(), control_token.as_ref().as_ref()) {
        return next.run(request).await;
    }
    let body = json!({"error": "control calls from other machines need the control token"});
    (StatusCode::FORBIDDEN, Json(body)).into_response()
}

/// Gives the refusals of the framework, such as that of a path that is no UTF-8, the shape of all others.
async fn errors_as_json(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_json = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if is_json || response.status().is_success() {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = to_bytes(body, MAX_REFUSAL).await.unwrap_or_default();
    (parts.status, Json(json!({"error": String::from_utf8_lossy(&text)}))).into_response()
}

fn presents(headers: &HeaderMap, control_token: Option<&SecretString>) -> bool {
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let sent = sent.and_then(|value| value.strip_prefix("Bearer "));
    // Digests are compared, so that the time taken tells nothing.
    sent.zip(control_token).is_some_and(|(sent, wanted)| Sha256::digest(sent) == Sha256::digest(wanted.expose_secret()))
}

async fn nowhere() -> ControlError {
    ControlError::NotFound("such control call".into())
}
