//! Every switch changes what it says it changes.

use graph_sandbox::AppChange;
use serde_json::json;

use crate::desk;
use crate::support::*;

const PATH: &str = "/v25.0/2200000000000001";
const SUBSCRIBED: &str = "/v25.0/2200000000000001/subscribed_apps";
const SUBSCRIPTIONS: &str = "/v25.0/1111000011110000/subscriptions";

/// A sandbox with one switch in another position.
async fn with(name: &str, value: &str) -> Api {
    let api = Api::start().await;
    api.sandbox.set_switch(name, value).unwrap();
    api
}

#[tokio::test]
async fn versions() {
    let page = format!("/{PAGE_A}");
    let dead = with("dead_version", "refused").await;
    assert_eq!(dead.get(&token("page-a"), "/v20.0/me", &[]).await.refusal(), (400, 2500, None));
    let deprecated = with("dead_version", "deprecated").await;
    let (status, code, _, message) = deprecated.get(&token("page-a"), "/v20.0/me", &[]).await.refused();
    assert_eq!((status, code), (400, 2635));
    assert!(message.starts_with("(#2635) You are calling a deprecated version"), "{message}");
    let none = with("no_version", "refused").await;
    assert_eq!(none.get(&token("page-a"), &page, &[]).await.refusal(), (400, 2500, None));
    let unknown = with("unknown_version", "served").await;
    let answer = unknown.get(&token("page-a"), "/v99.0/me", &[]).await;
    assert_eq!(answer.headers["facebook-api-version"], "v26.0");
}

#[tokio::test]
async fn app_tokens_may_be_exempt_from_proofs() {
    let api = with("app_token_proof", "exempt").await;
    let change = graph_sandbox::AppChange { require_proof: Some(true), ..Default::default() };
    api.sandbox.change_app(APP, change).unwrap();
    api.get(&app_token(), "/v25.0/app", &[]).await.ok();
    assert_eq!(api.get(&token("page-a"), PATH, &[]).await.refusal(), (400, 100, None));
}

#[tokio::test]
async fn token_errors() {
    let api = with("token_error_subcode", "absent").await;
    api.sandbox.set_switch("token_error_status", "status_401").unwrap();
    assert_eq!(api.get(&token("expired"), PATH, &[]).await.refusal(), (401, 190, None));
    assert_eq!(api.get("garbage", PATH, &[]).await.refusal(), (401, 190, None));
    let debug = api.get(&app_token(), "/v25.0/debug_token", &[("input_token", &token("expired"))]).await.ok();
    assert_eq!(debug["data"]["error"]["subcode"], 463);
    api.sandbox.change_app(APP, AppChange { deleted: Some(true), ..AppChange::default() }).unwrap();
    assert_eq!(api.get(&token("page-a"), PATH, &[]).await.refusal(), (401, 190, None));
    let api = with("unknown_app", "code_190").await;
    assert_eq!(api.get("8888000088880000|x", PATH, &[]).await.refusal(), (400, 190, None));
}

#[tokio::test]
async fn names_that_are_no_ids() {
    let api = with("unknown_alias", "code_100").await;
    assert_eq!(api.get(&token("page-a"), "/v25.0/acme", &[]).await.refusal(), (400, 100, Some(33)));
}

#[tokio::test]
async fn headers() {
    let api = Api::start().await;
    api.post_control("usage", json!({"page": PAGE_A, "percent": 97})).await.ok();
    let answer = api.get(&token("page-a"), PATH, &[]).await;
    assert!(!answer.headers.contains_key("x-page-usage") && answer.headers.contains_key("facebook-api-version"));
    api.sandbox.set_switch("page_usage_header", "present").unwrap();
    api.sandbox.set_switch("version_header", "absent").unwrap();
    let answer = api.get(&token("page-a"), PATH, &[]).await;
    let usage: serde_json::Value = serde_json::from_str(answer.headers["x-page-usage"].to_str().unwrap()).unwrap();
    assert_eq!(usage, json!({"call_count": 97, "total_time": 48, "total_cputime": 24}));
    assert!(!answer.headers.contains_key("facebook-api-version"));
    assert!(!api.get("garbage", PATH, &[]).await.headers.contains_key("facebook-api-version"));
    assert!(!api.get(&app_token(), "/v25.0/app", &[]).await.headers.contains_key("x-page-usage"));
}

