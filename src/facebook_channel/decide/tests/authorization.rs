//! Whether the channel is authorised.

use super::scene::*;
use crate::api::conditions::ConditionType::{Authorized, Claimed, Connected, Disconnected, Expired, PageUsable, Ready};
use crate::graph::{
    AppReason, CutReason, EndReason, GranularScope, GraphFault, Operation, TokenInfo, TokenKind, Verdict,
};

fn invalid(code: u32, subcode: impl Into<Option<u32>>, text: &str) -> TokenInfo {
    TokenInfo { is_valid: false, error: Some(GraphFault::new(code, subcode.into(), text)), ..token_info() }
}

/// Expired is True, and a person must authorise again.
fn is_expired(outcome: &Outcome, reason: &str) {
    outcome.stalled(reason);
    let (no, yes) = (format!("False/{reason}"), format!("True/{reason}"));
    outcome.shows(&[(Authorized, &no), (Connected, &no), (Expired, &yes), (Disconnected, &no)]);
    outcome.no_mutation();
}

/// Disconnected is True: the authorisation did not end, but the link is cut.
fn is_cut(outcome: &Outcome, reason: &str) {
    outcome.stalled(reason);
    let (no, yes) = (format!("False/{reason}"), format!("True/{reason}"));
    outcome.shows(&[(Authorized, &no), (Connected, &no), (Expired, "False/NotExpired"), (Disconnected, &yes)]);
    outcome.no_mutation();
}

#[test]
fn a_fitting_token_is_authorized_and_everything_is_ready() {
    let outcome = Scene::healthy().decide();
    outcome.shows(&[
        (Ready, "True/Reached"),
        (Connected, "True/Linked"),
        (Expired, "False/NotExpired"),
        (Disconnected, "False/Linked"),
        (Authorized, "True/TokenValid"),
    ]);
    assert_eq!(outcome.status().next_step, None);
    outcome.no_mutation();
}

#[test]
fn a_token_that_debug_token_calls_invalid_is_expired_with_the_cause() {
    let rows = [
        (Some(invalid(190, 458, "has not authorized application")), "AppRemoved"),
        (Some(invalid(190, 459, "checkpoint")), "CheckpointRequired"),
        (Some(invalid(190, 460, "changed their password")), "PasswordChanged"),
        (Some(invalid(190, 463, "Session has expired")), "TokenExpired"),
        (Some(invalid(190, None, "Session has expired on Sunday")), "TokenExpired"),
        (Some(invalid(190, 464, "not a confirmed user")), "UserInvalid"),
        (Some(invalid(190, 466, "ended by an API call")), "SessionInvalidated"),
        (Some(invalid(190, 467, "logged out")), "SessionInvalidated"),
        (Some(invalid(190, None, "could not be decrypted")), "SessionInvalidated"),
        (Some(invalid(190, 493, "data access")), "DataAccessExpired"),
        (Some(invalid(100, None, "a cause of another kind")), "SessionInvalidated"),
        (None, "SessionInvalidated"),
    ];
    for (info, reason) in rows {
        let info = info.unwrap_or(TokenInfo { is_valid: false, ..token_info() });
        let outcome = Scene::debugged(Ok(info)).decide();
        is_expired(&outcome, reason);
        let step = outcome.status().next_step.as_deref().unwrap();
        assert!(step.contains("must authorise app 1111000011110000 again"), "{step}");
        assert!(step.contains("key token of Secret tenant-a/shop-token"), "{step}");
        let log_in_first = ["CheckpointRequired", "UserInvalid"].contains(&reason);
        assert_eq!(step.starts_with("The person must first log in"), log_in_first, "{step}");
        assert!(outcome.message(Authorized).contains(&format!("granted by person {PERSON}")));
    }
}

