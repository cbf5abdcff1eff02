//! One bounded exchange with Graph: no redirects, no endless answers, no secret in a log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, AUTHORIZATION, DATE, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::{GraphError, GraphFault};
use super::error_codes::classify;
use super::operation::Operation;
use super::token::{AppCredentials, Token};
use super::usage_headers::{Charged, Headers, VERSION};
use super::version::Version;
use crate::base::redact::{identifier, redact, scrub};

/// Told of every call. Gets templates and classes, never an id: what it is told may become a metric label.
pub trait CallObserver: Send + Sync {
    /// A call ended.
    fn observed(&self, template: &'static str, outcome: &'static str, elapsed: Duration);

    /// An operation of a batch ended; the batch itself is a call.
    fn batched(&self, _template: &'static str, _outcome: &'static str) {}
}

/// For whom nobody counts.
impl CallObserver for () {
    fn observed(&self, _template: &'static str, _outcome: &'static str, _elapsed: Duration) {}
}

/// Where Graph is and how long an answer may take and be.
#[derive(Clone, Debug)]
pub struct GraphOptions {
    /// Scheme and host of Graph, without version.
    pub base_url: Url,
    /// For a whole call, from connecting to the last byte.
    pub timeout: Duration,
    /// The longest answer that is read, in bytes.
    pub max_body: usize,
    /// The HTTP proxy through which Graph is reached.
    pub proxy: Option<Url>,
}

impl GraphOptions {
    /// Ten seconds and 1 MiB.
    ///
    /// # Errors
    /// If the text is not the plain URL of an HTTP server.
    pub fn new(base_url: &str) -> Result<Self, GraphSetupError> {
        let base_url = plain_url(base_url).map_err(GraphSetupError::BaseUrl)?;
        Ok(Self { base_url, timeout: Duration::from_secs(10), max_body: 1024 * 1024, proxy: None })
    }

    /// The same through an HTTP proxy. It sees host names alone while Graph is reached by TLS.
    ///
    /// # Errors
    /// If the text is not the plain URL of an HTTP server.
    pub fn through(self, proxy: &str) -> Result<Self, GraphSetupError> {
        Ok(Self { proxy: Some(plain_url(proxy).map_err(GraphSetupError::Proxy)?), ..self })
    }
}

/// The URL of an HTTP server, which holds no secret. Otherwise why it is none.
///
/// # Errors
/// When it is another URL, or none.
pub fn plain_url(url: &str) -> Result<Url, &'static str> {
    let url = Url::parse(url).map_err(|_| "it is not a URL")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("its scheme is neither https nor http");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it contains credentials");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it has a query or a fragment");
    }
    Ok(url)
}

/// Why there is no client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphSetupError {
    /// The URL of Graph cannot be used.
    #[error("the URL of Graph cannot be used: {0}")]
    BaseUrl(&'static str),
    /// The URL of the proxy cannot be used.
    #[error("the URL of the proxy cannot be used: {0}")]
    Proxy(&'static str),
    /// TLS could not be set up.
    #[error("the HTTP client could not be set up: {0}")]
    Http(String),
}

/// A call about to be made.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    /// What it asks or changes.
    pub(crate) operation: Operation,
    pub(crate) version: Version,
    pub(crate) path: &'a [&'a str],
    /// Form of a POST; query of all else, since what a body of a DELETE means is not defined.
    pub(crate) parameters: Vec<(&'a str, &'a str)>,
    pub(crate) app: &'a AppCredentials,
    /// A page's or grant's token; `None`: the app's.
    pub(crate) token: Option<&'a Token>,
    /// Whether no token comes along at all: the call says by its parameters who makes it.
    pub(crate) open: bool,
    /// What else must not come back: tokens and secrets among the parameters.
    pub(crate) secrets: Vec<&'a str>,
    /// What it counts for at Graph.
    pub(crate) charged: Charged<'a>,
}

/// Makes calls; shared by all clones of a client.
pub(crate) struct Transport {
    http: reqwest::Client,
    options: GraphOptions,
    observer: Arc<dyn CallObserver>,
}

impl Transport {
    pub(crate) fn new(options: GraphOptions, observer: Arc<dyn CallObserver>) -> Result<Self, GraphSetupError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("meta-channel-operator/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // A proxy from the environment would see every call without being declared anywhere.
            .no_proxy()
            .connect_timeout(options.timeout)
            .timeout(options.timeout);
        let setup = |error| GraphSetupError::Http(without_secrets(error, &[]));
        if let Some(proxy) = &options.proxy {
            http = http.proxy(reqwest::Proxy::all(proxy.clone()).map_err(setup)?);
        }
        let http = http.build().map_err(setup)?;
        Ok(Self { http, options, observer })
    }

