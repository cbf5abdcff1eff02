//! No answer is not an answer: what is kept, and for how long.

use super::scene::*;
use crate::api::conditions::ConditionType::{Expired, Ready, Reconciling, Renewed, Valid};
use crate::api::outcome::Class;
use crate::graph::{Operation, TokenInfo};
use crate::limits::answer::Refusal;

fn silent(refusal: Refusal) -> Scene {
    Scene::with(|scene| {
        scene.seen.asked.token = Some(Err(refusal));
        scene.seen.asked.pages = None;
    })
}

fn silences() -> Vec<(&'static str, Scene)> {
    // What debug_token says of a token may be no word on it either.
    let open = TokenInfo { error: Some(crate::graph::GraphFault::new(2, None, "later")), ..ended(460) };
    vec![
        ("timed out", silent(no_answer())),
        ("throttled", silent(throttled())),
        ("transient", silent(fault(Operation::DebugToken, 2, None, "Service down"))),
        ("an unknown code", silent(fault(Operation::DebugToken, 4242, None, "?"))),
        (
            "an open word on the token",
            Scene::with(|scene| {
                scene.seen.asked.token = Some(Ok(open));
                scene.seen.asked.pages = None;
            }),
        ),
        ("the pages timed out", Scene::with(|scene| scene.seen.asked.pages = Some(Err(no_answer())))),
    ]
}

#[test]
fn silence_rewrites_no_status() {
    let before = Scene::healthy().decide();
    for (name, scene) in silences() {
        let outcome = scene.after(&before).decide();
        assert_eq!(outcome.status(), before.status(), "{name}");
        assert!(!outcome.plan.report.answered, "{name}");
        // What was received and not understood will be refused again, but not for ever.
        let later = outcome.now + jiff::SignedDuration::from_mins(5);
        let calm = outcome.plan.report.class == Class::Settled && outcome.plan.report.until == Some(later);
        assert!(matches!(outcome.plan.report.class, Class::Transient | Class::Throttled(_)) || calm, "{name}");
        assert!(outcome.notes().is_empty(), "{name}");
        outcome.mutates(None);
    }
}

#[test]
fn silence_for_too_long_makes_it_unknown_and_never_false() {
    let before = Scene::healthy().decide();
    for refusal in [no_answer(), throttled()] {
        let mut scene = silent(refusal).after(&before);
        scene.seen.stale = true;
        let outcome = scene.decide();
        for type_ in [Ready, Valid, Expired] {
            assert!(outcome.of(type_).starts_with("Unknown/"), "{:?}", values(&outcome));
        }
        assert!(outcome.of(Reconciling).starts_with("True/"));
        assert_eq!(outcome.status().page_count, Some(2));
    }
}

#[test]
fn silence_about_a_token_that_was_just_renewed_leaves_the_grant_ready() {
    let before = Scene::of(system_user(50)).decide();
    let mut scene = silent(no_answer()).after(&before);
    scene.seen.in_use = Some("renewed".to_owned());
    let outcome = scene.decide();
    outcome.shows(&[(Ready, "True/ReconcileSucceeded"), (Valid, "True/TokenValid"), (Renewed, "True/UpToDate")]);
    assert_eq!(outcome.status().inputs, before.status().inputs);
}

#[test]
fn silence_about_another_seed_says_nothing_of_it() {
    let before = Scene::fresh(system_user(10)).decide();
    let mut scene = silent(no_answer()).after(&before);
    scene.seen.token_secret = crate::meta_grant::model::TokenSecretSeen::Missing;
    scene.seen.in_use = Some("another".to_owned());
    scene.decide().shows(&[(Ready, "Unknown/GraphUnavailable"), (Valid, "Unknown/GraphUnavailable")]);
}

#[test]
fn what_is_said_of_the_application_is_not_said_of_the_grant() {
    let before = Scene::healthy().decide();
    let blamed = fault(Operation::DebugToken, 101, None, "Error validating application.");
    silent(blamed.clone()).after(&before).decide().shows(&[(Valid, "True/TokenValid")]);
    silent(blamed).decide().shows(&[(Valid, "Unknown/AppUnverified")]);
    let other =
        fault(Operation::DebugToken, 100, None, "(#100) The App_id in the input_token did not match the Viewing App");
    silent(other).after(&before).decide().shows(&[(Valid, "False/WrongApp"), (Expired, "False/NotExpired")]);
}
