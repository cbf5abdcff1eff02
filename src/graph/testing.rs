//! A double of Graph for this folder's tests: answers what it is told to, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Once};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
pub(crate) use crate::testing::PAGE;

pub(crate) const V: &Version = &Version::DEFAULT;
pub(crate) const APP_ID: &str = "1111000011110000";
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const TOKEN: &str = "EAAB0123456789_abc.DEF-x";
/// `openssl dgst -sha256 -hmac $SECRET` over the token.
pub(crate) const PROOF: &str = "0d665a3d8009a24a526538006dcc5da7e3d1f1d70886f7ea90f073d8c96ec0de";
/// The same over the app token, `$APP_ID|$SECRET`.
pub(crate) const APP_PROOF: &str = "7300d3c69261e501229d1c12c9e6148ee06d56afb9262c64aeb83918545c567d";

pub(crate) fn app() -> AppCredentials {
    let secret = AppSecret::parse(SECRET.as_bytes()).expect("well formed");
    AppCredentials::new(APP_ID.into(), secret)
}

/// Hears of an app's usage, of the versions that answer, and of the time.
#[derive(Default)]
pub(crate) struct Heard(Mutex<Vec<(Metered, u32)>>, Mutex<Vec<(String, String)>>, Mutex<Vec<Option<Timestamp>>>);

impl UsageListener for Heard {
    fn heard(&self, usage: &Usage) {
        self.0.lock().push((usage.of.clone(), usage.percent));
    }

    fn served(&self, asked: Version, by: Version) {
        self.1.lock().push((asked.to_string(), by.to_string()));
    }

    fn dated(&self, at: Option<Timestamp>) {
        self.2.lock().push(at);
    }
}

impl Heard {
    /// The app, and who hears of its usage.
    pub(crate) fn of_app() -> (AppCredentials, Arc<Self>) {
        let heard = Arc::new(Self::default());
        (AppCredentials { meter: Meter::new(heard.clone()), ..app() }, heard)
    }

    /// Which versions answered for which since the last time.
    pub(crate) fn take_versions(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.1.lock())
    }

    /// What time it was at Graph, by each answer since the last time.
    pub(crate) fn take_dates(&self) -> Vec<Option<Timestamp>> {
        std::mem::take(&mut *self.2.lock())
    }

    /// What was heard since the last time.
    pub(crate) fn take(&self) -> Vec<(Metered, u32)> {
        std::mem::take(&mut *self.0.lock())
    }
}

pub(crate) fn token() -> Token {
    Token::parse(TOKEN.as_bytes()).expect("well formed")
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The parameters of query or body, decoded, in their order.
    pub(crate) fn parameters(encoded: &str) -> Vec<(String, String)> {
        let url = reqwest::Url::parse(&format!("http://x/?{encoded}")).expect("parameters");
        url.query_pairs().into_owned().collect()
    }
}

type Answers = Arc<Mutex<VecDeque<Response>>>;

/// A running double.
pub(crate) struct Double {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Double {
    /// Gives these answers, one after the other; then it is 500.
    pub(crate) async fn answering(answers: impl IntoIterator<Item = Response>) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let answers: Answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        let router = Router::new().fallback(answer).with_state((seen.clone(), answers));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, seen }
    }

    /// Answers each request as it is told to; `None` never answers.
    pub(crate) async fn deciding(decide: impl Fn(&Seen) -> Option<Response> + Clone + Send + Sync + 'static) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let into = Arc::clone(&seen);
        let answer = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| async move {
            let request = Seen { method, uri, headers, body: String::from_utf8(body.to_vec()).expect("text") };
            let answer = decide(&request);
            into.lock().push(request);
            match answer {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        Self { url, seen }
    }

    /// Gives one answer of JSON.
    pub(crate) async fn json(answer: &Value) -> Self {
        Self::answering([json(200, answer)]).await
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// The one request that arrived.
    pub(crate) fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }

    pub(crate) fn client(&self) -> GraphClient {
        client(&self.url)
    }
}

async fn answer(
    State((seen, answers)): State<(Arc<Mutex<Vec<Seen>>>, Answers)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = String::from_utf8(body.to_vec()).expect("text");
    seen.lock().push(Seen { method, uri, headers, body });
    let next = answers.lock().pop_front();
    next.unwrap_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

pub(crate) fn json(status: u16, answer: &Value) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [("content-type", "application/json")], answer.to_string()).into_response()
}

/// Answers every connection with these bytes once it was asked, then waits or closes.
pub(crate) async fn raw(bytes: &'static [u8], then_wait: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0_u8; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(bytes).await;
            if then_wait {
                kept.push(stream);
            }
        }
    });
    url
}

pub(crate) fn client(url: &str) -> GraphClient {
    observed_client(url, Duration::from_secs(20), Arc::new(()))
}

/// For servers that stay silent.
pub(crate) fn impatient_client(url: &str) -> GraphClient {
    observed_client(url, Duration::from_millis(300), Arc::new(()))
}

pub(crate) fn observed_client(url: &str, timeout: Duration, observer: Arc<dyn CallObserver>) -> GraphClient {
    install_provider();
    let mut options = GraphOptions::new(url).expect("a URL");
    options.timeout = timeout;
    options.max_body = 10_000;
    GraphClient::new(options, observer).expect("a client")
}

/// Reaches a server through a proxy.
pub(crate) fn proxied_client(url: &str, proxy: &str) -> GraphClient {
    install_provider();
    let options = GraphOptions::new(url).and_then(|options| options.through(proxy)).expect("plain URLs");
    GraphClient::new(options, Arc::new(())).expect("a client")
}

fn install_provider() {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
