//! Limits and the headers that report them, section 2.1 of the contract.

use graph_sandbox::{Limits, Meter, UsageKind};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::*;

const PATH: &str = "/v25.0/2200000000000001";

/// A usage header, decoded.
fn header(answer: &Answer, name: &str) -> Option<Value> {
    answer.headers.get(name).map(|value| serde_json::from_str(value.to_str().unwrap()).unwrap())
}

fn app_usage(answer: &Answer) -> Option<Value> {
    header(answer, "x-app-usage")
}

fn page_usage(answer: &Answer) -> Option<Value> {
    header(answer, "x-business-use-case-usage")
}

fn limits(app: u64, user: u64, page: u64) -> Limits {
    Limits { app, user, page, block_minutes: 10 }
}

#[tokio::test]
async fn nobody_hears_of_limits_by_accident() {
    let api = Api::start().await;
    for alias in ["page-a", "user", "robot"] {
        let answer = api.get(&token(alias), PATH, &[("fields", "id")]).await;
        assert_eq!((answer.status, app_usage(&answer), page_usage(&answer)), (200, None, None));
    }
}

#[tokio::test]
async fn page_and_system_user_tokens_are_charged_to_the_page() {
    let api = Api::start().await;
    api.sandbox.set_limits(limits(1000, 1000, 4));
    let row = |percent: u64, time: u64, cpu: u64, minutes: u64| {
        json!({PAGE_A: [{"type": "pages", "call_count": percent, "total_time": time, "total_cputime": cpu,
            "estimated_time_to_regain_access": minutes}]})
    };
    let first = api.get(&token("page-a"), PATH, &[]).await;
    assert_eq!((page_usage(&first), app_usage(&first)), (Some(row(25, 12, 6, 0)), None));
    let second = api.get(&token("robot"), PATH, &[]).await;
    assert_eq!((second.status, page_usage(&second)), (200, Some(row(50, 25, 12, 0))));
    for _ in 0..2 {
        api.get(&token("page-a"), PATH, &[]).await.ok();
    }
    let refused = api.get(&token("page-a"), PATH, &[]).await;
    assert_eq!(page_usage(&refused), Some(row(125, 62, 31, 10)));
    assert_eq!(refused.refusal(), (400, 80001, None));
    // Another page has an allowance of its own.
    api.get(&token("page-b"), "/v25.0/2200000000000002", &[]).await.ok();
}

#[tokio::test]
async fn calling_on_lengthens_the_block_and_silence_ends_it() {
    let api = Api::start().await;
    api.sandbox.set_limits(limits(1000, 1000, 1));
    let minutes = async || {
        let answer = api.get(&token("page-a"), PATH, &[]).await;
        let usage = page_usage(&answer).unwrap();
        (answer.status, usage[PAGE_A][0]["estimated_time_to_regain_access"].as_u64().unwrap())
    };
    assert_eq!(minutes().await, (200, 0));
    assert_eq!(minutes().await, (400, 10));
    assert_eq!(minutes().await, (400, 11));
    api.sandbox.advance_clock(SignedDuration::from_mins(5)).unwrap();
    assert_eq!(minutes().await, (400, 7));
    api.sandbox.advance_clock(SignedDuration::from_mins(7)).unwrap();
    assert_eq!(minutes().await, (200, 0));
}

#[tokio::test]
async fn app_and_user_tokens_are_charged_to_the_app() {
    let api = Api::start().await;
    api.sandbox.set_limits(limits(2, 1000, 1000));
    let first = api.get(&app_token(), "/v25.0/app", &[]).await;
    assert_eq!(app_usage(&first).unwrap(), json!({"call_count": 50, "total_time": 25, "total_cputime": 12}));
    let second = api.get(&token("user"), PATH, &[]).await;
    assert_eq!((second.status, app_usage(&second).unwrap()["call_count"].as_u64()), (200, Some(100)));
    assert_eq!(api.get(&app_token(), "/v25.0/app", &[]).await.refusal(), (400, 4, None));
    assert_eq!(api.get(&token("user"), PATH, &[]).await.refusal(), (400, 32, None));
    // Page tokens and other apps are not concerned.
    api.get(&token("page-a"), PATH, &[]).await.ok();
    api.get(&other_app_token(), "/v25.0/app", &[]).await.ok();

    api.sandbox.set_limits(limits(1000, 1, 1000));
    api.sandbox.set_usage(Meter::App(APP.parse().unwrap()), 0, None);
    assert_eq!(api.get(&token("user"), PATH, &[]).await.refusal(), (400, 17, None));
    api.get(&app_token(), "/v25.0/app", &[]).await.ok();
}