#[test]
fn a_clock_that_is_over_is_an_end_even_if_debug_token_still_says_valid() {
    let over = Some(now());
    let rows = [
        (TokenInfo { expires_at: over, ..token_info() }, "TokenExpired"),
        (TokenInfo { data_access_expires_at: over, ..token_info() }, "DataAccessExpired"),
        (TokenInfo { expires_at: over, data_access_expires_at: over, ..token_info() }, "TokenExpired"),
    ];
    for (info, reason) in rows {
        let outcome = Scene::debugged(Ok(info)).decide();
        is_expired(&outcome, reason);
        assert!(outcome.message(Authorized).contains("2026-03-01T12:00:00Z"), "{}", outcome.message(Authorized));
    }
    let second_left = Some(at("2026-03-01T12:00:01Z"));
    let living = TokenInfo { expires_at: second_left, data_access_expires_at: second_left, ..token_info() };
    Scene::with(|scene| scene.seen.asked.token = Some(Ok(living))).decide().shows(&[(Authorized, "True/TokenValid")]);
}

#[test]
fn a_token_that_does_not_fit_is_cut_and_not_expired() {
    let granular = |targets: &[&str]| {
        vec![GranularScope { scope: "pages_messaging".to_owned(), target_ids: Some(words(targets)) }]
    };
    let rows = [
        (TokenInfo { app_id: Some(OTHER_APP.to_owned()), ..token_info() }, "WrongApp"),
        // Of another application's token nothing else matters.
        (TokenInfo { app_id: Some(OTHER_APP.to_owned()), is_valid: false, ..token_info() }, "WrongApp"),
        (TokenInfo { kind: Some(TokenKind::User), profile_id: None, ..token_info() }, "WrongTokenType"),
        (TokenInfo { kind: Some(TokenKind::App), profile_id: None, ..token_info() }, "WrongTokenType"),
        (TokenInfo { kind: Some(TokenKind::SystemUser), profile_id: None, ..token_info() }, "WrongTokenType"),
        (TokenInfo { kind: Some(TokenKind::Other), ..token_info() }, "WrongTokenType"),
        (TokenInfo { profile_id: Some(OTHER_PAGE.to_owned()), ..token_info() }, "WrongPage"),
        (TokenInfo { profile_id: None, ..token_info() }, "WrongPage"),
        (TokenInfo { scopes: words(&SCOPES[..2]), ..token_info() }, "ScopeMissing"),
        (TokenInfo { scopes: vec![], ..token_info() }, "ScopeMissing"),
        (TokenInfo { granular_scopes: granular(&[OTHER_PAGE]), ..token_info() }, "NotInGrant"),
        (TokenInfo { granular_scopes: granular(&[]), ..token_info() }, "NotInGrant"),
        (invalid(190, 492, "appropriate role"), "RoleLost"),
        (invalid(190, None, "must be granted before impersonating a user's page"), "NotInGrant"),
    ];
    for (info, reason) in rows {
        is_cut(&Scene::debugged(Ok(info)).decide(), reason);
    }
    let named = TokenInfo { granular_scopes: granular(&[OTHER_PAGE, PAGE]), ..token_info() };
    Scene::with(|scene| scene.seen.asked.token = Some(Ok(named))).decide().shows(&[(Authorized, "True/TokenValid")]);
}

#[test]
fn missing_scopes_are_named() {
    let info = TokenInfo { scopes: words(&["pages_show_list"]), ..token_info() };
    let outcome = Scene::debugged(Ok(info)).decide();
    let message = outcome.message(Authorized);
    assert!(message.starts_with("The page token lacks pages_manage_metadata, pages_messaging ("), "{message}");
}

#[test]
fn a_refused_debug_token_blames_the_app_or_a_token_of_another_app_but_nothing_else() {
    let other_app =
        fault(Operation::DebugToken, 100, None, "The App_id in the input_token did not match the Viewing App");
    is_cut(&Scene::debugged(Err(other_app)).decide(), "WrongApp");
    is_cut(
        &Scene::debugged(Err(fault(Operation::DebugToken, 2500, None, "Unknown path components"))).decide(),
        "RequestRejected",
    );

    let app_wide = [
        (101, "Error validating application. Invalid application ID."),
        (190, "Error validating application. Application has been deleted."),
        (1, "Error validating client secret."),
        (100, "Invalid appsecret_proof provided in the API argument"),
        (200, "API access blocked."),
        (190, "Invalid OAuth access token signature."),
        (2635, "You are calling a deprecated version of the API."),
    ];
    for (code, text) in app_wide {
        let outcome = Scene::debugged(Err(fault(Operation::DebugToken, code, None, text))).decide();
        outcome.reconciling("Unknown/AppUnverified");
        outcome.shows(&[(Authorized, "Unknown/AppUnverified"), (Expired, "Unknown/AppUnverified")]);
        outcome.no_mutation();
    }
}

