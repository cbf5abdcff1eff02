//! Whether the token in use works.

use super::super::token;
use super::passes::*;
use super::scene::*;
use crate::api::conditions::ConditionType::{Expired, Ready, Renewed, SourceTokenAccepted, Stalled, Valid};
use crate::api::outcome::Class;
use crate::controller::dependency::Told;
use crate::graph::{GranularScope, GraphFault, Operation, TokenInfo, TokenKind};
use crate::meta_app::DependencyError;
use crate::meta_grant::model::{AppSeen, SourceTokenSeen, TokenSecretSeen};

#[test]
fn a_token_that_meta_confirms_is_ready_and_told() {
    let outcome = Scene::healthy().decide();
    outcome.shows(&[
        (Ready, "True/ReconcileSucceeded"),
        (Valid, "True/TokenValid"),
        (Expired, "False/NotExpired"),
        (Renewed, "True/UpToDate"),
        (SourceTokenAccepted, "True/SourceTokenInUse"),
    ]);
    let status = outcome.status();
    assert_eq!(
        (status.token_type.as_deref(), status.grantor_id.as_deref()),
        (Some("SYSTEM_USER"), Some("6600000000000009"))
    );
    assert_eq!(status.expires.as_deref(), Some("2026-04-20T12:00:00Z"));
    assert_eq!((status.page_count, status.channels, status.pages_truncated), (Some(2), Some(2), false));
    assert_eq!(status.living_secret_name.as_deref(), Some("metagrant-acme-token"));
    assert_eq!(status.next_step, None);
    outcome.mutates(None);
}

#[test]
fn a_token_that_cannot_serve_is_named_with_who_must_act() {
    let rows: [(TokenInfo, &str, &str); 12] = [
        (ended(460), "PasswordChanged", "True/PasswordChanged"),
        (ended(458), "AppRemoved", "True/AppRemoved"),
        (ended(463), "TokenExpired", "True/TokenExpired"),
        (ended(459), "CheckpointRequired", "True/CheckpointRequired"),
        (ended(464), "UserInvalid", "True/UserInvalid"),
        (TokenInfo { error: None, ..ended(460) }, "SessionInvalidated", "True/SessionInvalidated"),
        (system_user(60), "TokenExpired", "True/TokenExpired"),
        (TokenInfo { expires_at: None, ..long_user(90) }, "DataAccessExpired", "True/DataAccessExpired"),
        (TokenInfo { app_id: Some("9999000099990000".into()), ..system_user(1) }, "WrongApp", "False/NotExpired"),
        (TokenInfo { kind: Some(TokenKind::Page), ..system_user(1) }, "WrongTokenType", "False/NotExpired"),
        (TokenInfo { kind: Some(TokenKind::App), ..system_user(1) }, "WrongTokenType", "False/NotExpired"),
        (TokenInfo { scopes: Some(words(&["pages_show_list"])), ..system_user(1) }, "ScopeMissing", "False/NotExpired"),
    ];
    for (info, reason, expired) in rows {
        for scene in [Scene::of(info.clone()), Scene::fresh(info.clone())] {
            let outcome = scene.decide();
            outcome.stalled(reason);
            outcome.shows(&[
                (Valid, &format!("False/{reason}")),
                (Expired, expired),
                (Renewed, "Unknown/AwaitingAuthorization"),
            ]);
            let step = outcome.status().next_step.as_deref().unwrap();
            assert!(step.contains("tenant-a/acme-grant") && step.contains(APP), "{step}");
            assert_eq!(outcome.notes(), [format!("{reason}!")]);
            assert!(matches!(outcome.plan.report.class, Class::Reauthorize | Class::Terminal), "{reason}");
            outcome.mutates(None);
        }
    }
}

