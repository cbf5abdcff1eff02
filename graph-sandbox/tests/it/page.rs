//! The page node, section 4 of the contract.

use graph_sandbox::{Options, PageChange, Seed};
use serde_json::json;

use crate::support::*;

const PATH: &str = "/v25.0/2200000000000001";

#[tokio::test]
async fn name_and_id_by_default_else_what_was_asked() {
    let api = Api::start().await;
    let page = token("page-a");
    assert_eq!(api.get(&page, PATH, &[]).await.ok(), json!({"id": PAGE_A, "name": "Acme Shop"}));
    let fields = "id,is_published,category,has_transitioned_to_new_page_experience,\
                  messaging_feature_status{hop_v2,msgr_multi_app},is_webhooks_subscribed,has_added_app,username";
    assert_eq!(
        api.get(&page, PATH, &[("fields", fields)]).await.ok(),
        json!({
            "id": PAGE_A, "is_published": true, "category": "Brand",
            "has_transitioned_to_new_page_experience": true, "is_webhooks_subscribed": true,
            "has_added_app": true, "messaging_feature_status": {"hop_v2": true, "msgr_multi_app": false},
        })
    );
    let unpublished = api.get(&token("page-b"), &format!("/v25.0/{PAGE_B}"), &[("fields", "is_published")]).await;
    assert_eq!(unpublished.ok(), json!({"id": PAGE_B, "is_published": false}));
}

#[tokio::test]
async fn me_stands_for_the_page_of_the_token() {
    let api = Api::start().await;
    assert_eq!(api.get(&token("page-a"), "/v25.0/me", &[]).await.ok()["id"], PAGE_A);
    assert_eq!(api.last_entry().node.as_deref(), Some(PAGE_A));
    assert_eq!(api.get(&app_token(), "/v25.0/me", &[]).await.refusal(), (400, 2500, None));
    assert_eq!(api.get("EAAgarbage", "/v25.0/me", &[]).await.refusal(), (400, 190, None));
}

#[tokio::test]
async fn one_unknown_field_fails_the_whole_read() {
    let api = Api::start().await;
    for field in ["tasks", "nope"] {
        let answer = api.get(&token("page-a"), PATH, &[("fields", &format!("id,{field}"))]).await;
        let text = format!("(#100) Tried accessing nonexisting field ({field}) on node type (Page)");
        assert_eq!(answer.refused(), (400, 100, None, text));
    }
    let broken = api.get(&token("page-a"), PATH, &[("fields", "id,business{")]).await;
    assert_eq!(broken.refusal(), (400, 2500, None));
}

#[tokio::test]
async fn some_fields_take_more_scopes() {
    let api = Api::start().await;
    let read = async |alias: &str, field: &str| api.get(&token(alias), PATH, &[("fields", field)]).await;
    assert_eq!(read("page-a", "unread_message_count").await.refusal(), (400, 10, None));
    assert_eq!(read("page-a", "business").await.refusal(), (400, 10, None));
    assert_eq!(read("page-a-full", "unread_message_count").await.ok()["unread_message_count"], 3);
    assert_eq!(read("page-a-full", "business{name}").await.ok()["business"]["name"], "Acme");
    let (status, code, _, message) = read("page-a-bare", "id").await.refused();
    assert_eq!((status, code), (403, 200));
    assert_eq!(message, "(#200) Requires pages_show_list permission to manage the object.");
}

#[tokio::test]
async fn who_sees_a_page() {
    let api = Api::start().await;
    for alias in ["user", "robot", "tester", "other-app"] {
        assert_eq!(api.get(&token(alias), PATH, &[]).await.ok()["id"], PAGE_A, "{alias}");
    }
    let hidden = (400, 100, Some(33));
    assert_eq!(api.get(&token("page-b"), PATH, &[]).await.refusal(), hidden);
    assert_eq!(api.get(&app_token(), PATH, &[]).await.refusal(), (400, 10, None));
    let restricted = api.get(&token("page-c"), &format!("/v25.0/{PAGE_C}"), &[]).await;
    let (status, code, subcode, message) = restricted.refused();
    assert_eq!((status, code, subcode), hidden);
    assert!(message.starts_with(&format!("Unsupported get request. Object with ID '{PAGE_C}' does not exist")));

    let change = PageChange { tasks: [("6600000000000009".parse().unwrap(), vec![])].into(), ..PageChange::default() };
    api.sandbox.change_page(PAGE_A, change).unwrap();
    assert_eq!(api.get(&token("robot"), PATH, &[]).await.refusal(), hidden);
}

#[tokio::test]
async fn a_page_token_can_be_read_from_its_parent() {
    let api = Api::start().await;
    let read = async |alias: &str| api.get(&token(alias), PATH, &[("fields", "access_token")]).await.ok();
    assert_eq!(read("user").await, json!({"id": PAGE_A, "access_token": token("page-a")}));
    assert_eq!(read("page-a-full").await["access_token"], token("page-a-full"));
    // None of this system user is known, so one is made, and given again.
    let made = read("robot").await["access_token"].clone();
    let made = made.as_str().unwrap();
    assert!(made.starts_with("EAA") && made != token("page-a"), "{made}");
    assert_eq!(api.get(made, "/v25.0/me", &[]).await.ok()["id"], PAGE_A);
    assert_eq!(read("robot").await["access_token"], made);
}

#[tokio::test]
async fn a_page_shows_its_link_its_picture_and_how_many_follow_it() {
    let api = Api::start().await;
    let read = async |alias: &str, fields: &str| api.get(&token(alias), PATH, &[("fields", fields)]).await;
    let page = read("page-a", "link,picture").await.ok();
    assert_eq!(page["link"], format!("https://www.facebook.com/{PAGE_A}"));
    let picture = &page["picture"]["data"];
    assert!(picture["url"].as_str().unwrap().starts_with("https://") && picture["is_silhouette"].is_boolean());
    assert!(picture["width"].is_u64() && picture["height"].is_u64());
    let narrowed = read("page-a", "picture.type(large){url}").await.ok();
    assert_eq!(narrowed["picture"]["data"], json!({"url": picture["url"]}));
    assert_eq!(read("page-a", "fan_count").await.refusal(), (400, 10, None));
    assert_eq!(read("page-a-full", "fan_count,followers_count").await.ok()["fan_count"], 0);
    let rows = api.get(&token("user"), "/v25.0/me/accounts", &[("fields", "picture{url}")]).await.ok();
    assert_eq!(rows["data"][0]["picture"]["data"]["url"], picture["url"]);
}

#[tokio::test]
async fn a_time_among_the_fields_comes_in_the_format_that_was_asked_for() {
    let text = include_str!("seed.yaml").replace(
        "unread_message_count: 3",
        "unread_message_count: 3\n      user_access_expire_time: \"2027-01-31T00:00:00+0000\"",
    );
    let api = Api::of(Seed::from_yaml(&text).unwrap(), Options::default()).await;
    let read = async |format: &str| {
        let query = [("fields", "user_access_expire_time"), ("date_format", format)];
        api.get(&token("page-a-full"), PATH, &query).await.ok()["user_access_expire_time"].clone()
    };
    assert_eq!(read("").await, "2027-01-31T00:00:00+0000");
    assert_eq!((read("U").await, read("j M").await), (json!(1_801_353_600), json!("31 Jan")));
}
