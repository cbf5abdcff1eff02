//! Tokens, proofs and blocked apps, sections 1.3 to 1.6 of the contract.

use graph_sandbox::{AppChange, Block, Invalidation, PageChange};
use jiff::SignedDuration;
use reqwest::header;

use crate::support::*;

const PATH: &str = "/v25.0/2200000000000001";

#[tokio::test]
async fn the_token_may_stand_in_header_query_form_and_json() {
    let api = Api::start().await;
    let (page, url) = (token("page-a"), format!("{}{PATH}/subscribed_apps", api.sandbox.url()));
    let form = [("access_token", page.as_str()), ("subscribed_fields", "feed")];
    let json = serde_json::json!({"access_token": page, "subscribed_fields": ["feed", "messages"]});
    let requests = [
        api.client.get(&url).query(&[("access_token", &page)]),
        api.client.get(&url).header("authorization", format!("OAuth {page}")),
        api.client.post(&url).form(&form),
        api.client.post(&url).json(&json),
        api.client.post(&url).query(&form),
    ];
    for request in requests {
        Answer::of(request.send().await.unwrap()).await.ok();
    }
    assert_eq!(api.page_row(PAGE_A).unwrap(), ["feed"]);
}

#[tokio::test]
async fn no_token_at_all() {
    let api = Api::start().await;
    let answer = api.client.get(format!("{}{PATH}", api.sandbox.url())).send().await.unwrap();
    let text = "An active access token must be used to query information about the current user.";
    assert_eq!(Answer::of(answer).await.refused(), (400, 2500, None, text.to_owned()));
}

#[tokio::test]
async fn unknown_tokens() {
    let api = Api::start().await;
    for (text, code, message) in [
        ("garbage", 190, "Invalid OAuth access token - Cannot parse access token"),
        ("EAAbutunknown", 190, "Malformed access token EAAbutunknown"),
        ("1111000011110000|wrong", 190, "Invalid OAuth access token signature."),
        ("8888000088880000|x", 101, "Error validating application. Invalid application ID."),
        ("|", 101, "Error validating application. Invalid application ID."),
    ] {
        let answer = api.get(text, PATH, &[]).await;
        let challenge = answer.headers[header::WWW_AUTHENTICATE].to_str().unwrap().to_owned();
        assert_eq!(challenge, format!("OAuth \"Facebook Platform\" \"invalid_token\" \"{message}\""));
        assert_eq!(answer.refused(), (400, code, None, message.to_owned()));
    }
}

#[tokio::test]
async fn tokens_expire_by_the_sandboxs_clock() {
    let api = Api::start().await;
    api.sandbox.set_clock("2026-11-23T03:54:40Z".parse().unwrap()).unwrap();
    let (status, code, subcode, message) = api.get(&token("expired"), PATH, &[]).await.refused();
    assert_eq!((status, code, subcode), (400, 190, Some(463)));
    let told = "Error validating access token: Session has expired on Tuesday, 06-Oct-26 00:00:00 PDT. \
                The current time is Sunday, 22-Nov-26 19:5";
    assert!(message.starts_with(told) && message.ends_with(" PST."), "{message}");

    assert_eq!(api.get(&token("user"), PATH, &[]).await.status, 200);
    api.sandbox.advance_clock(SignedDuration::from_hours(24 * 1000)).unwrap();
    assert_eq!(api.get(&token("user"), PATH, &[]).await.refusal(), (400, 190, Some(463)));
    assert_eq!(api.get(&token("page-a"), PATH, &[]).await.status, 200);
}

#[tokio::test]
async fn ended_tokens_give_metas_text_or_the_seeds() {
    let api = Api::start().await;
    for (subcode, message) in [
        (Some(458), "The user has not authorized application 1111000011110000."),
        (
            Some(460),
            "The session has been invalidated because the user changed their password or Facebook has \
                     changed the session for security reasons.",
        ),
        (
            Some(464),
            "Sessions for the user 6600000000000001 are not allowed because the user is not a confirmed \
                     user.",
        ),
        (Some(999), "The session is invalid."),
        (None, "The session is invalid."),
    ] {
        api.sandbox.invalidate_token("page-a", Invalidation { subcode, message: None }).unwrap();
        let text = format!("Error validating access token: {message}");
        assert_eq!(api.get(&token("page-a"), PATH, &[]).await.refused(), (400, 190, subcode, text));
    }
    let own = Invalidation { subcode: Some(459), message: Some("checkpoint".into()) };
    api.sandbox.invalidate_token("page-a", own).unwrap();
    let answer = api.get(&token("page-a"), PATH, &[]).await;
    assert_eq!(answer.refused(), (400, 190, Some(459), "checkpoint".to_owned()));
    api.sandbox.restore_token("page-a").unwrap();
    api.get(&token("page-a"), PATH, &[]).await.ok();
}

