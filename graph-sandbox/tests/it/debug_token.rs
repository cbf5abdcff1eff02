//! `GET /debug_token`, section 3.7 of the contract.

use graph_sandbox::Invalidation;
use serde_json::json;

use crate::support::*;

async fn debug(api: &Api, input: &str) -> serde_json::Value {
    let answer = api.get(&app_token(), "/v25.0/debug_token", &[("input_token", input)]).await;
    answer.ok()["data"].clone()
}

#[tokio::test]
async fn a_valid_page_token() {
    let api = Api::start().await;
    let data = debug(&api, &token("page-a")).await;
    let ninety_days = api.sandbox.now().as_second() + 90 * 86400;
    let data_access = data["data_access_expires_at"].as_i64().unwrap();
    assert!((data_access - ninety_days).abs() < 60, "{data_access}");
    assert_eq!(
        data,
        json!({
            "app_id": APP, "type": "PAGE", "application": "Acme Messaging", "is_valid": true,
            "issued_at": 1793491200, "expires_at": 0, "data_access_expires_at": data_access,
            "profile_id": PAGE_A, "user_id": "6600000000000001",
            "scopes": ["pages_show_list", "pages_manage_metadata", "pages_messaging"],
        })
    );
}

#[tokio::test]
async fn granular_scopes_without_targets_are_not_limited() {
    let api = Api::start().await;
    let data = debug(&api, &token("page-a-granular")).await;
    assert_eq!(
        data["granular_scopes"],
        json!([
            {"scope": "pages_manage_metadata", "target_ids": [PAGE_A]},
            {"scope": "pages_messaging", "target_ids": [PAGE_B]},
            {"scope": "pages_show_list"},
        ])
    );
}

#[tokio::test]
async fn other_kinds_of_token() {
    let api = Api::start().await;
    let user = debug(&api, &token("user")).await;
    assert_eq!((&user["type"], user.get("profile_id")), (&json!("USER"), None));
    assert!(user["expires_at"].as_i64().unwrap() > api.sandbox.now().as_second());
    let robot = debug(&api, &token("robot")).await;
    assert_eq!((&robot["type"], &robot["data_access_expires_at"]), (&json!("SYSTEM_USER"), &json!(0)));
    let app = debug(&api, &app_token()).await;
    assert_eq!(
        app,
        json!({"app_id": APP, "type": "APP", "application": "Acme Messaging", "is_valid": true, "scopes": []})
    );
}

#[tokio::test]
async fn a_dead_token_is_no_error_of_the_call() {
    let api = Api::start().await;
    api.sandbox.invalidate_token("page-a", Invalidation { subcode: Some(460), message: None }).unwrap();
    let data = debug(&api, &token("page-a")).await;
    assert_eq!(data["is_valid"], false);
    assert_eq!(
        data["error"],
        json!({"code": 190, "subcode": 460, "message": "Error validating access token: The session has been \
            invalidated because the user changed their password or Facebook has changed the session for \
            security reasons."})
    );
    assert_eq!((&data["profile_id"], &data["app_id"]), (&json!(PAGE_A), &json!(APP)));

    let expired = debug(&api, &token("expired")).await;
    assert_eq!((&expired["is_valid"], &expired["error"]["subcode"]), (&json!(false), &json!(463)));
}

#[tokio::test]
async fn garbled_input_gives_only_error_validity_and_scopes() {
    let api = Api::start().await;
    for (input, message) in [
        ("nonsense", "Invalid OAuth access token - Cannot parse access token"),
        ("EAAunknown", "Malformed access token EAAunknown"),
        ("1111000011110000|wrong", "Invalid OAuth access token signature."),
    ] {
        assert_eq!(
            debug(&api, input).await,
            json!({"error": {"code": 190, "message": message}, "is_valid": false, "scopes": []})
        );
    }
}

#[tokio::test]
async fn who_may_ask() {
    let api = Api::start().await;
    let ask = async |caller: &str| api.get(caller, "/v25.0/debug_token", &[("input_token", &token("page-b"))]).await;
    ask(&token("user")).await.ok();
    let text = "(#100) You must provide an app access token, or a user access token that is an owner or developer \
                of the app";
    for stranger in ["tester", "page-a", "robot"] {
        assert_eq!(ask(&token(stranger)).await.refused(), (400, 100, None, text.to_owned()), "{stranger}");
    }
    let url = format!("{}/v25.0/debug_token?input_token=x", api.sandbox.url());
    let nobody = Answer::of(api.client.get(url).send().await.unwrap()).await;
    assert_eq!(nobody.refused(), (400, 100, None, text.to_owned()));
    assert_eq!(ask("EAAgarbage").await.refusal(), (400, 190, None));
    assert_eq!(ask(&token("expired")).await.refusal(), (400, 190, Some(463)));
}

#[tokio::test]
async fn input_of_another_app_and_missing_input() {
    let api = Api::start().await;
    let foreign = api.get(&other_app_token(), "/v25.0/debug_token", &[("input_token", &token("page-a"))]).await;
    let text = "(#100) The App_id in the input_token did not match the Viewing App";
    assert_eq!(foreign.refused(), (400, 100, None, text.to_owned()));
    let none = api.get(&app_token(), "/v25.0/debug_token", &[]).await;
    assert_eq!(none.refusal(), (400, 100, None));
}
