//! Page tokens and the tokens they were derived from, sections 3.5 and 3.8 of the contract.

use std::time::Duration;

use graph_sandbox::Invalidation;
use jiff::SignedDuration;
use serde_json::json;

use crate::support::*;

/// Subcode that `debug_token` gives, 0 for a valid token.
async fn end(api: &Api, text: &str) -> i64 {
    let data = api.debug(text).await;
    if data["is_valid"] == true { 0 } else { data["error"]["subcode"].as_i64().unwrap() }
}

#[tokio::test]
async fn a_page_token_dies_and_revives_with_its_parent() {
    let api = Api::of_people().await;
    let (page_a, page_b) = (person_token("page-a"), person_token("page-b"));
    for subcode in [458, 459, 460, 464, 466, 467] {
        api.sandbox.invalidate_token("long", Invalidation { subcode: Some(subcode), message: None }).unwrap();
        for page in [&page_a, &page_b] {
            assert_eq!(api.get(page, "/v25.0/me", &[]).await.refusal(), (400, 190, Some(subcode)));
            assert_eq!(end(&api, page).await, subcode);
        }
        // One derived from another token of the same person stays.
        assert_eq!(end(&api, &person_token("page-a-short")).await, 0);
        api.sandbox.restore_token("long").unwrap();
        assert_eq!(end(&api, &page_a).await, 0);
    }
    let state = api.sandbox.state();
    assert_eq!(state.tokens["page-a"].parent.as_deref(), Some("long"));
}

#[tokio::test]
async fn a_derived_token_lives_as_long_as_its_parent_lets_it() {
    let api = Api::of_people().await;
    let read = async |alias: &str| {
        let query = [("fields", "access_token")];
        let page = api.get(&person_token(alias), &format!("/v25.0/{PAGE_B}"), &query).await.ok();
        let text = page["access_token"].as_str().unwrap().to_owned();
        (api.debug(&text).await, text)
    };
    let parent = api.debug(&person_token("short")).await;
    let (of_short, _) = read("short").await;
    assert_eq!(of_short["expires_at"], parent["expires_at"]);
    assert!(of_short.get("issued_at").is_none());
    let (of_long, long_text) = read("long").await;
    assert_eq!((&of_long["expires_at"], &long_text), (&json!(0), &person_token("page-b")));
    let (of_robot, robot_text) = read("robot").await;
    assert_eq!(of_robot["expires_at"], api.debug(&person_token("robot")).await["expires_at"]);
    assert_eq!((&of_robot["data_access_expires_at"], &of_robot["user_id"]), (&json!(0), &json!("6600000000000009")));
    // The seed's own child of the system-user token got its parent's end as well.
    assert_eq!(api.debug(&person_token("page-a-robot")).await["expires_at"], of_robot["expires_at"]);

    api.sandbox.advance_clock(SignedDuration::from_hours(2)).unwrap();
    assert_eq!(end(&api, &person_token("page-a-short")).await, 463);
    api.sandbox.advance_clock(SignedDuration::from_hours(24 * 60)).unwrap();
    assert_eq!((end(&api, &robot_text).await, end(&api, &person_token("long")).await), (463, 463));
    assert_eq!(end(&api, &long_text).await, 0);
}

#[tokio::test]
async fn a_page_token_outlives_its_system_user_token_if_the_switch_says_so() {
    let api = Api::of_people().await;
    api.sandbox.set_switch("page_token_of_system_user", "endless").unwrap();
    let query = [("fields", "access_token")];
    let page = api.get(&person_token("robot"), &format!("/v25.0/{PAGE_B}"), &query).await.ok();
    let text = page["access_token"].as_str().unwrap();
    assert_eq!(api.debug(text).await["expires_at"], 0);
    api.sandbox.advance_clock(SignedDuration::from_hours(24 * 60)).unwrap();
    assert_eq!(end(&api, text).await, 0);
}

