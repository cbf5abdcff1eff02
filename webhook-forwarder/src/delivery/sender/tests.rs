#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::UNIX_EPOCH;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, post};
use parking_lot::Mutex;
use reqwest::dns::{Addrs, Name, Resolving};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::*;
use crate::delivery::endpoint::SigningKey;
use crate::testing::{CHANNEL, queued};

/// Every name is this machine.
struct Loopback;

impl Resolve for Loopback {
    fn resolve(&self, _: Name) -> Resolving {
        let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
        Box::pin(async move { Ok(Box::new(std::iter::once(address)) as Addrs) })
    }
}

fn sender(allowed: &[&str]) -> Sender {
    // An error means that another test installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let policy =
        AddressPolicy { denied: Vec::new(), allowed: allowed.iter().map(|range| range.parse().unwrap()).collect() };
    Sender::new(policy, Arc::new(Loopback), "test/1").unwrap()
}

fn endpoint(url: &str, reach: Reach) -> Endpoint {
    Endpoint { url: url.parse().unwrap(), reach, key: SigningKey::new("key"), max_batch: 16, cloud_events: false }
}

async fn listen(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// What comes of one event that is sent to a bot that answers so.
async fn answered(response: impl Fn() -> Response + Clone + Send + Sync + 'static) -> Result<(), Failure> {
    let answer = move || std::future::ready(response());
    let address = listen(Router::new().route("/", post(answer))).await;
    let endpoint = endpoint(&format!("http://bot.tenant-a.svc:{}/", address.port()), Reach::Service);
    sender(&["127.0.0.0/8"]).send(&endpoint, &[queued(CHANNEL, 1, "{}")], UNIX_EPOCH).await
}

#[tokio::test]
async fn only_2xx_means_accepted() {
    for status in [200, 202, 204] {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(answered(move || status.into_response()).await, Ok(()));
    }
    for status in [400, 403, 404, 429, 500, 503] {
        let status = StatusCode::from_u16(status).unwrap();
        let failure = Failure::Answered { status: status.as_u16(), retry_after: None };
        assert_eq!(answered(move || status.into_response()).await, Err(failure));
    }
    assert_eq!(answered(|| StatusCode::GONE.into_response()).await, Err(Failure::Gone));
}

#[tokio::test]
async fn an_endpoint_may_say_when_to_come_back() {
    let busy = || (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "17")]).into_response();
    let failure = Failure::Answered { status: 503, retry_after: Some(Duration::from_secs(17)) };
    assert_eq!(answered(busy).await, Err(failure));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    let other = listen(Router::new().fallback(any(move || {
        *count.lock() += 1;
        std::future::ready("")
    })))
    .await;
    let redirect = move || Redirect::temporary(&format!("http://127.0.0.1:{}/", other.port())).into_response();
    assert_eq!(answered(redirect).await, Err(Failure::Answered { status: 307, retry_after: None }));
    assert_eq!(*asked.lock(), 0);
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let endless = || {
        let chunks = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 1024]));
        axum::body::Body::from_stream(chunks).into_response()
    };
    assert_eq!(answered(endless).await, Ok(()));
}

#[tokio::test]
async fn a_bot_gets_the_body_with_signatures_over_it_and_the_headers_of_cloud_events_if_it_wants_them() {
    let received = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&received);
    let receive = post(async move |request: Request| {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        keep.lock().push((parts.uri.to_string(), parts.headers, body));
    });
    let address = listen(Router::new().fallback(receive)).await;
    let mut endpoint = endpoint(&format!("http://bot.tenant-a.svc:{}/hook?a=b", address.port()), Reach::Service);
    let sender = sender(&["127.0.0.0/8"]);
    let events = [queued(CHANNEL, 1, r#"{"n":1}"#)];
    sender.send(&endpoint, &events, UNIX_EPOCH).await.unwrap();
    endpoint.cloud_events = true;
    sender.send(&endpoint, &events, UNIX_EPOCH).await.unwrap();

    let received = received.lock();
    let [(uri, plain, body), (_, cloud, _)] = &received[..] else { panic!("{received:?}") };
    assert_eq!(uri, "/hook?a=b");
    assert_eq!(*body, body::body(&events));
    for (name, value) in &signature::headers(&endpoint.key, &signature::request_id(&events), UNIX_EPOCH, body) {
        assert_eq!(plain[name], value);
    }
    assert_eq!(
        (&plain["content-type"], &plain["user-agent"]),
        (&"application/json".parse().unwrap(), &"test/1".parse().unwrap())
    );
    assert!(!plain.contains_key("ce-id"));
    assert_eq!(cloud["ce-id"], plain["webhook-id"]);
    assert_eq!(cloud["ce-specversion"], "1.0");
}

#[tokio::test]
async fn nothing_is_sent_to_what_is_not_permitted() {
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    let address = listen(Router::new().fallback(any(move || {
        *count.lock() += 1;
        std::future::ready("")
    })))
    .await;
    let port = address.port();
    let sender = sender(&[]);
    for (url, reach) in [
        (format!("https://127.0.0.1:{port}/"), Reach::External),
        (format!("https://localhost:{port}/"), Reach::External),
        (format!("https://bot.example.com:{port}/"), Reach::External),
        (format!("http://bot.example.com:{port}/"), Reach::External),
        (format!("http://127.0.0.1:{port}/"), Reach::Service),
        (format!("http://[::ffff:127.0.0.1]:{port}/"), Reach::Service),
        (format!("http://bot.tenant-a.svc:{port}/"), Reach::Service),
    ] {
        let failure = sender.send(&endpoint(&url, reach), &[queued(CHANNEL, 1, "{}")], UNIX_EPOCH).await;
        assert!(matches!(failure, Err(Failure::Unreachable(Unreachable::Address(_)))), "{url}: {failure:?}");
    }
    assert_eq!(*asked.lock(), 0);
}

#[tokio::test]
async fn a_connection_that_is_not_made_and_one_that_is_cut_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://bot.tenant-a.svc:{}/", listener.local_addr().unwrap().port());
    let cut = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        // The request is read, so that its sender hears of an end and not of a reset.
        let _ = connection.read(&mut [0; 4096]).await;
    });
    let (sender, endpoint) = (sender(&["127.0.0.0/8"]), endpoint(&url, Reach::Service));
    let events = [queued(CHANNEL, 1, "{}")];
    assert_eq!(sender.send(&endpoint, &events, UNIX_EPOCH).await, Err(Failure::Cut));
    cut.await.unwrap();
    let refused = Failure::Unreachable(Unreachable::Connection);
    assert_eq!(sender.send(&endpoint, &events, UNIX_EPOCH).await, Err(refused));
}
