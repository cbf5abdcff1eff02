//! Which token is exchanged, when, and what is kept and revoked.

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::scene::*;
use crate::api::conditions::ConditionType::{Ready, Renewed, Valid};
use crate::api::outcome::Class;
use crate::graph::{Exchange, Operation, Token, TokenInfo};
use crate::meta_grant::model::{Asked, Exchanged, SourceTokenSeen, TokenSecretSeen};
use crate::meta_grant::model::{Mutation, Which};

fn renew() -> Option<Mutation> {
    Some(Mutation::Exchange { of: Which::InUse, exchange: Exchange::SystemUser })
}

fn keep(which: Which) -> Option<Mutation> {
    Some(Mutation::Keep { which, source_token: "seed".to_owned() })
}

fn token() -> Token {
    Token::parse(b"EAA0000000000000000000-new").unwrap()
}

#[test]
fn a_system_users_token_is_renewed_when_what_is_left_of_it_is_as_declared() {
    let endless = TokenInfo { expires_at: None, ..system_user(300) };
    let rows = [
        (system_user(39), json!({}), None),
        (system_user(40), json!({}), renew()),
        (system_user(59), json!({}), renew()),
        (system_user(29), json!({"before": "30d"}), None),
        (system_user(30), json!({"before": "30d"}), renew()),
        // By age, whatever is left.
        (TokenInfo { expires_at: Some(now() + days(50)), ..system_user(61) }, json!({}), renew()),
        (system_user(10), json!({"maxAge": "10d"}), renew()),
        (system_user(9), json!({"maxAge": "10d"}), None),
        // What was just handed out is left alone for a day.
        (system_user(0), json!({"before": "59d", "maxAge": "1d"}), None),
        (system_user(1), json!({"before": "59d", "maxAge": "1d"}), renew()),
        (system_user(50), json!({"policy": "Never"}), None),
        (endless, json!({}), None),
        (long_user(50), json!({}), None),
    ];
    for (info, renewal, expected) in rows {
        let mut scene = Scene::of(info.clone());
        scene.grant = meta_grant(renewal.clone());
        let outcome = scene.decide();
        assert_eq!(outcome.plan.mutation, expected, "{renewal} {info:?}");
        outcome.shows(&[(Valid, "True/TokenValid")]);
    }
}

#[test]
fn by_a_clock_that_is_in_doubt_no_token_ends_is_renewed_or_revoked() {
    for age in [40, 61] {
        let mut scene = Scene::of(system_user(age));
        scene.seen.clock_doubted = true;
        let outcome = scene.decide();
        outcome.mutates(None);
        outcome.shows(&[(Ready, "True/ReconcileSucceeded"), (Valid, "True/TokenValid"), (Renewed, "Unknown/Pending")]);
    }
}

#[test]
fn a_grant_that_is_being_deleted_keeps_what_it_has_and_still_works() {
    for deleted in [false, true] {
        let mut scene = Scene::of(system_user(59));
        scene.grant.metadata.deletion_timestamp = deleted.then(|| Time(now()));
        let renewal = scene.decide();
        assert_eq!(renewal.plan.mutation, (!deleted).then(renew).flatten());
        renewal.shows(&[(Valid, "True/TokenValid")]);
        scene.seen.token_secret = TokenSecretSeen::Missing;
        assert_eq!(scene.decide().plan.mutation.is_some(), !deleted, "no Secret is made");
    }
}

#[test]
fn what_renewal_there_is_to_expect_is_told() {
    let endless = TokenInfo { expires_at: None, ..system_user(300) };
    let rows = [
        (system_user(10), json!({}), "True/UpToDate", "renewed from 2026-03-31T12:00:00Z on"),
        (endless, json!({}), "True/UpToDate", "does not end"),
        (system_user(10), json!({"policy": "Never"}), "Unknown/NotRequired", "as declared"),
        (long_user(10), json!({}), "Unknown/NotRenewable", "without the person"),
    ];
    for (info, renewal, expected, words) in rows {
        let mut scene = Scene::of(info);
        scene.grant = meta_grant(renewal);
        let outcome = scene.decide();
        outcome.shows(&[(Renewed, expected), (Ready, "True/ReconcileSucceeded")]);
        assert!(outcome.message(Renewed).contains(words), "{}", outcome.message(Renewed));
    }
}