#[tokio::test]
async fn reading_again_gives_the_same_string_or_a_new_one() {
    let api = Api::of_people().await;
    let read = async || {
        let query = [("fields", "access_token")];
        let page = api.get(&person_token("robot"), &format!("/v25.0/{PAGE_B}"), &query).await.ok();
        page["access_token"].as_str().unwrap().to_owned()
    };
    let first = read().await;
    assert_eq!(read().await, first);
    api.sandbox.set_switch("page_token_reread", "new").unwrap();
    let other = read().await;
    assert_ne!(other, first);
    assert_eq!((end(&api, &first).await, end(&api, &other).await), (0, 0));
}

#[tokio::test]
async fn thousands_of_tokens_can_be_put_and_put_again() {
    let api = Api::of_people().await;
    let began = work();
    for round in ["first", "second"] {
        for number in 0..3000 {
            let yaml = format!(
                "{{alias: t{number}, token: EAA{round}{number}, kind: page, app: {APP}, user: {PERSON}, page: {PAGE_A}, \
                 parent: long, scopes: [pages_show_list]}}"
            );
            api.sandbox.put_token(serde_yaml_ng::from_str(&yaml).unwrap()).unwrap();
        }
    }
    assert_eq!(api.sandbox.state().tokens["t2999"].parent.as_deref(), Some("long"));
    assert_eq!(api.debug("EAAfirst7").await["is_valid"], false);
    // Looking at every token for each takes far longer; this takes a second or two when idle.
    let work = work() - began;
    assert!(work < Duration::from_secs(20), "{work:?}");
}

#[tokio::test]
async fn a_replaced_parent_keeps_its_children() {
    let api = Api::of_people().await;
    let mut row = json!({"alias": "long", "token": "EAArenewed", "kind": "user", "app": APP, "user": PERSON,
        "scopes": ["pages_show_list"]});
    api.post_control("tokens", row.clone()).await.ok();
    api.sandbox.invalidate_token("EAArenewed", Invalidation { subcode: Some(460), message: None }).unwrap();
    assert_eq!(end(&api, &person_token("page-a")).await, 460);
    row["user"] = json!("6600000000000002");
    assert_eq!(api.post_control("tokens", row.clone()).await.status, 400);
    let own = json!({"alias": "long", "token": "EAAself", "kind": "page", "app": APP, "user": PERSON, "page": PAGE_A,
        "parent": "long"});
    assert_eq!(api.post_control("tokens", own).await.status, 400);
    row["parent"] = json!("long");
    row["user"] = json!(PERSON);
    row["alias"] = json!("stray");
    let refused = api.post_control("tokens", row).await;
    assert!(refused.text.contains("derived from a user or system-user token"), "{}", refused.text);
}

#[tokio::test]
async fn a_short_parent_gets_no_endless_page_token_of_the_seed() {
    let api = Api::of_people().await;
    let stray = json!({"alias": "stray", "token": "EAAstray", "kind": "page", "app": APP, "user": PERSON,
        "page": PAGE_B, "scopes": ["pages_show_list"]});
    api.post_control("tokens", stray).await.ok();
    api.sandbox.invalidate_token("page-b", Invalidation { subcode: None, message: None }).unwrap();
    let read = async |alias: &str| {
        let query = [("fields", "access_token")];
        let page = api.get(&person_token(alias), &format!("/v25.0/{PAGE_B}"), &query).await.ok();
        page["access_token"].as_str().unwrap().to_owned()
    };
    let short = read("short").await;
    assert_ne!(api.debug(&short).await["expires_at"], 0);
    assert_eq!(read("long").await, "EAAstray");
}

#[tokio::test]
async fn an_alias_that_is_another_tokens_text_leads_nowhere() {
    let api = Api::of_people().await;
    let long = person_token("long");
    let row = json!({"alias": long, "token": "EAAother", "kind": "user", "app": APP, "user": "6600000000000002",
        "scopes": ["pages_show_list"]});
    api.post_control("tokens", row).await.ok();
    let query = [("client_id", APP), ("client_secret", SECRET), ("revoke_token", long.as_str())];
    api.get(&app_token(), "/v25.0/oauth/revoke", &query).await.ok();
    assert_eq!((end(&api, &long).await, end(&api, "EAAother").await), (466, 0));
}
