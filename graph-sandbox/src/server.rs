//! HTTP: what goes where.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::DATE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use secrecy::SecretString;

use crate::connection::Peer;
use crate::control_api;
use crate::core::Core;
use crate::graph;
use crate::protocol::{Effect, GraphError, GraphRequest, Reply};

/// The largest body a Graph request may have.
const MAX_BODY: usize = 1024 * 1024;

/// Everything the sandbox serves.
pub(crate) fn app(core: Arc<Core>, control_token: Option<SecretString>) -> Router {
    control_api::router(Arc::clone(&core), control_token).merge(Router::new().fallback(serve_graph).with_state(core))
}

async fn serve_graph(
    State(core): State<Arc<Core>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.map_err(|_| {
        GraphError::new(1, "Please reduce the amount of data you're asking for, then retry your request").status(413)
    });
    let request = GraphRequest::read(parts.method, &parts.uri, &parts.headers, body);
    match graph::handle(&core, request).await {
        Effect::Reply(reply) => into_response(reply, core.clock.now()),
        Effect::Reset | Effect::Unfinished => {
            peer.reset();
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

fn into_response(reply: Reply, now: Timestamp) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    // A fault may ask for any number, but 1xx is no final answer.
    let status = StatusCode::from_u16(reply.status).ok();
    *response.status_mut() =
        status.filter(|status| !status.is_informational()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = reply.headers;
    // By the sandbox's clock. Without one the server would add its own, by the machine's.
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap_or_default();
    if let Ok(date) = HeaderValue::try_from(date) {
        response.headers_mut().entry(DATE).or_insert(date);
    }
    response
}
