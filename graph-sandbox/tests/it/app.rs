//! The app node and its permissions, section 7 of the contract.

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn the_app_node_by_default_and_by_fields() {
    let api = Api::start().await;
    let link = format!("https://www.facebook.com/games/?app_id={APP}");
    assert_eq!(
        api.get(&app_token(), &format!("/v25.0/{APP}"), &[]).await.ok(),
        json!({"id": APP, "name": "Acme Messaging", "category": "Business", "link": link})
    );
    // A field that has no value is left out; the id is always there.
    assert_eq!(
        api.get(&app_token(), &format!("/v25.0/{APP}"), &[("fields", "namespace,privacy_policy_url")]).await.ok(),
        json!({"id": APP, "namespace": "acme"})
    );
    let unknown = api.get(&app_token(), &format!("/v25.0/{APP}"), &[("fields", "id,mode")]).await;
    let text = "(#100) Tried accessing nonexisting field (mode) on node type (Application)";
    assert_eq!(unknown.refused(), (400, 100, None, text.to_owned()));
}

#[tokio::test]
async fn app_stands_for_the_app_of_the_token() {
    let api = Api::start().await;
    let app = api.get(&app_token(), "/v25.0/app", &[("fields", "id")]).await.ok();
    assert_eq!(app, json!({"id": APP}));
    assert_eq!(api.last_entry().template.as_deref(), Some("/{version}/{app-id}"));
}

#[tokio::test]
async fn any_token_of_the_app_reads_what_everybody_may_know() {
    let api = Api::start().await;
    for alias in ["page-a", "user", "robot"] {
        let own = api.get(&token(alias), "/v25.0/app", &[("fields", "id,name")]).await.ok();
        assert_eq!(own, json!({"id": APP, "name": "Acme Messaging"}), "{alias}");
        let more = api.get(&token(alias), "/v25.0/app", &[("fields", "id,namespace")]).await;
        assert_eq!(more.refusal(), (400, 15, None), "{alias}");
    }
    let foreign = api.get(&token("other-app"), &format!("/v25.0/{APP}"), &[]).await;
    assert_eq!(foreign.refusal(), (400, 100, Some(33)));
}

#[tokio::test]
async fn permissions_by_status_and_name() {
    let api = Api::start().await;
    let path = format!("/v25.0/{APP}/permissions");
    let names = async |query: &[(&str, &str)]| -> Vec<String> {
        let rows = api.get(&app_token(), &path, query).await.ok();
        rows["data"].as_array().unwrap().iter().map(|row| row["permission"].as_str().unwrap().into()).collect()
    };
    assert_eq!(names(&[]).await, ["business_management", "pages_manage_metadata", "pages_messaging"]);
    assert_eq!(names(&[("status", "live")]).await, ["pages_manage_metadata", "pages_messaging"]);
    assert_eq!(names(&[("permission", r#"["pages_messaging"]"#)]).await, ["pages_messaging"]);
    let row = api.get(&app_token(), &path, &[("status", "unapproved")]).await.ok();
    assert_eq!(row, json!({"data": [{"permission": "business_management", "status": "unapproved"}]}));
    let odd = api.get(&app_token(), &path, &[("status", "perhaps")]).await.refused();
    let text = "(#100) Param status must be one of {live, unapproved} - got \"perhaps\"";
    assert_eq!(odd, (400, 100, None, text.to_owned()));
}

#[tokio::test]
async fn only_the_apps_own_token_will_do() {
    let api = Api::start().await;
    for edge in ["?fields=namespace", "/permissions", "/subscriptions"] {
        let path = format!("/v25.0/{APP}{edge}");
        for alias in ["page-a", "user", "robot"] {
            assert_eq!(api.get(&token(alias), &path, &[]).await.refusal(), (400, 15, None), "{alias} {edge}");
        }
        for foreign in [other_app_token(), token("other-app")] {
            assert_eq!(api.get(&foreign, &path, &[]).await.refusal(), (400, 100, Some(33)), "{edge}");
        }
    }
}