#[test]
fn who_authorizes_again_depends_on_whose_token_it_was() {
    let before = Scene::of(long_user(10)).decide();
    let mut scene = Scene::of(ended(460)).after(&before);
    scene.seen.reauthorize_url = Some("https://hooks.example.com/oauth/tenant-a/acme/start".to_owned());
    let step = scene.decide().status().next_step.clone().unwrap();
    assert!(step.contains("A person") && step.contains("kubectl -n tenant-a get mgrant acme"), "{step}");
    assert!(!step.contains("https://"), "an address that changes is in no condition: {step}");
    let before = Scene::healthy().decide();
    let step = Scene::of(ended(460)).after(&before).decide().status().next_step.clone().unwrap();
    assert!(step.contains("An administrator of the business") && !step.contains("reauthorizeUrl"), "{step}");
}

#[test]
fn what_is_missing_is_waited_for_and_what_is_wrong_is_not() {
    let app = |app| Scene::with(|scene| (scene.seen.app, scene.seen.asked.token) = (app, None));
    let broken = |trouble| {
        let mut scene = Scene::with(|scene| scene.seen.asked.token = None);
        if let AppSeen::Found { verdict, .. } = &mut scene.seen.app {
            verdict.credentials = Err(trouble);
        }
        scene
    };
    let source_token = |source_token| {
        Scene::with(|scene| {
            (scene.seen.source_token, scene.seen.token_secret, scene.seen.in_use) =
                (source_token, TokenSecretSeen::Missing, None);
            scene.seen.asked.token = None;
        })
    };
    let rows = [
        (app(AppSeen::NotFound), "False/AppNotFound", "Reconciling"),
        (app(AppSeen::Unjudged), "Unknown/NamespaceUnverified", "Reconciling"),
        (broken(DependencyError::Broken(Told::only("AppBlocked: x"))), "False/AppNotReady", "Reconciling"),
        (broken(DependencyError::Unknown(Told::only("x"))), "Unknown/AppUnverified", "Reconciling"),
        (source_token(SourceTokenSeen::NotReleased), "False/SecretUnavailable", "Reconciling"),
        (source_token(SourceTokenSeen::Malformed("it is empty".into())), "False/SecretMalformed", "Stalled"),
        (Scene::with(|scene| scene.seen.asked.token = None), "Unknown/AppUnverified", "Reconciling"),
    ];
    for (scene, ready, state) in rows {
        let outcome = scene.decide();
        outcome.shows(&[(Ready, ready)]);
        assert!(values(&outcome).contains_key(state), "{ready}: {:?}", values(&outcome));
        outcome.mutates(None);
    }
    let outcome = source_token(SourceTokenSeen::NotReleased).decide();
    let step = outcome.status().next_step.as_deref().unwrap();
    assert!(step.contains("kubectl -n tenant-a label secret acme-grant metachannels.io/purpose=grant-token"), "{step}");
}

#[test]
fn a_grant_without_a_token_begins_in_the_browser_where_there_is_a_gateway() {
    let mut scene = Scene::with(|scene| {
        (scene.seen.source_token, scene.seen.token_secret, scene.seen.in_use) =
            (SourceTokenSeen::NotReleased, TokenSecretSeen::Missing, None);
        scene.seen.asked.token = None;
    });
    scene.seen.reauthorize_url = Some("https://hooks.example.com/oauth/tenant-a/acme/start".to_owned());
    let outcome = scene.decide();
    let step = outcome.status().next_step.as_deref().unwrap();
    assert!(step.starts_with("Start in a browser at the address that kubectl -n tenant-a get mgrant acme"), "{step}");
    assert!(step.contains("kubectl -n tenant-a label secret acme-grant"), "{step}");
    let message = outcome.message(Valid);
    assert!(message.contains("or it lacks the label metachannels.io/purpose=grant-token"), "{message}");
}

#[test]
fn a_token_that_meta_does_not_know_was_not_copied_as_it_is_unless_it_was_known_before() {
    let unknown = || TokenInfo {
        is_valid: false,
        error: Some(GraphFault::new(190, None, "Malformed access token EAAx")),
        app_id: None,
        kind: None,
        user_id: None,
        ..ended(460)
    };
    let outcome = Scene::of(unknown()).decide();
    outcome.shows(&[(Ready, "False/TokenUnknown"), (Expired, "False/NotExpired")]);
    let step = outcome.status().next_step.as_deref().unwrap();
    assert!(step.starts_with("The token may have been copied incompletely."), "{step}");
    let before = Scene::healthy().decide();
    let outcome = Scene::of(unknown()).after(&before).decide();
    outcome.shows(&[(Ready, "False/SessionInvalidated"), (Expired, "True/SessionInvalidated")]);
}

