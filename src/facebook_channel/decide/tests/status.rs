//! What a status reports besides its conditions, and when to check again.

use jiff::{SignedDuration, Timestamp};

use super::scene::*;
use crate::api::AuthorizationStatus;
use crate::api::conditions::ConditionType::{Connected, Ready};
use crate::api::outcome::Class;
use crate::facebook_channel::model::{Asked, TokenSeen};
use crate::graph::{GraphFault, TokenInfo};
use crate::testing::DAY;

fn ending(token: Option<Timestamp>, data: Option<Timestamp>) -> Scene {
    let info = TokenInfo { expires_at: token, data_access_expires_at: data, ..token_info() };
    Scene::with(|scene| scene.seen.asked.token = Some(Ok(info)))
}

#[test]
fn the_earliest_clock_is_shown_and_warned_about_for_two_weeks() {
    let days = |days: i64| Some(now() + DAY * i32::try_from(days).unwrap());
    let just_before = |at: Option<Timestamp>| at.map(|at| at - SignedDuration::from_millis(1));
    let rows = [
        (None, None, "True/ReconcileSucceeded", None, None),
        (days(60), None, "True/ReconcileSucceeded", days(60), days(46)),
        (days(60), days(90), "True/ReconcileSucceeded", days(60), days(46)),
        (days(60), days(20), "True/ReconcileSucceeded", days(20), days(6)),
        // Whoever is woken at the very moment finds the warning due.
        (days(14), None, "True/ExpiresSoon", days(14), days(14)),
        (just_before(days(14)), None, "True/ExpiresSoon", just_before(days(14)), just_before(days(14))),
        (None, days(1), "True/ExpiresSoon", days(1), days(1)),
    ];
    for (token, data, ready, expires, until) in rows {
        let outcome = ending(token, data).decide();
        outcome.shows(&[(Ready, ready), (Connected, "True/ConnectionVerified")]);
        assert_eq!(outcome.status().expires, expires.map(|at| at.to_string()));
        assert_eq!(outcome.plan.report.until, until, "{ready}");
        assert_eq!(outcome.plan.report.class, Class::Settled);
        let step = outcome.status().next_step.as_deref().unwrap_or_default();
        assert_eq!(step.contains("must authorize app"), ready == "True/ExpiresSoon", "{step}");
    }
}

#[test]
fn the_confirmation_is_dated_once_for_each_slot_of_the_token() {
    let first = Scene::healthy().decide();
    assert_eq!(first.status().last_verified_at, Some(now()));
    let second = SignedDuration::from_secs(1);
    for (slot, expected) in [(now(), now()), (now() + second, now() + DAY)] {
        let mut scene = Scene::healthy().after(&first);
        (scene.now, scene.seen.token_slot) = (now() + DAY, slot);
        assert_eq!(scene.decide().status().last_verified_at, Some(expected));
    }
    let mut unanswered = Scene::debugged(Err(no_answer())).after(&first);
    (unanswered.now, unanswered.seen.token_slot) = (now() + DAY * 2, now() + DAY);
    assert_eq!(unanswered.decide().status().last_verified_at, Some(now()));
}

#[test]
fn another_token_is_confirmed_anew() {
    let first = Scene::healthy().decide();
    let mut scene = Scene::healthy().after(&first);
    scene.seen.token = TokenSeen::Present { fingerprint: "f2".to_owned() };
    let outcome = scene.decide();
    assert_eq!(outcome.status().last_verified_at, Some(scene.now));
    assert_eq!(outcome.status().authorization.as_ref().unwrap().fingerprint.as_deref(), Some("f2"));
}

#[test]
fn what_was_known_of_an_ended_token_stays_but_nothing_of_another_apps() {
    let first = ending(Some(now() + DAY), None).decide();
    let garbled = TokenInfo { is_valid: false, user_id: None, scopes: Some(vec![]), ..token_info() };
    let ended = TokenInfo { error: Some(GraphFault::new(190, Some(460), "x")), ..garbled };
    let outcome = Scene::debugged(Ok(ended)).after(&first).decide();
    assert_eq!(outcome.status().authorization, first.status().authorization);
    assert_eq!(outcome.status().last_verified_at, Some(now()));

    let foreign = TokenInfo { app_id: Some(OTHER_APP.into()), user_id: Some("777".to_owned()), ..token_info() };
    let known = Scene::debugged(Ok(foreign)).decide().status().authorization.clone();
    // Which token it is stays known, so that a verdict on it is not taken for one on its successor.
    let nameless = AuthorizationStatus { fingerprint: Some("f1".to_owned()), ..AuthorizationStatus::default() };
    assert_eq!(known, Some(nameless));
}

#[test]
fn the_scopes_are_listed_in_order_so_that_metas_order_rewrites_nothing() {
    let mut scopes = words(&SCOPES);
    scopes.reverse();
    let reversed = TokenInfo { scopes: Some(scopes), ..token_info() };
    let outcome = Scene::with(|scene| scene.seen.asked.token = Some(Ok(reversed))).decide();
    assert_eq!(outcome.status(), Scene::healthy().decide().status());
}

#[test]
fn a_transition_is_an_event_and_a_repetition_is_none() {
    let connected = Scene::healthy().decide();
    let note = &connected.plan.report.notes[0];
    assert_eq!((note.reason, note.warning), ("Connected", false));
    assert!(Scene::healthy().after(&connected).decide().plan.report.notes.is_empty());

    let broken = TokenInfo { is_valid: false, error: Some(GraphFault::new(190, Some(460), "x")), ..token_info() };
    let broken = Scene::debugged(Ok(broken)).after(&connected);
    let outcome = broken.decide();
    let note = &outcome.plan.report.notes[0];
    assert_eq!((note.reason, note.warning), ("PasswordChanged", true));
    assert!(note.text.contains("code 190, subcode 460"), "{}", note.text);
    assert!(broken.after(&outcome).decide().plan.report.notes.is_empty());
}

#[test]
fn the_inputs_are_recorded_only_when_everything_was_answered() {
    assert_eq!(Scene::healthy().decide().status().inputs.as_deref(), Some("inputs"));
    let mut scene = Scene::healthy();
    scene.previous.inputs = Some("older".to_owned());
    scene.seen.asked = Asked { token: Some(Err(no_answer())), ..Asked::default() };
    assert_eq!(scene.decide().status().inputs, None);
}
