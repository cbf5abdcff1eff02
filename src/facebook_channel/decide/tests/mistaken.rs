//! Wrong contents of the Secret, and what debug_token says about them.

use super::authorization::{invalid, is_cut, is_expired};
use super::scene::*;
use crate::api::conditions::ConditionType::Authorized;
use crate::graph::{GraphFault, TokenInfo, TokenKind};

#[test]
fn a_person_learns_what_is_wrong_with_the_token_in_the_secret_and_the_nearest_way_out() {
    let user = TokenInfo { kind: Some(TokenKind::User), profile_id: None, ..token_info() };
    let rows: [(TokenInfo, &str, &[&str]); 4] = [
        (
            user.clone(),
            "not a page token",
            &["me/accounts", "MetaGrant", "Nobody has to log in", "tenant-a/shop-token"],
        ),
        (TokenInfo { kind: Some(TokenKind::SystemUser), ..user.clone() }, "SYSTEM_USER", &["me/accounts"]),
        (
            TokenInfo { profile_id: Some(OTHER_PAGE.into()), ..token_info() },
            OTHER_PAGE,
            &["Put the token of page", "tenant-a/shop-token", "declare a channel with pageId"],
        ),
        (
            TokenInfo { profile_id: None, ..token_info() },
            "not for page",
            &["Put the token of page 2200000000000001 into key token"],
        ),
    ];
    for (info, seen, steps) in rows {
        let outcome = Scene::debugged(Ok(info)).decide();
        let (message, step) = (outcome.message(Authorized), outcome.status().next_step.as_deref().unwrap());
        assert!(message.contains(seen), "{message}");
        assert!(!step.contains("authorize"), "nobody has to: {step}");
        for part in steps {
            assert!(step.contains(part), "no {part:?} in {step}");
        }
    }
    // An application's token leads to no page.
    let outcome = Scene::debugged(Ok(TokenInfo { kind: Some(TokenKind::App), ..user })).decide();
    assert!(outcome.status().next_step.as_deref().unwrap().contains("must authorize"));
}

/// What debug_token says of something that is no token of Meta's: the error, and nothing else.
fn unknown_token(text: &str) -> TokenInfo {
    TokenInfo {
        is_valid: false,
        error: Some(GraphFault::new(190, None, text)),
        app_id: None,
        kind: None,
        user_id: None,
        profile_id: None,
        ..token_info()
    }
}

#[test]
fn a_token_that_meta_does_not_know_was_not_copied_as_it_is_unless_it_was_known_before() {
    for text in ["Malformed access token EAAx", "could not be decrypted", "signature", "Jeton invalide"] {
        let outcome = Scene::debugged(Ok(unknown_token(text))).decide();
        is_cut(&outcome, "TokenUnknown");
        let step = outcome.status().next_step.as_deref().unwrap();
        assert!(
            step.starts_with("The token may have been copied incompletely.") && step.contains("tenant-a/shop-token"),
            "{step}"
        );
        assert!(!step.contains("authorize"), "{step}");
    }
    let before = Scene::healthy().decide();
    let mut scene = Scene::debugged(Ok(unknown_token("Malformed access token"))).after(&before);
    scene.seen.asked.witnessed = true;
    is_expired(&scene.decide(), "SessionInvalidated");
}

#[test]
fn what_debug_token_says_of_a_dead_token_is_told_in_meta_s_words() {
    let outcome = Scene::debugged(Ok(invalid(190, 460, "The user changed their password."))).decide();
    let message = outcome.message(Authorized);
    assert!(message.ends_with("Meta said: \"The user changed their password.\""), "{message}");
    // Other words for the same are no news.
    let again = Scene::debugged(Ok(invalid(190, 460, "Das Passwort wurde geaendert."))).after(&outcome).decide();
    assert_eq!(again.message(Authorized), message);
    let other = Scene::debugged(Ok(invalid(190, 463, "Session has expired"))).after(&outcome).decide();
    assert!(other.message(Authorized).ends_with("\"Session has expired\""), "{}", other.message(Authorized));
}