#[test]
fn a_seed_that_is_gone_ends_nothing_while_a_token_is_kept() {
    for (source_token, reason) in [
        (SourceTokenSeen::NotReleased, "SecretUnavailable"),
        (SourceTokenSeen::Malformed("it is empty".into()), "SecretMalformed"),
    ] {
        let outcome = Scene::with(|scene| scene.seen.source_token = source_token).decide();
        outcome.shows(&[(Ready, "True/ReconcileSucceeded"), (SourceTokenAccepted, &format!("False/{reason}"))]);
        assert!(outcome.message(SourceTokenAccepted).contains("The token in use stays."));
        assert!(outcome.status().next_step.is_some(), "who puts it right is told all the same");
        outcome.mutates(None);
    }
}

#[test]
fn a_list_that_is_refused_with_a_code_of_the_token_counts_when_it_is_refused_so_again() {
    let rows: [(u32, u32, &str); 5] = [
        (190, 493, "DataAccessExpired"),
        (190, 460, "PasswordChanged"),
        (190, 459, "CheckpointRequired"),
        (190, 492, "RoleLost"),
        (415, 2_859_009, "CheckpointRequired"),
    ];
    for (code, subcode, reason) in rows {
        let list = || refused(code, subcode, "Meta's own words");
        let mut passes = Passes::listed();
        let before = passes.scene.previous.clone();
        let first = passes.pass(60, list(), silent);
        assert_eq!((first.status(), first.notes()), (&before, vec![]), "{reason}");
        assert!(!first.plan.report.suspicions.is_empty());
        // What is not answered meanwhile neither confirms it nor takes it back.
        passes.pass(30, Err(no_answer()), silent);
        let second = passes.pass(30, list(), silent);
        second.shows(&[(Valid, &format!("False/{reason}"))]);
        second.shows(&[(Ready, &format!("False/{reason}")), (Stalled, &format!("True/{reason}"))]);
        assert_eq!(second.notes(), [format!("{reason}!")]);
        assert!(second.message(Valid).contains("Meta's own words"), "{}", second.message(Valid));
        let silence = passes.pass(60, Err(no_answer()), silent);
        silence.shows(&[(Valid, &format!("False/{reason}"))]);
        let well = passes.pass(60, Ok(accounts(&[PAGE_A, PAGE_B])), silent);
        well.shows(&[(Valid, "True/TokenValid"), (Ready, "True/ReconcileSucceeded")]);
    }
}

#[test]
fn another_code_or_a_list_in_between_confirms_nothing() {
    for between in [Passes::lacking(&[]), refused(190, 460, "x"), Passes::lacking(&[PAGE_A])] {
        let mut passes = Passes::listed();
        passes.pass(60, refused(190, 493, "x"), silent);
        passes.pass(60, between, silent);
        passes.pass(60, refused(190, 493, "x"), silent).shows(&[(Valid, "True/TokenValid")]);
    }
}

