//! Whether the channel is authorized.

use jiff::SignedDuration;

use super::scene::*;
use crate::api::conditions::ConditionType::{
    Authorized, Claimed, Connected, Disconnected, Expired, PageUsable, Ready, Reconciling, Stalled, Subscribed,
};
use crate::api::outcome::Class;
use crate::facebook_channel::model::{Mutation, TokenSeen};
use crate::graph::{GranularScope, GraphFault, Operation, TokenInfo, TokenKind, Verdict};
use crate::limits::answer::Refusal;

pub(super) fn invalid(code: u32, subcode: impl Into<Option<u32>>, text: &str) -> TokenInfo {
    TokenInfo { is_valid: false, error: Some(GraphFault::new(code, subcode.into(), text)), ..token_info() }
}

/// Expired is True, and a person must authorize again.
pub(super) fn is_expired(outcome: &Outcome, reason: &str) {
    outcome.stalled(reason);
    let (no, yes) = (format!("False/{reason}"), format!("True/{reason}"));
    outcome.shows(&[(Authorized, &no), (Connected, &no), (Expired, &yes), (Disconnected, &no)]);
    outcome.no_mutation();
}

/// Disconnected is True: the authorization did not end, but the link is cut.
pub(super) fn is_cut(outcome: &Outcome, reason: &str) {
    outcome.stalled(reason);
    let (no, yes) = (format!("False/{reason}"), format!("True/{reason}"));
    outcome.shows(&[(Authorized, &no), (Connected, &no), (Expired, "False/NotExpired"), (Disconnected, &yes)]);
    outcome.no_mutation();
}

