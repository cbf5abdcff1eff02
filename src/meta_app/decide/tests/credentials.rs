//! Whether the application's credentials work.

use jiff::SignedDuration;

use super::scene::*;
use crate::api::conditions::ConditionType::{CredentialsValid, PermissionsApproved, Ready, WebhookSubscribed};
use crate::api::outcome::Class;
use crate::graph::{GraphFault, Operation};
use crate::limits::answer::answer;
use crate::meta_app::model::{Asked, SecretSeen};

#[test]
fn an_app_whose_node_can_be_read_is_ready() {
    let outcome = Scene::healthy().decide();
    outcome.shows(&[(Ready, "True/ReconcileSucceeded"), (CredentialsValid, "True/CredentialsAccepted")]);
    assert_eq!(outcome.status().app_name.as_deref(), Some("Acme Messaging"));
    assert_eq!(outcome.status().next_step, None);
    outcome.no_mutation();
}

#[test]
fn a_secret_that_is_not_released_is_waited_for_with_the_exact_command() {
    let scene = Scene::with(|scene| {
        scene.seen.secret = SecretSeen::NotReleased;
        scene.seen.asked = Asked::default();
    });
    let outcome = scene.decide();
    outcome.reconciling("False/SecretUnavailable");
    let step = outcome.status().next_step.as_deref().unwrap();
    assert!(step.contains("kubectl -n platform label secret acme-app metachannels.io/purpose=app-secret"), "{step}");
    outcome.shows(&[
        (WebhookSubscribed, "Unknown/AwaitingAuthorization"),
        (PermissionsApproved, "Unknown/AwaitingAuthorization"),
    ]);
    outcome.no_mutation();
}

#[test]
fn a_malformed_secret_is_for_a_person() {
    let scene = Scene::with(|scene| {
        scene.seen.secret = SecretSeen::Malformed("its key app-secret is empty".to_owned());
        scene.seen.asked = Asked::default();
    });
    let outcome = scene.decide();
    outcome.stalled("SecretMalformed");
    assert!(outcome.message(CredentialsValid).starts_with("Secret acme-app cannot be used as an app secret: its key"));
    outcome.no_mutation();
}

/// Answers with the app token that say that the credentials do not work, and the reason that they come to.
const REJECTIONS: [(u32, &str, &str); 8] = [
    (101, "Error validating application. Invalid application ID.", "AppCredentialsRejected"),
    (190, "Error validating application. Application has been deleted.", "AppCredentialsRejected"),
    (190, "Session has expired", "AppCredentialsRejected"),
    (1, "Error validating client secret.", "SecretMismatch"),
    (100, "Invalid appsecret_proof provided in the API argument", "SecretMismatch"),
    (190, "Invalid OAuth access token signature.", "SecretMismatch"),
    (200, "API access blocked.", "AppBlocked"),
    (200, "API access deactivated. To reactivate, go to the app dashboard.", "AppBlocked"),
];

#[test]
fn credentials_that_are_rejected_twice_say_what_is_wrong_and_stop_everything() {
    for (code, text, reason) in REJECTIONS {
        let outcome = Scene::refused(fault(code, None, text)).confirmed();
        outcome.stalled(reason);
        outcome.shows(&[
            (CredentialsValid, &format!("False/{reason}")),
            (WebhookSubscribed, "Unknown/AwaitingAuthorization"),
            (PermissionsApproved, "Unknown/AwaitingAuthorization"),
        ]);
        let message = outcome.message(CredentialsValid);
        assert!(message.contains(&format!("(code {code})")), "{message}");
        assert!(message.ends_with(&format!("Meta said: \"{text}\"")), "{message}");
        assert!(matches!(outcome.plan.report.class, Class::AppBroken | Class::Terminal), "{reason}");
        outcome.no_mutation();
        let note = &outcome.plan.report.notes[0];
        assert_eq!((note.reason, note.warning), (reason, true));
        assert_eq!(outcome.asks_again_in(), None);
    }
}

#[test]
fn one_rejection_changes_nothing_and_is_asked_about_a_minute_later() {
    let before = Scene::healthy().decide();
    for (code, text, _) in REJECTIONS {
        let once = Scene::refused(fault(code, None, text)).after(&before).decide();
        assert_eq!(once.status().conditions, before.status().conditions, "{text}");
        assert!(once.plan.report.notes.is_empty());
        assert_eq!(once.asks_again_in(), Some(60));
        // Nor does the same within the minute, and an answer that the credentials work ends it.
        let soon = SignedDuration::from_secs(59);
        let again = Scene::refused(fault(code, None, text)).later(&once, soon).decide();
        assert_eq!(again.status().conditions, before.status().conditions);
        let works = Scene::healthy().later(&again, soon).decide();
        works.shows(&[(Ready, "True/ReconcileSucceeded")]);
        let later = Scene::refused(fault(code, None, text)).later(&works, soon).decide();
        later.shows(&[(CredentialsValid, "True/CredentialsAccepted")]);
    }
}

