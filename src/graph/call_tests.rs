//! Bad answers, and what may become known of a call.

use std::io::Write;
use std::sync::Mutex;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use secrecy::SecretString;
use serde_json::json;
use tracing_subscriber::util::SubscriberInitExt;

use super::super::testing::*;
use super::*;
use crate::graph::{GraphClient, ThrottleScope, Verdict};

const V: &Version = &Version::DEFAULT;

async fn error_of(client: &GraphClient) -> GraphError {
    let error = client.page(V, &app(), &token(), PAGE).await.expect_err("no page");
    if !matches!(error, GraphError::Fault(_)) {
        assert_eq!(classify(&error, Caller::PageToken), Verdict::NoAnswer);
    }
    error
}

fn unusable(status: u16, what: &'static str) -> GraphError {
    GraphError::BadAnswer { status, what }
}

#[tokio::test]
async fn what_does_not_answer_like_graph_is_no_answer() {
    let html = "<!DOCTYPE html><title>Sorry, something went wrong.</title>";
    let page = format!(r#"{{"id":"{PAGE}"}}"#);
    let rows = [
        ("HTML", (StatusCode::OK, html.to_owned()), unusable(200, "the answer is not JSON")),
        ("HTML 503", (StatusCode::SERVICE_UNAVAILABLE, html.to_owned()), unusable(503, "the answer is not JSON")),
        ("cut JSON", (StatusCode::OK, page[..9].to_owned()), unusable(200, "the answer is not JSON")),
        ("nothing", (StatusCode::OK, String::new()), unusable(200, "the answer is not JSON")),
        (
            "another shape",
            (StatusCode::OK, r#"{"id":["x"]}"#.to_owned()),
            unusable(200, "the answer has another shape"),
        ),
        ("a list", (StatusCode::OK, "[]".to_owned()), unusable(200, "the answer has another shape")),
        (
            "401 without an error",
            (StatusCode::UNAUTHORIZED, "{}".to_owned()),
            unusable(401, "a refusal without Graph's error"),
        ),
        (
            "500 with a page",
            (StatusCode::INTERNAL_SERVER_ERROR, page.clone()),
            unusable(500, "a refusal without Graph's error"),
        ),
    ];
    for (name, answer, expected) in rows {
        let graph = Double::answering([answer.into_response()]).await;
        assert_eq!(error_of(&graph.client()).await, expected, "{name}");
    }
}

#[tokio::test]
async fn an_answer_is_read_only_up_to_the_bound() {
    let long = format!(r#"{{"id":"{PAGE}","x":"{}"}}"#, "x".repeat(10_000));
    let chunks: Vec<Result<String, std::io::Error>> =
        long.as_bytes().chunks(1000).map(|chunk| Ok(String::from_utf8_lossy(chunk).into_owned())).collect();
    let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>("x".repeat(1000)));
    for answer in [
        long.into_response(),
        Body::from_stream(futures::stream::iter(chunks)).into_response(),
        Body::from_stream(endless).into_response(),
    ] {
        let graph = Double::answering([answer]).await;
        assert_eq!(error_of(&graph.client()).await, unusable(200, "the answer is too large"));
    }
    let fits = format!(r#"{{"id":"{PAGE}","x":"{}"}}"#, "x".repeat(9_900));
    let graph = Double::answering([fits.into_response()]).await;
    graph.client().page(V, &app(), &token(), PAGE).await.expect("within the bound");
}

#[tokio::test]
async fn a_redirect_is_refused_and_gets_no_token() {
    let elsewhere = Double::answering([]).await;
    let graph = Double::answering([Redirect::temporary(&elsewhere.url).into_response()]).await;
    assert_eq!(error_of(&graph.client()).await, unusable(307, "a redirect, which is not followed"));
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn silence_before_or_within_the_answer_is_a_time_out() {
    let beginning = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":";
    for url in [raw(b"", true).await, raw(beginning, true).await] {
        let started = Instant::now();
        assert_eq!(error_of(&client(&url)).await, GraphError::Timeout);
        assert!(started.elapsed() < Duration::from_secs(5), "the time-out is 500 ms");
    }
}

#[tokio::test]
async fn a_broken_connection_is_told_without_its_url() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        format!("http://{}", listener.local_addr().expect("bound"))
    };
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":";
    for url in [raw(b"", false).await, raw(cut, false).await, raw(b"no HTTP\r\n\r\n", false).await, closed] {
        let error = client(&url).debug_token(V, &app(), &token()).await.expect_err("broken");
        assert!(matches!(error, GraphError::Transport(_)), "{error:?}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(TOKEN) && !shown.contains("debug_token"), "{shown}");
    }
}

/// Every way in which an answer can hold what the call was made with.
#[tokio::test]
async fn what_graph_echoes_is_redacted() {
    let app_token = format!("{APP_ID}|{SECRET}");
    let app_token_encoded = format!("{APP_ID}%7C{SECRET}");
    for secret in [TOKEN, SECRET, PROOF, &app_token, &app_token_encoded, "a-verify-token-of-ours"] {
        let fault = json!({"error": {"code": 190, "type": secret, "fbtrace_id": secret,
            "message": format!("Malformed access token {secret}"), "error_data": {"details": secret}}});
        let graph = Double::answering([json(400, &fault), json(400, &fault), json(400, &fault)]).await;
        let client = graph.client();
        let verify = SecretString::from("a-verify-token-of-ours".to_owned());
        let mut errors = Vec::new();
        if secret.starts_with("a-verify") {
            errors
                .push(client.subscribe_app(V, &app(), "https://h.example/", &verify, &[]).await.expect_err("refused"));
        } else {
            errors.push(error_of(&client).await);
            errors.push(client.debug_token(V, &app(), &token()).await.expect_err("refused"));
        }
        for error in errors {
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("[redacted]") && !shown.contains(secret), "{secret}: {shown}");
        }
    }
    let named = json!({"id": PAGE, "name": format!("Shop {SECRET}")});
    let graph = Double::json(&named).await;
    let page = graph.client().page(V, &app(), &token(), PAGE).await.expect("a page");
    assert_eq!(page.name.as_deref(), Some("Shop [redacted]"));
}

#[tokio::test]
async fn a_fault_counts_whatever_its_status() {
    for status in [200, 400, 403, 500] {
        let graph =
            Double::answering([json(status, &json!({"error": {"code": 190, "error_subcode": 460, "message": "m"}}))])
                .await;
        let GraphError::Fault(fault) = error_of(&graph.client()).await else { panic!("no fault with {status}") };
        assert_eq!((fault.http_status, fault.code, fault.subcode), (status, 190, Some(460)));
    }
}

#[tokio::test]
async fn the_hint_of_a_throttle_comes_from_the_usage_header() {
    let mut answer = json(400, &json!({"error": {"code": 80006, "message": "m"}}));
    let usage = r#"{"2200000000000001":[{"type":"messenger","estimated_time_to_regain_access":5}]}"#;
    answer.headers_mut().insert("x-business-use-case-usage", HeaderValue::from_static(usage));
    let graph = Double::answering([answer]).await;
    let until_hint = Some(Duration::from_secs(300));
    let expected = Verdict::Throttled { until_hint, scope: ThrottleScope::Page };
    assert_eq!(classify(&error_of(&graph.client()).await, Caller::PageToken), expected);
}

#[derive(Default)]
struct Counted(Mutex<Vec<(&'static str, &'static str)>>);

impl CallObserver for Counted {
    fn observed(&self, template: &'static str, outcome: &'static str, _elapsed: Duration) {
        self.0.lock().expect("not poisoned").push((template, outcome));
    }
}

#[tokio::test]
async fn calls_are_observed_by_template_and_class() {
    let graph = Double::answering([
        json(200, &json!({"id": PAGE})),
        json(400, &json!({"error": {"code": 190, "message": "m"}})),
        json(400, &json!({"error": {"code": 190, "message": "m"}})),
        json(503, &json!({})),
        json(200, &json!({"data": {}})),
    ])
    .await;
    let counted = Arc::new(Counted::default());
    let client = observed_client(&graph.url, counted.clone());
    client.page(V, &app(), &token(), PAGE).await.expect("a page");
    let _ = client.page(V, &app(), &token(), PAGE).await;
    let _ = client.app(V, &app()).await;
    let _ = client.app_permissions(V, &app()).await;
    let _ = client.debug_token(V, &app(), &token()).await;
    let _ = observed_client(&raw(b"", true).await, counted.clone()).app_subscriptions(V, &app()).await;
    let _ =
        observed_client(&raw(b"", false).await, counted.clone()).subscribe_page(V, &app(), &token(), PAGE, &[]).await;
    let expected = [
        ("GET /{page}", "ok"),
        ("GET /{page}", "token_ended"),
        ("GET /{app}", "app_broken"),
        ("GET /{app}/permissions", "bad_answer"),
        ("GET /debug_token", "bad_answer"),
        ("GET /{app}/subscriptions", "timeout"),
        ("POST /{page}/subscribed_apps", "transport"),
    ];
    assert_eq!(*counted.0.lock().expect("not poisoned"), expected);
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// At the finest level and from every crate below: the HTTP stack must not tell what we keep silent.
#[tokio::test]
async fn no_log_holds_a_secret_or_an_id() {
    let log = Log::default();
    let writer = log.clone();
    let _guard = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .set_default();
    let mut answer = json(400, &json!({"error": {"code": 190, "message": format!("Malformed access token {TOKEN}")}}));
    answer.headers_mut().insert("x-fb-trace-id", HeaderValue::from_static("AbCdEf"));
    let graph = Double::answering([json(200, &json!({"id": PAGE})), answer]).await;
    let client = graph.client();
    client.page(V, &app(), &token(), PAGE).await.expect("a page");
    let _ = client.debug_token(V, &app(), &token()).await;

    let log = String::from_utf8(log.0.lock().expect("not poisoned").clone()).expect("text");
    for expected in ["Graph call", "GET /{page}", "GET /debug_token", "AbCdEf", "app_broken", "reqwest"] {
        assert!(log.contains(expected), "{expected} is missing in {log}");
    }
    for secret in [TOKEN, SECRET, PROOF, PAGE, "input_token"] {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}

#[test]
fn only_the_plain_url_of_an_http_server_is_taken() {
    for url in ["https://graph.facebook.com", "http://127.0.0.1:8080", "https://proxy.example/graph/"] {
        GraphOptions::new(url).expect(url);
    }
    for url in [
        "",
        "graph.facebook.com",
        "ftp://x",
        "https://u@x",
        "https://u:p@x",
        "https://x?y",
        "https://x#y",
        "data:text/plain,x",
    ] {
        assert!(GraphOptions::new(url).is_err(), "{url}");
    }
}

#[tokio::test]
async fn a_path_in_the_base_url_is_kept() {
    for slash in ["", "/"] {
        let graph = Double::json(&json!({"id": APP_ID})).await;
        client(&format!("{}/graph{slash}", graph.url)).app(V, &app()).await.expect("an app");
        assert_eq!(graph.only().uri.path(), format!("/graph/v25.0/{APP_ID}"));
    }
}