#[test]
fn a_fitting_token_is_authorized_and_everything_is_ready() {
    let outcome = Scene::healthy().decide();
    outcome.shows(&[
        (Ready, "True/ReconcileSucceeded"),
        (Connected, "True/ConnectionVerified"),
        (Expired, "False/NotExpired"),
        (Disconnected, "False/ConnectionVerified"),
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
        assert!(step.contains("must authorize app 1111000011110000 again"), "{step}");
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
fn a_token_that_meta_calls_valid_does_not_end_by_a_clock_that_is_in_doubt() {
    let over = Some(now());
    let info = TokenInfo { expires_at: over, data_access_expires_at: over, ..token_info() };
    let scene = |info: TokenInfo| {
        Scene::with(|scene| {
            scene.seen.asked.token = Some(Ok(info));
            scene.seen.clock_doubted = true;
        })
    };
    scene(info).decide().shows(&[(Authorized, "True/TokenValid"), (Ready, "True/ReconcileSucceeded")]);
    let cut = TokenInfo { app_id: Some("9999000099990000".into()), ..token_info() };
    scene(cut).decide().shows(&[(Authorized, "False/WrongApp")]);
}

#[test]
fn a_token_that_does_not_fit_is_cut_and_not_expired() {
    let granular = |targets: &[&str]| {
        vec![GranularScope { scope: "pages_messaging".to_owned(), target_ids: Some(words(targets)) }]
    };
    let rows = [
        (TokenInfo { app_id: Some(OTHER_APP.into()), ..token_info() }, "WrongApp"),
        // Of another application's token nothing else matters.
        (TokenInfo { app_id: Some(OTHER_APP.into()), is_valid: false, ..token_info() }, "WrongApp"),
        (TokenInfo { kind: Some(TokenKind::User), profile_id: None, ..token_info() }, "WrongTokenType"),
        (TokenInfo { kind: Some(TokenKind::App), profile_id: None, ..token_info() }, "WrongTokenType"),
        (TokenInfo { kind: Some(TokenKind::SystemUser), profile_id: None, ..token_info() }, "WrongTokenType"),
        (TokenInfo { kind: Some(TokenKind::Other), ..token_info() }, "WrongTokenType"),
        (TokenInfo { profile_id: Some(OTHER_PAGE.into()), ..token_info() }, "WrongPage"),
        (TokenInfo { profile_id: None, ..token_info() }, "WrongPage"),
        (TokenInfo { scopes: Some(words(&SCOPES[..2])), ..token_info() }, "ScopeMissing"),
        (TokenInfo { scopes: Some(vec![]), ..token_info() }, "ScopeMissing"),
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
fn scopes_that_are_not_told_are_not_missing() {
    let info = TokenInfo { scopes: None, ..token_info() };
    Scene::with(|scene| scene.seen.asked.token = Some(Ok(info))).decide().shows(&[(Authorized, "True/TokenValid")]);
}

#[test]
fn missing_scopes_are_named() {
    let info = TokenInfo { scopes: Some(words(&["pages_show_list"])), ..token_info() };
    let outcome = Scene::debugged(Ok(info)).decide();
    let message = outcome.message(Authorized);
    assert!(message.starts_with("The page token lacks pages_manage_metadata, pages_messaging ("), "{message}");
}

#[test]
fn a_refused_debug_token_blames_the_app_or_a_token_of_another_app_but_nothing_else() {
    let other_app =
        fault(Operation::DebugToken, 100, None, "The App_id in the input_token did not match the Viewing App");
    is_cut(&Scene::debugged(Err(other_app)).decide(), "WrongApp");
    let rejected = || Scene::debugged(Err(fault(Operation::DebugToken, 2500, None, "Unknown path components")));
    let outcome = rejected().decide();
    outcome.reconciling("Unknown/UnrecognizedError");
    assert!(outcome.message(Authorized).contains("code 2500") && outcome.message(Authorized).contains("Unknown path"));
    rejected().after(&Scene::healthy().decide()).decide().shows(&[(Authorized, "True/TokenValid")]);

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

/// A call with the page token is refused: one of the reads, or the write.
fn refused(call: &str, refusal: Refusal) -> Scene {
    Scene::with(|scene| match call {
        "page" => scene.seen.asked.page = Some(Err(refusal)),
        "subscriptions" => scene.seen.asked.subscriptions = Some(Err(refusal)),
        _ => {
            scene.seen.asked.subscriptions = Some(Ok(vec![]));
            scene.seen.asked.subscribed = Some(Err(refusal));
        }
    })
}

#[test]
fn what_a_page_call_says_once_turns_nothing_while_debug_token_calls_the_token_valid() {
    let before = Scene::healthy().decide();
    let refusals = [
        (190, Some(460)),
        (190, Some(492)),
        (190, Some(493)),
        (190, None),
        (415, Some(2_859_009)),
        (101, None),
        (10, None),
        (200, None),
    ];
    for call in ["page", "subscriptions"] {
        for (code, subcode) in refusals {
            let scene = refused(call, fault(Operation::ReadPage, code, subcode, "x")).after(&before);
            let outcome = scene.decide();
            let kept = if call == "page" && [10, 200].contains(&code) {
                "Unknown/ReadNotPermitted"
            } else {
                "True/PageReachable"
            };
            outcome.shows(&[
                (Authorized, "True/TokenValid"),
                (PageUsable, kept),
                (Connected, "True/ConnectionVerified"),
                (Ready, "True/ReconcileSucceeded"),
            ]);
            outcome.no_mutation();
            assert!(outcome.plan.report.notes.is_empty(), "{call} {code}");
        }
    }
}

#[test]
fn a_code_that_is_about_the_token_counts_when_it_comes_again_a_minute_later() {
    let rows = [
        (190, Some(458), "AppRemoved"),
        (190, Some(459), "CheckpointRequired"),
        (190, Some(460), "PasswordChanged"),
        (190, Some(463), "TokenExpired"),
        (190, Some(464), "UserInvalid"),
        (190, Some(467), "SessionInvalidated"),
        (190, Some(490), "CheckpointRequired"),
        (190, Some(493), "DataAccessExpired"),
        (102, Some(463), "TokenExpired"),
        (415, Some(2_859_009), "CheckpointRequired"),
    ];
    for call in ["page", "subscriptions", "subscribe"] {
        for (code, subcode, reason) in rows {
            is_expired(&Scene::twice(|| refused(call, fault(Operation::ReadPage, code, subcode, "x"))), reason);
        }
        is_cut(&Scene::twice(|| refused(call, fault(Operation::ReadPage, 190, Some(492), "x"))), "RoleLost");
        // Another code is another statement, and so is one about another token.
        let first = refused(call, fault(Operation::ReadPage, 190, Some(460), "x")).decide();
        let minute = SignedDuration::from_mins(1);
        let other = refused(call, fault(Operation::ReadPage, 190, Some(463), "x")).again(&first, minute);
        other.shows(&[(Authorized, "True/TokenValid")]);
        let mut renewed = refused(call, fault(Operation::ReadPage, 190, Some(460), "x"));
        renewed.seen.token = TokenSeen::Present { fingerprint: "f2".to_owned() };
        renewed.again(&first, minute).shows(&[(Authorized, "True/TokenValid")]);
    }
}

#[test]
fn a_refusal_that_says_no_more_is_disputed_after_an_hour_and_never_ends_the_authorization() {
    for (code, text) in
        [(190, "Error validating access token"), (190, "changed their password"), (101, "Invalid application ID.")]
    {
        let scene = || refused("page", fault(Operation::ReadPage, code, None, text)).after(&Scene::healthy().decide());
        let first = scene().decide();
        let mut outcome = scene().again(&first, SignedDuration::from_mins(59));
        outcome.shows(&[(Authorized, "True/TokenValid"), (Ready, "True/ReconcileSucceeded")]);
        outcome = scene().again(&first, SignedDuration::from_hours(1));
        outcome.stalled("TokenRefused");
        outcome.shows(&[(Authorized, "Unknown/TokenRefused"), (Connected, "Unknown/TokenRefused")]);
        assert!(outcome.message(Ready).contains(text), "{}", outcome.message(Ready));
        assert_eq!(outcome.plan.report.class, Class::Terminal);
    }
}

#[test]
fn a_doubt_whose_witness_gives_no_answer_makes_it_unknown_and_one_that_was_not_asked_when_it_is_stale() {
    let before = Scene::healthy().decide();
    let doubted = || refused("page", fault(Operation::ReadPage, 190, Some(460), "x")).after(&before);
    let mut silent = doubted();
    silent.seen.asked.token = Some(Err(no_answer()));
    let outcome = silent.decide();
    outcome.reconciling("Unknown/GraphUnavailable");
    outcome.shows(&[(Authorized, "Unknown/GraphUnavailable"), (Connected, "Unknown/GraphUnavailable")]);
    // The secret of the application was changed: that is no matter of the token, and its own check finds out.
    let mut broken = doubted();
    broken.seen.asked.page = Some(Err(fault(Operation::ReadPage, 100, None, "Invalid appsecret_proof provided")));
    broken.seen.asked.token = Some(Err(fault(Operation::DebugToken, 100, None, "Invalid appsecret_proof provided")));
    broken.decide().shows(&[(Authorized, "True/TokenValid"), (Connected, "True/ConnectionVerified")]);
    // What is remembered of the token bears no witness.
    let unasked = || {
        let mut scene = refused("page", fault(Operation::ReadPage, 190, None, "x")).after(&before);
        scene.seen.asked.witnessed = false;
        scene
    };
    let first = unasked().decide();
    assert_eq!(first.status(), before.status());
    unasked().again(&first, SignedDuration::from_mins(30)).shows(&[(Authorized, "True/TokenValid")]);
    let mut stale = unasked();
    stale.seen.stale = true;
    stale.again(&first, SignedDuration::from_mins(61)).reconciling("Unknown/GraphUnavailable");
}

#[test]
fn a_refused_subscription_is_no_matter_of_the_token_when_debug_token_lists_the_permission() {
    let text = "(#200) To subscribe to the messages field, one of these permissions is needed: pages_messaging";
    for (code, subcode, text) in [
        (200, None, text),
        (230, None, "requires pages_messaging"),
        (1, Some(1_929_002), "Invalid Permissions"),
        (100, None, "No enough permission to subscribe"),
        (3, None, "capability"),
    ] {
        let outcome = refused("subscribe", fault(Operation::SubscribePage, code, subcode, text)).decide();
        let reason = if code == 3 { "PermissionNotApproved" } else { "SubscriptionRefused" };
        outcome.stalled(reason);
        outcome.shows(&[(Authorized, "True/TokenValid"), (Subscribed, &format!("False/{reason}"))]);
        let message = outcome.message(Subscribed);
        assert!(message.contains(&format!("code {code}")) && message.contains(text), "{message}");
    }
}

#[test]
fn a_read_that_meta_rejects_keeps_what_is_known_and_is_for_a_person_after_a_day() {
    for (code, text) in [
        (100, "Param fields is wrong"),
        (210, "This call requires a Page access token."),
        (15, "x"),
        (424_242, "Rather not"),
    ] {
        let scene = || refused("page", fault(Operation::ReadPage, code, None, text));
        let known = Scene::healthy().decide();
        let once = scene().after(&known).decide();
        assert_eq!(
            (once.status(), once.of(PageUsable).as_str()),
            (known.status(), "True/PageReachable"),
            "it may be a hiccup"
        );
        // The second time the value stays, and what Meta says is told beside it, once.
        let mut twice = scene().again(&once, SignedDuration::from_mins(1));
        for _ in 0..2 {
            twice.shows(&[
                (PageUsable, "True/PageReachable"),
                (Ready, "True/ReconcileSucceeded"),
                (Connected, "True/ConnectionVerified"),
            ]);
            let message = twice.message(PageUsable);
            assert_eq!(message.matches(&format!("code {code}")).count(), 1, "{message}");
            assert!(message.contains(text), "{message}");
            assert!(twice.status().next_step.as_deref().unwrap().contains(&format!("code {code}")));
            assert!(twice.plan.report.notes.is_empty());
            twice = scene().again(&twice, SignedDuration::from_mins(15));
        }
        let first = scene().decide();
        first.reconciling("Unknown/UnrecognizedError");
        assert!(
            first.message(PageUsable).contains(&format!("code {code}")) && first.message(PageUsable).contains(text)
        );
        let outcome = scene().again(&first, SignedDuration::from_hours(24));
        outcome.stalled("RefusedByMeta");
        outcome.shows(&[(PageUsable, "Unknown/RefusedByMeta"), (Authorized, "True/TokenValid")]);
    }
}

#[test]
fn a_permission_that_is_not_required_is_no_reason_to_disconnect() {
    let text = "(#100) Object does not exist, cannot be loaded due to missing permission or reviewable feature, or does not support this operation. This endpoint requires the 'pages_read_engagement' permission or the 'Page Public Content Access' feature.";
    for (code, text) in [(100, text), (10, "(#10) pages_read_engagement is needed"), (200, "Permissions error")] {
        let scene = || refused("page", fault(Operation::ReadPage, code, None, text));
        let outcome = scene().decide();
        outcome.shows(&[
            (PageUsable, "Unknown/ReadNotPermitted"),
            (Ready, "True/ReconcileSucceeded"),
            (Reconciling, ""),
            (Stalled, ""),
            (Connected, "True/ConnectionVerified"),
        ]);
        let message = outcome.message(PageUsable);
        assert!(
            message.contains(&format!("code {code}")) && message.contains(text.get(..60).unwrap_or(text)),
            "{message}"
        );
        assert!(outcome.plan.report.answered && outcome.plan.report.class == Class::Settled);
        // The subscription is still repaired.
        let mut lost = scene();
        lost.seen.asked.subscriptions = Some(Ok(vec![]));
        assert!(matches!(lost.decide().plan.mutation, Some(Mutation::Subscribe { .. })));
        assert_eq!(scene().after(&outcome).decide().status(), outcome.status());
    }
    let mut required = refused("page", fault(Operation::ReadPage, 10, None, "pages_messaging is needed"));
    required.seen.asked.witnessed = true;
    required.decide().reconciling("Unknown/UnrecognizedError");
}

#[test]
fn what_only_concerns_a_message_leaves_the_authorization_alone() {
    let outcome = Scene::with(|scene| scene.seen.asked.page = Some(Err(refusal(Verdict::NotChannelHealth)))).decide();
    outcome.shows(&[(Authorized, "True/TokenValid"), (PageUsable, "Unknown/UnrecognizedError")]);
    outcome.reconciling("Unknown/UnrecognizedError");
    assert!(outcome.message(PageUsable).contains("code 1"), "{}", outcome.message(PageUsable));
    outcome.shows(&[(Claimed, "True/ClaimHeld")]);
}
