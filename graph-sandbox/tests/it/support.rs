//! A sandbox, a client for it, and a callback for it to verify.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use axum::extract::RawQuery;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::any};
use graph_sandbox::{LedgerEntry, Options, Sandbox, Seed};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use sha2::Sha256;

/// Longer than anything that works ever took, even while compilers hold all cores.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The time for which this thread, with the sandbox of its test, had a core: other people's work does not count.
pub(crate) fn work() -> Duration {
    // In nanoseconds, see the kernel's Documentation/scheduler/sched-stats.rst.
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(schedule.split(' ').next().unwrap().parse().unwrap())
}

pub(crate) const APP: &str = "1111000011110000";
pub(crate) const OTHER_APP: &str = "9999000099990000";
pub(crate) const SECRET: &str = "acme-secret-0123456789abcdef";
pub(crate) const OTHER_SECRET: &str = "other-secret-0123456789abcdef";
pub(crate) const PAGE_A: &str = "2200000000000001";
pub(crate) const PAGE_B: &str = "2200000000000002";
pub(crate) const PAGE_C: &str = "2200000000000003";
pub(crate) const PERSON: &str = "6600000000000001";
pub(crate) const REDIRECT: &str = "https://acme.example.com/login?from=meta";

/// The app token of an app of the test seed.
pub(crate) fn app_token() -> String {
    format!("{APP}|{SECRET}")
}

pub(crate) fn other_app_token() -> String {
    format!("{OTHER_APP}|{OTHER_SECRET}")
}

/// The world of the tests about people, grants and lineage.
pub(crate) const PEOPLE: &str = include_str!("people.yaml");

/// The token of this alias in the test seed.
pub(crate) fn token(alias: &str) -> String {
    find_token(&serde_yaml_ng::from_str(include_str!("seed.yaml")).unwrap(), alias)
}

/// The token of this alias in the seed about people.
pub(crate) fn person_token(alias: &str) -> String {
    static SEED: LazyLock<Value> = LazyLock::new(|| serde_yaml_ng::from_str(PEOPLE).unwrap());
    find_token(&SEED, alias)
}

fn find_token(seed: &Value, alias: &str) -> String {
    let found = seed["tokens"].as_array().unwrap().iter().find(|token| token["alias"] == alias);
    found.unwrap_or_else(|| panic!("no token {alias}"))["token"].as_str().unwrap().to_owned()
}

pub(crate) fn proof(secret: &str, token: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(token.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

pub(crate) fn client() -> Client {
    // Fails when another test was first, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().timeout(PATIENCE).build().unwrap()
}

/// A sandbox and a client for it.
pub(crate) struct Api {
    pub(crate) sandbox: Sandbox,
    pub(crate) client: Client,
}

/// An answer with its JSON body, null if it has none.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status, headers, text, body }
    }

    /// The body of an answer that must be a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.body
    }

    /// Status, code, subcode and message of an answer that must be a Graph error.
    #[track_caller]
    pub(crate) fn refused(self) -> (u16, i64, Option<i64>, String) {
        let error = &self.body["error"];
        assert!(error.is_object(), "no Graph error: {}", self.text);
        assert!(error["fbtrace_id"].as_str().is_some_and(|trace| trace.len() > 10));
        assert!(error["type"].is_string() && error["is_transient"].is_boolean());
        let message = error["message"].as_str().unwrap().to_owned();
        (self.status, error["code"].as_i64().unwrap(), error["error_subcode"].as_i64(), message)
    }

    /// Status, code and subcode of an answer that must be a Graph error.
    #[track_caller]
    pub(crate) fn refusal(self) -> (u16, i64, Option<i64>) {
        let (status, code, subcode, _) = self.refused();
        (status, code, subcode)
    }
}

impl Api {
    pub(crate) async fn start() -> Self {
        Self::with(Options::default()).await
    }

