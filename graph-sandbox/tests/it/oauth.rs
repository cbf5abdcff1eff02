//! `oauth/access_token` and `oauth/revoke`, sections 3.2 to 3.4 and 3.6 of the contract.

use jiff::SignedDuration;
use serde_json::json;

use crate::support::*;

const PATH: &str = "/v25.0/oauth/access_token";

async fn code(api: &Api) -> String {
    let login = json!({"app": APP, "scopes": ["pages_show_list", "pages_messaging"], "pages": [PAGE_A],
        "redirect_uri": REDIRECT});
    api.person(json!({"authorize": login})).await["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_code_gives_a_short_lived_token_once() {
    let api = Api::of_people().await;
    let code = code(&api).await;
    let query = [("redirect_uri", REDIRECT), ("code", code.as_str())];
    let answer = api.exchange(&query).await.ok();
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("bearer"), &json!(5100)));
    let text = answer["access_token"].as_str().unwrap();
    let data = api.debug(text).await;
    assert_eq!((&data["type"], &data["user_id"], &data["is_valid"]), (&json!("USER"), &json!(PERSON), &json!(true)));
    let limited = |scope| json!({"scope": scope, "target_ids": [PAGE_A]});
    let scopes = ["pages_manage_metadata", "pages_messaging", "pages_show_list"];
    assert_eq!(data["granular_scopes"], json!(scopes.map(limited)));
    let used = "This authorization code has been used.";
    assert_eq!(api.exchange(&query).await.refused(), (400, 100, Some(36009), used.to_owned()));
    api.get(text, "/v25.0/me", &[]).await.ok();
}

#[tokio::test]
async fn codes_are_bound_to_app_redirect_and_time() {
    let api = Api::of_people().await;
    let code = code(&api).await;
    let with = async |redirect: &str| api.exchange(&[("redirect_uri", redirect), ("code", &code)]).await;
    for other in ["https://acme.example.com/other", "https://acme.example.com/login?from=met"] {
        assert_eq!(with(other).await.refusal(), (400, 100, Some(36008)));
    }
    let foreign =
        [("client_id", OTHER_APP), ("client_secret", OTHER_SECRET), ("redirect_uri", REDIRECT), ("code", &code)];
    assert_eq!(api.get("", PATH, &foreign).await.refusal(), (400, 100, None));
    assert_eq!(api.exchange(&[("redirect_uri", REDIRECT), ("code", "AQnonsense")]).await.refusal(), (400, 100, None));
    assert_eq!(api.exchange(&[("code", &code)]).await.refusal(), (400, 100, None));
    api.sandbox.advance_clock(SignedDuration::from_mins(10)).unwrap();
    assert_eq!(with(REDIRECT).await.refusal(), (400, 100, Some(36007)));
    api.sandbox.advance_clock(SignedDuration::from_mins(-1)).unwrap();
    api.person(json!({"checkpoint": true})).await;
    assert_eq!(with(REDIRECT).await.refusal(), (400, 190, Some(459)));
    api.person(json!({"checkpoint": false, "removed_app": APP})).await;
    assert_eq!(with(REDIRECT).await.refusal(), (400, 190, Some(458)));
}

#[tokio::test]
async fn apps_must_identify_themselves() {
    let api = Api::of_people().await;
    for (id, secret, code, text) in [
        (Some(APP), Some("wrong"), 1, "Error validating client secret."),
        (Some(APP), Some(OTHER_SECRET), 1, "Error validating client secret."),
        (Some("8888000088880000"), Some(SECRET), 101, "Error validating application. Invalid application ID."),
        (Some("<x>"), Some(SECRET), 101, "Error validating application. Invalid application ID."),
        (None, Some(SECRET), 101, "Missing client_id parameter."),
        (Some(APP), None, 1, "Missing client_secret parameter."),
    ] {
        for grant in ["authorization_code", "fb_exchange_token", "client_credentials"] {
            let id = id.map(|id| ("client_id", id));
            let secret = secret.map(|secret| ("client_secret", secret));
            let query: Vec<_> = [Some(("grant_type", grant)), id, secret].into_iter().flatten().collect();
            assert_eq!(api.get("", PATH, &query).await.refused(), (400, code, None, text.to_owned()));
        }
    }
    assert_eq!(api.exchange(&[("grant_type", "password")]).await.refusal(), (400, 100, None));
    assert_eq!(api.delete("", PATH, &[]).await.refusal(), (400, 100, Some(33)));
}

#[tokio::test]
async fn client_credentials_give_the_app_token() {
    let api = Api::of_people().await;
    let form = [("client_id", APP), ("client_secret", SECRET), ("grant_type", "client_credentials")];
    let url = format!("{}{PATH}", api.sandbox.url());
    let answer = Answer::of(api.client.post(url).form(&form).send().await.unwrap()).await.ok();
    assert_eq!(answer, json!({"access_token": app_token(), "token_type": "bearer"}));
}