#[tokio::test]
async fn logins() {
    let api = Api::of_people().await;
    let login = json!({"authorize": {"app": APP, "redirect_uri": REDIRECT}});
    let code = api.person(login).await["code"].as_str().unwrap().to_owned();
    let elsewhere = [("code", code.as_str()), ("redirect_uri", "https://acme.example.com/other")];
    assert_eq!(api.exchange(&elsewhere).await.refusal(), (400, 100, Some(36008)));
    api.sandbox.set_switch("code_subcodes", "absent").unwrap();
    assert_eq!(api.exchange(&elsewhere).await.refusal(), (400, 100, None));
    let right = [("code", code.as_str()), ("redirect_uri", REDIRECT)];
    api.exchange(&right).await.ok();
    assert_eq!(api.exchange(&right).await.refusal(), (400, 100, Some(36009)));

    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let back = async || {
        let query = [("client_id", APP), ("redirect_uri", REDIRECT), ("decision", "no")];
        let url = format!("{}/v25.0/dialog/oauth", api.sandbox.url());
        let answer = client.post(url).form(&query).send().await.unwrap();
        answer.headers()["location"].to_str().unwrap().to_owned()
    };
    assert!(back().await.contains("error=access_denied&error_code=200&"));
    api.sandbox.set_switch("refused_login_code", "absent").unwrap();
    assert!(back().await.contains("error=access_denied&error_description="));
}

#[tokio::test]
async fn app_checks() {
    let api = with("app_roles_user", "object").await;
    let roles = api.get(&app_token(), "/v25.0/app/roles", &[]).await.ok();
    assert_eq!(roles["data"][0], json!({"user": {"id": PERSON}, "role": "administrators"}));
    let api = desk::start().await;
    let live = [("pages_messaging".to_owned(), graph_sandbox::PermissionStatus::Live)].into();
    let change = graph_sandbox::AppChange { permissions: live, ..Default::default() };
    api.sandbox.change_app(APP, change).unwrap();
    api.send("acme-a", desk::OURS, json!({})).await.ok();
    api.sandbox.set_switch("live_permission", "roles").unwrap();
    assert_eq!(api.send("acme-a", desk::OURS, json!({})).await.refusal(), (403, 200, Some(2_018_028)));
}

#[tokio::test]
async fn data_access() {
    let api = Api::start().await;
    api.sandbox.advance_clock(jiff::SignedDuration::from_hours(24 * 91)).unwrap();
    api.get(&token("page-a"), PATH, &[]).await.ok();
    api.sandbox.set_switch("data_access_over", "refused").unwrap();
    assert_eq!(api.get(&token("page-a"), PATH, &[]).await.refusal(), (400, 190, Some(493)));
    let debug = api.get(&app_token(), "/v25.0/debug_token", &[("input_token", &token("page-a"))]).await.ok();
    assert_eq!(debug["data"]["is_valid"], true);
}

#[tokio::test]
async fn page_fields() {
    let api = with("page_fields_scope", "strict").await;
    api.get(&token("page-a"), PATH, &[("fields", "id,name,access_token")]).await.ok();
    let answer = api.get(&token("page-a"), PATH, &[("fields", "is_published")]).await;
    assert_eq!(answer.refusal(), (400, 10, None));
    api.get(&token("page-a-full"), PATH, &[("fields", "is_published")]).await.ok();
}

#[tokio::test]
async fn app_subscriptions() {
    let callback = Callback::start(Behavior::Challenge).await;
    let api = callback.sandbox().await;
    for (name, value) in [
        ("subscriptions_post", "merge"),
        ("subscriptions_success", "text"),
        ("subscriptions_delete_all", "refused"),
        ("app_edge_wrong_token", "code_190"),
    ] {
        api.sandbox.set_switch(name, value).unwrap();
    }
    let order = [
        ("object", "page"),
        ("callback_url", "https://hooks.example.com/meta"),
        ("fields", "feed,messages"),
        ("verify_token", "x"),
    ];
    assert_eq!(api.post(&app_token(), SUBSCRIPTIONS, &order).await.ok(), json!({"success": "true"}));
    assert_eq!(api.sandbox.state().apps[APP].subscriptions["page"].fields, ["standby", "feed", "messages"]);
    assert_eq!(api.delete(&app_token(), SUBSCRIPTIONS, &[]).await.refusal(), (400, 100, None));
    let (_, code, _, message) = api.get(&token("page-a"), SUBSCRIPTIONS, &[]).await.refused();
    assert_eq!((code, message.as_str()), (190, "(#190) Application Secret required"));

    let callback = Callback::start(Behavior::SaysHello).await;
    let api = callback.sandbox().await;
    api.sandbox.set_switch("challenge_mismatch", "code_2201").unwrap();
    let (_, code, _, message) = api.post(&app_token(), SUBSCRIPTIONS, &order).await.refused();
    assert_eq!(code, 2201);
    assert!(message.starts_with("(#2201) response does not match challenge, expected value=\""), "{message}");
}

