//! The app's webhook subscriptions, sections 5.1 and 5.2 of the contract.

use serde_json::{Value, json};

use crate::support::*;

const PATH: &str = "/v25.0/1111000011110000/subscriptions";

const ORDER: [(&str, &str); 4] = [
    ("object", "page"),
    ("callback_url", "https://hooks.example.com/meta"),
    ("fields", "messages,messaging_postbacks"),
    ("verify_token", "s&cret token"),
];

/// The order with one parameter changed, or left out if the value is empty.
fn order_with<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut order: Vec<_> = ORDER.into_iter().filter(|(parameter, _)| *parameter != name).collect();
    if !value.is_empty() {
        order.push((name, value));
    }
    order
}

async fn row(api: &Api, object: &str) -> Option<Value> {
    let rows = api.get(&app_token(), PATH, &[]).await.ok();
    rows["data"].as_array().unwrap().iter().find(|row| row["object"] == object).cloned()
}

#[tokio::test]
async fn rows_carry_state_fields_and_their_version() {
    let api = Api::start().await;
    assert_eq!(
        api.get(&app_token(), PATH, &[]).await.ok(),
        json!({"data": [
            {"object": "page", "callback_url": "https://hooks.example.com/meta", "active": true,
             "fields": [{"name": "messages", "version": "v24.0"}, {"name": "standby", "version": "v24.0"}]},
            {"object": "permissions", "callback_url": "https://hooks.example.com/meta", "active": false,
             "fields": [{"name": "pages_messaging", "version": "v25.0"}]},
        ]})
    );
}

#[tokio::test]
async fn subscribing_asks_the_callback_first() {
    let callback = Callback::start(Behavior::Challenge).await;
    let api = callback.sandbox().await;
    assert_eq!(api.post(&app_token(), PATH, &ORDER).await.ok(), json!({"success": true}));
    let queries = callback.queries.lock().unwrap().clone();
    let [query] = queries.as_slice() else { panic!("{queries:?}") };
    assert!(query.starts_with("hub.mode=subscribe&hub.challenge="), "{query}");
    assert!(query.ends_with("&hub.verify_token=s%26cret+token"), "{query}");
    assert_eq!(
        row(&api, "page").await.unwrap(),
        json!({"object": "page", "callback_url": "https://hooks.example.com/meta", "active": true, "fields": [
            {"name": "messages", "version": "v25.0"}, {"name": "messaging_postbacks", "version": "v25.0"}]})
    );
    let noted = api.sandbox.ledger()[0].callback.clone().unwrap();
    assert_eq!((noted.url.as_str(), noted.verified, noted.status), ("https://hooks.example.com/meta", true, Some(200)));
}

#[tokio::test]
async fn an_unverified_callback_changes_nothing_and_says_what_was_seen() {
    let failed = "(#2200) Callback verification failed with the following errors:";
    for (behavior, seen) in [
        (Behavior::Refuses, "HTTP Status Code = 403; HTTP Message = Forbidden"),
        (Behavior::Redirects, "HTTP Status Code = 302; HTTP Message = Found"),
        (Behavior::SaysHello, "received=\"<!DOCTYPE html>hello\""),
        (Behavior::Hangs, "curl_errno = 28; curl_error = Operation timed out after 2000 milliseconds"),
    ] {
        let callback = Callback::start(behavior).await;
        let api = callback.sandbox().await;
        let (status, code, _, message) = api.post(&app_token(), PATH, &ORDER).await.refused();
        assert_eq!((status, code), (400, 2200), "{message}");
        assert!(message.starts_with(failed) && message.contains(seen), "{message}");
        assert_eq!(callback.queries.lock().unwrap().len(), 1);
        assert_eq!(row(&api, "page").await.unwrap()["fields"][1]["name"], "standby");
        assert!(!api.sandbox.ledger()[0].callback.clone().unwrap().verified);
    }
}

#[tokio::test]
async fn unreachable_callbacks_fail_as_curl_would() {
    let callback = Callback::start(Behavior::Challenge).await;
    let api = callback.sandbox().await;
    let elsewhere = order_with("callback_url", "https://elsewhere.example/meta");
    let (_, code, _, message) = api.post(&app_token(), PATH, &elsewhere).await.refused();
    assert_eq!(code, 2200);
    assert!(message.contains("curl_errno = 6; curl_error = Could not resolve host: elsewhere.example"), "{message}");
    assert!(message.contains("HTTP Status Code = 0"), "{message}");

    api.sandbox.set_resolve([("hooks.example.com".into(), "http://127.0.0.1:1".into())].into()).unwrap();
    let (_, code, _, message) = api.post(&app_token(), PATH, &ORDER).await.refused();
    assert_eq!(code, 2200);
    assert!(message.contains("curl_errno = 7"), "{message}");
    assert!(!message.contains("s%26cret") && !message.contains("s&cret"), "{message}");
}

#[tokio::test]
async fn every_parameter_is_checked_before_the_callback_is_asked() {
    let callback = Callback::start(Behavior::Challenge).await;
    let api = callback.sandbox().await;
    for (name, value, expected) in [
        ("object", "", "(#100) The parameter object is required"),
        ("callback_url", "", "(#100) The parameter callback_url is required"),
        ("fields", "", "(#100) The parameter fields is required"),
        ("fields", ",", "(#100) The parameter fields is required"),
        ("verify_token", "", "(#100) The parameter verify_token is required"),
        ("object", "pages", "(#100) Param object must be one of {user, page"),
        ("fields", "messages,mentions", "(#100) Param fields[1] must be one of {affiliation"),
        ("callback_url", "http://hooks.example.com/meta", "(#100) Param callback_url must be an https URL"),
        ("callback_url", "hooks.example.com", "(#100) Param callback_url"),
    ] {
        let (status, code, _, message) = api.post(&app_token(), PATH, &order_with(name, value)).await.refused();
        assert_eq!((status, code), (400, 100), "{name}={value}: {message}");
        assert!(message.starts_with(expected), "{message}");
    }
    assert!(callback.queries.lock().unwrap().is_empty());
}

#[tokio::test]
async fn strangers_cannot_make_meta_call_a_url() {
    let callback = Callback::start(Behavior::Challenge).await;
    let api = callback.sandbox().await;
    assert_eq!(api.post(&token("page-a"), PATH, &ORDER).await.refusal(), (400, 15, None));
    assert_eq!(api.post(&other_app_token(), PATH, &ORDER).await.refusal(), (400, 100, Some(33)));
    assert_eq!(api.delete(&token("page-a"), PATH, &[]).await.refusal(), (400, 15, None));
    assert!(callback.queries.lock().unwrap().is_empty());
}

#[tokio::test]
async fn deleting_fields_an_object_or_everything() {
    let api = Api::start().await;
    let delete = async |query: &[(&str, &str)]| api.delete(&app_token(), PATH, query).await.ok();
    assert_eq!(delete(&[("object", "page"), ("fields", "messages")]).await, json!({"success": true}));
    assert_eq!(row(&api, "page").await.unwrap()["fields"], json!([{"name": "standby", "version": "v24.0"}]));
    delete(&[("object", "page")]).await;
    assert_eq!(row(&api, "page").await, None);
    assert!(row(&api, "permissions").await.is_some());
    delete(&[]).await;
    assert_eq!(row(&api, "permissions").await, None);
    let odd = api.delete(&app_token(), PATH, &[("object", "pages")]).await;
    assert_eq!(odd.refusal(), (400, 100, None));
}
