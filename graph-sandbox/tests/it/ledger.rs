//! The ledger: complete, and without secrets.

use graph_sandbox::{ProofUse, TokenKind, TokenPlace};

use crate::support::*;

#[tokio::test]
async fn an_entry_tells_what_was_asked_by_whom_and_what_came_of_it() {
    let api = Api::start().await;
    let page = token("page-a");
    let query = [("subscribed_fields", "messages,standby"), ("appsecret_proof", &proof(SECRET, &page))];
    api.post(&page, &format!("/v25.0/{PAGE_A}/subscribed_apps"), &query).await.ok();
    let entry = api.last_entry();
    assert_eq!((entry.seq, entry.method.as_str(), entry.version.as_deref()), (1, "POST", Some("v25.0")));
    assert_eq!(entry.path, "/v25.0/2200000000000001/subscribed_apps");
    assert_eq!(entry.template.as_deref(), Some("/{version}/{page-id}/subscribed_apps"));
    assert_eq!((entry.node.as_deref(), entry.proof), (Some(PAGE_A), ProofUse::Valid));
    assert_eq!(entry.subscribed_fields, ["messages", "standby"]);
    assert_eq!((entry.status, entry.code, entry.subcode), (Some(200), None, None));
    assert!(api.sandbox.now().duration_since(entry.time).as_secs() < 60);
    let by = entry.token.unwrap();
    assert_eq!((by.kind, by.app.as_deref(), by.page.as_deref()), (Some(TokenKind::Page), Some(APP), Some(PAGE_A)));
    assert_eq!((by.alias.as_deref(), by.place), (Some("page-a"), Some(TokenPlace::Header)));
}

#[tokio::test]
async fn an_inspected_token_is_told_apart_from_the_callers() {
    let api = Api::start().await;
    let query = [("input_token", &token("page-b")[..]), ("access_token", &app_token())];
    let url = format!("{}/v25.0/debug_token", api.sandbox.url());
    api.client.get(url).query(&query).send().await.unwrap();
    let entry = api.last_entry();
    let (by, about) = (entry.token.unwrap(), entry.inspected.unwrap());
    assert_eq!((by.kind, by.place), (Some(TokenKind::App), Some(TokenPlace::Query)));
    assert_eq!((about.alias.as_deref(), about.place), (Some("page-b"), None));
}

#[tokio::test]
async fn refusals_and_unknown_tokens() {
    let api = Api::start().await;
    api.get("EAAgarbage", "/v25.0/me/nope", &[("appsecret_proof", "x"), ("fields", "id,business{name}")]).await;
    let entry = api.last_entry();
    assert_eq!((entry.template, entry.status, entry.code), (None, Some(400), Some(190)));
    assert_eq!((entry.token.unwrap().kind, entry.proof), (None, ProofUse::Invalid));
    assert_eq!(entry.fields, ["id", "business"]);
    api.get(&token("expired"), "/v25.0/me", &[]).await;
    assert_eq!((api.last_entry().code, api.last_entry().subcode), (Some(190), Some(463)));
    assert_eq!(api.last_entry().proof, ProofUse::Absent);
    let wrong = proof(OTHER_SECRET, &token("page-a"));
    api.get(&token("page-a"), "/v25.0/me", &[("appsecret_proof", &wrong)]).await;
    assert_eq!(api.last_entry().proof, ProofUse::Invalid);
}

#[tokio::test]
async fn nothing_secret_is_ever_kept() {
    let api = Api::start().await;
    let page = token("page-a");
    let page_proof = proof(SECRET, &page);
    let everything = [
        ("access_token", page.as_str()),
        ("appsecret_proof", &page_proof),
        ("input_token", &page),
        ("verify_token", "Verify-Me"),
        ("client_secret", SECRET),
        ("callback_url", "https://user:Pass-Word@hooks.example.com/meta?t=Query-Secret"),
        ("fields", &page),
        ("subscribed_fields", &page),
        ("object", &page),
        ("status", &page),
        (&page, "x"),
    ];
    for path in ["/v25.0/me/subscribed_apps", "/v25.0/app/subscriptions", &format!("/v25.0/{page}/{page}")] {
        api.post(&page, path, &everything).await;
        api.post(&app_token(), path, &everything).await;
        let url = format!("{}{path}", api.sandbox.url());
        api.client.post(url).form(&everything).send().await.unwrap();
    }
    let ledger = serde_json::to_string(&api.sandbox.ledger()).unwrap();
    for secret in [&page, SECRET, &page_proof, "Verify-Me", "Pass-Word", "Query-Secret"] {
        assert!(!ledger.contains(secret), "{secret} is in the ledger: {ledger}");
    }
    assert!(ledger.contains("\"callback_url\":\"https://hooks.example.com/meta\""));
    let state = serde_json::to_string(&api.sandbox.state()).unwrap();
    assert!(!state.contains("EAA") && !state.contains(SECRET), "{state}");
    let seed = graph_sandbox::Seed::from_yaml(include_str!("seed.yaml")).unwrap();
    let printed = format!("{seed:?}");
    assert!(!printed.contains("EAA") && !printed.contains(SECRET), "{printed}");
}
