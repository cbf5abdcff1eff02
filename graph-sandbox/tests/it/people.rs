//! What people do at Meta, and what is left of the tokens then.

use graph_sandbox::{AppChange, BusinessChange, PageChange};
use jiff::SignedDuration;
use serde_json::json;

use crate::support::*;

async fn refusal(api: &Api, alias: &str) -> (i64, Option<i64>) {
    let (_, code, subcode) = api.get(&person_token(alias), "/v25.0/me", &[]).await.refusal();
    (code, subcode)
}

#[tokio::test]
async fn events_end_or_hold_up_every_token_of_the_person() {
    for (change, subcode) in [(json!({"password_changed": true}), 460), (json!({"logged_out": true}), 467)] {
        let api = Api::of_people().await;
        api.person(change).await;
        for alias in ["long", "short", "page-a", "page-b", "other-app"] {
            assert_eq!(refusal(&api, alias).await, (190, Some(subcode)), "{alias}");
        }
        api.get(&person_token("robot"), "/v25.0/me", &[]).await.ok();
    }
    let api = Api::of_people().await;
    for (key, subcode) in [("checkpoint", 459), ("unconfirmed", 464)] {
        api.person(json!({key: true})).await;
        assert_eq!(refusal(&api, "page-a").await, (190, Some(subcode)));
        api.person(json!({key: false})).await;
        api.get(&person_token("page-a"), "/v25.0/me", &[]).await.ok();
    }
}

#[tokio::test]
async fn removing_an_app_ends_the_tokens_of_that_pair() {
    let api = Api::of_people().await;
    api.person(json!({"removed_app": APP})).await;
    assert_eq!(refusal(&api, "long").await, (190, Some(458)));
    assert_eq!(refusal(&api, "page-a").await, (190, Some(458)));
    api.get(&person_token("other-app"), "/v25.0/me", &[]).await.ok();
    let grants = api.sandbox.grants();
    assert!(!grants.iter().any(|grant| grant.app == APP && grant.user == PERSON));
    // A new authorization does not bring the old tokens back.
    api.person(json!({"regrant": {"app": APP, "scopes": ["pages_show_list"]}})).await;
    assert_eq!(refusal(&api, "long").await, (190, Some(458)));
    // A token put right by hand was granted what it holds.
    api.sandbox.restore_token("long").unwrap();
    assert_eq!(api.debug(&person_token("long")).await["scopes"], json!(["pages_show_list"]));
}

#[tokio::test]
async fn a_grant_that_shrinks_takes_pages_along_and_gives_them_back() {
    let api = Api::of_people().await;
    api.person(json!({"regrant": {"app": APP, "pages": [PAGE_B]}})).await;
    let (_, code, subcode, message) = api.get(&person_token("page-a"), "/v25.0/me", &[]).await.refused();
    assert_eq!((code, subcode), (190, None));
    assert!(message.ends_with("permission(s) must be granted before impersonating a user's page."), "{message}");
    api.get(&person_token("page-b"), "/v25.0/me", &[]).await.ok();
    let user = api.debug(&person_token("long")).await;
    let limited = |scope| json!({"scope": scope, "target_ids": [PAGE_B]});
    let scopes = ["pages_show_list", "pages_manage_metadata", "pages_messaging"];
    assert_eq!((&user["is_valid"], &user["granular_scopes"]), (&json!(true), &json!(scopes.map(limited))));

    api.person(json!({"regrant": {"app": APP, "scopes": ["pages_show_list"]}})).await;
    assert_eq!(api.debug(&person_token("page-a")).await["scopes"], json!(["pages_show_list"]));
    api.person(json!({"regrant": {"app": APP, "scopes": scopes}})).await;
    let page = api.debug(&person_token("page-a")).await;
    assert_eq!((&page["scopes"], page.get("granular_scopes")), (&json!(scopes), None));
}

#[tokio::test]
async fn a_new_authorization_winds_the_data_access_clock_up() {
    let api = Api::of_people().await;
    api.sandbox.advance_clock(SignedDuration::from_hours(24 * 50)).unwrap();
    api.person(json!({"regrant": {"app": APP}})).await;
    let until = api.debug(&person_token("long")).await["data_access_expires_at"].as_i64().unwrap();
    let expected = api.sandbox.now().as_second() + 90 * 86400;
    assert!((until - expected).abs() < 60, "{until}");
}

