use axum::http::Method;
use secrecy::SecretString;
use serde_json::json;

use super::super::testing::*;
use super::*;
use crate::graph::{PermissionStatus, TokenKind};

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn a_page_is_read_with_header_and_proof_and_no_token_in_the_url() {
    let graph = Double::json(&json!({"id": PAGE, "name": "Shop", "is_published": true})).await;
    let page = graph.client().page(V, &app(), &token(), &PAGE.into()).await.expect("a page");
    assert_eq!((page.id.as_str(), page.name.as_deref(), page.is_published), (PAGE, Some("Shop"), Some(true)));

    let seen = graph.only();
    assert_eq!(seen.method, Method::GET);
    assert_eq!(seen.uri.path(), format!("/v25.0/{PAGE}"));
    let expected = pairs(&[("fields", "id,name,is_published"), ("appsecret_proof", PROOF)]);
    assert_eq!(Seen::parameters(seen.uri.query().expect("a query")), expected);
    assert_eq!(seen.header("authorization"), format!("Bearer {TOKEN}"));
    assert_eq!(seen.header("accept"), "application/json");
    assert_eq!(seen.header("user-agent"), format!("meta-channel-operator/{}", env!("CARGO_PKG_VERSION")));
    assert!(!seen.uri.to_string().contains(TOKEN) && !seen.uri.to_string().contains(SECRET));
}

#[tokio::test]
async fn app_calls_use_the_app_token_and_its_proof_alone() {
    let graph = Double::answering([
        json(200, &json!({"id": APP_ID, "name": "Acme Messaging"})),
        json(200, &json!({"data": [{"permission": "pages_messaging", "status": "live"}]})),
        json(
            200,
            &json!({"data": [{"object": "page", "callback_url": "https://h.example/", "active": true,
            "fields": [{"name": "messages", "version": "v25.0"}]}]}),
        ),
    ])
    .await;
    let client = graph.client();
    assert_eq!(client.app(V, &app()).await.expect("an app").name.as_deref(), Some("Acme Messaging"));
    let permissions = client.app_permissions(V, &app()).await.expect("permissions");
    assert_eq!(permissions[0].status, PermissionStatus::Live);
    let subscriptions = client.app_subscriptions(V, &app()).await.expect("subscriptions");
    assert_eq!(subscriptions[0].fields, ["messages"]);

    let seen = graph.seen();
    let paths: Vec<&str> = seen.iter().map(|seen| seen.uri.path()).collect();
    let app_path = format!("/v25.0/{APP_ID}");
    assert_eq!(paths, [app_path.clone(), format!("{app_path}/permissions"), format!("{app_path}/subscriptions")]);
    for seen in &seen {
        assert_eq!(seen.header("authorization"), format!("Bearer {APP_ID}|{SECRET}"));
        let query = Seen::parameters(seen.uri.query().expect("a query"));
        assert!(query.contains(&("appsecret_proof".into(), APP_PROOF.into())), "{query:?}");
        assert!(!seen.uri.to_string().contains(SECRET), "{}", seen.uri);
    }
}

#[tokio::test]
async fn a_token_is_debugged_on_behalf_of_the_app() {
    let graph = Double::json(&json!({"data": {"app_id": APP_ID, "type": "PAGE", "is_valid": true, "expires_at": 0,
        "profile_id": PAGE, "scopes": ["pages_messaging"]}}))
    .await;
    let info = graph.client().debug_token(V, &app(), &token()).await.expect("an answer");
    assert_eq!((info.kind, info.is_valid, info.error), (Some(TokenKind::Page), true, None));
    assert_eq!(info.profile_id, Some(PAGE.into()));

    let seen = graph.only();
    assert_eq!(seen.uri.path(), "/v25.0/debug_token");
    // The proof is that of the token that calls, not of the one that is asked about.
    let expected = pairs(&[("input_token", TOKEN), ("appsecret_proof", APP_PROOF)]);
    assert_eq!(Seen::parameters(seen.uri.query().expect("a query")), expected);
    assert_eq!(seen.header("authorization"), format!("Bearer {APP_ID}|{SECRET}"));
}

