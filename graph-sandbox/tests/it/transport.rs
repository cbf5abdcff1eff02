//! Versions, paths, verbs and broken requests: every answer has Graph's shape.

use jiff::SignedDuration;
use reqwest::Method;

use crate::support::*;

#[tokio::test]
async fn answers_name_the_version_that_served_them() {
    let api = Api::start().await;
    let served = async |prefix: &str| {
        let answer = api.get(&token("page-a"), &format!("{prefix}/{PAGE_A}"), &[]).await;
        (answer.status, answer.headers.get("facebook-api-version").map(|value| value.to_str().unwrap().to_owned()))
    };
    let version = |text: &str| (200, Some(text.to_owned()));
    api.sandbox.set_clock("2026-11-22T00:00:00Z".parse().unwrap()).unwrap();
    assert_eq!(served("/v25.0").await, version("v25.0"));
    assert_eq!(served("/v20.0").await, version("v21.0"));
    assert_eq!(served("").await, version("v21.0"));
    assert_eq!(served("/v27.0").await, (400, None));
    api.sandbox.advance_clock(SignedDuration::from_hours(24 * 90)).unwrap();
    assert_eq!(served("/v21.0").await, version("v22.0"));
    let refused = api.get("garbage", "/v25.0/me", &[]).await;
    assert_eq!(refused.headers["facebook-api-version"], "v25.0");
    assert_eq!(refused.headers["content-type"], "application/json; charset=UTF-8");
    assert_eq!(refused.body["error"]["fbtrace_id"], refused.headers["x-fb-trace-id"].to_str().unwrap());
}

#[tokio::test]
async fn paths_that_lead_nowhere() {
    let api = Api::start().await;
    for (path, code, subcode, message) in [
        (format!("/v25.0/{PAGE_A}/nope"), 2500, None, "Unknown path components: /nope"),
        (format!("/v25.0/{PAGE_A}/permissions"), 2500, None, "Unknown path components: /permissions"),
        (format!("/v25.0/{APP}/subscribed_apps"), 2500, None, "Unknown path components: /subscribed_apps"),
        (format!("/v25.0/{PAGE_A}/subscriptions"), 2500, None, "Unknown path components: /subscriptions"),
        (format!("/v25.0/{PAGE_A}/subscribed_apps/x"), 2500, None, "Unknown path components: /subscribed_apps/x"),
        (format!("/v99.0/{PAGE_A}"), 2500, None, "Unknown path components: /2200000000000001"),
        ("/v25.0/acme".to_owned(), 803, None, "(#803) Some of the aliases you requested do not exist: acme"),
        ("/v25.0/2299999999999999".to_owned(), 100, Some(33), "Unsupported get request. Object with ID"),
        ("/v25.0/".to_owned(), 100, None, "Unsupported request."),
        ("/".to_owned(), 100, None, "Unsupported request."),
    ] {
        let (status, found, found_subcode, text) = api.get(&token("page-a"), &path, &[]).await.refused();
        assert_eq!((status, found, found_subcode), (400, code, subcode), "{path}: {text}");
        assert!(text.starts_with(message), "{path}: {text}");
    }
    // Whoever has no good token learns nothing about paths.
    let stranger = api.get("garbage", "/v25.0/2200000000000001/nope", &[]).await;
    assert_eq!(stranger.refusal(), (400, 190, None));
}

#[tokio::test]
async fn wrong_verbs() {
    let api = Api::start().await;
    for (method, path) in [
        (Method::POST, "/v25.0/debug_token".to_owned()),
        (Method::POST, format!("/v25.0/{APP}")),
        (Method::DELETE, format!("/v25.0/{APP}/permissions")),
        (Method::PUT, format!("/v25.0/{APP}/subscriptions")),
        (Method::DELETE, format!("/v25.0/{PAGE_A}")),
        (Method::PATCH, format!("/v25.0/{PAGE_A}/subscribed_apps")),
    ] {
        let (status, code, subcode, message) = api.call(method.clone(), &app_token(), &path, &[]).await.refused();
        assert_eq!((status, code, subcode), (400, 100, Some(33)), "{method} {path}");
        let expected = format!("Unsupported {} request.", method.as_str().to_lowercase());
        assert!(message.starts_with(&expected), "{message}");
    }
}

