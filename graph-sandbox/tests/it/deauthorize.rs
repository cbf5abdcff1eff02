//! The deauthorize callback.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use graph_sandbox::{Options, Seed};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::receiver::*;
use crate::support::*;

const USER: &str = "6600000000000001";

async fn with_url(receiver: &Receiver) -> Api {
    let yaml = format!(
        "apps: [{{id: {APP}, name: A, secret: {SECRET}, deauthorize_url: 'https://hooks.example.com/gone'}},\n\
         {{id: {OTHER_APP}, name: B, secret: {OTHER_SECRET}}}]\nresolve: {{hooks.example.com: '{}'}}\n",
        receiver.base
    );
    Api::of(Seed::from_yaml(&yaml).unwrap(), Options::default()).await
}

#[tokio::test]
async fn a_removal_arrives_as_a_signed_request() {
    let receiver = Receiver::start().await;
    let api = with_url(&receiver).await;
    let body = json!({"app": APP, "user": USER});
    let answer = api.post_control("deliveries/deauthorize", body.clone()).await.ok();
    assert_eq!(answer, json!({"callback": "https://hooks.example.com/gone", "status": 200, "failure": null}));
    let received = receiver.only();
    assert_eq!(received.path, "/gone");
    assert_eq!(received.header("content-type"), "application/x-www-form-urlencoded");
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&received.body).into_owned().collect();
    let [(name, signed)] = form.as_slice() else { panic!("{form:?}") };
    assert_eq!(name, "signed_request");
    let (signature, payload) = signed.split_once('.').unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(payload.as_bytes());
    mac.verify_slice(&URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    let payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    assert_eq!((&payload["user_id"], &payload["algorithm"]), (&json!(USER), &json!("HMAC-SHA256")));
    assert!((api.sandbox.now().as_second() - payload["issued_at"].as_i64().unwrap()).abs() < 60);

    receiver.refuse("");
    let refused = api.post_control("deliveries/deauthorize", body).await.ok();
    assert_eq!(refused["status"], 500);
    assert!(refused["failure"].as_str().unwrap().starts_with("HTTP Status Code = 500"));
}

#[tokio::test]
async fn who_removes_an_app_is_announced_once() {
    let receiver = Receiver::start().await;
    let yaml = format!(
        "apps: [{{id: {APP}, name: A, secret: {SECRET}, deauthorize_url: 'https://hooks.example.com/gone'}},\n\
         {{id: {OTHER_APP}, name: B, secret: {OTHER_SECRET}}}]\nresolve: {{hooks.example.com: '{}'}}\n\
         people: [{{id: {USER}, name: P}}]\ntokens:\n\
         - {{token: a, kind: user, app: {APP}, user: {USER}}}\n- {{token: b, kind: user, app: {OTHER_APP}, user: {USER}}}\n",
        receiver.base
    );
    let api = Api::of(Seed::from_yaml(&yaml).unwrap(), Options::default()).await;
    let told = json!({"callback": "https://hooks.example.com/gone", "status": 200, "failure": null});
    let remove = async |app| api.person(json!({"removed_app": app})).await;
    assert_eq!(remove(APP).await, json!({"success": true, "deauthorize": told}));
    assert_eq!(receiver.only().path, "/gone");
    // The grant is gone, and the other app has no URL.
    assert_eq!(remove(APP).await, json!({"success": true}));
    assert_eq!(remove(OTHER_APP).await, json!({"success": true}));
    receiver.only();
    assert!(api.sandbox.grants().is_empty());
}

#[tokio::test]
async fn apps_without_a_url_cannot_be_told() {
    let receiver = Receiver::start().await;
    let api = with_url(&receiver).await;
    for (app, status) in [(OTHER_APP, 400), ("8888000088880000", 404), ("x", 400)] {
        let answer = api.post_control("deliveries/deauthorize", json!({"app": app, "user": USER})).await;
        assert_eq!(answer.status, status, "{app}");
    }
    assert!(receiver.received().is_empty());
}