#[tokio::test]
async fn an_invalid_token_is_an_answer_with_the_cause() {
    let graph = Double::json(&json!({"data": {"is_valid": false, "scopes": [], "error": {
        "code": 190, "subcode": 463, "message": format!("Session of {TOKEN} {}\u{200b}{} has expired", &SECRET[..9], &SECRET[9..])}}}))
    .await;
    let info = graph.client().debug_token(V, &app(), &token()).await.expect("an answer");
    let fault = info.error.clone().expect("a cause");
    assert_eq!((info.is_valid, fault.code, fault.subcode), (false, 190, Some(463)));
    assert_eq!(fault.message, "Session of [redacted] [redacted] has expired");
}

#[tokio::test]
async fn an_app_is_subscribed_with_a_form() {
    for success in [json!({"success": true}), json!({"success": "true"}), json!(true)] {
        let graph = Double::json(&success).await;
        let verify = SecretString::from("a-verify-token-of-ours".to_owned());
        let fields = ["messages".to_owned(), "standby".to_owned()];
        let call = graph.client();
        call.subscribe_app(V, &app(), "https://h.example/x?y=1&z", &verify, &fields).await.expect("done");

        let seen = graph.only();
        assert_eq!(
            (seen.method.clone(), seen.uri.to_string()),
            (Method::POST, format!("/v25.0/{APP_ID}/subscriptions"))
        );
        assert_eq!(seen.header("content-type"), "application/x-www-form-urlencoded");
        assert_eq!(seen.header("authorization"), format!("Bearer {APP_ID}|{SECRET}"));
        let expected = pairs(&[
            ("object", "page"),
            ("callback_url", "https://h.example/x?y=1&z"),
            ("verify_token", "a-verify-token-of-ours"),
            ("fields", "messages,standby"),
            ("appsecret_proof", APP_PROOF),
        ]);
        assert_eq!(Seen::parameters(&seen.body), expected);
    }
}

#[tokio::test]
async fn a_page_is_subscribed_with_a_form_that_holds_the_proof() {
    let graph = Double::json(&json!({"success": true})).await;
    let fields = ["messages".to_owned()];
    graph.client().subscribe_page(V, &app(), &token(), &PAGE.into(), &fields).await.expect("done");
    let seen = graph.only();
    assert_eq!((seen.method.clone(), seen.uri.to_string()), (Method::POST, format!("/v25.0/{PAGE}/subscribed_apps")));
    let expected = pairs(&[("subscribed_fields", "messages"), ("appsecret_proof", PROOF)]);
    assert_eq!(Seen::parameters(&seen.body), expected);
    assert_eq!(seen.header("authorization"), format!("Bearer {TOKEN}"));
}

#[tokio::test]
async fn a_page_is_unsubscribed_with_the_app_token_and_without_a_body() {
    let graph = Double::json(&json!({"success": true})).await;
    graph.client().unsubscribe_page(V, &app(), &PAGE.into()).await.expect("done");
    let seen = graph.only();
    assert_eq!((seen.method.clone(), seen.uri.path()), (Method::DELETE, &*format!("/v25.0/{PAGE}/subscribed_apps")));
    assert_eq!(seen.header("authorization"), format!("Bearer {APP_ID}|{SECRET}"));
    let parameters = Seen::parameters(seen.uri.query().expect("a query"));
    assert_eq!((parameters, seen.body.as_str()), (pairs(&[("appsecret_proof", APP_PROOF)]), ""));
}

#[tokio::test]
async fn a_page_that_has_no_subscription_to_end_counts_as_unsubscribed_and_nothing_else_does() {
    let refused = |error: serde_json::Value| async move {
        let graph = Double::answering([json(400, &json!({ "error": error }))]).await;
        graph.client().unsubscribe_page(V, &app(), &PAGE.into()).await
    };
    let absent = json!({"code": 100, "error_subcode": 33, "message": "Object does not exist"});
    assert_eq!(refused(absent).await, Ok(()));
    assert_eq!(refused(json!({"code": 100, "message": "App is not subscribed to this page"})).await, Ok(()));
    for error in [
        json!({"code": 100, "message": "Invalid parameter"}),
        json!({"code": 15, "message": "needs an app token"}),
        json!({"code": 100, "error_subcode": 33, "is_transient": true, "message": "later"}),
        json!({"code": 2, "message": "down"}),
    ] {
        let code = error["code"].as_u64();
        let Err(GraphError::Fault(fault)) = refused(error).await else { panic!("{code:?} is no success") };
        assert_eq!(Some(u64::from(fault.code)), code);
    }
    let graph = Double::json(&json!({"success": false})).await;
    assert!(graph.client().unsubscribe_page(V, &app(), &PAGE.into()).await.is_err());
}

