//! System users, section 3.6 of the contract.

use serde_json::json;

use crate::support::*;

const ROBOT: &str = "/v25.0/6600000000000009";
const BUSINESS: &str = "/v25.0/5500000000000001/system_user_access_tokens";

#[tokio::test]
async fn a_token_is_issued_with_or_without_an_end() {
    let api = Api::of_people().await;
    let path = format!("{ROBOT}/access_tokens");
    let issue = async |caller: &str, query: &[(&str, &str)]| api.post(&person_token(caller), &path, query).await;
    let asked = [("business_app", APP), ("scope", "pages_show_list,pages_messaging")];
    let endless = issue("admin", &asked).await.ok();
    assert!(endless.get("expires_in").is_none());
    let data = api.debug(endless["access_token"].as_str().unwrap()).await;
    assert_eq!((&data["type"], &data["expires_at"]), (&json!("SYSTEM_USER"), &json!(0)));
    assert_eq!(data["scopes"], json!(["pages_show_list", "pages_messaging"]));
    let ending = issue("admin", &[asked[0], asked[1], ("set_token_expires_in_60_days", "true")]).await.ok();
    assert_eq!(ending["expires_in"], 60 * 86400);

    assert_eq!(issue("robot", &asked).await.refusal(), (403, 200, None));
    assert_eq!(issue("admin", &asked[..1]).await.refusal(), (400, 100, None));
    assert_eq!(issue("admin", &[("business_app", OTHER_APP), asked[1]]).await.refusal(), (400, 100, None));
    assert_eq!(issue("admin", &[("business_app", "8888000088880000"), asked[1]]).await.refusal(), (400, 101, None));
    let of_person = format!("/v25.0/{PERSON}/access_tokens");
    assert_eq!(api.post(&person_token("admin"), &of_person, &asked).await.refusal(), (400, 100, Some(33)));
}

#[tokio::test]
async fn an_app_is_installed_first_and_of_the_same_business() {
    let api = Api::of_people().await;
    let (admin, path) = (person_token("admin"), format!("{ROBOT}/applications"));
    assert_eq!(api.post(&admin, &path, &[("business_app", OTHER_APP)]).await.refusal(), (400, 100, None));
    api.delete(&app_token(), &format!("{ROBOT}/permissions"), &[]).await.ok();
    let asked = [("business_app", APP), ("scope", "pages_show_list")];
    assert_eq!(api.post(&admin, &format!("{ROBOT}/access_tokens"), &asked).await.refusal(), (400, 100, None));
    api.post(&admin, &path, &[("business_app", APP)]).await.ok();
    api.post(&admin, &format!("{ROBOT}/access_tokens"), &asked).await.ok();
}

#[tokio::test]
async fn all_tokens_of_a_system_user_end_together() {
    let api = Api::of_people().await;
    let path = format!("{ROBOT}/access_tokens");
    assert_eq!(api.delete(&person_token("robot"), &path, &[]).await.refusal(), (403, 200, None));
    api.delete(&person_token("admin"), &path, &[]).await.ok();
    for alias in ["robot", "page-a-robot"] {
        assert_eq!(api.get(&person_token(alias), "/v25.0/me", &[]).await.refusal(), (400, 190, Some(466)), "{alias}");
    }
    api.get(&person_token("admin"), "/v25.0/me", &[]).await.ok();
}

#[tokio::test]
async fn a_business_issues_tokens_for_certain_pages() {
    let api = Api::of_people().await;
    let issue = async |query: &[(&str, &str)]| api.post(&person_token("admin"), BUSINESS, query).await;
    let robot = ("system_user_id", "6600000000000009");
    let known = issue(&[robot, ("fetch_only", "true")]).await.ok();
    assert_eq!(known["access_token"], person_token("robot"));
    let query = [robot, ("scope", "pages_show_list,business_management"), ("asset", PAGE_B)];
    let made = issue(&query).await.ok();
    let text = made["access_token"].as_str().unwrap();
    let granular = json!([{"scope": "pages_show_list", "target_ids": [PAGE_B]}]);
    assert_eq!(api.debug(text).await["granular_scopes"], granular);
    let pages = api.get(text, "/v25.0/me/accounts", &[("fields", "id")]).await.ok();
    assert_eq!(pages["data"], json!([{"id": PAGE_B}]));
    for bad in [
        [("system_user_id", PERSON), query[1], query[2]],
        [("system_user_id", "x"), query[1], query[2]],
        [robot, query[1], ("asset", "x")],
        [robot, ("scope", ""), query[2]],
    ] {
        assert_eq!(issue(&bad).await.refusal(), (400, 100, None), "{bad:?}");
    }
}
