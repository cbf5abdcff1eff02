//! A receiver of webhook events on loopback.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::{Router, routing::post};
use graph_sandbox::{AppChange, AppSubscriptionChange, Delivery, Options, PageChange, PageSubscriptionChange};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::*;

/// One POST as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Whether the signature is that of this secret over the raw bytes.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        let body = String::from_utf8(self.body.clone()).unwrap();
        self.header("x-hub-signature-256") == format!("sha256={}", proof(secret, &body))
    }

    /// The items of all its entries.
    pub(crate) fn items(&self) -> Vec<Value> {
        let entries = self.json()["entry"].as_array().unwrap().clone();
        let list = |entry: &Value| {
            let lists = ["messaging", "standby", "changes"].map(|name| entry[name].as_array().cloned());
            lists.into_iter().flatten().flatten().collect::<Vec<_>>()
        };
        entries.iter().flat_map(list).collect()
    }
}

#[derive(Default)]
struct Inner {
    received: Vec<Received>,
    /// Bodies with one of these texts in them get 500.
    refused: Vec<String>,
    hangs: bool,
}

/// A receiver that remembers what it got.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) base: String,
    inner: Arc<Mutex<Inner>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let inner = Arc::<Mutex<Inner>>::default();
        let router = Router::new().fallback(post(receive)).with_state(Arc::clone(&inner));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { base, inner }
    }

    /// A sandbox that reaches it as hooks.example.com, with the app subscribed on two pages.
    pub(crate) async fn sandbox(&self) -> Api {
        self.sandbox_with(PATIENCE).await
    }

    pub(crate) async fn sandbox_with(&self, callback_limit: Duration) -> Api {
        let resolve = BTreeMap::from([("hooks.example.com".to_owned(), self.base.clone())]);
        let api = Api::with(Options { resolve, callback_limit, ..Options::default() }).await;
        api.subscribe(APP, "https://hooks.example.com/meta?k=1");
        api
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.inner.lock().unwrap().received.clone()
    }

    /// The only POST that arrived.
    #[track_caller]
    pub(crate) fn only(&self) -> Received {
        let received = self.received();
        assert_eq!(received.len(), 1, "{received:?}");
        received[0].clone()
    }

    /// Refuses bodies with this text in them from now on.
    pub(crate) fn refuse(&self, text: &str) {
        self.inner.lock().unwrap().refused = vec![text.to_owned()];
    }

    pub(crate) fn accept(&self) {
        self.inner.lock().unwrap().refused.clear();
    }

    pub(crate) fn hang(&self) {
        self.inner.lock().unwrap().hangs = true;
    }
}

async fn receive(State(inner): State<Arc<Mutex<Inner>>>, uri: Uri, headers: HeaderMap, body: Bytes) -> StatusCode {
    let (refused, hangs) = {
        let mut inner = inner.lock().unwrap();
        inner.received.push(Received { path: uri.to_string(), headers, body: body.to_vec() });
        let text = String::from_utf8_lossy(&body);
        (inner.refused.iter().any(|refused| text.contains(refused)), inner.hangs)
    };
    if hangs {
        std::future::pending::<()>().await;
    }
    if refused { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
}

impl Api {
    /// Subscribes an app to the pages A and B, at both levels.
    pub(crate) fn subscribe(&self, app: &str, callback: &str) {
        let fields: Vec<String> = ["messages", "standby", "feed"].map(str::to_owned).to_vec();
        let subscription = AppSubscriptionChange {
            callback_url: Some(callback.to_owned()),
            fields: Some(fields.clone()),
            ..AppSubscriptionChange::default()
        };
        let change = AppChange { subscription: Some(subscription), ..AppChange::default() };
        self.sandbox.change_app(app, change).unwrap();
        for page in [PAGE_A, PAGE_B] {
            let row = PageSubscriptionChange { app: app.parse().unwrap(), fields: Some(fields.clone()) };
            self.sandbox.change_page(page, PageChange { subscription: Some(row), ..PageChange::default() }).unwrap();
        }
    }

    /// Lets events happen for the app, and waits until nothing is due.
    pub(crate) async fn tell(&self, items: Value) -> Value {
        let answer = self.post_control("deliveries/send", items).await.ok();
        self.sandbox.flush_webhooks().await;
        answer["dropped"].clone()
    }

    /// The same with one message on page A.
    pub(crate) async fn tell_text(&self, text: &str) -> Value {
        self.tell(message(PAGE_A, text)).await
    }

    /// Moves the clock and waits until nothing is due.
    pub(crate) async fn pass(&self, seconds: i64) {
        self.sandbox.advance_clock(SignedDuration::from_secs(seconds)).unwrap();
        self.sandbox.flush_webhooks().await;
    }

    /// Status and reason for dropping of every delivery.
    pub(crate) fn outcomes(&self) -> Vec<(Option<u16>, Value)> {
        let outcome = |delivery: Delivery| (delivery.status, json!(delivery.dropped));
        self.sandbox.deliveries().into_iter().map(outcome).collect()
    }
}

/// A message for the app, for `deliveries/send`.
pub(crate) fn message(page: &str, text: &str) -> Value {
    json!({"page": page, "app": APP, "field": "messages", "item": {"message": {"mid": "m_1", "text": text}}})
}