#[test]
fn whatever_serves_is_kept_first_and_a_persons_short_token_only_as_what_it_is_exchanged_for() {
    Scene::fresh(system_user(10)).decide().mutates(keep(Which::SourceToken));
    Scene::fresh(system_user(50)).decide().mutates(keep(Which::SourceToken));
    Scene::fresh(long_user(10)).decide().mutates(keep(Which::SourceToken));
    let short = Some(Mutation::Exchange { of: Which::SourceToken, exchange: Exchange::ShortUser });
    Scene::fresh(short_user()).decide().mutates(short);
    let mut obtained = Scene::fresh(short_user());
    obtained.seen.tokens.obtained = Some(("seed".to_owned(), token()));
    obtained.decide().mutates(keep(Which::Obtained));
    let mut malformed = Scene::fresh(system_user(10));
    malformed.seen.token_secret = TokenSecretSeen::Malformed("it has no key token".to_owned());
    malformed.decide().mutates(keep(Which::SourceToken));
}

#[test]
fn a_token_that_was_handed_out_is_kept_and_not_asked_for_again() {
    let mut scene = Scene::of(system_user(50));
    scene.seen.tokens.obtained = Some(("in-use".to_owned(), token()));
    scene.decide().mutates(keep(Which::Obtained));
    // It was handed out for a token that is not in use any more.
    scene.seen.tokens.obtained = Some(("former".to_owned(), token()));
    scene.decide().mutates(renew());
}

#[test]
fn a_refused_renewal_leaves_the_grant_ready_and_is_told_once() {
    let before = Scene::of(system_user(39)).decide();
    let refusal = || fault(Operation::ExchangeToken, 200, None, "(#200) Permissions error");
    let scene = || {
        let mut scene = Scene::of(system_user(40)).after(&before);
        scene.seen.asked.exchanged = Some(Err(refusal()));
        scene
    };
    let outcome = scene().decide();
    outcome.shows(&[(Ready, "True/ReconcileSucceeded"), (Valid, "True/TokenValid"), (Renewed, "False/RenewalRefused")]);
    outcome.mutates(None);
    assert_eq!(outcome.notes(), ["RenewalRefused!"]);
    assert_eq!(outcome.plan.report.class, Class::Settled);
    assert_eq!(outcome.plan.report.until, Some(outcome.now + SignedDuration::from_hours(2)), "it is tried again");
    let message = outcome.message(Renewed);
    assert!(message.contains("2026-03-21T12:00:00Z") && message.contains("tenant-a/acme-grant"), "{message}");
    assert!(message.ends_with(outcome.status().next_step.as_deref().unwrap()), "{message}");

    let again = scene().after(&outcome).decide();
    assert_eq!(again.status(), outcome.status(), "nothing new is written");
    assert_eq!(again.notes(), [""; 0]);
    let mut works = Scene::of(system_user(0)).after(&again);
    works.seen.in_use = Some("new".to_owned());
    let works = works.decide();
    works.shows(&[(Renewed, "True/UpToDate")]);
    assert_eq!(works.notes(), ["Renewed"]);
}

#[test]
fn the_same_token_again_is_an_answer_that_is_told_once_and_asked_for_again_later() {
    let before = Scene::of(system_user(39)).decide();
    let scene = || {
        let mut scene = Scene::of(system_user(40)).after(&before);
        scene.seen.asked.exchanged = Some(Ok(Exchanged::Same));
        scene
    };
    let outcome = scene().decide();
    outcome.shows(&[(Ready, "True/ReconcileSucceeded"), (Valid, "True/TokenValid"), (Renewed, "False/NotRenewable")]);
    outcome.mutates(None);
    assert_eq!(outcome.notes(), ["RenewalRefused!"]);
    assert_eq!(outcome.plan.report.until, Some(outcome.now + SignedDuration::from_hours(2)));
    let message = outcome.message(Renewed);
    assert!(message.contains("same token") && message.contains("2026-03-21T12:00:00Z"), "{message}");
    let again = scene().after(&outcome).decide();
    assert_eq!((again.status(), again.notes().len()), (outcome.status(), 0), "nothing new is written");
}