#[test]
fn whatever_else_a_list_is_refused_for_says_nothing_of_the_token() {
    let rows = [
        (10, None, "(#10) This endpoint requires the 'pages_read_engagement' permission"),
        (200, None, "(#200) Requires pages_show_list permission"),
        (100, None, "Invalid appsecret_proof provided in the API argument"),
        (100, None, "(#100) Invalid cursor"),
        (101, None, "Error validating application."),
        (190, None, "Error validating application. System error"),
        (190, None, "The session is invalid"),
        (2500, None, "Unknown path components"),
        (4242, None, "?"),
        (1, None, "An unknown error occurred"),
        (4, None, "(#4) Application request limit reached"),
    ];
    for (code, subcode, text) in rows {
        let mut passes = Passes::listed();
        let before = passes.scene.previous.clone();
        for minute in 0..60 {
            let outcome = passes.pass(60, refused(code, subcode, text), silent);
            assert_eq!((outcome.status(), outcome.notes()), (&before, vec![]), "{text}");
            assert!(!outcome.plan.report.answered, "{text}");
            let later = outcome.plan.report.until.map(|until| until.duration_since(outcome.now));
            if minute > 0 && !refused(code, subcode, text).unwrap_err().may_pass() {
                assert!(later.is_some_and(|later| later.as_secs() == 300), "{text}: {later:?}");
            }
        }
        // What was never listed is not known to be well, and what Meta says is told.
        let mut never = Passes::restarted();
        never.scene.previous = Default::default();
        let outcome = never.pass(60, refused(code, subcode, text), silent);
        assert!(outcome.of(Valid).starts_with("Unknown/") && outcome.of(Ready).starts_with("Unknown/"), "{text}");
        if code != 4 {
            let (message, fact) = (outcome.message(Valid), format!("code {code}"));
            assert!(message.contains(&fact) && message.contains("Meta said"), "{message}");
            assert!(!outcome.status().next_step.as_deref().unwrap_or_default().is_empty());
        }
    }
}

#[test]
fn a_grant_that_was_never_listed_is_for_a_person_once_its_list_was_refused_for_a_day() {
    let rows = [
        (4242, None, "Words of Meta"),
        (3, None, "(#3) Words of Meta"),
        (10, None, "(#10) Words of Meta"),
        (100, Some(33), "Words of Meta"),
        (368, None, "Words of Meta"),
    ];
    for (code, subcode, text) in rows {
        let list = || refused(code, subcode, text);
        let mut never = Passes::restarted();
        never.scene.previous = Default::default();
        for _ in 0..24 {
            let outcome = never.pass(3_599, list(), silent);
            assert!(outcome.of(Valid).starts_with("Unknown/") && outcome.of(Ready).starts_with("Unknown/"), "{text}");
        }
        let for_a_person =
            [(Valid, "Unknown/RefusedByMeta"), (Ready, "False/RefusedByMeta"), (Stalled, "True/RefusedByMeta")];
        let outcome = never.pass(3_700, list(), silent);
        outcome.shows(&for_a_person);
        let message = outcome.message(Valid);
        assert!(message.contains(&format!("code {code}")) && message.contains("Words of Meta"), "{message}");
        // Silence contradicts nothing, and neither does a restart.
        never.pass(60, Err(no_answer()), silent).shows(&for_a_person);
        let mut never = never.restart();
        never.pass(60, list(), silent).shows(&for_a_person);
        never.pass(60, Ok(accounts(&[PAGE_A, PAGE_B])), silent).shows(&[(Ready, "True/ReconcileSucceeded")]);
    }
    let mut outage = Passes::restarted();
    outage.scene.previous = Default::default();
    for _ in 0..30 {
        outage.pass(3_600, Err(no_answer()), silent).shows(&[(Ready, "Unknown/GraphUnavailable")]);
    }
    let mut listed = Passes::listed();
    for _ in 0..30 {
        listed.pass(3_600, refused(4242, None, "x"), silent).shows(&[(Ready, "True/ReconcileSucceeded")]);
    }
}

