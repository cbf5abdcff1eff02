//! The page's subscribed apps, section 5.4 of the contract.

use graph_sandbox::{PageChange, Task};
use serde_json::json;

use crate::support::*;

const PATH: &str = "/v25.0/2200000000000001/subscribed_apps";

#[tokio::test]
async fn rows_of_all_apps_with_selected_fields() {
    let api = Api::start().await;
    let rows = api.get(&token("page-a"), PATH, &[("fields", "id,name,subscribed_fields")]).await.ok();
    assert_eq!(
        rows,
        json!({"data": [
            {"id": APP, "name": "Acme Messaging", "subscribed_fields": ["messages", "feed"]},
            {"id": "263902037430900", "name": "Page Inbox", "subscribed_fields": ["messages"]},
        ]})
    );
    let plain = api.get(&token("page-a"), PATH, &[]).await.ok();
    assert_eq!(plain["data"][0]["category"], "Business");
    assert!(plain["data"][0]["link"].is_string() && plain["data"][0]["subscribed_fields"].is_array());
    let none = api.get(&token("page-b"), &format!("/v25.0/{PAGE_B}/subscribed_apps"), &[]).await.ok();
    assert_eq!(none, json!({"data": []}));
    let odd = api.get(&token("page-a"), PATH, &[("fields", "id,nope")]).await;
    assert_eq!(odd.refusal(), (400, 100, None));
}

#[tokio::test]
async fn subscribing_replaces_the_own_row_only() {
    let api = Api::start().await;
    let answer = api.post(&token("page-a"), PATH, &[("subscribed_fields", "messages,standby,messages")]).await;
    assert_eq!(answer.ok(), json!({"success": true}));
    assert_eq!(api.page_row(PAGE_A).unwrap(), ["messages", "standby"]);
    api.post(&token("other-app"), PATH, &[("subscribed_fields", "[\"feed\"]")]).await.ok();
    let state = api.sandbox.state();
    let rows = &state.pages[PAGE_A].subscriptions;
    assert_eq!(rows[APP], ["messages", "standby"]);
    assert_eq!(rows[OTHER_APP], ["feed"]);
    assert_eq!(rows["263902037430900"], ["messages"]);
}

#[tokio::test]
async fn fields_are_required_and_known() {
    let api = Api::start().await;
    let post = async |fields: &str| api.post(&token("page-a"), PATH, &[("subscribed_fields", fields)]).await.refused();
    let (status, code, _, message) = post("messages,mentions").await;
    assert_eq!((status, code), (400, 100));
    assert!(message.starts_with("(#100) Param subscribed_fields[1] must be one of {affiliation, "), "{message}");
    assert!(message.ends_with("} - got \"mentions\""), "{message}");
    assert_eq!(post("").await.3, "(#100) The parameter subscribed_fields is required");
    assert_eq!(post("[]").await.3, "(#100) The parameter subscribed_fields is required");
    assert_eq!(post("[{}]").await.3, "(#100) Param subscribed_fields must be an array.");
    assert_eq!(api.page_row(PAGE_A).unwrap(), ["messages", "feed"]);
}

#[tokio::test]
async fn message_fields_take_pages_messaging() {
    let api = Api::start().await;
    let path = format!("/v25.0/{PAGE_B}/subscribed_apps");
    let (status, code, _, message) =
        api.post(&token("page-b"), &path, &[("subscribed_fields", "feed,messages")]).await.refused();
    assert_eq!((status, code), (403, 200));
    assert_eq!(
        message,
        "(#200) To subscribe to the messages field, one of these permissions is needed: pages_messaging"
    );
    for field in ["standby", "message_reads", "messaging_handovers"] {
        let refused = api.post(&token("page-b"), &path, &[("subscribed_fields", field)]).await;
        assert_eq!(refused.refusal(), (403, 200, None), "{field}");
    }
    api.post(&token("page-b"), &path, &[("subscribed_fields", "feed")]).await.ok();
    assert_eq!(api.page_row(PAGE_B).unwrap(), ["feed"]);
    // The scope is granted, but for another page.
    let granular = api.post(&token("page-a-granular"), PATH, &[("subscribed_fields", "messages")]).await;
    assert_eq!(granular.refusal(), (403, 200, None));
    api.post(&token("page-a-granular"), PATH, &[("subscribed_fields", "feed")]).await.ok();
}

#[tokio::test]
async fn scopes_and_tasks() {
    let api = Api::start().await;
    let fields = [("subscribed_fields", "feed")];
    for alias in ["page-a-full", "page-a-analyst"] {
        assert_eq!(api.post(&token(alias), PATH, &fields).await.refusal(), (403, 200, None), "{alias}");
        assert_eq!(api.get(&token(alias), PATH, &[]).await.refusal(), (403, 200, None), "{alias}");
    }
    // MODERATE alone is enough for the feed, not for messages.
    let tasks = [("6600000000000001".parse().unwrap(), vec![Task::Moderate])].into();
    api.sandbox.change_page(PAGE_A, PageChange { tasks, ..PageChange::default() }).unwrap();
    api.post(&token("page-a"), PATH, &fields).await.ok();
    let (_, code, _, message) = api.post(&token("page-a"), PATH, &[("subscribed_fields", "messages")]).await.refused();
    assert_eq!(code, 200);
    assert!(message.contains("sufficient administrative permission"), "{message}");
}

#[tokio::test]
async fn reading_and_subscribing_take_the_pages_own_token() {
    let api = Api::start().await;
    let fields = [("subscribed_fields", "feed")];
    for other in [token("user"), token("robot"), app_token()] {
        let (status, code, _, message) = api.get(&other, PATH, &[]).await.refused();
        assert_eq!((status, code), (400, 210));
        assert_eq!(message, "(#210) This call requires a Page access token.");
        assert_eq!(api.post(&other, PATH, &fields).await.refusal(), (400, 210, None));
    }
    assert_eq!(api.get(&token("page-b"), PATH, &[]).await.refusal(), (400, 100, Some(33)));
    assert_eq!(api.post(&token("page-b"), PATH, &fields).await.refusal(), (400, 100, Some(33)));
    let restricted = api.post(&token("page-c"), &format!("/v25.0/{PAGE_C}/subscribed_apps"), &fields).await;
    assert_eq!(restricted.refusal(), (400, 100, Some(33)));
}

#[tokio::test]
async fn unsubscribing_takes_the_app_token() {
    let api = Api::start().await;
    for other in ["page-a", "user"] {
        let (status, code, _, message) = api.delete(&token(other), PATH, &[]).await.refused();
        assert_eq!((status, code), (400, 15));
        assert_eq!(message, "(#15) This method must be called with an app access_token.");
    }
    assert!(api.page_row(PAGE_A).is_some());
    assert_eq!(api.delete(&app_token(), PATH, &[]).await.ok(), json!({"success": true}));
    assert!(api.page_row(PAGE_A).is_none());
    assert_eq!(api.sandbox.state().pages[PAGE_A].subscriptions.len(), 1);
    // Once more is no error, and another app's row is out of reach.
    api.delete(&app_token(), PATH, &[]).await.ok();
    let restricted = api.delete(&app_token(), &format!("/v25.0/{PAGE_C}/subscribed_apps"), &[]).await;
    assert_eq!(restricted.refusal(), (400, 100, Some(33)));
}