#[test]
fn a_short_token_that_meta_gives_back_is_kept_as_it_is_and_told_not_to_be_renewable() {
    let mut same = Scene::fresh(short_user());
    same.seen.asked.exchanged = Some(Ok(Exchanged::Same));
    same.decide().mutates(keep(Which::SourceToken));
    // Once it is kept, Meta is not asked again.
    let kept = Scene::of(short_user()).decide();
    kept.mutates(None);
    kept.shows(&[(Ready, "True/ExpiresSoon"), (Renewed, "False/NotRenewable")]);
    let message = kept.message(Renewed);
    assert!(message.contains("none that lives for weeks") && message.contains("must authorize app"), "{message}");
}

#[test]
fn a_renewal_that_meta_leaves_open_changes_nothing_and_is_tried_again_soon() {
    let before = Scene::of(system_user(39)).decide();
    let mut scene = Scene::of(system_user(40)).after(&before);
    scene.seen.asked.exchanged = Some(Err(no_answer()));
    let outcome = scene.decide();
    outcome.shows(&[(Ready, "True/ReconcileSucceeded"), (Renewed, "True/UpToDate")]);
    assert_eq!(outcome.notes(), [""; 0]);
    assert!(outcome.plan.report.answered, "the grant itself was answered about");
    assert_eq!(outcome.plan.report.until, Some(scene.now + SignedDuration::from_mins(15)));
}

#[test]
fn only_what_was_obtained_is_revoked_and_only_a_day_later_and_if_that_is_declared() {
    let revoke = Some(Mutation::Revoke);
    let rows = [
        (true, former("old", true, 24), system_user(1), revoke.clone()),
        (true, former("old", true, 23), system_user(1), None),
        (true, former("old", false, 500), system_user(1), None),
        (false, former("old", true, 500), system_user(1), None),
        (true, former("seed", true, 500), system_user(1), None),
        (true, former("in-use", true, 500), system_user(1), None),
        // What took its place does not serve.
        (true, former("old", true, 500), ended(460), None),
    ];
    for (declared, previous, info, expected) in rows {
        let mut scene = Scene::of(info);
        scene.grant = meta_grant(json!({"revokeOld": declared}));
        scene.seen.token_secret = token_secret("seed", true, Some(previous.clone()));
        assert_eq!(scene.decide().plan.mutation, expected, "{declared} {previous:?}");
    }
    let mut scene = Scene::healthy();
    scene.grant = meta_grant(json!({"revokeOld": true}));
    scene.seen.token_secret = token_secret("seed", true, Some(former("old", true, 1)));
    assert_eq!(scene.decide().plan.report.until, Some(now() + SignedDuration::from_hours(23)));
    scene.seen.token_secret = token_secret("seed", true, Some(former("old", true, 30)));
    scene.seen.asked = Asked { revoked: Some(Ok(())), ..scene.seen.asked };
    scene.decide().mutates(Some(Mutation::ForgetPrevious));
    scene.seen.asked.revoked = Some(Err(no_answer()));
    scene.decide().mutates(None);
}

#[test]
fn a_kept_token_that_ended_gives_way_to_whatever_still_serves() {
    let mut scene = Scene::of(ended(466));
    scene.seen.token_secret = token_secret("seed", true, Some(former("old", true, 1)));
    scene.seen.asked.previous = Some(Ok(system_user(30)));
    scene.decide().mutates(keep(Which::Previous));
    scene.seen.asked.previous = Some(Ok(ended(466)));
    scene.decide().mutates(None);
    scene.seen.asked.source_token = Some(Ok(system_user(30)));
    scene.decide().mutates(keep(Which::SourceToken));
    scene.seen.source_token = SourceTokenSeen::NotReleased;
    scene.seen.asked.previous = Some(Ok(system_user(30)));
    scene.decide().mutates(keep(Which::Previous));
}

#[test]
fn nothing_is_exchanged_while_there_is_no_room_to_keep_it() {
    let outcome = Scene::with(|scene| {
        scene.seen.token_secret = TokenSecretSeen::Taken;
        scene.seen.in_use = Some("seed".to_owned());
        scene.seen.asked.token = Some(Ok(system_user(50)));
    })
    .decide();
    outcome.stalled("SecretNameTaken");
    outcome.shows(&[(Valid, "True/TokenValid"), (Renewed, "False/SecretNameTaken")]);
    assert_eq!(outcome.notes(), ["SecretNameTaken!"]);
    assert!(outcome.message(Renewed).contains("metagrant-acme-token"));
    outcome.mutates(None);
}