#[test]
fn a_new_app_with_a_wrong_secret_is_unknown_until_meta_has_said_it_twice() {
    let once = Scene::refused(fault(190, None, "Invalid OAuth access token signature.")).decide();
    once.reconciling("Unknown/Pending");
    once.shows(&[(CredentialsValid, "Unknown/Pending")]);
    assert!(once.message(Ready).contains("Meta rejects the credentials of app 1111000011110000 (code 190)."));
    assert_eq!(
        once.plan.report.class,
        Class::Held(once.now + SignedDuration::from_mins(1)),
        "asked then, and not before"
    );
    assert_eq!(once.status().inputs, None, "so that a restart checks again");
}

#[test]
fn another_fault_with_the_credentials_begins_anew() {
    let blocked = Scene::refused(fault(200, None, "API access blocked.")).decide();
    let mismatch = || Scene::refused(fault(190, None, "Invalid OAuth access token signature."));
    let first = mismatch().later(&blocked, SignedDuration::from_mins(1)).decide();
    first.shows(&[(CredentialsValid, "Unknown/Pending")]);
    mismatch().later(&first, SignedDuration::from_mins(1)).decide().stalled("SecretMismatch");
}

#[test]
fn what_is_known_to_be_broken_stays_so_after_a_restart() {
    let broken = Scene::refused(fault(190, None, "Invalid OAuth access token signature.")).confirmed();
    let mut scene = Scene::refused(fault(190, None, "Invalid OAuth access token signature.")).after(&broken);
    scene.seen.suspicions = Default::default();
    let outcome = scene.decide();
    assert_eq!(outcome.status().conditions, broken.status().conditions);
    assert!(outcome.plan.report.notes.is_empty());
}

/// Answers that say nothing about the credentials.
const ODD: [(u32, &str); 4] = [
    (4242, "Something new"),
    (2500, "Unknown path components"),
    (100, "Tried accessing nonexisting field (name) on node type (Application)"),
    (100, "Unsupported get request."),
];

fn odd(code: u32, text: &str) -> Scene {
    // 2500 about the application is about the version; in another call it is not understood.
    let error = GraphFault::new(code, None, text).into();
    let refusal = answer::<()>(Operation::ReadAppSubscriptions, Err(error)).unwrap_err();
    Scene::refused(refusal)
}

#[test]
fn a_refusal_that_says_nothing_about_the_credentials_keeps_them_until_it_is_too_old() {
    let before = Scene::healthy().decide();
    for (code, text) in ODD {
        let outcome = odd(code, text).after(&before).decide();
        assert_eq!(outcome.status(), before.status(), "{text}");
        assert!(!outcome.plan.report.answered);
        let mut old = odd(code, text).after(&before);
        old.seen.stale = true;
        let outcome = old.decide();
        outcome.reconciling("Unknown/UnrecognizedError");
        let message = outcome.message(CredentialsValid);
        assert!(message.contains(&format!("(code {code})")) && message.contains(text), "{message}");
    }
}

#[test]
fn what_meta_refuses_for_a_day_is_for_a_person() {
    for (code, text) in ODD {
        let first = odd(code, text).decide();
        first.reconciling("Unknown/UnrecognizedError");
        let almost = odd(code, text).later(&first, SignedDuration::from_hours(23)).decide();
        almost.reconciling("Unknown/UnrecognizedError");
        let day = odd(code, text).later(&almost, SignedDuration::from_hours(1)).decide();
        day.stalled("RefusedByMeta");
        day.shows(&[(CredentialsValid, "Unknown/RefusedByMeta")]);
        assert!(day.message(Ready).contains(&format!("(code {code})")) && day.message(Ready).contains(text));
        assert_eq!(day.plan.report.notes.len(), 1);
        // Also over a restart, and until Meta answers.
        let mut scene = odd(code, text).after(&day);
        scene.seen.suspicions = Default::default();
        scene.decide().stalled("RefusedByMeta");
        Scene::healthy().after(&day).decide().shows(&[(Ready, "True/ReconcileSucceeded")]);
    }
}

#[test]
fn other_words_do_not_begin_the_day_anew() {
    let mut before = odd(ODD[0].0, ODD[0].1).decide();
    for hour in 1..=24 {
        before.reconciling("Unknown/UnrecognizedError");
        // By turns another code, and another call that is refused.
        let mut scene = odd(ODD[hour % 2].0, ODD[hour % 2].1);
        if hour % 3 == 0 {
            scene = Scene::with(|scene| scene.seen.asked.permissions = Some(Err(fault(4242, None, "Odd"))));
        }
        before = scene.after(&before).decide();
    }
    before.stalled("RefusedByMeta");
}

#[test]
fn nothing_is_decided_when_nothing_changed() {
    let scene = Scene::with(|scene| scene.seen.look = false);
    assert!(super::super::decide(&scene.app, &scene.previous, &scene.seen, scene.now).is_none());
}