    /// A sandbox with people, grants and lineage.
    pub(crate) async fn of_people() -> Self {
        Self::of(Seed::from_yaml(PEOPLE).unwrap(), Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let seed = Seed::from_yaml(include_str!("seed.yaml")).unwrap();
        Self::of(seed, options).await
    }

    pub(crate) async fn of(seed: Seed, options: Options) -> Self {
        Self { sandbox: Sandbox::start(seed, options).await.unwrap(), client: client() }
    }

    /// A Graph call with the parameters in the query, and the token in the header.
    pub(crate) async fn call(&self, method: Method, token: &str, path: &str, query: &[(&str, &str)]) -> Answer {
        let url = format!("{}{path}", self.sandbox.url());
        let request = self.client.request(method, url).query(query).bearer_auth(token);
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, token: &str, path: &str, query: &[(&str, &str)]) -> Answer {
        self.call(Method::GET, token, path, query).await
    }

    pub(crate) async fn post(&self, token: &str, path: &str, query: &[(&str, &str)]) -> Answer {
        self.call(Method::POST, token, path, query).await
    }

    pub(crate) async fn delete(&self, token: &str, path: &str, query: &[(&str, &str)]) -> Answer {
        self.call(Method::DELETE, token, path, query).await
    }

    /// A control call.
    pub(crate) async fn control(&self, method: Method, path: &str, body: Value) -> Answer {
        let url = format!("{}/_sandbox/{path}", self.sandbox.url());
        Answer::of(self.client.request(method, url).json(&body).send().await.unwrap()).await
    }

    pub(crate) async fn post_control(&self, path: &str, body: Value) -> Answer {
        self.control(Method::POST, path, body).await
    }

    /// Lets the grantor do something.
    pub(crate) async fn person(&self, change: Value) -> Value {
        self.post_control(&format!("people/{PERSON}"), change).await.ok()
    }

    /// What `debug_token` says of a token of our app.
    pub(crate) async fn debug(&self, input: &str) -> Value {
        self.get(&app_token(), "/v25.0/debug_token", &[("input_token", input)]).await.ok()["data"].clone()
    }

    /// A call of `oauth/access_token` with our app's id and secret.
    pub(crate) async fn exchange(&self, query: &[(&str, &str)]) -> Answer {
        let mut all = vec![("client_id", APP), ("client_secret", SECRET)];
        all.extend_from_slice(query);
        self.get("", "/v25.0/oauth/access_token", &all).await
    }

    /// Puts a fault in force.
    pub(crate) fn fault(&self, rule: Value) -> u64 {
        self.sandbox.add_fault(serde_json::from_value(rule).unwrap())
    }

    pub(crate) fn last_entry(&self) -> LedgerEntry {
        self.sandbox.ledger().pop().unwrap()
    }

    /// Fields of our row on a page, without asking Graph.
    pub(crate) fn page_row(&self, page: &str) -> Option<Vec<String>> {
        self.sandbox.state().pages[page].subscriptions.get(APP).cloned()
    }
}

/// How a callback answers.
#[derive(Clone, Copy)]
pub(crate) enum Behavior {
    Challenge,
    Refuses,
    SaysHello,
    Redirects,
    Hangs,
}

/// A callback on loopback that remembers the queries it got.
pub(crate) struct Callback {
    pub(crate) base: String,
    pub(crate) queries: Arc<Mutex<Vec<String>>>,
    behavior: Behavior,
}

impl Callback {
    pub(crate) async fn start(behavior: Behavior) -> Self {
        let queries = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&queries);
        let handler = move |RawQuery(query): RawQuery| {
            let query = query.unwrap_or_default();
            seen.lock().unwrap().push(query.clone());
            answer(behavior, query)
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, Router::new().route("/meta", any(handler))).await });
        Self { base, queries, behavior }
    }

    /// A sandbox that reaches this callback as hooks.example.com.
    pub(crate) async fn sandbox(&self) -> Api {
        // Short only where it is meant to pass, so that a busy machine fails no other test.
        let callback_limit = match self.behavior {
            Behavior::Hangs => Duration::from_secs(2),
            _ => PATIENCE,
        };
        let resolve = BTreeMap::from([("hooks.example.com".to_owned(), self.base.clone())]);
        Api::with(Options { resolve, callback_limit, ..Options::default() }).await
    }
}

async fn answer(behavior: Behavior, query: String) -> Response {
    match behavior {
        Behavior::Challenge => {
            let query: BTreeMap<String, String> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            query["hub.challenge"].clone().into_response()
        }
        Behavior::Refuses => StatusCode::FORBIDDEN.into_response(),
        Behavior::SaysHello => "<!DOCTYPE html>hello".into_response(),
        Behavior::Redirects => (StatusCode::FOUND, [("location", "/meta")]).into_response(),
        Behavior::Hangs => {
            tokio::time::sleep(10 * PATIENCE).await;
            json!({}).to_string().into_response()
        }
    }
}