#[tokio::test]
async fn page_subscriptions() {
    let api = with("page_subscriptions_list", "own").await;
    let rows = api.get(&token("page-a"), SUBSCRIBED, &[("fields", "id")]).await.ok();
    assert_eq!(rows, json!({"data": [{"id": APP}]}));
    api.sandbox.set_switch("page_subscribe_post", "add").unwrap();
    api.post(&token("page-a"), SUBSCRIBED, &[("subscribed_fields", "messages,standby")]).await.ok();
    assert_eq!(api.page_row(PAGE_A).unwrap(), ["messages", "feed", "standby"]);
    api.sandbox.set_switch("page_unsubscribe_token", "page_or_app").unwrap();
    assert_eq!(api.delete(&token("user"), SUBSCRIBED, &[]).await.refusal(), (400, 15, None));
    assert_eq!(api.delete(&token("page-a-full"), SUBSCRIBED, &[]).await.refusal(), (403, 200, None));
    api.delete(&token("page-a"), SUBSCRIBED, &[]).await.ok();
    assert!(api.page_row(PAGE_A).is_none());
    api.sandbox.set_switch("page_unsubscribe_absent", "refused").unwrap();
    assert_eq!(api.delete(&app_token(), SUBSCRIBED, &[]).await.refusal(), (400, 100, Some(33)));
}

#[tokio::test]
async fn conversations() {
    for (value, expected) in
        [("code_10", (400, 10, None)), ("code_100", (400, 100, None)), ("code_200", (403, 200, None))]
    {
        let api = desk::start_with("take_without_switch", value).await;
        assert_eq!(api.thread("other-a", "take", desk::OURS, &[]).await.refusal(), expected);
    }
    let api = desk::start_with("request_with_routing", "code_10").await;
    assert_eq!(api.thread("other-a", "request", desk::OURS, &[]).await.refusal(), (400, 10, None));
    api.sandbox.set_switch("request_with_routing", "served").unwrap();
    api.thread("other-a", "request", desk::OURS, &[]).await.ok();
    assert!(api.owner("third-a", desk::OURS).await.get("app_id").is_none());
    api.sandbox.set_switch("thread_owner_visibility", "everyone").unwrap();
    assert_eq!(api.owner("third-a", desk::OURS).await["app_id"].to_string(), APP);
    api.sandbox.set_switch("long_text", "served").unwrap();
    api.send("acme-a", desk::OURS, json!({"message": {"text": "x".repeat(2001)}})).await.ok();
}

#[tokio::test]
async fn links_of_lists() {
    let api = desk::start().await;
    api.sandbox.change_app(APP, AppChange { require_proof: Some(true), ..AppChange::default() }).unwrap();
    let bearer = desk::bearer("acme-b");
    let proof = proof(SECRET, &bearer);
    let next = async || {
        let query = [("fields", "id"), ("limit", "3"), ("appsecret_proof", proof.as_str())];
        let list = api.get(&bearer, "/v25.0/me/conversations", &query).await.ok();
        list["paging"]["next"].as_str().unwrap().to_owned()
    };
    let follow = async |link: String| Answer::of(api.client.get(link).send().await.unwrap()).await;
    let link = next().await;
    assert!(link.contains(&bearer) && !link.contains("appsecret_proof"), "{link}");
    assert_eq!(follow(link).await.refusal(), (400, 100, None));
    api.sandbox.set_switch("paging_links", "token_and_proof").unwrap();
    assert_eq!(follow(next().await).await.ok()["data"].as_array().unwrap().len(), 3);
    api.sandbox.set_switch("paging_links", "bare").unwrap();
    let link = next().await;
    assert!(!link.contains(&bearer) && !link.contains(&proof), "{link}");
}

#[tokio::test]
async fn answers_are_dated_by_the_sandboxs_clock_unless_a_fault_says_otherwise() {
    let api = Api::start().await;
    let moment: jiff::Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    api.sandbox.set_clock(moment).unwrap();
    for token in [token("page-a"), "garbage".to_owned()] {
        let date = api.get(&token, PATH, &[]).await.headers["date"].clone();
        assert!(date.to_str().unwrap().starts_with("Tue, 01 Jan 2030 00:0"), "{date:?}");
    }
    let fault = json!({"match": {}, "do": {"headers": {"Date": "none"}}});
    api.sandbox.add_fault(serde_json::from_value(fault).unwrap());
    let answer = api.get(&token("page-a"), PATH, &[]).await;
    assert_eq!(answer.headers.get_all("date").iter().collect::<Vec<_>>(), ["none"]);
}
