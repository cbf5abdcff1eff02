//! Callbacks that fail: repetitions, alerts, and the end of a subscription, in moved time.

use std::collections::BTreeMap;
use std::time::Duration;

use graph_sandbox::{AlertKind, Dropped};
use reqwest::Method;
use serde_json::{Value, json};

use crate::receiver::*;
use crate::support::*;

const SUBSCRIBED: &str = "/v25.0/2200000000000001/subscribed_apps";

/// Seconds from the first attempt to each.
fn moments(api: &Api) -> Vec<i64> {
    let deliveries = api.sandbox.deliveries();
    let attempts = deliveries.iter().filter(|delivery| delivery.attempt > 0);
    attempts.map(|delivery| delivery.time.duration_since(deliveries[0].time).as_secs()).collect()
}

fn kinds(api: &Api) -> Vec<AlertKind> {
    api.sandbox.alerts().iter().map(|alert| alert.kind).collect()
}

#[tokio::test]
async fn a_failed_post_is_repeated_until_it_is_taken() {
    let receiver = Receiver::start().await;
    let api = receiver.sandbox().await;
    receiver.refuse("");
    api.tell_text("hello").await;
    assert_eq!(api.outcomes(), vec![(Some(500), Value::Null); 3]);
    let failure = api.sandbox.deliveries()[0].failure.clone().unwrap();
    assert_eq!(failure, "HTTP Status Code = 500; HTTP Message = Internal Server Error");
    receiver.accept();
    api.pass(5).await;
    assert_eq!(receiver.received().len(), 3, "nothing is due yet");
    api.pass(5).await;
    let received = receiver.received();
    assert_eq!(received.len(), 4);
    assert!(received.iter().all(|again| again.body == received[0].body && again.is_signed_with(SECRET)));
    api.pass(7200).await;
    assert_eq!(receiver.received().len(), 4, "what was taken is not sent again");
    let attempts: Vec<(Option<u64>, u32)> =
        api.sandbox.deliveries().iter().map(|delivery| (delivery.post, delivery.attempt)).collect();
    assert_eq!(attempts, [(Some(1), 1), (Some(1), 2), (Some(1), 3), (Some(1), 4)]);
    assert!(api.page_row(PAGE_A).is_some() && api.sandbox.alerts().is_empty());
}

#[tokio::test]
async fn due_repetitions_happen_without_a_moved_clock_too() {
    let receiver = Receiver::start().await;
    let api = receiver.sandbox().await;
    receiver.refuse("");
    api.tell_text("hello").await;
    receiver.accept();
    // A second of real time is left before the fourth attempt.
    api.pass(9).await;
    let arrived = async {
        while receiver.received().len() < 4 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, arrived).await.unwrap();
}

#[tokio::test]
async fn an_hour_of_failure_ends_the_subscription() {
    let receiver = Receiver::start().await;
    let api = receiver.sandbox().await;
    receiver.refuse("");
    api.tell_text("hello").await;
    api.pass(14 * 60).await;
    assert!(api.sandbox.alerts().is_empty());
    api.pass(61).await;
    assert_eq!(kinds(&api), [AlertKind::WebhooksFailing]);
    api.pass(44 * 60).await;
    assert_eq!(kinds(&api), [AlertKind::WebhooksFailing]);
    assert!(api.page_row(PAGE_A).is_some());
    api.pass(61).await;
    assert_eq!(kinds(&api), [AlertKind::WebhooksFailing, AlertKind::WebhooksDisabled]);
    assert!(api.page_row(PAGE_A).is_none());
    assert!(api.page_row(PAGE_B).is_some(), "another page is not meant");
    let rows = api.get(&token("page-a"), SUBSCRIBED, &[("fields", "id")]).await.ok();
    assert_eq!(rows, json!({"data": [{"id": "263902037430900"}]}));
    let alerts = api.control(Method::GET, "alerts?since=1", Value::Null).await.ok()["alerts"].clone();
    assert_eq!((&alerts[0]["page"], &alerts[0]["app"]), (&json!(PAGE_A), &json!(APP)));
    assert!(alerts[0]["message"].as_str().unwrap().starts_with("Webhooks Disabled"), "{alerts}");

    let last = api.sandbox.deliveries().pop().unwrap();
    assert_eq!((last.dropped, last.updates), (Some(Dropped::WebhooksDisabled), 1));
    assert_eq!(moments(&api).last().unwrap() / 60, 60);
    receiver.accept();
    let seen = receiver.received().len();
    assert_eq!(api.tell_text("too late").await, json!([Dropped::PageNotSubscribed]));
    api.pass(36 * 3600).await;
    assert_eq!(receiver.received().len(), seen);
    assert_eq!(api.tell(message(PAGE_B, "still here")).await, json!([null]));
    assert_eq!(receiver.received().len(), seen + 1);
}

#[tokio::test]
async fn a_jump_of_the_clock_gives_the_callback_one_more_chance() {
    let receiver = Receiver::start().await;
    let api = receiver.sandbox().await;
    receiver.refuse("");
    api.tell_text("hello").await;
    receiver.accept();
    api.pass(2 * 3600).await;
    assert_eq!(api.outcomes()[3..], [(Some(200), Value::Null)]);
    assert!(api.page_row(PAGE_A).is_some() && api.sandbox.alerts().is_empty());
    receiver.refuse("");
    api.tell_text("hello").await;
    api.pass(2 * 3600).await;
    assert_eq!(kinds(&api), [AlertKind::WebhooksFailing, AlertKind::WebhooksDisabled]);
    assert!(api.page_row(PAGE_A).is_none());
}

