//! The control API under `/_sandbox/`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::*;

const PATH: &str = "/v25.0/2200000000000001";

#[tokio::test]
async fn the_ledger_can_be_read_from_a_point_and_cleared() {
    let api = Api::start().await;
    for _ in 0..3 {
        api.get(&token("page-a"), PATH, &[]).await;
    }
    let read = async |path: &str| {
        let body = api.control(Method::GET, path, Value::Null).await.ok();
        body["entries"].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(read("ledger").await, [1, 2, 3]);
    assert_eq!(read("ledger?since=2").await, [3]);
    api.control(Method::DELETE, "ledger", Value::Null).await.ok();
    assert!(read("ledger").await.is_empty());
    assert_eq!(api.control(Method::GET, "ledger?since=x", Value::Null).await.status, 400);
}

#[tokio::test]
async fn the_clock_moves_and_refuses_nonsense() {
    let api = Api::start().await;
    let set = api.post_control("clock", json!({"set": "2030-01-01T00:00:00Z"})).await.ok();
    assert_eq!(set["now"], "2030-01-01T00:00:00Z");
    let advanced = api.post_control("clock", json!({"advance": "1d 15m"})).await.ok();
    assert!(advanced["now"].as_str().unwrap().starts_with("2030-01-02T00:1"), "{advanced}");
    let read = api.control(Method::GET, "clock", Value::Null).await.ok();
    assert!(read["now"].as_str().unwrap().starts_with("2030-01-02T00:1"), "{read}");
    for bad in [json!({"advance": "soon"}), json!({"advance": "300000000h"}), json!({"set": "x"}), json!({}), json!(1)]
    {
        let refused = api.post_control("clock", bad.clone()).await;
        assert!(refused.status == 400 && refused.body["error"].is_string(), "{bad}: {}", refused.text);
    }
    assert!(api.sandbox.now().to_string().starts_with("2030-01-02T00:1"));
}

#[tokio::test]
async fn tokens_are_added_replaced_ended_and_restored() {
    let api = Api::start().await;
    let mut row = json!({"alias": "page-a", "token": "EAAfresh0000000000000000000000", "kind": "page", "app": APP,
        "user": "6600000000000001", "page": PAGE_A, "scopes": ["pages_show_list"], "expires_at": "+1h"});
    api.post_control("tokens", row.clone()).await.ok();
    api.get("EAAfresh0000000000000000000000", PATH, &[]).await.ok();
    assert_eq!(api.get(&token("page-a"), PATH, &[]).await.refusal(), (400, 190, None));
    assert_eq!(api.sandbox.state().tokens.len(), 12);

    api.post_control("tokens/invalidate", json!({"alias": "page-a", "subcode": 460})).await.ok();
    let dead = api.get("EAAfresh0000000000000000000000", PATH, &[]).await;
    assert_eq!(dead.refusal(), (400, 190, Some(460)));
    let state = api.control(Method::GET, "state", Value::Null).await.ok();
    assert_eq!(state["tokens"]["page-a"]["valid"], false);
    assert_eq!(state["tokens"]["page-a"]["subcode"], 460);
    api.post_control("tokens/restore", json!({"token": "EAAfresh0000000000000000000000"})).await.ok();
    api.get("EAAfresh0000000000000000000000", PATH, &[]).await.ok();

    row["app"] = json!("8888000088880000");
    let refused = api.post_control("tokens", row).await;
    assert_eq!(
        (refused.status, refused.body["error"].as_str()),
        (400, Some("token (page-a): app 8888000088880000 is not in the seed"))
    );
    assert_eq!(api.post_control("tokens/invalidate", json!({"alias": "nobody"})).await.status, 404);
    assert_eq!(api.post_control("tokens/restore", json!({})).await.status, 400);
}

#[tokio::test]
async fn drift_of_app_and_page() {
    let api = Api::start().await;
    let app = format!("apps/{APP}");
    api.post_control(&app, json!({"subscription": {"active": false}})).await.ok();
    let row = |api: &Api| json!(api.sandbox.state().apps[APP].subscriptions["page"]);
    assert_eq!(
        row(&api),
        json!({"callback_url": "https://hooks.example.com/meta", "active": false,
        "fields": ["messages", "standby"]})
    );
    let drift = json!({"subscription": {"callback_url": "https://elsewhere.example/x", "fields": ["feed"]}});
    api.post_control(&app, drift).await.ok();
    assert_eq!(row(&api), json!({"callback_url": "https://elsewhere.example/x", "active": false, "fields": ["feed"]}));
    let insecure = api.post_control(&app, json!({"subscription": {"callback_url": "http://x.example/"}})).await;
    assert_eq!(insecure.status, 400);
    api.post_control(&app, json!({"subscription": {"removed": true}})).await.ok();
    assert!(!api.sandbox.state().apps[APP].subscriptions.contains_key("page"));
    let nothing = api.post_control(&app, json!({"subscription": {"active": true}})).await;
    assert_eq!(nothing.status, 400);
    let insecure = api.post_control(&app, json!({"subscription": {"callback_url": "http://x.example/"}})).await;
    assert_eq!(insecure.status, 400);

    let page = format!("pages/{PAGE_A}");
    api.post_control(&page, json!({"published": false, "subscription": {"app": APP, "fields": ["feed"]}})).await.ok();
    assert_eq!(api.page_row(PAGE_A).unwrap(), ["feed"]);
    assert!(!api.sandbox.state().pages[PAGE_A].published);
    api.post_control(&page, json!({"name": "New Name", "subscription": {"app": APP}})).await.ok();
    assert!(api.page_row(PAGE_A).is_none());
    assert_eq!(api.get(&token("page-a"), PATH, &[]).await.ok()["name"], "New Name");
    api.post_control(&page, json!({"restricted": true})).await.ok();
    assert_eq!(api.get(&token("page-a"), PATH, &[]).await.refusal(), (400, 100, Some(33)));

    api.post_control(&app, json!({"permissions": {"pages_messaging": "unapproved"}, "blocked": "blocked"})).await.ok();
    assert_eq!(json!(api.sandbox.state().apps[APP].permissions["pages_messaging"]), "unapproved");
    assert_eq!(api.get(&app_token(), "/v25.0/app", &[]).await.refusal(), (400, 200, None));
    for (path, body) in [("apps/1", json!({})), ("pages/2299999999999999", json!({}))] {
        assert_eq!(api.post_control(path, body).await.status, 404);
    }
    assert_eq!(api.post_control(&page, json!({"publisched": true})).await.status, 400);
}

#[tokio::test]
async fn faults_resolve_and_switches() {
    let api = Api::start().await;
    let ids = api.post_control("faults", json!([{"do": "hang"}, {"do": {"slow": {"ms": 1}}, "times": 3}])).await.ok();
    assert_eq!(ids, json!({"ids": [1, 2]}));
    api.control(Method::DELETE, "faults/1", Value::Null).await.ok();
    assert_eq!(api.control(Method::DELETE, "faults/1", Value::Null).await.status, 404);
    api.get(&token("page-a"), PATH, &[]).await.ok();
    let listed = api.control(Method::GET, "faults", Value::Null).await.ok();
    assert_eq!(
        listed,
        json!({"faults": [{"id": 2, "matched": 1, "match": {}, "after": 0, "times": 3, "do": {"slow": {"ms": 1}}}]})
    );
    api.control(Method::DELETE, "faults", Value::Null).await.ok();
    assert!(api.sandbox.faults().is_empty());
    assert_eq!(api.post_control("faults", json!({"do": "nope"})).await.status, 400);
    assert_eq!(api.post_control("faults", json!([{"do": "hang"}, {"do": "nope"}])).await.status, 400);
    assert!(api.sandbox.faults().is_empty());

    let table = json!({"Hooks.Example.com": "http://127.0.0.1:9/"});
    api.control(Method::PUT, "resolve", table).await.ok();
    let read = api.control(Method::GET, "resolve", Value::Null).await.ok();
    assert_eq!(read, json!({"hooks.example.com": "http://127.0.0.1:9"}));
    let bad = json!({"a.example": "http://127.0.0.1:9", "b.example": "https://127.0.0.1:9"});
    assert_eq!(api.control(Method::PUT, "resolve", bad).await.status, 400);
    assert_eq!(json!(api.sandbox.resolve()), read);

    api.control(Method::PUT, "switches", json!({"page_subscriptions_list": "own"})).await.ok();
    let switches = api.control(Method::GET, "switches", Value::Null).await.ok();
    assert_eq!(switches["page_subscriptions_list"], "own");
    let bad = json!({"page_subscriptions_list": "all", "page_subscribe_post": "perhaps"});
    assert_eq!(api.control(Method::PUT, "switches", bad).await.status, 400);
    assert_eq!(api.control(Method::GET, "switches", Value::Null).await.ok(), switches);
}

#[tokio::test]
async fn unknown_control_calls_and_verbs_are_no_graph_calls() {
    let api = Api::start().await;
    for (method, path) in [(Method::GET, "nope"), (Method::POST, ""), (Method::PUT, "state"), (Method::GET, "a/b/c")] {
        let answer = api.control(method, path, Value::Null).await;
        assert_eq!((answer.status, &answer.body), (404, &json!({"error": "there is no such control call"})), "{path}");
    }
    let control = format!("{}/_sandbox", api.sandbox.url());
    assert_eq!(api.client.post(control).send().await.unwrap().status(), 404);
    assert!(api.sandbox.ledger().is_empty());
}

#[tokio::test]
async fn refusals_of_the_framework_look_like_all_others() {
    let api = Api::start().await;
    let answer = api.post_control("apps/%ff", json!({})).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body["error"].as_str().is_some_and(|error| error.contains("UTF-8")), "{}", answer.text);
}