#[tokio::test]
async fn permissions_are_listed_and_taken_back() {
    let api = Api::of_people().await;
    let (user, path) = (person_token("bare"), "/v25.0/me/permissions");
    let row = |scope, status| json!({"permission": scope, "status": status});
    api.delete(&user, &format!("{path}/pages_messaging"), &[]).await.ok();
    let rows = json!([
        row("pages_manage_metadata", "granted"),
        row("pages_show_list", "granted"),
        row("public_profile", "granted"),
        row("pages_messaging", "declined")
    ]);
    assert_eq!(api.get(&user, path, &[]).await.ok(), json!({"data": rows}));
    assert!(!api.debug(&person_token("page-a")).await["scopes"].to_string().contains("pages_messaging"));
    assert_eq!(api.delete(&user, &format!("{path}/pages_messaging"), &[]).await.refusal(), (400, 100, None));
    let of_person = format!("/v25.0/{PERSON}/permissions");
    for stranger in [person_token("robot"), person_token("page-a")] {
        assert_eq!(api.delete(&stranger, &of_person, &[]).await.refusal(), (400, 100, Some(33)));
    }
    api.delete(&app_token(), &of_person, &[]).await.ok();
    assert_eq!(refusal(&api, "page-a").await, (190, Some(458)));
    assert_eq!(api.get(&app_token(), &of_person, &[]).await.refusal(), (400, 100, Some(33)));
}

#[tokio::test]
async fn an_old_secret_may_stay_good_for_a_while() {
    let api = Api::of_people().await;
    let change = json!({"secret": "fresh-secret", "previous_secret_for": "24h"});
    api.post_control(&format!("apps/{APP}"), change).await.ok();
    let page = person_token("page-a");
    let proven = async |secret: &str| api.get(&page, "/v25.0/me", &[("appsecret_proof", &proof(secret, &page))]).await;
    for secret in [SECRET, "fresh-secret"] {
        api.get(&format!("{APP}|{secret}"), "/v25.0/app", &[]).await.ok();
        proven(secret).await.ok();
    }
    let state = serde_json::to_string(&api.sandbox.state()).unwrap();
    assert!(state.contains("previous_secret_until\":\"") && !state.contains(SECRET) && !state.contains("fresh-secret"));
    api.sandbox.advance_clock(SignedDuration::from_hours(24)).unwrap();
    assert_eq!(api.get(&app_token(), "/v25.0/app", &[]).await.refusal(), (400, 190, None));
    assert_eq!(proven(SECRET).await.refusal(), (400, 100, None));
    proven("fresh-secret").await.ok();
    assert!(api.sandbox.state().apps[APP].previous_secret_until.is_none());
    // Without a time the old secret dies at once.
    api.post_control(&format!("apps/{APP}"), json!({"secret": "newest"})).await.ok();
    assert_eq!(proven("fresh-secret").await.refusal(), (400, 100, None));
    let lonely = api.post_control(&format!("apps/{APP}"), json!({"previous_secret_for": "24h"})).await;
    assert_eq!(lonely.status, 400);
}

#[tokio::test]
async fn apps_and_pages_may_be_deleted() {
    let api = Api::of_people().await;
    api.sandbox.change_page(PAGE_A, PageChange { deleted: Some(true), ..PageChange::default() }).unwrap();
    assert_eq!(refusal(&api, "page-a").await, (100, Some(33)));
    api.sandbox.change_app(APP, AppChange { deleted: Some(true), ..AppChange::default() }).unwrap();
    let text = "Error validating application. Application has been deleted.";
    for token in [app_token(), person_token("page-b"), person_token("long")] {
        assert_eq!(api.get(&token, "/v25.0/me", &[]).await.refused(), (400, 190, None, text.to_owned()));
    }
    let credentials = api.exchange(&[("grant_type", "client_credentials")]).await;
    assert_eq!(credentials.refused(), (400, 190, None, text.to_owned()));
}