#[tokio::test]
async fn refused_tokens_are_not_counted() {
    let api = Api::start().await;
    api.sandbox.set_limits(limits(1, 1, 1));
    for _ in 0..5 {
        assert_eq!(api.get(&token("expired"), PATH, &[]).await.refusal(), (400, 190, Some(463)));
    }
    api.get(&token("page-a"), PATH, &[]).await.ok();
}

#[tokio::test]
async fn usage_can_be_set_and_read() {
    let api = Api::start().await;
    api.post_control("usage", json!({"page": PAGE_A, "percent": 97})).await.ok();
    let answer = api.get(&token("page-a"), PATH, &[]).await;
    assert_eq!((answer.status, page_usage(&answer).unwrap()[PAGE_A][0]["call_count"].as_u64()), (200, Some(97)));
    api.post_control("usage", json!({"page": PAGE_A, "type": "messenger", "percent": 100, "minutes": 3})).await.ok();
    api.get(&token("page-a"), PATH, &[]).await.ok();
    api.sandbox.set_switch("page_usage_type", "messenger").unwrap();
    let answer = api.get(&token("page-a"), PATH, &[]).await;
    assert_eq!(page_usage(&answer).unwrap()[PAGE_A][0]["type"], "messenger");
    assert_eq!(answer.refusal(), (400, 80006, None));
    api.sandbox.set_usage(Meter::Page(PAGE_A.parse().unwrap(), UsageKind::Messenger), 0, None);
    api.get(&token("page-a"), PATH, &[]).await.ok();

    let usage = api.control(Method::GET, "usage", Value::Null).await.ok();
    assert!(usage["usage"].as_array().unwrap().iter().any(|view| view["percent"] == 97), "{usage}");
    api.control(Method::PUT, "limits", json!({"page": 7})).await.ok();
    assert_eq!(api.control(Method::GET, "limits", Value::Null).await.ok()["page"], 7);
    for bad in [json!({"percent": 1}), json!({"page": PAGE_A, "app": APP, "percent": 1}), json!({"page": PAGE_A})] {
        assert_eq!(api.post_control("usage", bad).await.status, 400);
    }
}

#[tokio::test]
async fn each_operation_of_a_batch_and_each_id_counts() {
    let api = Api::start().await;
    api.sandbox.set_limits(limits(4, 1000, 2));
    let operation = json!({"method": "GET", "relative_url": format!("{PAGE_A}?access_token={}", token("page-a"))});
    let form = [("batch", json!([operation, operation, operation]).to_string())];
    let answer = api.client.post(format!("{}/v25.0/", api.sandbox.url())).form(&form).send().await.unwrap();
    let answer = Answer::of(answer).await;
    assert_eq!((app_usage(&answer), page_usage(&answer)), (None, None));
    let answer = answer.ok();
    let counted = |index: usize| {
        let headers = answer[index]["headers"].as_array().unwrap().clone();
        let header = headers.into_iter().find(|header| header["name"] == "X-Business-Use-Case-Usage").unwrap();
        let usage: Value = serde_json::from_str(header["value"].as_str().unwrap()).unwrap();
        (answer[index]["code"].as_u64().unwrap(), usage[PAGE_A][0]["call_count"].as_u64().unwrap())
    };
    assert_eq!([counted(0), counted(1), counted(2)], [(200, 50), (200, 100), (400, 150)]);

    let ids = format!("{PAGE_A},{PAGE_B}");
    let answer = api.get(&token("user"), "/v25.0/", &[("ids", &ids)]).await;
    assert_eq!(app_usage(&answer).unwrap()["call_count"], 50);
}

#[tokio::test]
async fn faults_throttle_and_report() {
    let api = Api::start().await;
    api.fault(json!({"times": 1, "do": {"throttle": {"minutes": 12}}}));
    let answer = api.get(&token("page-a"), PATH, &[]).await;
    let usage = &page_usage(&answer).unwrap()[PAGE_A][0];
    assert_eq!(
        (usage["call_count"].as_u64(), usage["estimated_time_to_regain_access"].as_u64()),
        (Some(100), Some(12))
    );
    assert_eq!(answer.refusal(), (400, 80001, None));
    api.fault(json!({"times": 1, "do": {"throttle": {"code": 613, "percent": 120}}}));
    let answer = api.get(&app_token(), "/v25.0/app", &[]).await;
    assert_eq!(app_usage(&answer).unwrap()["call_count"], 120);
    assert_eq!(answer.refusal(), (400, 613, None));
    api.fault(json!({"times": 1, "do": {"usage": {"percent": 80, "type": "messenger"}}}));
    let answer = api.get(&token("page-a"), PATH, &[]).await;
    assert_eq!(page_usage(&answer).unwrap()[PAGE_A][0]["type"], "messenger");
    answer.ok();
    // They leave nothing behind.
    assert_eq!(page_usage(&api.get(&token("page-a"), PATH, &[]).await), None);
}