    /// Makes the call and reads the answer as `T`.
    pub(crate) async fn send<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, GraphError> {
        let (operation, template) = (call.operation, call.operation.template());
        let started = Instant::now();
        let mut trace = None;
        let result = self.exchange(call, &mut trace).await.and_then(|(status, answer)| {
            // What serde says about a misfit quotes the value.
            serde_json::from_value(answer).map_err(|_| bad(status, "the answer has another shape"))
        });
        let elapsed = started.elapsed();
        let outcome = result.as_ref().err().map_or("ok", |error| outcome(error, operation));
        self.observer.observed(template, outcome, elapsed);
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        match &result {
            Ok(_) => tracing::debug!(template, outcome, elapsed_ms, fbtrace_id = trace, "Graph call"),
            Err(error) => {
                tracing::debug!(template, outcome, elapsed_ms, fbtrace_id = trace, %error, "Graph call");
            }
        }
        result
    }

    async fn exchange(&self, call: Call<'_>, trace: &mut Option<String>) -> Result<(StatusCode, Value), GraphError> {
        let app_token = call.app.app_token();
        let token = call.token.unwrap_or(&app_token);
        // With every token, the app's own included: an app may demand it.
        let proof = call.app.proof(token);
        let mut secrets = call.secrets.clone();
        secrets.extend([token.expose(), call.app.secret.expose(), &proof]);
        let mut parameters = call.parameters.clone();
        let mut request = self.http.request(call.method.clone(), self.url(call.version, call.path));
        if !call.open {
            parameters.push(("appsecret_proof", &proof));
            request = request.header(AUTHORIZATION, bearer(token)?);
        }
        let request = if call.method == Method::POST { request.form(&parameters) } else { request.query(&parameters) };
        let response = request.send().await.map_err(|error| failed(error, &secrets))?;
        *trace = header(&response, "x-fb-trace-id").map(|id| identifier(redact(id, &secrets)));
        call.app.meter.tell_version(call.version, header(&response, VERSION));
        call.app.meter.tell_date(header(&response, DATE.as_str()));
        let headers = response.headers().clone();
        let usage = Headers::find(|name| headers.get(name)?.to_str().ok());
        let answer = self.answer(response, usage.regain_access(), &secrets).await;
        call.app.meter.tell(&usage.usages(call.charged, answer.is_ok()));
        answer
    }

    fn url(&self, version: Version, path: &[&str]) -> Url {
        let mut url = self.options.base_url.clone();
        // `path_segments_mut` escapes what is not part of a segment, so an id cannot leave its place.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(&version.to_string()).extend(path);
        }
        url
    }

    async fn answer(
        &self,
        response: Response,
        regain: Option<Duration>,
        secrets: &[&str],
    ) -> Result<(StatusCode, Value), GraphError> {
        let status = response.status();
        if status.is_redirection() {
            return Err(bad(status, "a redirect, which is not followed"));
        }
        let body = self.body(response, secrets).await?;
        Ok((status, read_answer(status, &body, regain, secrets)?))
    }

    /// Tells the observer of an operation that came in a batch.
    pub(crate) fn batched<T>(&self, operation: Operation, result: &Result<T, GraphError>) {
        let outcome = result.as_ref().err().map_or("ok", |error| outcome(error, operation));
        self.observer.batched(operation.template(), outcome);
    }

    async fn body(&self, mut response: Response, secrets: &[&str]) -> Result<Vec<u8>, GraphError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(error, secrets))? {
            if body.len() + chunk.len() > self.options.max_body {
                return Err(bad(response.status(), "the answer is too large"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// Reads an answer, whether it came alone or within a batch.
pub(crate) fn read_answer(
    status: StatusCode,
    body: &[u8],
    regain: Option<Duration>,
    secrets: &[&str],
) -> Result<Value, GraphError> {
    let mut answer: Value = serde_json::from_slice(body).map_err(|_| bad(status, "the answer is not JSON"))?;
    // The items of a batch are answers themselves: each is cleaned of its own secrets when it is read.
    if !answer.is_array() {
        scrub(&mut answer, secrets);
    }
    if let Some(mut fault) = GraphFault::of_answer(&answer, status.as_u16(), secrets) {
        fault.regain_access = regain;
        return Err(fault.into());
    }
    if !status.is_success() {
        return Err(bad(status, "a refusal without Graph's error"));
    }
    Ok(answer)
}

fn bearer(token: &Token) -> Result<HeaderValue, GraphError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
        .map_err(|_| GraphError::Transport("the token does not fit into a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

pub(crate) fn bad(status: StatusCode, what: &'static str) -> GraphError {
    GraphError::BadAnswer { status: status.as_u16(), what }
}

fn failed(error: reqwest::Error, secrets: &[&str]) -> GraphError {
    if error.is_timeout() {
        return GraphError::Timeout;
    }
    GraphError::Transport(without_secrets(error, secrets))
}

/// The chain of causes, without the URL: `debug_token` has the token in its query.
fn without_secrets(error: reqwest::Error, secrets: &[&str]) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    redact(&text, secrets)
}

fn outcome(error: &GraphError, operation: Operation) -> &'static str {
    match error {
        GraphError::Timeout => "timeout",
        GraphError::Transport(_) => "transport",
        GraphError::BadAnswer { .. } => "bad_answer",
        GraphError::OtherObject | GraphError::Fault(_) => classify(error, operation).class(),
    }
}

#[cfg(test)]
mod tests;
