//! Whether the token in use serves.

use super::scene::*;
use crate::api::conditions::ConditionType::{Expired, Ready, Renewed, SeedAccepted, Valid};
use crate::engine::Class;
use crate::graph::{Operation, TokenInfo, TokenKind};
use crate::meta_app::Trouble;
use crate::meta_grant::observe::{AppSeen, LivingSeen, SeedSeen};

#[test]
fn a_token_that_meta_confirms_is_ready_and_told() {
    let outcome = Scene::healthy().decide();
    outcome.shows(&[
        (Ready, "True/Reached"),
        (Valid, "True/TokenValid"),
        (Expired, "False/NotExpired"),
        (Renewed, "True/UpToDate"),
        (SeedAccepted, "True/SeedInUse"),
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
        (TokenInfo { scopes: words(&["pages_show_list"]), ..system_user(1) }, "ScopeMissing", "False/NotExpired"),
    ];
    for (info, reason, expired) in rows {
        for scene in [Scene::of(info.clone()), Scene::fresh(info.clone())] {
            let outcome = scene.decide();
            outcome.stalled(reason);
            outcome.shows(&[(Valid, &format!("False/{reason}")), (Expired, expired), (Renewed, "Unknown/Unreadable")]);
            let step = outcome.status().next_step.as_deref().unwrap();
            assert!(step.contains("tenant-a/acme-grant") && step.contains(APP), "{step}");
            assert_eq!(outcome.notes(), [format!("{reason}!")]);
            assert!(matches!(outcome.plan.report.class, Class::Reauthorize | Class::Terminal), "{reason}");
            outcome.mutates(None);
        }
    }
}

#[test]
fn who_authorises_again_depends_on_whose_token_it_was() {
    let before = Scene::of(long_user(10)).decide();
    let mut scene = Scene::of(ended(460)).after(&before);
    scene.seen.reauthorize_url = Some("https://hooks.example.com/oauth/tenant-a/acme/start".to_owned());
    let step = scene.decide().status().next_step.clone().unwrap();
    assert!(step.contains("A person") && step.contains("at https://hooks.example.com/oauth/"), "{step}");
    let before = Scene::healthy().decide();
    let step = Scene::of(ended(460)).after(&before).decide().status().next_step.clone().unwrap();
    assert!(step.contains("An administrator of the business") && !step.contains("https://"), "{step}");
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
    let seed = |seed| {
        Scene::with(|scene| {
            (scene.seen.seed, scene.seen.living, scene.seen.in_use) = (seed, LivingSeen::Missing, None);
            scene.seen.asked.token = None;
        })
    };
    let rows = [
        (app(AppSeen::NotFound), "False/AppNotFound", "Reconciling"),
        (app(AppSeen::Unjudged), "Unknown/NamespaceUnverified", "Reconciling"),
        (broken(Trouble::Broken("AppBlocked: x".into())), "False/AppNotReady", "Reconciling"),
        (broken(Trouble::Unknown("x".into())), "Unknown/AppUnverified", "Reconciling"),
        (seed(SeedSeen::NotReleased), "False/SecretNotReleased", "Reconciling"),
        (seed(SeedSeen::Malformed("it is empty".into())), "False/SecretMalformed", "Stalled"),
        (Scene::with(|scene| scene.seen.asked.token = None), "Unknown/AppUnverified", "Reconciling"),
    ];
    for (scene, ready, state) in rows {
        let outcome = scene.decide();
        outcome.shows(&[(Ready, ready)]);
        assert!(values(&outcome).contains_key(state), "{ready}: {:?}", values(&outcome));
        outcome.mutates(None);
    }
    let outcome = seed(SeedSeen::NotReleased).decide();
    let step = outcome.status().next_step.as_deref().unwrap();
    assert!(step.contains("kubectl -n tenant-a label secret acme-grant metachannels.io/purpose=grant-token"), "{step}");
}

#[test]
fn a_seed_that_is_gone_ends_nothing_while_a_token_is_kept() {
    for (seed, reason) in
        [(SeedSeen::NotReleased, "SecretNotReleased"), (SeedSeen::Malformed("it is empty".into()), "SecretMalformed")]
    {
        let outcome = Scene::with(|scene| scene.seen.seed = seed).decide();
        outcome.shows(&[(Ready, "True/Reached"), (SeedAccepted, &format!("False/{reason}"))]);
        assert!(outcome.message(SeedAccepted).contains("The token that is in use stays."));
        assert!(outcome.status().next_step.is_some(), "who puts it right is told all the same");
        outcome.mutates(None);
    }
}

#[test]
fn what_listing_the_pages_comes_to_counts_too() {
    let rows = [
        (fault(Operation::ListAccounts, 190, 460, "x"), "False/PasswordChanged"),
        (fault(Operation::ListAccounts, 200, None, "(#200) Requires pages_show_list permission"), "False/ScopeMissing"),
        (
            fault(Operation::ListAccounts, 100, None, "Invalid appsecret_proof provided in the API argument"),
            "False/WrongApp",
        ),
        (fault(Operation::ListAccounts, 2500, None, "Unknown path components"), "False/RequestRejected"),
        (no_answer(), "True/TokenValid"),
        (throttled(), "True/TokenValid"),
    ];
    for (refusal, valid) in rows {
        let outcome = Scene::with(|scene| scene.seen.asked.pages = Some(Err(refusal))).decide();
        outcome.shows(&[(Valid, valid)]);
        assert_eq!(outcome.status().page_count, Some(2), "what was listed before is still told");
    }
    let unlisted = Scene::with(|scene| {
        scene.seen.before = None;
        scene.seen.asked.pages = Some(Err(no_answer()));
    });
    unlisted.decide().shows(&[(Ready, "Unknown/GraphUnavailable"), (Valid, "Unknown/GraphUnavailable")]);
}

#[test]
fn nothing_is_decided_when_nothing_changed() {
    let scene = Scene::with(|scene| scene.seen.look = false);
    assert!(super::super::decide(&scene.grant, &scene.previous, &scene.seen, scene.now).is_none());
}
