//! The probes and metrics listener, apart from any public one; and how any listener accepts.

pub(crate) mod connections;
pub(crate) mod listener;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use listener::Limits;

/// Whether the process can do its work: a follower can, a leader whose stores are not filled cannot.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says whether the process can do its work.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    /// Whether it can.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Connections that may wait for being accepted, if the system allows as many: a crowd that comes at once must leave room.
const BACKLOG: u32 = 4096;

/// Kubelet and Prometheus come one at a time. An answer may be some megabytes, and who does not read it keeps it in memory.
const LIMITS: Limits =
    Limits { connections: 16, request: Duration::from_secs(15), idle: Duration::from_secs(60), ..Limits::PUBLIC };

/// Binds a listener.
///
/// # Errors
/// When the address cannot be listened on.
pub fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // What is still being closed there must not keep the next process from starting.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bound().with_context(|| format!("cannot listen on {address}"))
}

/// Serves `/healthz`, `/readyz` and `/metrics` until the shutdown.
pub async fn serve(listener: TcpListener, metrics: Metrics, ready: Readiness, shutdown: CancellationToken) {
    let router = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(text))
        .with_state((metrics, ready));
    listener::serve(listener, router, LIMITS, shutdown.cancelled()).await;
}

/// Who is cut off from the API server works on what was, and does not know of what changed.
async fn readyz(State((metrics, ready)): State<(Metrics, Readiness)>) -> impl IntoResponse {
    match ready.get() {
        true if metrics.api_server().hearing().is_cut_off() => {
            (StatusCode::SERVICE_UNAVAILABLE, "the API server is silent")
        }
        true => (StatusCode::OK, "ok"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    }
}

async fn text(State((metrics, _)): State<(Metrics, Readiness)>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], metrics.text())
}