#[tokio::test]
async fn who_is_me_and_who_has_which_role() {
    let api = Api::of_people().await;
    let user = person_token("long");
    assert_eq!(api.get(&user, "/v25.0/me", &[]).await.ok(), json!({"id": PERSON, "name": "Alex Grantor"}));
    assert_eq!(api.get(&user, "/v25.0/me", &[("fields", "id")]).await.ok(), json!({"id": PERSON}));
    assert_eq!(api.get(&user, "/v25.0/me", &[("fields", "email")]).await.refusal(), (400, 100, None));
    let node = format!("/v25.0/{PERSON}");
    assert_eq!(api.get(&app_token(), &node, &[]).await.ok()["id"], PERSON);
    for stranger in [person_token("robot"), person_token("page-a")] {
        assert_eq!(api.get(&stranger, &node, &[]).await.refusal(), (400, 100, Some(33)));
    }
    let roles = format!("/v25.0/{APP}/roles");
    let rows = json!([{"user": PERSON, "role": "administrators"}, {"user": "6600000000000002", "role": "testers"}]);
    assert_eq!(api.get(&app_token(), &roles, &[]).await.ok(), json!({"data": rows}));
    assert_eq!(api.get(&user, &roles, &[]).await.refusal(), (400, 15, None));
    let rows = api.get(&person_token("page-a"), &format!("/v25.0/{PAGE_A}/roles"), &[]).await.ok();
    let first = json!({"id": PERSON, "name": "Alex Grantor", "tasks": ["MODERATE", "MESSAGING", "MANAGE"]});
    assert_eq!((&rows["data"][0], rows["data"].as_array().unwrap().len()), (&first, 3));
    assert_eq!(api.get(&user, &format!("/v25.0/{PAGE_A}/roles"), &[]).await.refusal(), (400, 210, None));
}

#[tokio::test]
async fn businesses_are_for_those_who_manage_them() {
    let api = Api::of_people().await;
    let (path, fields) = ("/v25.0/5500000000000001", [("fields", "id,name,verification_status")]);
    let read = async |alias: &str, path: &str| api.get(&person_token(alias), path, &fields).await;
    let acme = json!({"id": "5500000000000001", "name": "Acme", "verification_status": "pending"});
    assert_eq!(read("admin", path).await.ok(), acme);
    assert_eq!(read("robot", path).await.refusal(), (403, 200, None));
    assert_eq!(read("admin", "/v25.0/5500000000000002").await.refusal(), (400, 100, Some(33)));
    assert_eq!(read("page-a", path).await.refusal(), (400, 100, Some(33)));
    let change = BusinessChange { name: Some("Acme Ltd".into()), ..BusinessChange::default() };
    api.sandbox.change_business("5500000000000001", change).unwrap();
    assert_eq!(read("admin", path).await.ok()["name"], "Acme Ltd");
}

#[tokio::test]
async fn control_calls_about_nobody_are_refused() {
    let api = Api::of_people().await;
    for (path, body, status) in [
        ("people/6600000000000077", json!({}), 404),
        ("people/x", json!({}), 404),
        ("people/6600000000000001", json!({"removed_app": "7777000077770000"}), 404),
        ("people/6600000000000001", json!({"regrant": {"app": "7777000077770000"}}), 404),
        ("people/6600000000000001", json!({"authorize": {"app": APP, "redirect_uri": "https://evil.example/"}}), 400),
        ("people/6600000000000001", json!({"password": true}), 400),
        ("businesses/5500000000000077", json!({}), 404),
    ] {
        assert_eq!(api.post_control(path, body.clone()).await.status, status, "{path} {body}");
    }
}

#[tokio::test]
async fn a_grant_that_grows_gives_tokens_back_what_they_were_issued_with() {
    let api = Api::of_people().await;
    let holds = || api.sandbox.state().tokens["page-a"].scopes.iter().any(|scope| scope == "pages_messaging");
    api.person(json!({"regrant": {"app": APP, "scopes": ["pages_show_list"]}})).await;
    assert!(!holds());
    let row = json!({"token": "EAAput", "kind": "user", "app": APP, "user": PERSON, "scopes": ["pages_messaging"]});
    api.post_control("tokens", row).await.ok();
    assert!(holds());
}
