//! A way to the API server on which one thing can be held, such as the watch of a kind: what happens is not told then, and everything
//! else works.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;
use futures::StreamExt;
use kube::{Client, Config};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The way; it ends when this is dropped.
pub struct HoldingProxy {
    /// A client whose requests go this way.
    pub client: Client,
    hold: watch::Sender<bool>,
    waiting: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

/// What is held.
#[derive(Clone, Copy)]
pub enum Hold {
    /// What the watch of a kind tells, such as `assetclaims`.
    Watch(&'static str),
    /// Writes of statuses, before they are sent.
    Statuses,
    /// Reads of claims by their names, before they are sent.
    Claims,
}

impl Hold {
    fn is_told_by(self, request: &Request) -> bool {
        let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        matches!(self, Self::Watch(kind) if is_watch && request.uri().path().ends_with(kind))
    }

    fn is_sent_by(self, request: &Request) -> bool {
        let (method, path) = (request.method(), request.uri().path());
        match self {
            Self::Watch(_) => false,
            Self::Statuses => method == Method::PATCH && path.ends_with("/status"),
            Self::Claims => method == Method::GET && path.contains("/assetclaims/"),
        }
    }
}

impl HoldingProxy {
    /// A way for whoever acts by this client.
    pub async fn new(client: &Client, what: Hold) -> Result<Self> {
        let (hold, waiting) = (watch::Sender::new(false), Arc::new(AtomicUsize::new(0)));
        let (upstream, seen, waits) = (client.clone(), hold.subscribe(), Arc::clone(&waiting));
        let handle = move |request: Request| {
            let (upstream, mut held, waits) = (upstream.clone(), seen.clone(), Arc::clone(&waits));
            async move {
                let told = what.is_told_by(&request).then(|| held.clone());
                if what.is_sent_by(&request) {
                    waits.fetch_add(1, Ordering::SeqCst);
                    let _ = held.wait_for(|held| !held).await;
                    waits.fetch_sub(1, Ordering::SeqCst);
                }
                forward(&upstream, request, told).await.unwrap_or_else(|error| {
                    Response::builder().status(502).body(Body::from(error.to_string())).unwrap()
                })
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let config = Config::new(format!("http://{}", listener.local_addr()?).parse()?);
        let server = tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handle)).await.unwrap() });
        Ok(Self { client: Client::try_from(config)?, hold, waiting, server })
    }

    /// How many requests wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// From now on it is held.
    pub fn hold(&self) {
        self.hold.send_replace(true);
    }

    /// It goes on, with what waited.
    pub fn release(&self) {
        self.hold.send_replace(false);
    }
}

impl Drop for HoldingProxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn forward(upstream: &Client, request: Request, held: Option<watch::Receiver<bool>>) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await?;
    let request = axum::http::Request::from_parts(parts, kube::client::Body::from(body.to_vec()));
    let answer = upstream.send(request).await?.map(Body::new);
    let Some(held) = held else { return Ok(answer) };
    Ok(answer.map(|body| {
        let told = body.into_data_stream().then(move |chunk: Result<Bytes, axum::Error>| {
            let mut held = held.clone();
            async move {
                let _ = held.wait_for(|held| !held).await;
                chunk
            }
        });
        Body::from_stream(told)
    }))
}