#[tokio::test]
async fn a_write_that_is_not_confirmed_is_no_success() {
    for answer in [json!({"success": false}), json!({"success": "no"}), json!({}), json!([])] {
        let graph = Double::json(&answer).await;
        let error =
            graph.client().subscribe_page(V, &app(), &token(), &PAGE.into(), &[]).await.expect_err("no success");
        assert_eq!(error, GraphError::BadAnswer { status: 200, what: "the write was not confirmed" }, "{answer}");
    }
}

#[tokio::test]
async fn the_subscriptions_of_a_page_are_read() {
    let graph =
        Double::json(&json!({"data": [{"id": APP_ID, "name": "Acme", "subscribed_fields": ["messages"]}]})).await;
    let rows = graph.client().page_subscriptions(V, &app(), &token(), &PAGE.into()).await.expect("rows");
    assert_eq!(
        (rows[0].id.as_str(), rows[0].subscribed_fields.as_slice()),
        (APP_ID, ["messages".to_owned()].as_slice())
    );
    let query = Seen::parameters(graph.only().uri.query().expect("a query"));
    assert!(query.contains(&("fields".into(), "id,name,subscribed_fields".into())), "{query:?}");
    assert!(query.contains(&("appsecret_proof".into(), PROOF.into())), "{query:?}");
}

fn refusal(field: &str) -> axum::response::Response {
    let message = format!("(#100) Tried accessing nonexisting field ({field}) on node type (Page)");
    json(400, &json!({"error": {"code": 100, "message": message}}))
}

fn asked_fields(graph: &Double) -> Vec<String> {
    let fields = |seen: &Seen| Seen::parameters(seen.uri.query().expect("a query"))[0].1.clone();
    graph.seen().iter().map(fields).collect()
}

#[tokio::test]
async fn a_refused_field_is_dropped_remembered_and_the_page_asked_once_more() {
    let page = || json(200, &json!({"id": PAGE, "name": "Shop"}));
    let graph = Double::answering([refusal("is_published"), page(), page()]).await;
    let client = graph.client();
    let node = client.page(V, &app(), &token(), &PAGE.into()).await.expect("a page");
    assert_eq!(node.is_published, None);
    client.clone().page(V, &app(), &token(), &PAGE.into()).await.expect("a page");
    assert_eq!(asked_fields(&graph), ["id,name,is_published", "id,name", "id,name"]);
}

#[tokio::test]
async fn a_page_is_asked_once_more_and_no_more() {
    let graph = Double::answering([refusal("is_published"), refusal("name"), refusal("id"), refusal("id")]).await;
    let client = graph.client();
    client.page(V, &app(), &token(), &PAGE.into()).await.expect_err("refused twice");
    assert_eq!(asked_fields(&graph), ["id,name,is_published", "id,name"]);
    client.page(V, &app(), &token(), &PAGE.into()).await.expect_err("the id is not optional");
    assert_eq!(asked_fields(&graph)[2..], ["id"]);
}

#[tokio::test]
async fn an_answer_about_another_object_is_none() {
    let other = json!({"id": "2200000000000002", "name": "Other"});
    let graph = Double::answering([json(200, &other), json(200, &other)]).await;
    assert_eq!(graph.client().page(V, &app(), &token(), &PAGE.into()).await, Err(GraphError::OtherObject));
    assert_eq!(graph.client().app(V, &app()).await, Err(GraphError::OtherObject));
}

#[tokio::test]
async fn an_id_cannot_leave_its_place_in_the_path() {
    let graph = Double::answering([]).await;
    let _ = graph.client().page(V, &app(), &token(), &"1/subscribed_apps?x=#".into()).await;
    assert_eq!(graph.only().uri.path(), "/v25.0/1%2Fsubscribed_apps%3Fx=%23");
}