#[tokio::test]
async fn post_may_stand_for_delete_and_get() {
    let api = Api::start().await;
    let path = format!("/v25.0/{PAGE_A}/subscribed_apps");
    api.post(&token("page-a"), &path, &[("method", "get")]).await.ok();
    assert_eq!(api.last_entry().method, "GET");
    let form = [("method", "DELETE"), ("access_token", &app_token())];
    let answer = api.client.post(format!("{}{path}", api.sandbox.url())).form(&form).send().await.unwrap();
    Answer::of(answer).await.ok();
    assert!(api.page_row(PAGE_A).is_none());
    assert_eq!(api.post(&app_token(), &path, &[("method", "BREW")]).await.refusal(), (400, 100, None));
}

#[tokio::test]
async fn head_and_options() {
    let api = Api::start().await;
    let path = format!("/v25.0/{PAGE_A}");
    let head = api.call(Method::HEAD, &token("page-a"), &path, &[]).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    assert_eq!(head.headers["facebook-api-version"], "v25.0");
    assert_eq!(api.call(Method::HEAD, &token("expired"), &path, &[]).await.status, 400);
    let options = api.client.request(Method::OPTIONS, format!("{}{path}", api.sandbox.url())).send().await.unwrap();
    assert_eq!(
        (options.status().as_u16(), options.headers()["access-control-allow-origin"].to_str().unwrap()),
        (200, "*")
    );
}

#[tokio::test]
async fn multipart_forms_carry_parameters() {
    let api = Api::start().await;
    let url = format!("{}/v25.0/{PAGE_A}/subscribed_apps", api.sandbox.url());
    let form = || reqwest::multipart::Form::new().text("access_token", token("page-a"));
    let answer =
        api.client.post(&url).multipart(form().text("subscribed_fields", "[\"standby\"]")).send().await.unwrap();
    Answer::of(answer).await.ok();
    assert_eq!(api.page_row(PAGE_A).unwrap(), ["standby"]);
    let broken = api.client.post(&url).header("content-type", "multipart/form-data; boundary=x").body("--y\r\n");
    assert_eq!(Answer::of(broken.send().await.unwrap()).await.refusal(), (400, 100, None));
}

#[tokio::test]
async fn parameters_that_change_nothing_or_only_the_status() {
    let api = Api::start().await;
    let path = format!("/v25.0/{PAGE_A}");
    let ignored = [("pretty", "0"), ("debug", "all"), ("locale", "de_DE"), ("date_format", "U"), ("sdk", "x")];
    assert_eq!(api.get(&token("page-a"), &path, &ignored).await.ok()["id"], PAGE_A);
    let quiet = api.get(&token("expired"), &path, &[("suppress_http_code", "1")]).await;
    assert_eq!(quiet.refusal(), (200, 190, Some(463)));
}

#[tokio::test]
async fn broken_requests_get_a_graph_error() {
    let api = Api::start().await;
    let url = format!("{}/v25.0/{PAGE_A}/subscribed_apps", api.sandbox.url());
    let post = || api.client.post(&url).bearer_auth(token("page-a"));
    let json = |body: &str| post().header("content-type", "application/json").body(body.to_owned());
    for (request, expected) in [
        (json("{\"access_token\":\"EAAinside"), (400, 100, None)),
        (json("[]"), (400, 100, None)),
        (json(""), (400, 100, None)),
        (json("{\"subscribed_fields\":{\"a\":1}}"), (400, 100, None)),
        (post().body("%%%&=&subscribed_fields=%ff%fe"), (400, 100, None)),
        (post().body(vec![b'a'; 2 * 1024 * 1024]), (413, 1, None)),
        (post().query(&[("fields", "{".repeat(3000))]), (400, 100, None)),
        (api.client.post(&url).header("authorization", "Bearer \u{e9}"), (400, 190, None)),
    ] {
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert!(!answer.text.contains("EAAinside"), "{}", answer.text);
        assert_eq!(answer.refusal(), expected);
    }
    let odd_path = api.client.get(format!("{}/v25.0/%ff%00/%7Bx", api.sandbox.url())).bearer_auth(token("page-a"));
    assert_eq!(Answer::of(odd_path.send().await.unwrap()).await.status, 400);
    assert!(api.sandbox.ledger().iter().all(|entry| entry.status.is_some()));
}
