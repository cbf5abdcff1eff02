//! A way to the API server on which the watch of one kind can be held: what happens is not told, and everything else works.

use anyhow::Result;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use futures::StreamExt;
use kube::{Client, Config};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The way; it ends when this is dropped.
pub struct Held {
    /// A client whose requests go this way.
    pub client: Client,
    hold: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl Held {
    /// A way for whoever acts by this client, on which the watch of a kind can be held, such as `assetclaims`.
    pub async fn new(client: &Client, kind: &'static str) -> Result<Self> {
        let hold = watch::Sender::new(false);
        let (upstream, seen) = (client.clone(), hold.subscribe());
        let handle = move |request: Request| {
            let (upstream, held) = (upstream.clone(), seen.clone());
            async move {
                let uri = request.uri();
                let is_watch = uri.query().is_some_and(|query| query.contains("watch=true"));
                let held = (is_watch && uri.path().ends_with(kind)).then_some(held);
                forward(&upstream, request, held).await.unwrap_or_else(|error| {
                    Response::builder().status(502).body(Body::from(error.to_string())).unwrap()
                })
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let config = Config::new(format!("http://{}", listener.local_addr()?).parse()?);
        let server = tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handle)).await.unwrap() });
        Ok(Self { client: Client::try_from(config)?, hold, server })
    }

    /// From now on nothing is told.
    pub fn hold(&self) {
        self.hold.send_replace(true);
    }

    /// What happened meanwhile is told.
    pub fn release(&self) {
        self.hold.send_replace(false);
    }
}

impl Drop for Held {
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