#[tokio::test]
async fn a_lost_role_ends_the_page_token_until_it_is_given_back() {
    let api = Api::start().await;
    let set = |tasks| {
        let tasks = [("6600000000000001".parse().unwrap(), tasks)].into();
        api.sandbox.change_page(PAGE_A, PageChange { tasks, ..PageChange::default() }).unwrap();
    };
    set(vec![]);
    assert_eq!(api.get(&token("page-a"), PATH, &[]).await.refusal(), (400, 190, Some(492)));
    set(vec![graph_sandbox::Task::Moderate]);
    api.get(&token("page-a"), PATH, &[]).await.ok();
}

#[tokio::test]
async fn proofs_are_checked_against_token_and_app() {
    let api = Api::start().await;
    let page = token("page-a");
    let with = async |token: &str, proof: &str| api.get(token, PATH, &[("appsecret_proof", proof)]).await;
    with(&page, &proof(SECRET, &page)).await.ok();
    let wrong = "Invalid appsecret_proof provided in the API argument";
    for bad in [
        proof(OTHER_SECRET, &page),
        proof(SECRET, &token("page-b")),
        proof(SECRET, &page).to_uppercase(),
        "nonsense".to_owned(),
    ] {
        let answer = with(&page, &bad).await;
        assert_eq!(answer.body["error"]["type"], "GraphMethodException");
        assert_eq!(answer.refused(), (400, 100, None, wrong.to_owned()));
    }
    // A token of another app with our proof is a wrong proof, with its own app's it is a right one.
    let foreign = token("other-app");
    assert_eq!(with(&foreign, &proof(SECRET, &foreign)).await.refused(), (400, 100, None, wrong.to_owned()));
    with(&foreign, &proof(OTHER_SECRET, &foreign)).await.ok();
    // An ended token is told before the proof is looked at.
    let expired = token("expired");
    assert_eq!(with(&expired, "nonsense").await.refusal(), (400, 190, Some(463)));
}

#[tokio::test]
async fn an_app_may_demand_proofs_of_every_token() {
    let api = Api::start().await;
    let change = AppChange { require_proof: Some(true), ..AppChange::default() };
    api.sandbox.change_app(APP, change).unwrap();
    let text = "API calls from the server require an appsecret_proof argument";
    for token in [token("page-a"), token("user"), app_token()] {
        let path = if token.contains('|') { format!("/v25.0/{APP}") } else { PATH.to_owned() };
        assert_eq!(api.get(&token, &path, &[]).await.refused(), (400, 100, None, text.to_owned()));
        api.get(&token, &path, &[("appsecret_proof", &proof(SECRET, &token))]).await.ok();
    }
    api.get(&token("other-app"), PATH, &[]).await.ok();
}

#[tokio::test]
async fn resetting_the_secret_kills_app_tokens_and_proofs_but_no_page_token() {
    let api = Api::start().await;
    let change = AppChange { secret: Some("brand-new-secret".into()), ..AppChange::default() };
    api.sandbox.change_app(APP, change).unwrap();
    let app = format!("/v25.0/{APP}");
    let (_, code, _, message) = api.get(&app_token(), &app, &[]).await.refused();
    assert_eq!((code, message.as_str()), (190, "Invalid OAuth access token signature."));
    api.get(&format!("{APP}|brand-new-secret"), &app, &[]).await.ok();
    let page = token("page-a");
    let old = api.get(&page, PATH, &[("appsecret_proof", &proof(SECRET, &page))]).await;
    assert_eq!(old.refusal(), (400, 100, None));
    api.get(&page, PATH, &[]).await.ok();
}

#[tokio::test]
async fn a_blocked_app_is_shut_out_with_all_its_tokens() {
    let api = Api::start().await;
    for (block, text) in [
        (Block::Blocked, "API access blocked."),
        (Block::Deactivated, "API access deactivated. To reactivate, go to the app dashboard."),
    ] {
        let change = AppChange { blocked: Some(block), ..AppChange::default() };
        api.sandbox.change_app(APP, change).unwrap();
        for (token, path) in [(token("page-a"), PATH), (app_token(), "/v25.0/app"), (token("expired"), PATH)] {
            assert_eq!(api.get(&token, path, &[]).await.refused(), (400, 200, None, text.to_owned()));
        }
        api.get(&token("other-app"), PATH, &[]).await.ok();
    }
}
