//! The login dialog, section 3.1 of the contract.

use graph_sandbox::{AppChange, Block, Options, Seed};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use url::Url;

use crate::support::*;

const SCOPES: (&str, &str) = ("scope", "pages_show_list,pages_messaging");

fn asked<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![("client_id", APP), ("redirect_uri", REDIRECT), ("response_type", "code"), SCOPES];
    all.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    all.extend_from_slice(more);
    all
}

fn browser() -> Client {
    client();
    Client::builder().no_proxy().redirect(Policy::none()).build().unwrap()
}

async fn open(api: &Api, more: &[(&str, &str)]) -> Response {
    let url = format!("{}/v25.0/dialog/oauth", api.sandbox.url());
    browser().get(url).query(&asked(more)).send().await.unwrap()
}

async fn decide(api: &Api, more: &[(&str, &str)]) -> Response {
    let url = format!("{}/v25.0/dialog/oauth", api.sandbox.url());
    browser().post(url).form(&asked(more)).send().await.unwrap()
}

/// Where the browser is sent: base, and a query parameter.
fn target(response: &Response) -> Url {
    assert_eq!(response.status(), 302);
    response.headers()["location"].to_str().unwrap().parse().unwrap()
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn the_page_shows_people_and_pages_and_escapes_everything() {
    let api = Api::of_people().await;
    let response = open(&api, &[("state", "\"><script>alert(1)</script>")]).await;
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    let html = response.text().await.unwrap();
    for part in ["Acme Messaging", "Alex Grantor", "Tess &lt;b&gt;Tester", "pages_messaging", PAGE_A, "Cancel"] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(html.contains("value=\"&quot;&gt;&lt;script&gt;") && !html.contains("<script") && !html.contains("<b>T"));
    assert!(!html.contains("Robot"), "system users do not log in");
}

#[tokio::test]
async fn continuing_leads_back_with_a_code_and_the_state() {
    let api = Api::of_people().await;
    let choice = [("decision", "continue"), ("person", PERSON), ("pages[]", PAGE_B), ("state", "a&b c")];
    let url = target(&decide(&api, &choice).await);
    assert!(url.as_str().starts_with("https://acme.example.com/login?from=meta&code="), "{url}");
    assert_eq!(parameter(&url, "state").as_deref(), Some("a&b c"));
    let code = parameter(&url, "code").unwrap();
    let answer = api.exchange(&[("redirect_uri", REDIRECT), ("code", &code)]).await.ok();
    let pages = api.get(answer["access_token"].as_str().unwrap(), "/v25.0/me/accounts", &[("fields", "id")]).await.ok();
    assert_eq!(pages["data"], serde_json::json!([{"id": PAGE_B}]));
    // The old page token of the other page lost its grant with that.
    assert_eq!(api.get(&person_token("page-a"), "/v25.0/me", &[]).await.refusal(), (400, 190, None));
}

#[tokio::test]
async fn a_configuration_brings_its_own_scopes() {
    let api = Api::of_people().await;
    let choice = [
        ("decision", "continue"),
        ("person", "6600000000000002"),
        ("config_id", "8800000000000001"),
        ("scope", "email"),
    ];
    let code = parameter(&target(&decide(&api, &choice).await), "code").unwrap();
    let answer = api.exchange(&[("redirect_uri", REDIRECT), ("code", &code)]).await.ok();
    let data = api.debug(answer["access_token"].as_str().unwrap()).await;
    assert_eq!(data["scopes"], serde_json::json!(["pages_messaging", "pages_show_list"]));
    assert_eq!(decide(&api, &[("config_id", "8800000000000002")]).await.status(), 400);
}

#[tokio::test]
async fn a_configuration_of_a_system_user_gives_its_endless_token_whoever_agrees() {
    let api = Api::of_people().await;
    let choice = [("decision", "continue"), ("person", PERSON), ("config_id", "8800000000000003"), ("pages[]", PAGE_B)];
    let code = parameter(&target(&decide(&api, &choice).await), "code").unwrap();
    let answer = api.exchange(&[("redirect_uri", REDIRECT), ("code", &code)]).await.ok();
    assert!(answer.get("expires_in").is_none(), "{answer}");
    let data = api.debug(answer["access_token"].as_str().unwrap()).await;
    assert_eq!((&data["type"], &data["user_id"]), (&"SYSTEM_USER".into(), &"6600000000000009".into()), "{data}");
    assert_eq!(data["granular_scopes"][0]["target_ids"], serde_json::json!([PAGE_B]), "{data}");
}

#[tokio::test]
async fn cancelling_leads_back_with_a_refusal() {
    let api = Api::of_people().await;
    let url = target(&decide(&api, &[("decision", "cancel"), ("person", PERSON), ("state", "s")]).await);
    for (name, value) in
        [("error", "access_denied"), ("error_reason", "user_denied"), ("error_code", "200"), ("state", "s")]
    {
        assert_eq!(parameter(&url, name).as_deref(), Some(value), "{name}");
    }
    assert!(parameter(&url, "code").is_none() && parameter(&url, "error_description").is_some());
}

#[tokio::test]
async fn a_stand_in_takes_the_place_of_the_redirect_host() {
    let api = Api::of_people().await;
    let table = [("acme.example.com".to_owned(), "http://127.0.0.1:9".to_owned())].into();
    api.sandbox.set_resolve(table).unwrap();
    let url = target(&decide(&api, &[("decision", "continue"), ("person", PERSON)]).await);
    assert!(url.as_str().starts_with("http://127.0.0.1:9/login?from=meta&code="), "{url}");
    // The code is for the real redirect URI all the same.
    let code = parameter(&url, "code").unwrap();
    api.exchange(&[("redirect_uri", REDIRECT), ("code", &code)]).await.ok();
}

#[tokio::test]
async fn a_browser_finds_its_own_machine_without_a_stand_in() {
    for host in ["localhost:8443", "127.0.0.1:8443", "[::1]:8443"] {
        let local = REDIRECT.replace("acme.example.com", host);
        let seed = Seed::from_yaml(&PEOPLE.replace(REDIRECT, &local)).unwrap();
        let resolve = [(host.to_owned(), "http://127.0.0.1:9".to_owned())].into();
        let api = Api::of(seed, Options { resolve, ..Options::default() }).await;
        let agreed = [("redirect_uri", local.as_str()), ("decision", "continue"), ("person", PERSON)];
        let url = target(&decide(&api, &agreed).await);
        assert!(url.as_str().starts_with(&local), "{url}");
    }
}

#[tokio::test]
async fn mistakes_of_the_app_are_told_to_the_person() {
    let api = Api::of_people().await;
    for (mistake, title) in [
        (("client_id", "8888000088880000"), "Invalid App ID"),
        (("client_id", "<i>"), "Invalid App ID"),
        (("redirect_uri", "https://acme.example.com/login"), "URL Blocked"),
        (("redirect_uri", "https://evil.example/"), "URL Blocked"),
        (("redirect_uri", ""), "URL Blocked"),
        (("response_type", "token"), "Invalid response_type"),
        (("scope", "<img>"), "Invalid Scopes"),
        (("config_id", "x"), "Invalid config_id"),
    ] {
        for response in [open(&api, &[mistake]).await, decide(&api, &[mistake, ("decision", "continue")]).await] {
            assert_eq!(response.status(), 400, "{mistake:?}");
            assert!(response.headers().get("location").is_none());
            let html = response.text().await.unwrap();
            assert!(html.contains(title) && !html.contains("<i>") && !html.contains("<img>"), "{html}");
        }
    }
    for person in ["", "x", "6600000000000009", "6600000000000077"] {
        assert_eq!(decide(&api, &[("decision", "continue"), ("person", person)]).await.status(), 400, "{person}");
    }
    api.sandbox.change_app(APP, AppChange { blocked: Some(Block::Blocked), ..AppChange::default() }).unwrap();
    assert!(open(&api, &[]).await.text().await.unwrap().contains("App not active"));
}

#[tokio::test]
async fn all_pages_win_over_ticked_boxes() {
    let api = Api::of_people().await;
    let choice = [("decision", "continue"), ("person", PERSON), ("pages[]", PAGE_B), ("opt_in", "all")];
    target(&decide(&api, &choice).await);
    let grants = api.sandbox.grants();
    let grant = grants.iter().find(|grant| grant.app == APP && grant.user == PERSON).unwrap();
    assert_eq!(grant.scopes["pages_show_list"], None);
}

/// The verifier and the challenge of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[tokio::test]
async fn a_switch_decides_what_the_proof_of_a_code_counts() {
    let api = Api::of_people().await;
    let proof = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    let choice = [("decision", "continue"), ("person", PERSON)];
    let code = async |more: &[(&str, &str)]| {
        parameter(&target(&decide(&api, &[&choice[..], more].concat()).await), "code").unwrap()
    };
    let exchange = async |code: &str, verifier: Option<&str>| {
        let query = [("redirect_uri", REDIRECT), ("code", code)];
        let verifier = verifier.map(|verifier| ("code_verifier", verifier));
        api.exchange(&query.into_iter().chain(verifier).collect::<Vec<_>>()).await
    };
    // Ignored, whatever is brought.
    for (proof, verifier) in [(&proof[..], None), (&proof[..], Some("x")), (&[], Some("x"))] {
        exchange(&code(proof).await, verifier).await.ok();
    }
    api.sandbox.set_switch("login_pkce", "enforced").unwrap();
    let (proven, plain) = (code(&proof).await, code(&[]).await);
    for (code, verifier) in [(&proven, None), (&proven, Some(CHALLENGE)), (&plain, Some(VERIFIER))] {
        assert_eq!(exchange(code, verifier).await.refusal(), (400, 100, None), "{verifier:?}");
    }
    exchange(&proven, Some(VERIFIER)).await.ok();
    exchange(&plain, None).await.ok();
    api.sandbox.set_switch("login_pkce", "refused").unwrap();
    for response in [open(&api, &proof).await, decide(&api, &[&choice[..], &proof].concat()).await] {
        assert_eq!(parameter(&target(&response), "error").as_deref(), Some("invalid_request"));
    }
    exchange(&code(&[]).await, None).await.ok();
    api.sandbox.set_switch("login_pkce", "refused_at_exchange").unwrap();
    let code = code(&proof).await;
    assert_eq!(exchange(&code, Some(VERIFIER)).await.refusal(), (400, 100, None));
    exchange(&code, None).await.ok();
    // The page carries both on.
    let html = open(&api, &proof).await.text().await.unwrap();
    assert!(proof.iter().all(|(name, value)| html.contains(&format!("name=\"{name}\" value=\"{value}\""))), "{html}");
    assert_eq!(open(&api, &[("code_challenge", VERIFIER), ("code_challenge_method", "plain")]).await.status(), 400);
}