#[test]
fn a_debug_token_that_is_refused_is_no_verdict() {
    for (code, text) in [
        (100, "(#100) Invalid parameter"),
        (100, "(#100) You must provide an app access token"),
        (210, "(#210) A page access token is required"),
        (2500, "Unknown path components"),
        (15, "(#15) The method must be called with an app secret signed session"),
        (10, "(#10) Application does not have permission for this action"),
    ] {
        let refusal = fault(Operation::DebugToken, code, None, text);
        let refused = |mut scene: Scene| {
            scene.seen.asked.token = Some(Err(refusal.clone()));
            scene.seen.asked.pages = None;
            scene
        };
        let before = Scene::healthy().decide();
        for once in [refused(Scene::healthy()).after(&before), refused(Scene::healthy()).again(&before)] {
            let outcome = once.decide();
            outcome.shows(&[
                (Valid, "True/TokenValid"),
                (Ready, "True/ReconcileSucceeded"),
                (Expired, "False/NotExpired"),
            ]);
            assert_eq!(outcome.notes(), [""; 0], "{text}");
            let report = &outcome.plan.report;
            assert!(!report.answered, "{text}");
            assert_eq!(report.until.map(|until| until.duration_since(outcome.now).as_secs()), Some(300), "{text}");
        }
        for never in [Scene::healthy, || Scene::fresh(system_user(10))] {
            let outcome = refused(never()).decide();
            outcome.shows(&[(Valid, "Unknown/UnrecognizedError"), (Ready, "Unknown/UnrecognizedError")]);
            let message = outcome.message(Valid);
            assert!(message.contains(&format!("code {code}")) && message.contains("Meta said"), "{message}");
            let mut day = refused(never()).again(&outcome);
            day.now += days(1);
            let day = day.decide();
            day.shows(&[(Valid, "Unknown/RefusedByMeta"), (Ready, "False/RefusedByMeta")]);
            let message = day.message(Valid);
            assert!(message.contains(&format!("code {code}")) && message.contains("Meta said"), "{message}");
        }
    }
}

#[test]
fn a_kind_that_is_not_told_is_the_one_that_was_known() {
    let untold = TokenInfo { kind: None, ..system_user(10) };
    let outcome = Scene::of(untold.clone()).decide();
    outcome.shows(&[(Ready, "True/ReconcileSucceeded"), (Valid, "True/TokenValid")]);
    assert_eq!(outcome.status().token_type, None);
    let before = Scene::healthy().decide();
    let scene = Scene::of(untold).after(&before);
    let known = token::known_kind(&scene.seen, &scene.previous);
    assert_eq!(known, Some(TokenKind::SystemUser));
    let other = Scene::with(|scene| {
        scene.seen.in_use = Some("other".to_owned());
        scene.seen.token_secret = token_secret("other-seed", false, None);
    });
    assert_eq!(
        token::known_kind(&other.after(&before).seen, before.status()),
        None,
        "another token may be of another kind"
    );
}

#[test]
fn permissions_that_are_not_told_are_not_missing_and_those_known_before_stay() {
    let untold = || TokenInfo { scopes: None, ..system_user(10) };
    let outcome = Scene::of(untold()).decide();
    outcome.shows(&[(Ready, "True/ReconcileSucceeded"), (Valid, "True/TokenValid")]);
    outcome.mutates(None);
    let before = Scene::healthy().decide();
    let scene = Scene::of(untold()).after(&before);
    let known = untold().remembering(token::known_scopes(&scene.seen, &scene.previous));
    assert_eq!(known.granted(), Some(words(&SCOPES)));
    let other = Scene::with(|scene| scene.seen.in_use = Some("other".to_owned())).after(&before);
    assert_eq!(token::known_scopes(&other.seen, &other.previous), [""; 0], "another token may have others");
    // Neither is a token that serves given up for the one before, or for another source token.
    let mut scene = Scene::new_seed(system_user(11), &[]);
    scene.seen.token_secret = token_secret("seed", true, Some(former("former", true, 1)));
    scene.seen.asked.token = Some(Ok(untold()));
    scene.seen.asked.previous = Some(Ok(system_user(11)));
    scene.decide().mutates(None);
    let granular = |scope: &&str| GranularScope { scope: (*scope).to_owned(), target_ids: None };
    let granular_scopes = SCOPES[..2].iter().map(granular).collect();
    Scene::of(TokenInfo { granular_scopes, ..untold() }).decide().shows(&[(Valid, "False/ScopeMissing")]);
}

#[test]
fn nothing_is_decided_when_nothing_changed() {
    let scene = Scene::with(|scene| scene.seen.look = false);
    assert!(super::super::decide(&scene.grant, &scene.previous, &scene.seen, scene.now).is_none());
}
