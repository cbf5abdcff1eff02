//! Ends an operator after so many of its writes, at Meta or in the cluster: as if the process were killed before it sees the
//! answer to the last one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, ensure};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, Uri};
use axum::response::Response;
use kube::{Client, Config};
use meta_channel_operator::graph::{GraphClient, GraphOptions};
use testkit::wait_for;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::env::*;
use crate::support::observe::*;

/// Counts the writes of one operator, whose every request passes here.
pub struct KillAfter {
    state: Arc<State>,
    graph: String,
    cluster: Client,
    servers: Vec<JoinHandle<()>>,
}

struct State {
    after: usize,
    writes: AtomicUsize,
    killed: CancellationToken,
}

impl KillAfter {
    /// Lets nothing through after this write.
    pub async fn new(env: &Env, writes: usize) -> Result<Self> {
        let state = Arc::new(State { after: writes, writes: AtomicUsize::new(0), killed: CancellationToken::new() });
        let (client, http, sandbox) =
            (env.client.clone(), reqwest::Client::builder().no_proxy().build()?, env.sandbox.url());
        let (cluster_url, cluster) = serve(Arc::clone(&state), is_write_in_cluster, move |request| {
            let client = client.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, usize::MAX).await?;
                let request = axum::http::Request::from_parts(parts, kube::client::Body::from(body.to_vec()));
                Ok(client.send(request).await?.map(Body::new))
            }
        })
        .await?;
        let (graph, meta) = serve(Arc::clone(&state), is_write_at_meta, move |request| {
            let (http, base) = (http.clone(), sandbox.clone());
            async move {
                let (parts, body) = request.into_parts();
                let url = format!("{base}{}", parts.uri);
                let body = axum::body::to_bytes(body, usize::MAX).await?;
                let answer = http.request(parts.method, url).headers(parts.headers).body(body).send().await?;
                let mut response = Response::builder().status(answer.status());
                response.headers_mut().unwrap().clone_from(answer.headers());
                Ok(response.body(Body::from(answer.bytes().await?))?)
            }
        })
        .await?;
        let cluster_client = Client::try_from(Config::new(cluster_url.parse()?))?;
        Ok(Self { state, graph, cluster: cluster_client, servers: vec![cluster, meta] })
    }

    /// An operator whose requests pass here.
    pub fn operator(&self, env: &Env) -> Result<Running> {
        let mut options = GraphOptions::new(&self.graph)?;
        options.timeout = std::time::Duration::from_secs(60);
        let graph = GraphClient::new(options, Arc::new(()))?;
        Ok(env.operator_with(|operator| {
            operator.policy.token_period = std::time::Duration::from_secs(24 * 60 * 60);
            (operator.client, operator.graph) = (self.cluster.clone(), graph);
        }))
    }

    /// Waits until nothing goes through any more.
    pub async fn killed(&self) {
        self.state.killed.cancelled().await;
    }

    /// The writes that went through.
    pub fn writes(&self) -> usize {
        self.state.writes.load(Ordering::SeqCst)
    }
}

/// Runs an operator that is killed after so many writes; whether it was, before it had nothing left to write.
pub async fn killed(env: &Env, after: usize, done: impl AsyncFn(&Env) -> Result<bool>) -> Result<bool> {
    let limit = KillAfter::new(env, after).await?;
    let operator = limit.operator(env)?;
    let finished = async {
        wait_for("the work to be done", PATIENCE, async || {
            ensure!(done(env).await?);
            Ok(())
        })
        .await?;
        quiet(&operator).await
    };
    let was_killed = tokio::select! {
        biased;
        () = limit.killed() => true,
        finished = finished => {
            finished?;
            limit.writes() >= after
        }
    };
    drop(operator);
    Ok(was_killed)
}

impl Drop for KillAfter {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

impl State {
    /// Lets nothing through any more after the last write.
    async fn pass(&self) {
        if self.killed.is_cancelled() {
            std::future::pending::<()>().await;
        }
    }

    /// Counts a write that was answered; nobody gets the answer to the last one.
    async fn count(&self) {
        if self.writes.fetch_add(1, Ordering::SeqCst) + 1 == self.after {
            self.killed.cancel();
        }
        self.pass().await;
    }
}

async fn serve<F, A>(
    state: Arc<State>,
    is_write: fn(&Method, &Uri) -> bool,
    forward: F,
) -> Result<(String, JoinHandle<()>)>
where
    F: Fn(Request) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<Response>> + Send + 'static,
{
    let handle = move |request: Request| {
        let (state, forward) = (Arc::clone(&state), forward.clone());
        async move {
            let write = is_write(request.method(), request.uri());
            state.pass().await;
            let answer = forward(request).await;
            if write {
                state.count().await;
            }
            answer.unwrap_or_else(|error| Response::builder().status(502).body(Body::from(error.to_string())).unwrap())
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let task = tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handle)).await.unwrap() });
    Ok((url, task))
}

/// What is only tried out is none.
fn is_write_in_cluster(method: &Method, uri: &Uri) -> bool {
    method != Method::GET && !uri.query().is_some_and(|query| query.contains("dryRun=All"))
}

/// What changes something at Meta is asked with GET too.
fn is_write_at_meta(method: &Method, uri: &Uri) -> bool {
    method != Method::GET || uri.path().contains("/oauth/")
}
