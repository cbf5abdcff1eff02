use secrecy::SecretString;
use serde_json::json;

use super::super::testing::*;
use super::super::{Operation, classify};
use super::*;

const NEW: &str = "EAABnew0123456789_abc.DEF-x";
const CODE: &str = "AQDcode-of-the-login-0123456789";
const REDIRECT: &str = "https://hooks.example.com/oauth/callback";

#[tokio::test]
async fn a_code_is_exchanged_in_the_body_and_nowhere_else() {
    let graph = Double::json(&json!({"access_token": NEW, "token_type": "bearer", "expires_in": 5100})).await;
    let token = graph.client().exchange_code(V, &app(), REDIRECT, &CODE.into(), None).await.expect("a token");
    assert_eq!(token.expose(), NEW);
    let seen = graph.only();
    assert_eq!((seen.method.as_str(), seen.uri.to_string().as_str()), ("POST", "/v25.0/oauth/access_token"));
    assert_eq!(seen.header("authorization"), "");
    let expected = [("client_id", APP_ID), ("client_secret", SECRET), ("redirect_uri", REDIRECT), ("code", CODE)];
    let expected: Vec<(String, String)> = expected.map(|(name, value)| (name.into(), value.into())).into();
    assert_eq!(Seen::parameters(&seen.body), expected);
}

#[tokio::test]
async fn the_verifier_goes_with_the_code_in_the_body_and_is_shown_by_no_error() {
    let verifier = SecretString::from("verifier-of-the-login-0123456789-0123456789");
    let answer = json!({"error": {"code": 100, "message": format!("no: {}", verifier.expose_secret())}});
    let graph = Double::answering([json(400, &answer)]).await;
    let exchanged = graph.client().exchange_code(V, &app(), REDIRECT, &CODE.into(), Some(&verifier)).await;
    let error = exchanged.expect_err("refused");
    assert!(!format!("{error} {error:?}").contains(verifier.expose_secret()), "{error:?}");
    let seen = graph.only();
    assert_eq!(seen.uri.to_string(), "/v25.0/oauth/access_token");
    let sent = Seen::parameters(&seen.body);
    assert!(sent.contains(&("code_verifier".to_owned(), verifier.expose_secret().to_owned())), "{sent:?}");
}

#[tokio::test]
async fn a_code_that_is_refused_shows_nothing_secret() {
    let code = SecretString::from(CODE);
    let rows = [
        (
            json!({"error": {"code": 100, "error_subcode": 36009, "message": format!("used: {CODE}")}}),
            "request_rejected",
        ),
        (json!({"error": {"code": 1, "message": format!("Error validating client secret. {SECRET}")}}), "app_broken"),
        (json!({"error": {"code": 101, "message": "Error validating application."}}), "app_broken"),
        (json!({"error": {"code": 2, "message": CODE}}), "no_answer"),
        (json!({"error": {"code": 191, "message": "redirect_uri isn't an absolute URI"}}), "redirect_uri_refused"),
        (json!({"error": {"code": 100, "error_subcode": 36008, "message": CODE}}), "redirect_uri_refused"),
        (
            json!({"error": {"code": 100, "message": "Please make sure your redirect_uri is identical to the one you used"}}),
            "redirect_uri_refused",
        ),
        (
            json!({"error": {"code": 100, "message": "Can't Load URL: The domain of this URL isn't included in the app's domains"}}),
            "redirect_uri_refused",
        ),
        (json!({"error": {"code": 191, "is_transient": true, "message": "x"}}), "no_answer"),
        // It is the person who is refused, not the application.
        (
            json!({"error": {"code": 190, "error_subcode": 458, "message": "has not authorized application"}}),
            "token_ended",
        ),
        (json!({"error": {"code": 190, "error_subcode": 459, "message": "checkpoint"}}), "token_ended"),
        (json!({"error": {"code": 190, "message": "Invalid OAuth access token"}}), "app_broken"),
    ];
    for (answer, class) in rows {
        let graph = Double::answering([json(400, &answer)]).await;
        let error = graph.client().exchange_code(V, &app(), REDIRECT, &code, None).await.expect_err(class);
        assert_eq!(classify(&error, Operation::RedeemCode).class(), class);
        let told = format!("{error} {error:?}");
        assert!(!told.contains(CODE) && !told.contains(SECRET), "{told}");
    }
}

#[tokio::test]
async fn the_person_behind_a_token_has_a_name_or_none() {
    let rows = [(json!({"id": "66", "name": "Ada\u{202e} Lovelace"}), Some("Ada Lovelace")), (json!({"id": 66}), None)];
    for (answer, name) in rows {
        let graph = Double::json(&answer).await;
        let person = graph.client().person(V, &app(), &token()).await.expect("a person");
        assert_eq!((person.id.as_str(), person.name.as_deref()), ("66", name));
        let seen = graph.only();
        assert_eq!(seen.uri.path(), "/v25.0/me");
        assert_eq!(seen.header("authorization"), format!("Bearer {TOKEN}"));
    }
}