#[tokio::test]
async fn apps_take_no_empty_secret_and_no_unknown_object() {
    let api = Api::start().await;
    let subscription = json!({"object": "pages", "callback_url": "https://hooks.example.com/meta"});
    for (change, expected) in
        [(json!({"secret": ""}), "the secret is empty"), (json!({"subscription": subscription}), "must be one of")]
    {
        let refused = api.post_control(&format!("apps/{APP}"), change).await;
        assert_eq!(refused.status, 400);
        assert!(refused.text.contains(expected), "{}", refused.text);
    }
    api.get(&app_token(), &format!("/v25.0/{APP}"), &[]).await.ok();
}

#[tokio::test]
async fn the_root_lists_the_control_calls() {
    let api = Api::start().await;
    for path in ["/_sandbox/", "/_sandbox"] {
        let url = format!("{}{path}", api.sandbox.url());
        let text = Answer::of(api.client.get(&url).send().await.unwrap()).await;
        assert_eq!((text.status, text.headers["content-type"].to_str().unwrap()), (200, "text/plain; charset=utf-8"));
        let json = api.client.get(&url).header("accept", "application/json").send().await.unwrap();
        let calls = Answer::of(json).await.ok()["calls"].as_array().unwrap().clone();
        assert_eq!(text.text.lines().count(), calls.len());
        for (line, call) in text.text.lines().zip(&calls) {
            let word = |name: &str| call[name].as_str().unwrap().to_owned();
            assert!(line.starts_with(&format!("{:<6} {}", word("method"), word("path"))), "{line}");
            assert!(line.ends_with(&word("does")) && !word("does").is_empty(), "{line}");
        }
    }
    assert_eq!(api.post_control("", json!({})).await.status, 404);
}