#[tokio::test]
async fn what_waits_goes_with_the_row() {
    let receiver = Receiver::start().await;
    let api = receiver.sandbox().await;
    receiver.refuse("");
    api.tell(json!([message(PAGE_A, "first"), message(PAGE_B, "first")])).await;
    api.tell_text("second").await;
    api.delete(&app_token(), SUBSCRIBED, &[]).await.ok();
    receiver.accept();
    api.pass(10).await;
    let received = receiver.received();
    let entries = received.last().unwrap().json()["entry"].clone();
    assert_eq!(entries.as_array().unwrap().iter().map(|entry| &entry["id"]).collect::<Vec<_>>(), [PAGE_B]);
    let outcomes = api.outcomes();
    assert_eq!(outcomes[6..].iter().filter(|(_, dropped)| *dropped == json!("page_not_subscribed")).count(), 2);
    assert_eq!(received.len(), 7);
}

#[tokio::test]
async fn a_subscription_that_ends_takes_all_that_waits_for_the_page() {
    let receiver = Receiver::start().await;
    let api = receiver.sandbox().await;
    receiver.refuse("");
    api.tell_text("first").await;
    api.pass(40 * 60).await;
    api.tell_text("second").await;
    api.pass(20 * 60).await;
    let deliveries = api.sandbox.deliveries();
    let disabled = deliveries.iter().filter(|delivery| delivery.dropped == Some(Dropped::WebhooksDisabled));
    assert_eq!(disabled.map(|delivery| delivery.updates).sum::<usize>(), 2, "{:?}", api.outcomes());
    let seen = receiver.received().len();
    api.pass(3600).await;
    assert_eq!(receiver.received().len(), seen);
}

#[tokio::test]
async fn success_of_another_event_ends_the_row_of_failures() {
    let receiver = Receiver::start().await;
    let api = receiver.sandbox().await;
    receiver.refuse("poison");
    api.tell_text("poison").await;
    for _ in 0..7 {
        api.pass(10 * 60).await;
        api.tell_text("fine").await;
    }
    assert!(api.sandbox.alerts().is_empty() && api.page_row(PAGE_A).is_some());
    let last_of_poison = api.sandbox.deliveries().into_iter().find(|delivery| delivery.dropped.is_some()).unwrap();
    assert_eq!(last_of_poison.dropped, Some(Dropped::GivenUp));
}

#[tokio::test]
async fn patience_may_last_eight_hours() {
    let receiver = Receiver::start().await;
    let api = receiver.sandbox().await;
    api.sandbox.set_switch("webhook_patience", "eight_hours").unwrap();
    receiver.refuse("");
    api.tell_text("hello").await;
    for _ in 0..7 {
        api.pass(3600).await;
        assert!(api.page_row(PAGE_A).is_some());
    }
    assert_eq!(kinds(&api), [AlertKind::WebhooksFailing]);
    api.pass(3600).await;
    assert!(api.page_row(PAGE_A).is_none());
}

#[tokio::test]
async fn unreachable_and_slow_callbacks_fail() {
    let receiver = Receiver::start().await;
    let api = receiver.sandbox_with(Duration::from_secs(2)).await;
    receiver.hang();
    api.tell_text("hello").await;
    let failure = |api: &Api| api.sandbox.deliveries().pop().unwrap().failure.unwrap();
    assert!(failure(&api).starts_with("curl_errno = 28; curl_error = Operation timed out after 2000 mill"));
    api.sandbox.set_resolve(BTreeMap::new()).unwrap();
    api.pass(10).await;
    let unknown = "curl_errno = 6; curl_error = Could not resolve host: hooks.example.com; ";
    assert!(failure(&api).starts_with(unknown), "{}", failure(&api));
    assert_eq!(receiver.received().len(), 3);
}

#[tokio::test]
async fn a_failure_long_after_another_starts_a_new_row() {
    let receiver = Receiver::start().await;
    let api = receiver.sandbox().await;
    receiver.refuse("poison");
    api.tell_text("poison").await;
    api.pass(30 * 60).await;
    // It ends the first row, so that the last attempt of the other is the first of a second row.
    api.tell_text("fine").await;
    api.pass(30 * 60).await;
    assert_eq!(api.sandbox.deliveries().pop().unwrap().dropped, Some(Dropped::GivenUp));
    api.pass(24 * 3600).await;
    api.tell_text("poison").await;
    assert_eq!(kinds(&api), [AlertKind::WebhooksFailing]);
    assert!(api.page_row(PAGE_A).is_some());
}

#[tokio::test]
async fn a_new_subscription_starts_without_old_failures() {
    let receiver = Receiver::start().await;
    let api = receiver.sandbox().await;
    receiver.refuse("");
    api.tell_text("hello").await;
    api.delete(&app_token(), SUBSCRIBED, &[]).await.ok();
    api.pass(50 * 60).await;
    api.subscribe(APP, "https://hooks.example.com/meta");
    api.pass(20 * 60).await;
    api.tell_text("hello").await;
    assert!(api.page_row(PAGE_A).is_some() && api.sandbox.alerts().is_empty());
}

#[tokio::test]
async fn a_clock_set_back_holds_up_no_new_event() {
    let receiver = Receiver::start().await;
    let api = receiver.sandbox().await;
    api.sandbox.set_switch("webhook_batching", "single").unwrap();
    let items: Vec<Value> = (0..100).map(|n| message(PAGE_A, &n.to_string())).collect();
    api.post_control("deliveries/send", json!(items)).await.ok();
    while receiver.received().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    api.pass(-24 * 3600).await;
    assert_eq!(receiver.received().len(), 100);
}