#[tokio::test]
async fn a_short_token_becomes_a_long_one_and_stays() {
    let api = Api::of_people().await;
    let exchange =
        async |text: &str| api.exchange(&[("grant_type", "fb_exchange_token"), ("fb_exchange_token", text)]).await;
    let short = person_token("short");
    let answer = exchange(&short).await.ok();
    let expires_in = answer["expires_in"].as_i64().unwrap();
    assert!((5_183_900..=5_184_000).contains(&expires_in), "{expires_in}");
    let long = answer["access_token"].as_str().unwrap();
    assert_ne!(long, short);
    assert!(api.debug(long).await["issued_at"].is_i64());
    api.get(&short, "/v25.0/me", &[]).await.ok();
    // One that is already long keeps its end, unless the switch says otherwise.
    let before = api.debug(&person_token("long")).await["expires_at"].clone();
    let again = exchange(&person_token("long")).await.ok();
    assert_eq!(api.debug(again["access_token"].as_str().unwrap()).await["expires_at"], before);
    api.sandbox.set_switch("long_token_exchange", "extends").unwrap();
    let again = exchange(&person_token("long")).await.ok();
    let after = api.debug(again["access_token"].as_str().unwrap()).await["expires_at"].clone();
    assert!(after.as_i64() > before.as_i64());

    assert_eq!(exchange(&person_token("page-a")).await.refusal(), (400, 100, None));
    assert_eq!(exchange(&person_token("other-app")).await.refusal(), (400, 100, None));
    assert_eq!(exchange(&app_token()).await.refusal(), (400, 100, None));
    assert_eq!(exchange("garbage").await.refusal(), (400, 190, None));
    api.sandbox.advance_clock(SignedDuration::from_hours(2)).unwrap();
    assert_eq!(exchange(&short).await.refusal(), (400, 190, Some(463)));
}

#[tokio::test]
async fn a_system_user_token_is_renewed_for_sixty_days() {
    let api = Api::of_people().await;
    let robot = person_token("robot");
    let query = [("grant_type", "fb_exchange_token"), ("fb_exchange_token", robot.as_str())];
    assert_eq!(api.exchange(&query).await.refusal(), (400, 100, None));
    api.sandbox.advance_clock(SignedDuration::from_hours(24 * 40)).unwrap();
    let query = [query[0], query[1], ("set_token_expires_in_60_days", "true")];
    let answer = api.exchange(&query).await.ok();
    let new = answer["access_token"].as_str().unwrap();
    assert_ne!(new, robot);
    let data = api.debug(new).await;
    let end = api.sandbox.now().as_second() + 60 * 86400;
    assert!((data["expires_at"].as_i64().unwrap() - end).abs() < 60);
    assert_eq!((&data["type"], &data["data_access_expires_at"]), (&json!("SYSTEM_USER"), &json!(0)));
    api.get(&robot, "/v25.0/me", &[]).await.ok();
    api.sandbox.advance_clock(SignedDuration::from_hours(24 * 20)).unwrap();
    assert_eq!(api.exchange(&query).await.refusal(), (400, 190, Some(463)));
    api.get(new, "/v25.0/me", &[]).await.ok();
}

#[tokio::test]
async fn one_token_is_revoked_with_what_came_from_it() {
    let api = Api::of_people().await;
    let (robot, admin) = (person_token("robot"), person_token("admin"));
    let revoke = async |caller: &str, secret: &str, text: &str| {
        let query = [("client_id", APP), ("client_secret", secret), ("revoke_token", text)];
        api.get(caller, "/v25.0/oauth/revoke", &query).await
    };
    assert_eq!(revoke("", SECRET, &robot).await.refusal(), (400, 2500, None));
    assert_eq!(revoke(&admin, "wrong", &robot).await.refusal(), (400, 1, None));
    assert_eq!(revoke(&person_token("other-app"), SECRET, &robot).await.refusal(), (400, 100, None));
    assert_eq!(revoke(&admin, SECRET, &person_token("other-app")).await.refusal(), (400, 100, None));
    assert_eq!(revoke(&admin, SECRET, &robot).await.ok(), json!({"success": true}));
    for alias in ["robot", "page-a-robot"] {
        assert_eq!(api.get(&person_token(alias), "/v25.0/me", &[]).await.refusal(), (400, 190, Some(466)), "{alias}");
    }
    assert_eq!(revoke(&admin, SECRET, &robot).await.refusal(), (400, 190, Some(466)));
}

#[tokio::test]
async fn the_ledger_sees_who_but_no_secret() {
    let api = Api::of_people().await;
    let code = code(&api).await;
    api.exchange(&[("redirect_uri", REDIRECT), ("code", &code)]).await.ok();
    let short = person_token("short");
    let answer = api.exchange(&[("grant_type", "fb_exchange_token"), ("fb_exchange_token", &short)]).await.ok();
    let entry = api.last_entry();
    assert_eq!(entry.template.as_deref(), Some("/{version}/oauth/access_token"));
    assert_eq!(entry.inspected.as_ref().and_then(|token| token.alias.as_deref()), Some("short"));
    assert_eq!((entry.params["client_id"].as_str(), entry.params["client_secret"].as_str()), (APP, "<hidden>"));
    assert_eq!(entry.params["grant_type"], "fb_exchange_token");
    let ledger = serde_json::to_string(&api.sandbox.ledger()).unwrap();
    for secret in [SECRET, &code, &short, answer["access_token"].as_str().unwrap()] {
        assert!(!ledger.contains(secret), "{ledger}");
    }
    api.fault(json!({"match": {"app": APP}, "do": {"graph_error": {"code": 2}}}));
    assert_eq!(api.exchange(&[("grant_type", "client_credentials")]).await.refusal(), (400, 2, None));
}
