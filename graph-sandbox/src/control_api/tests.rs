//! Who gets in, and what the list of control calls is good for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body as HttpBody, to_bytes};
use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::index::CALLS;
use super::router::router;
use crate::connection::Peer;
use crate::core::Core;

fn guarded(control_token: Option<&str>) -> Router {
    let core = Core {
        world: Default::default(),
        clock: Default::default(),
        ledger: Default::default(),
        faults: Default::default(),
        foreign: Default::default(),
        usage: Default::default(),
        outbox: Default::default(),
        client: crate::callback::client().unwrap(),
        callback_limit: Duration::from_secs(1),
        stopping: CancellationToken::new(),
    };
    router(Arc::new(core), control_token.map(SecretString::from))
}

/// What a call of the machine's own is answered.
async fn probe(router: &Router, method: &str, path: &str) -> String {
    let request = Request::builder().method(method).uri(path);
    let request = request.extension(ConnectInfo(Peer::at("127.0.0.1:9"))).body(HttpBody::empty()).unwrap();
    let body = router.clone().oneshot(request).await.unwrap().into_body();
    String::from_utf8_lossy(&to_bytes(body, usize::MAX).await.unwrap()).into_owned()
}

#[tokio::test]
async fn the_list_of_control_calls_is_what_the_router_serves() {
    let router = guarded(None);
    let listed = CALLS;
    let paths: BTreeSet<String> = declared_routes()
        .iter()
        .map(|route| route.strip_prefix("/_sandbox").unwrap_or(route).trim_start_matches('/').to_owned())
        .filter(|path| path != "{*rest}")
        .collect();
    for path in &paths {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            let answer = probe(&router, method, &format!("/_sandbox/{}", path.replace(['{', '}'], ""))).await;
            let served = !answer.contains("such control call");
            let rows = listed.iter().filter(|call| call.method == method && call.path == path).count();
            assert_eq!(rows, usize::from(served), "{method} {path}: {answer}");
        }
    }
    for call in listed {
        assert!(paths.contains(call.path), "{} is not served", call.path);
    }
}

/// Status of a control call from this address.
async fn ask(router: &Router, peer: &str, header: Option<&str>) -> u16 {
    let mut request = Request::get("/_sandbox/clock").extension(ConnectInfo(Peer::at(peer)));
    if let Some(header) = header {
        request = request.header("authorization", header);
    }
    let request = request.body(HttpBody::empty()).unwrap();
    router.clone().oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn strangers_need_the_control_token() {
    let open = guarded(Some("open-sesame"));
    for own in ["127.0.0.1:9", "127.8.8.8:9", "[::1]:9", "[::ffff:127.0.0.1]:9"] {
        assert_eq!(ask(&open, own, None).await, 200, "{own}");
    }
    for stranger in ["192.0.2.1:9", "10.0.0.1:9", "[2001:db8::1]:9", "[::ffff:192.0.2.1]:9"] {
        assert_eq!(ask(&open, stranger, None).await, 403, "{stranger}");
        assert_eq!(ask(&open, stranger, Some("Bearer open-sesame")).await, 200, "{stranger}");
        for wrong in ["Bearer open-sesam", "Bearer ", "open-sesame", "Basic open-sesame"] {
            assert_eq!(ask(&open, stranger, Some(wrong)).await, 403, "{wrong}");
        }
    }
}

/// The paths of all routes, as the sources beside this one declare them.
fn declared_routes() -> Vec<String> {
    let sources = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/control_api")).unwrap();
    let sources = sources.map(|entry| entry.unwrap().path()).filter(|path| !path.ends_with("tests.rs"));
    let texts = sources.map(|path| std::fs::read_to_string(path).unwrap());
    let paths = |text: String| -> Vec<String> {
        let declared = text.split(".route(\"").skip(1);
        declared.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
    };
    texts.flat_map(paths).collect()
}

#[tokio::test]
async fn no_route_is_open_to_strangers() {
    let closed = guarded(None);
    let routes = declared_routes();
    assert!(routes.len() > 30, "{routes:?}");
    for route in routes {
        let path = format!("/_sandbox{}", route.strip_prefix("/_sandbox").unwrap_or(&route));
        let path = path.replace("{id}", "2200000000000001").replace("{psid}", "7700000000000001");
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let request = Request::builder().method(method).uri(path.replace("{*rest}", "x"));
            let request = request.extension(ConnectInfo(Peer::at("192.0.2.1:9"))).body(HttpBody::empty()).unwrap();
            let status = closed.clone().oneshot(request).await.unwrap().status();
            assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn without_a_control_token_no_stranger_gets_in() {
    let closed = guarded(None);
    assert_eq!(ask(&closed, "127.0.0.1:9", None).await, 200);
    for header in [None, Some("Bearer "), Some("Bearer x")] {
        assert_eq!(ask(&closed, "192.0.2.1:9", header).await, 403);
    }
}