#[test]
fn a_refused_page_call_ends_or_cuts_the_authorization() {
    use CutReason::{NotInGrant, RoleLost, ScopeMissing, WrongApp};
    use EndReason::*;
    let ends = [
        TokenExpired,
        PasswordChanged,
        AppRemoved,
        SessionInvalidated,
        CheckpointRequired,
        UserInvalid,
        DataAccessExpired,
    ];
    let scope = |scope: Option<&str>| Verdict::AccessCut(ScopeMissing { scope: scope.map(str::to_owned) });
    let cuts = [
        (Verdict::AccessCut(RoleLost), "RoleLost"),
        (Verdict::AccessCut(NotInGrant), "NotInGrant"),
        (scope(Some("pages_messaging")), "ScopeMissing"),
        (scope(None), "ScopeMissing"),
        (Verdict::AccessCut(WrongApp), "WrongApp"),
        // debug_token, a call with the app token alone, has just worked: the fault is this token's.
        (Verdict::AppSuspect, "WrongApp"),
        (Verdict::AppBroken(AppReason::SecretMismatch), "WrongApp"),
    ];
    for call in ["page", "subscriptions", "subscribe"] {
        let refused = |verdict: &Verdict| {
            let refusal = refusal(verdict.clone());
            Scene::with(|scene| match call {
                "page" => scene.seen.asked.page = Some(Err(refusal)),
                "subscriptions" => scene.seen.asked.subscriptions = Some(Err(refusal)),
                _ => {
                    scene.seen.asked.subscriptions = Some(Ok(vec![]));
                    scene.seen.asked.subscribed = Some(Err(refusal));
                }
            })
            .decide()
        };
        for end in ends {
            is_expired(&refused(&Verdict::TokenEnded(end)), end.as_str());
        }
        for (verdict, reason) in &cuts {
            is_cut(&refused(verdict), reason);
        }
    }
}

#[test]
fn a_scope_that_a_page_call_names_is_named() {
    let text = "(#200) To subscribe to the messages field, one of these permissions is needed: pages_messaging";
    let outcome = Scene::with(|scene| {
        scene.seen.asked.subscriptions = Some(Ok(vec![]));
        scene.seen.asked.subscribed = Some(Err(fault(Operation::SubscribePage, 200, None, text)));
    })
    .decide();
    is_cut(&outcome, "ScopeMissing");
    assert!(outcome.message(Authorized).starts_with("The page token lacks pages_messaging (code 200)"));
}

#[test]
fn a_rejected_read_is_a_fault_of_the_operator() {
    for (code, text) in [(100, "Param fields is wrong"), (210, "This call requires a Page access token."), (15, "x")] {
        let outcome =
            Scene::with(|scene| scene.seen.asked.page = Some(Err(fault(Operation::ReadPage, code, None, text))));
        is_cut(&outcome.decide(), "RequestRejected");
    }
}

#[test]
fn what_only_concerns_a_message_leaves_the_authorization_alone() {
    let outcome = Scene::with(|scene| scene.seen.asked.page = Some(Err(refusal(Verdict::NotChannelHealth)))).decide();
    outcome.shows(&[(Authorized, "True/TokenValid"), (PageUsable, "Unknown/Unreadable")]);
    outcome.reconciling("Unknown/Unreadable");
    assert!(outcome.message(PageUsable).contains("code 1"), "{}", outcome.message(PageUsable));
    outcome.shows(&[(Claimed, "True/Held")]);
}
