//! Delivery of webhook events: who hears, what arrives, how it is signed.

use std::time::Duration;

use graph_sandbox::Dropped;
use reqwest::Method;
use serde_json::{Value, json};

use crate::receiver::*;
use crate::support::*;

#[tokio::test]
async fn an_event_arrives_as_meta_sends_it() {
    let receiver = Receiver::start().await;
    let api = receiver.sandbox().await;
    let before = api.sandbox.now().as_millisecond();
    assert_eq!(api.tell_text("Grüße 😀 a/b").await, json!([null]));
    let received = receiver.only();
    assert_eq!(received.path, "/meta?k=1");
    assert_eq!(received.header("content-type"), "application/json");
    assert_eq!(received.header("user-agent"), "facebookexternalua");
    assert!(received.is_signed_with(SECRET), "{received:?}");
    let raw = String::from_utf8(received.body.clone()).unwrap();
    assert!(raw.contains(r#""text":"Gr\u00fc\u00dfe \ud83d\ude00 a/b""#), "{raw}");
    let body = received.json();
    let time = body["entry"][0]["time"].as_i64().unwrap();
    assert!((before..=api.sandbox.now().as_millisecond()).contains(&time), "{time}");
    let item = json!({"message": {"mid": "m_1", "text": "Grüße 😀 a/b"}});
    assert_eq!(body, json!({"object": "page", "entry": [{"id": PAGE_A, "time": time, "messaging": [item]}]}));
}

#[tokio::test]
async fn the_old_signature_is_sent_too() {
    let receiver = Receiver::start().await;
    let api = receiver.sandbox().await;
    api.tell_text("hello").await;
    let received = receiver.only();
    let mut mac = <hmac::Hmac<sha1::Sha1> as hmac::KeyInit>::new_from_slice(SECRET.as_bytes()).unwrap();
    hmac::Mac::update(&mut mac, &received.body);
    let expected = hex::encode(hmac::Mac::finalize(mac).into_bytes());
    assert_eq!(received.header("x-hub-signature"), format!("sha1={expected}"));
}

#[tokio::test]
async fn events_of_one_moment_share_a_post() {
    let receiver = Receiver::start().await;
    let api = receiver.sandbox().await;
    let row = |page: &str, field: &str, item: Value| json!({"page": page, "app": APP, "field": field, "item": item});
    let mut items = vec![
        row(PAGE_A, "messages", json!(1)),
        row(PAGE_B, "feed", json!({"verb": "add"})),
        row(PAGE_A, "standby", json!(2)),
        row(PAGE_A, "messages", json!(3)),
    ];
    items[3]["place"] = json!("standby");
    api.tell(json!(items)).await;
    let mut entries = receiver.only().json()["entry"].clone();
    for entry in entries.as_array_mut().unwrap() {
        entry.as_object_mut().unwrap().remove("time");
    }
    assert_eq!(
        entries,
        json!([
            {"id": PAGE_A, "messaging": [1]},
            {"id": PAGE_B, "changes": [{"field": "feed", "value": {"verb": "add"}}]},
            {"id": PAGE_A, "standby": [2, 3]},
        ])
    );
    let delivery = api.sandbox.deliveries().pop().unwrap();
    assert_eq!((delivery.updates, delivery.attempt, delivery.status), (4, 1, Some(200)));
    assert_eq!(delivery.pages, [PAGE_A, PAGE_B]);
    assert_eq!(delivery.fields, ["feed", "messages", "standby"]);
    assert_eq!(delivery.callback.unwrap(), "https://hooks.example.com/meta");
}

#[tokio::test]
async fn a_post_carries_1000_updates_at_most() {
    let receiver = Receiver::start().await;
    let api = receiver.sandbox().await;
    let items: Vec<Value> = (0..1001).map(|n| message(PAGE_A, &n.to_string())).collect();
    api.tell(json!(items)).await;
    let counts: Vec<usize> = receiver.received().iter().map(|received| received.items().len()).collect();
    assert_eq!(counts, [1000, 1]);
}

#[tokio::test]
async fn only_what_is_subscribed_at_both_levels_is_delivered() {
    let app = format!("apps/{APP}");
    let page = format!("pages/{PAGE_A}");
    for (path, change, reason) in [
        (&app, json!({"subscription": {"removed": true}}), Dropped::AppNotSubscribed),
        (&app, json!({"subscription": {"active": false}}), Dropped::AppSubscriptionInactive),
        (&app, json!({"subscription": {"fields": ["standby"]}}), Dropped::AppFieldMissing),
        (&page, json!({"subscription": {"app": APP}}), Dropped::PageNotSubscribed),
        (&page, json!({"subscription": {"app": APP, "fields": ["standby"]}}), Dropped::PageFieldMissing),
    ] {
        let receiver = Receiver::start().await;
        let api = receiver.sandbox().await;
        api.post_control(path, change).await.ok();
        assert_eq!(api.tell_text("hello").await, json!([reason]));
        assert!(receiver.received().is_empty(), "{reason:?}");
        let delivery = api.sandbox.deliveries().pop().unwrap();
        assert_eq!((delivery.dropped, delivery.attempt, delivery.post), (Some(reason), 0, None));
    }
    let api = Api::start().await;
    let inbox = json!({"page": PAGE_A, "app": "263902037430900", "field": "messages", "item": {}});
    assert_eq!(api.tell(inbox).await, json!([Dropped::UnknownApp]));
}

#[tokio::test]
async fn signatures_can_be_spoilt_for_a_number_of_posts() {
    let receiver = Receiver::start().await;
    let api = receiver.sandbox().await;
    let signing = async |body: Value| api.post_control("deliveries/signing", body).await.ok();
    signing(json!({"app": APP, "with": "wrong", "times": 2})).await;
    for _ in 0..3 {
        api.tell_text("hello").await;
    }
    signing(json!({"app": APP, "with": {"secret": "the-one-before"}})).await;
    api.tell_text("hello").await;
    signing(json!({"app": APP, "with": "none"})).await;
    api.tell_text("hello").await;
    signing(json!({"app": APP, "with": "none", "times": 9})).await;
    signing(json!({"app": APP, "with": "none", "times": 0})).await;
    api.tell_text("hello").await;

    let received = receiver.received();
    let right: Vec<bool> = received.iter().map(|received| received.is_signed_with(SECRET)).collect();
    assert_eq!(right, [false, false, true, false, false, true]);
    assert!(received[0].header("x-hub-signature-256").starts_with("sha256="));
    assert!(received[3].is_signed_with("the-one-before"));
    assert!(!received[4].headers.contains_key("x-hub-signature-256"));
    assert!(!received[4].headers.contains_key("x-hub-signature"));
    let told = api.control(Method::GET, "deliveries", Value::Null).await.text;
    assert!(told.contains(r#""signing":"secret""#) && !told.contains("the-one-before") && !told.contains("k=1"));
}

#[tokio::test]
async fn a_new_secret_signs_at_once() {
    let receiver = Receiver::start().await;
    let api = receiver.sandbox().await;
    api.post_control(&format!("apps/{APP}"), json!({"secret": "brand-new"})).await.ok();
    api.tell_text("hello").await;
    assert!(receiver.only().is_signed_with("brand-new"));
}

#[tokio::test]
async fn events_may_come_apart_reversed_and_twice() {
    let receiver = Receiver::start().await;
    let api = receiver.sandbox().await;
    for (name, value) in
        [("webhook_batching", "single"), ("webhook_order", "reversed"), ("webhook_duplicates", "twice")]
    {
        api.sandbox.set_switch(name, value).unwrap();
    }
    api.tell(json!([message(PAGE_A, "1"), message(PAGE_A, "2")])).await;
    let texts: Vec<Value> =
        receiver.received().iter().flat_map(Received::items).map(|item| item["message"]["text"].clone()).collect();
    let mut counted = texts.clone();
    counted.sort_by_key(ToString::to_string);
    assert_eq!(counted, ["1", "1", "2", "2"]);
    assert_eq!(texts[0], "2");
}

#[tokio::test]
async fn the_callback_of_one_app_does_not_hold_up_that_of_another() {
    let stuck = Receiver::start().await;
    stuck.hang();
    let api = stuck.sandbox_with(10 * PATIENCE).await;
    let receiver = Receiver::start().await;
    let table = json!({"hooks.example.com": stuck.base, "other.example.com": receiver.base});
    api.control(Method::PUT, "resolve", table).await.ok();
    api.subscribe(OTHER_APP, "https://other.example.com/hook");
    let mut other = message(PAGE_A, "for the other");
    other["app"] = json!(OTHER_APP);
    api.post_control("deliveries/send", json!([message(PAGE_A, "stuck"), other])).await.ok();
    let arrived = async {
        while receiver.received().is_empty() || stuck.received().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, arrived).await.unwrap();
    assert!(receiver.only().is_signed_with(OTHER_SECRET));
    // An attempt under way does not hold up the end either.
    tokio::time::timeout(PATIENCE, api.sandbox.stop()).await.unwrap();
}

#[tokio::test]
async fn deliveries_are_listed_from_a_point_and_bad_events_refused() {
    let receiver = Receiver::start().await;
    let api = receiver.sandbox().await;
    api.tell_text("one").await;
    api.tell_text("two").await;
    let listed = api.control(Method::GET, "deliveries?since=1", Value::Null).await.ok();
    let seqs: Vec<&Value> = listed["deliveries"].as_array().unwrap().iter().map(|row| &row["seq"]).collect();
    assert_eq!(seqs, [2]);
    assert_eq!(api.control(Method::GET, "deliveries?since=x", Value::Null).await.status, 400);
    assert_eq!(api.control(Method::GET, "alerts", Value::Null).await.ok(), json!({"alerts": []}));

    let event = |page: &str, field: &str| json!({"page": page, "app": APP, "field": field, "item": {}});
    for (body, status) in [
        (event("2299999999999999", "messages"), 404),
        (event(PAGE_A, "nope"), 400),
        (json!([event(PAGE_A, "messages"), event(PAGE_A, "nope")]), 400),
        (json!({"page": PAGE_A}), 400),
        (json!("x"), 400),
    ] {
        assert_eq!(api.post_control("deliveries/send", body.clone()).await.status, status, "{body}");
    }
    let unknown = json!({"app": "8888000088880000", "with": "none"});
    assert_eq!(api.post_control("deliveries/signing", unknown).await.status, 404);
    api.post_control("deliveries/flush", json!({})).await.ok();
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn nothing_goes_on_after_the_end() {
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = alive();
    let api = Api::start().await;
    api.subscribe(APP, "https://nowhere.example.com/");
    api.sandbox.send_webhook(serde_json::from_value(message(PAGE_A, "hello")).unwrap()).unwrap();
    api.sandbox.flush_webhooks().await;
    assert_eq!(api.sandbox.deliveries().len(), 3, "a fourth attempt waits");
    assert!(alive() > before);
    drop(api);
    let ended = async {
        while alive() > before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
}
