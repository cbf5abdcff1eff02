//! Faults: calls made to go wrong.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::*;

const PATH: &str = "/v25.0/2200000000000001";
const SUBSCRIBED: &str = "/v25.0/2200000000000001/subscribed_apps";

#[tokio::test]
async fn hanging_lasts_until_the_client_leaves_and_does_not_keep_the_sandbox() {
    let api = Api::start().await;
    api.fault(json!({"do": "hang"}));
    let url = format!("{}{PATH}", api.sandbox.url());
    let request = || api.client.get(&url).bearer_auth(token("page-a"));
    let error = request().timeout(Duration::from_secs(2)).send().await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    let entry = api.last_entry();
    assert_eq!((entry.fault.as_deref(), entry.status), (Some("hang"), None));

    let hanging = tokio::spawn(request().send());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!hanging.is_finished());
    tokio::time::timeout(PATIENCE, api.sandbox.stop()).await.unwrap();
    assert!(hanging.await.unwrap().is_err());
}

#[tokio::test]
async fn dropping_the_sandbox_stops_it() {
    let api = Api::start().await;
    api.fault(json!({"do": "hang"}));
    let url = format!("{}{PATH}", api.sandbox.url());
    let hanging = tokio::spawn(api.client.get(&url).bearer_auth("x").send());
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(api.sandbox);
    assert!(hanging.await.unwrap().is_err());
    let deadline = Instant::now() + PATIENCE;
    while client().get(&url).send().await.is_ok() {
        assert!(Instant::now() < deadline, "it still answers");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn slow_answers_are_right_answers() {
    let api = Api::start().await;
    api.fault(json!({"do": {"slow": {"ms": 300}}}));
    let begun = Instant::now();
    assert_eq!(api.get(&token("page-a"), PATH, &[]).await.ok()["id"], PAGE_A);
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn statuses_html_and_broken_json() {
    let api = Api::start().await;
    let get = async || api.get(&token("page-a"), PATH, &[]).await;
    let strike = |effect: serde_json::Value| api.fault(json!({"times": 1, "do": effect}));
    strike(json!({"status": {"code": 503, "body": "busy"}}));
    let answer = get().await;
    assert_eq!((answer.status, answer.text.as_str()), (503, "busy"));
    strike(json!({"status": {"code": 101}}));
    assert_eq!(get().await.status, 500);
    strike(json!("html"));
    let answer = get().await;
    assert_eq!((answer.status, answer.headers["content-type"].to_str().unwrap()), (502, "text/html; charset=utf-8"));
    assert!(answer.text.starts_with("<!DOCTYPE html>"));
    strike(json!("truncated"));
    let answer = get().await;
    assert_eq!(answer.status, 200);
    assert!(answer.text.starts_with('{') && answer.body.is_null(), "{}", answer.text);
    get().await.ok();
}

#[tokio::test]
async fn graph_errors_of_choice_may_echo_the_token() {
    let api = Api::start().await;
    api.fault(json!({"times": 1, "do": {"graph_error": {"code": 4, "is_transient": true,
        "message": "(#4) Application request limit reached"}}}));
    let answer = api.get(&token("page-a"), PATH, &[]).await;
    assert_eq!(answer.body["error"]["is_transient"], true);
    assert_eq!(answer.refused(), (400, 4, None, "(#4) Application request limit reached".to_owned()));
    api.fault(json!({"do": {"graph_error": {"code": 190, "subcode": 467, "status": 401,
        "message": "Bad token", "echo_token": true}}}));
    let answer = api.get(&token("page-a"), PATH, &[]).await;
    let text = format!("Bad token {}", token("page-a"));
    assert_eq!(answer.refused(), (401, 190, Some(467), text));
    let entry = api.last_entry();
    assert_eq!((entry.code, entry.subcode, entry.fault.as_deref()), (Some(190), Some(467), Some("graph_error")));
}

#[tokio::test]
async fn headers_of_choice_come_with_a_proper_answer() {
    let api = Api::start().await;
    api.fault(json!({"do": {"headers": {"Retry-After": "30", "bad name": "x", "x-broken": "a\nb"}}}));
    let answer = api.get(&token("page-a"), PATH, &[]).await;
    assert_eq!((answer.status, answer.headers["retry-after"].to_str().unwrap()), (200, "30"));
    assert!(!answer.headers.contains_key("x-broken"));
}

#[tokio::test]
async fn edits_change_proper_answers_only() {
    let api = Api::start().await;
    api.fault(json!({"do": {"edit": [{"set": {"name": "Other", "error": "x"}}, {"remove": ["id"]}]}}));
    let get = async |token: &str| api.get(token, PATH, &[]).await;
    assert_eq!(get(&token("page-a")).await.ok(), json!({"name": "Other", "error": "x"}));
    assert_eq!(api.last_entry().fault.as_deref(), Some("edit"));
    assert_eq!(get("x").await.refusal(), (400, 190, None));
    // Operations of a batch are edited like requests of their own, and the batch itself has no such members.
    let operation = json!([{"method": "GET", "relative_url": PAGE_A}]).to_string();
    let answer = api.post(&token("page-a"), "/v25.0/", &[("batch", &operation)]).await.ok();
    assert_eq!(answer[0]["body"], json!({"name": "Other", "error": "x"}).to_string());
}

#[tokio::test]
async fn plain_bodies_may_echo_the_token_too() {
    let api = Api::start().await;
    api.fault(json!({"do": {"status": {"code": 500, "body": "oops", "echo_token": true}}}));
    let answer = api.get(&token("page-a"), PATH, &[]).await;
    assert_eq!((answer.status, answer.text), (500, format!("oops {}", token("page-a"))));
}

#[tokio::test]
async fn somebody_else_writes_over_a_page_subscription() {
    let api = Api::start().await;
    api.fault(json!({"match": {"page": PAGE_A}, "times": 1, "do": {"overwrite": {"fields": ["feed"]}}}));
    let write =
        async |fields: &str| api.post(&token("page-a"), SUBSCRIBED, &[("subscribed_fields", fields)]).await.status;
    // Neither a read nor a refused write brings the other writer in.
    api.get(&token("page-a"), SUBSCRIBED, &[]).await.ok();
    assert_eq!(api.page_row(PAGE_A).unwrap(), ["messages", "feed"]);
    assert_eq!(write("messages,standby").await, 200);
    assert_eq!(api.page_row(PAGE_A).unwrap(), ["feed"]);
    assert_eq!(write("messages,standby").await, 200);
    assert_eq!(api.page_row(PAGE_A).unwrap(), ["messages", "standby"]);
    api.fault(json!({"do": {"overwrite": {"removed": true}}}));
    assert_eq!(write("no_such_field").await, 400);
    assert!(api.page_row(PAGE_A).is_some());
    assert_eq!(write("messages").await, 200);
    assert!(api.page_row(PAGE_A).is_none());
}

#[tokio::test]
async fn somebody_else_writes_over_an_app_subscription_after_a_while() {
    let callback = Callback::start(Behavior::Challenge).await;
    let api = callback.sandbox().await;
    let other =
        json!({"callback_url": "https://other.example/hook", "fields": ["feed"], "active": false, "delay": "30s"});
    api.fault(json!({"do": {"overwrite": other}}));
    let order = [
        ("object", "page"),
        ("callback_url", "https://hooks.example.com/meta"),
        ("fields", "messages"),
        ("verify_token", "x"),
    ];
    api.post(&app_token(), &format!("/v25.0/{APP}/subscriptions"), &order).await.ok();
    let row = || {
        let row = api.sandbox.state().apps[APP].subscriptions["page"].clone();
        (row.callback_url, row.fields.join(","), row.active)
    };
    assert_eq!(row(), ("https://hooks.example.com/meta".to_owned(), "messages".to_owned(), true));
    api.sandbox.advance_clock(jiff::SignedDuration::from_secs(31)).unwrap();
    assert_eq!(row(), ("https://other.example/hook".to_owned(), "feed".to_owned(), false));
}

#[tokio::test]
async fn a_reset_connection_gives_no_answer() {
    let api = Api::start().await;
    api.fault(json!({"times": 1, "do": "reset"}));
    let request = api.client.get(format!("{}{PATH}", api.sandbox.url())).bearer_auth(token("page-a"));
    let error = format!("{:?}", request.send().await.unwrap_err());
    assert!(error.contains("ConnectionReset"), "{error}");
    assert_eq!((api.last_entry().fault.as_deref(), api.last_entry().status), (Some("reset"), None));
    api.get(&token("page-a"), PATH, &[]).await.ok();
}

#[tokio::test]
async fn success_without_effect() {
    let callback = Callback::start(Behavior::Challenge).await;
    let api = callback.sandbox().await;
    let before = json!(api.sandbox.state().apps);
    api.fault(json!({"do": "success_without_effect"}));
    let fields = [("subscribed_fields", "standby")];
    assert_eq!(api.post(&token("page-a"), SUBSCRIBED, &fields).await.ok(), json!({"success": true}));
    assert_eq!(api.delete(&app_token(), SUBSCRIBED, &[]).await.ok(), json!({"success": true}));
    assert_eq!(api.page_row(PAGE_A).unwrap(), ["messages", "feed"]);
    let app = format!("/v25.0/{APP}/subscriptions");
    let order = [
        ("object", "page"),
        ("callback_url", "https://hooks.example.com/meta"),
        ("fields", "feed"),
        ("verify_token", "x"),
    ];
    api.post(&app_token(), &app, &order).await.ok();
    api.delete(&app_token(), &app, &[]).await.ok();
    assert_eq!(json!(api.sandbox.state().apps), before);
    // What is wrong anyway is still refused.
    assert_eq!(api.post(&token("page-a"), SUBSCRIBED, &[]).await.refusal(), (400, 100, None));
}

#[tokio::test]
async fn rules_choose_by_page_app_alias_template_and_method() {
    let api = Api::start().await;
    let struck = async |rule: serde_json::Value| {
        api.sandbox.clear_faults();
        api.fault(json!({"match": rule, "do": {"status": {"code": 500}}}));
        let debug = [("input_token", token("page-b"))];
        let debug: Vec<_> = debug.iter().map(|(name, value)| (*name, value.as_str())).collect();
        [
            api.get(&token("page-a"), PATH, &[]).await.status == 500,
            api.get(&token("page-a"), SUBSCRIBED, &[]).await.status == 500,
            api.get(&app_token(), "/v25.0/debug_token", &debug).await.status == 500,
            api.delete(&app_token(), SUBSCRIBED, &[]).await.status == 500,
            api.get(&other_app_token(), "/v25.0/app", &[]).await.status == 500,
        ]
    };
    assert_eq!(struck(json!({})).await, [true; 5]);
    assert_eq!(struck(json!({"page": PAGE_A})).await, [true, true, false, true, false]);
    assert_eq!(struck(json!({"page": PAGE_B})).await, [false, false, true, false, false]);
    assert_eq!(struck(json!({"alias": "page-b"})).await, [false, false, true, false, false]);
    assert_eq!(struck(json!({"app": OTHER_APP})).await, [false, false, false, false, true]);
    assert_eq!(struck(json!({"method": "delete"})).await, [false, false, false, true, false]);
    let template = "/{version}/{page-id}/subscribed_apps";
    assert_eq!(struck(json!({"template": template, "method": "GET"})).await, [false, true, false, false, false]);
}

#[tokio::test]
async fn a_write_that_waited_comes_before_a_later_control_call() {
    let api = Api::start().await;
    api.fault(json!({"times": 1, "do": {"overwrite": {"removed": true, "delay": "30s"}}}));
    api.post(&token("page-a"), SUBSCRIBED, &[("subscribed_fields", "messages")]).await.ok();
    api.sandbox.advance_clock(jiff::SignedDuration::from_secs(31)).unwrap();
    let row = json!({"subscription": {"app": APP, "fields": ["standby"]}});
    api.post_control(&format!("pages/{PAGE_A}"), row).await.ok();
    assert_eq!(api.page_row(PAGE_A).unwrap(), ["standby"]);
}
