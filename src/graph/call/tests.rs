//! Bad answers, and what may become known of a call.

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use parking_lot::Mutex;
use secrecy::SecretString;
use serde_json::json;
use tokio::io::AsyncReadExt;

use super::super::testing::*;
use super::*;
use crate::graph::{GraphClient, Metered, ThrottleScope, Verdict};

async fn error_of(client: &GraphClient) -> GraphError {
    let error = client.page(V, &app(), &token(), &PAGE.into()).await.expect_err("no page");
    if !matches!(error, GraphError::Fault(_)) {
        assert_eq!(classify(&error, Operation::ReadPage), Verdict::NoAnswer);
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
    graph.client().page(V, &app(), &token(), &PAGE.into()).await.expect("within the bound");
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
        let client = impatient_client(&url);
        let error = tokio::time::timeout(Duration::from_secs(60), error_of(&client)).await;
        assert_eq!(error.expect("a time-out of 300 ms"), GraphError::Timeout);
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

/// A refusal that echoes a secret as it is, percent-encoded, and split by a character that nobody sees.
fn echo(secret: &str) -> axum::response::Response {
    let encoded: String = secret.bytes().map(|b| format!("%{b:02x}")).collect();
    let split = format!("{}\u{200b}{}", &secret[..9], &secret[9..]);
    let message = format!("Malformed access token {secret} {encoded} {split}");
    let fault = json!({"code": 190, "type": secret, "fbtrace_id": secret, "message": message, "error_data": {"details": secret}});
    json(400, &json!({"error": fault}))
}

fn assert_redacted(error: &GraphError) {
    let GraphError::Fault(fault) = error else { panic!("no fault: {error}") };
    assert_eq!(fault.message, "Malformed access token [redacted] [redacted] [redacted] ([redacted])");
    assert_eq!((fault.kind.as_deref(), fault.fbtrace_id.as_deref()), (Some("[redacted]"), Some("[redacted]")));
}

#[tokio::test]
async fn what_graph_echoes_is_redacted() {
    for secret in [TOKEN, SECRET, PROOF] {
        let graph = Double::answering([echo(secret)]).await;
        assert_redacted(&error_of(&graph.client()).await);
    }
    for secret in [TOKEN, SECRET] {
        let graph = Double::answering([echo(secret)]).await;
        assert_redacted(&graph.client().debug_token(V, &app(), &token()).await.expect_err("refused"));
    }
    let verify = "a-verify-token-of-ours";
    let graph = Double::answering([echo(verify)]).await;
    let secret = SecretString::from(verify.to_owned());
    let result = graph.client().subscribe_app(V, &app(), "https://h.example/", &secret, &[]).await;
    assert_redacted(&result.expect_err("refused"));

    let graph = Double::json(&json!({"id": PAGE, "name": format!("Shop {SECRET}")})).await;
    let page = graph.client().page(V, &app(), &token(), &PAGE.into()).await.expect("a page");
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
    assert_eq!(classify(&error_of(&graph.client()).await, Operation::ReadPage), expected);
}

#[tokio::test]
async fn every_answer_tells_of_the_usage_of_its_app_and_page() {
    let with = |status, answer: &Value, name: &'static str, usage: &'static str| {
        let mut answer = json(status, answer);
        answer.headers_mut().insert(name, HeaderValue::from_static(usage));
        answer
    };
    let (node, fault) = (json!({"id": PAGE}), json!({"error": {"code": 4, "message": "m"}}));
    let app_usage = r#"{"call_count":28,"total_time":96,"total_cputime":25}"#;
    let page_usage = r#"{"2200000000000001":[{"type":"pages","call_count":81}]}"#;
    let graph = Double::answering([
        with(200, &node, "x-app-usage", app_usage),
        with(200, &node, "x-business-use-case-usage", page_usage),
        with(200, &node, "x-page-usage", app_usage),
        json(200, &node),
        with(400, &fault, "x-app-usage", r#"{"call_count":100}"#),
        with(503, &json!([]), "x-business-use-case-usage", page_usage),
        json(503, &node),
        json(200, &json!({"id": APP_ID})),
    ])
    .await;
    let (client, (app, heard)) = (graph.client(), Heard::of_app());
    let page = |percent| (Metered::Object(PAGE.to_owned()), percent);
    let of_page = [
        vec![page(0), (Metered::App, 96)],
        vec![page(81)],
        vec![page(96)],
        vec![page(0)],
        vec![(Metered::App, 100)],
        vec![page(81)],
        vec![],
    ];
    for expected in of_page {
        let _ = client.page(V, &app, &token(), &PAGE.into()).await;
        assert_eq!(heard.take(), expected);
    }
    client.app(V, &app).await.expect("an app");
    assert_eq!(heard.take(), [(Metered::App, 0)]);
}

#[derive(Default)]
struct Counted(Mutex<Vec<(&'static str, &'static str)>>);

impl CallObserver for Counted {
    fn observed(&self, template: &'static str, outcome: &'static str, _elapsed: Duration) {
        self.0.lock().push((template, outcome));
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
    let observed = |url: &str, milliseconds| observed_client(url, Duration::from_millis(milliseconds), counted.clone());
    let client = observed(&graph.url, 20_000);
    client.page(V, &app(), &token(), &PAGE.into()).await.expect("a page");
    let _ = client.page(V, &app(), &token(), &PAGE.into()).await;
    let _ = client.app(V, &app()).await;
    let _ = client.app_permissions(V, &app()).await;
    let _ = client.debug_token(V, &app(), &token()).await;
    let client = observed(&raw(b"", true).await, 300);
    let _ = client.app_subscriptions(V, &app()).await;
    let client = observed(&raw(b"", false).await, 20_000);
    let _ = client.subscribe_page(V, &app(), &token(), &PAGE.into(), &[]).await;
    let expected = [
        ("GET /{page}", "ok"),
        ("GET /{page}", "token_ended"),
        ("GET /{app}", "app_broken"),
        ("GET /{app}/permissions", "bad_answer"),
        ("GET /debug_token", "bad_answer"),
        ("GET /{app}/subscriptions", "timeout"),
        ("POST /{page}/subscribed_apps", "transport"),
    ];
    assert_eq!(*counted.0.lock(), expected);
}

/// At the finest level and from every crate below: the HTTP stack must not tell what we keep silent.
/// Runs in a process of its own, because whether a line is logged at all is decided once per process.
#[test]
fn no_log_holds_a_secret_or_an_id() {
    const CHILD: &str = "TEST_LOGS_GRAPH_CALLS";
    if std::env::var_os(CHILD).is_some() {
        return log_two_calls();
    }
    let module = module_path!().split_once("::").expect("a crate").1;
    let output = std::process::Command::new(std::env::current_exe().expect("a test binary"))
        .args(["--exact", &format!("{module}::no_log_holds_a_secret_or_an_id"), "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("the test binary runs");
    let log = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{log}");
    for expected in ["Graph call", "GET /{page}", "GET /debug_token", "AbCdEf", "app_broken", "reqwest"] {
        assert!(log.contains(expected), "{expected} is missing in {log}");
    }
    for secret in [TOKEN, SECRET, PROOF, PAGE, "input_token"] {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn log_two_calls() {
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).init();
    let message = format!("Malformed access token {TOKEN}");
    let mut answer = json(400, &json!({"error": {"code": 190, "message": message}}));
    answer.headers_mut().insert("x-fb-trace-id", HeaderValue::from_static("AbCdEf"));
    let graph = Double::answering([json(200, &json!({"id": PAGE})), answer]).await;
    let client = graph.client();
    client.page(V, &app(), &token(), &PAGE.into()).await.expect("a page");
    client.debug_token(V, &app(), &token()).await.expect_err("refused");
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
async fn a_declared_proxy_is_asked_for_graph_by_its_name() {
    let proxy = Double::json(&json!({"id": APP_ID})).await;
    proxied_client("http://graph.example", &proxy.url).app(V, &app()).await.expect("an app");
    let uri = proxy.only().uri;
    assert_eq!((uri.host(), uri.path()), (Some("graph.example"), format!("/v25.0/{APP_ID}").as_str()));
}

#[tokio::test]
async fn what_is_said_to_graph_by_tls_is_not_seen_by_a_proxy() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let proxy = format!("http://{}", listener.local_addr().expect("bound"));
    let client = proxied_client("https://graph.example", &proxy);
    let heard = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut head = vec![0; 4096];
        let length = stream.read(&mut head).await.expect("a request");
        String::from_utf8_lossy(&head[..length]).into_owned()
    };
    let (app, token) = (app(), token());
    let (heard, answer) = tokio::join!(heard, client.debug_token(V, &app, &token));
    assert!(heard.starts_with("CONNECT graph.example:443 "), "{heard}");
    assert!(!heard.contains(TOKEN) && !heard.contains("debug_token"), "{heard}");
    answer.expect_err("the proxy hung up");
}

#[test]
fn a_proxy_is_given_by_a_plain_url() {
    let through = |proxy| GraphOptions::new("https://graph.facebook.com").and_then(|it| it.through(proxy));
    through("http://proxy.example:3128").expect("plain");
    for proxy in
        ["", "proxy.example:3128", "socks5://proxy.example", "http://u:p@proxy.example", "http://proxy.example?x"]
    {
        assert!(matches!(through(proxy), Err(GraphSetupError::Proxy(_))), "{proxy}");
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

#[tokio::test]
async fn every_answer_tells_what_time_it_is_at_graph_and_nonsense_tells_nothing() {
    let rows = [
        ("Sun, 01 Mar 2026 12:00:00 GMT", Some("2026-03-01T12:00:00Z")),
        ("Mon, 01 Mar 2026 12:00:00 GMT", None),
        ("2026-03-01T12:00:00Z", None),
        ("-", None),
    ];
    for (header, expected) in rows {
        for status in [StatusCode::OK, StatusCode::BAD_REQUEST] {
            let (app, heard) = Heard::of_app();
            let graph = Double::deciding(move |_| Some((status, [("date", header)], "{}").into_response())).await;
            let _ = graph.client().app(V, &app).await;
            assert_eq!(heard.take_dates(), [expected.map(|at| at.parse().expect("a time"))], "{header} {status}");
        }
    }
}
