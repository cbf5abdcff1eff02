//! What Events report, and that they report it once.

use super::passes::*;
use super::scene::*;
use crate::api::conditions::ConditionType::Ready;
use crate::graph::TokenInfo;

fn text(outcome: &Outcome, reason: &str) -> String {
    outcome.plan.report.notes.iter().find(|note| note.reason == reason).unwrap().text.clone()
}

#[test]
fn a_renewed_token_is_told_with_both_names_and_ends() {
    let before = Scene::of(system_user(40)).decide();
    let mut scene = Scene::of(system_user(0)).after(&before);
    scene.seen.in_use = Some("renewed".to_owned());
    let outcome = scene.decide();
    assert_eq!(outcome.notes(), ["Renewed"]);
    let text = text(&outcome, "Renewed");
    for part in ["renewed", "in-use", "2026-03-21T12:00:00Z", "2026-04-30T12:00:00Z"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    scene.seen.token_secret = token_secret("another-seed", false, None);
    assert_eq!(scene.decide().notes(), ["TokenReplaced"], "a source token that was adopted is no renewal");
    assert!(scene.after(&outcome).decide().notes().is_empty());
}

#[test]
fn another_grantor_is_told() {
    let before = Scene::of(long_user(10)).decide();
    let mut scene = Scene::of(TokenInfo { user_id: Some("6600000000000002".into()), ..long_user(0) }).after(&before);
    scene.seen.in_use = Some("other".to_owned());
    scene.seen.token_secret = token_secret("other", false, None);
    let outcome = scene.decide();
    assert_eq!(outcome.notes(), ["TokenReplaced", "GrantorChanged"]);
    assert!(text(&outcome, "GrantorChanged").contains(PERSON));
}

#[test]
fn pages_in_use_that_left_are_named_once_and_after_a_restart_too() {
    for restarted in [false, true] {
        let mut passes = Passes::listed();
        if restarted {
            passes = passes.restart();
        }
        passes.pass(60, Passes::lacking(&[PAGE_A]), refuses);
        let outcome = passes.pass(60, Passes::lacking(&[PAGE_A]), refuses);
        assert_eq!(outcome.notes(), ["GrantShrunk!"]);
        let text = text(&outcome, "GrantShrunk");
        assert!(text.contains(PAGE_A) && !text.contains(PAGE_B), "{text}");
        outcome.shows(&[(Ready, "True/ReconcileSucceeded")]);
        assert_eq!(passes.pass(60, Passes::lacking(&[PAGE_A]), refuses).notes(), [""; 0]);
        passes.scene.seen.dependents.pages.clear();
        assert_eq!(passes.pass(60, Ok(vec![]), refuses).notes(), [""; 0], "nobody uses it");
    }
}

#[test]
fn a_grant_that_ends_soon_is_told_at_first_and_then_once_a_day() {
    let far = Scene::of(long_user(45)).decide();
    far.shows(&[(Ready, "True/ReconcileSucceeded")]);
    assert_eq!(far.plan.report.until, Some(now() + days(1)), "checked again when it ends soon");
    let near = Scene::of(long_user(46)).after(&far).decide();
    near.shows(&[(Ready, "True/ExpiresSoon")]);
    assert_eq!(near.notes(), ["ExpiresSoon!"]);
    assert!(near.status().next_step.as_deref().unwrap().contains("authorize"), "{:?}", near.status());
    let mut again = Scene::of(long_user(46)).after(&near);
    assert_eq!(again.decide().notes(), [""; 0]);
    again.seen.remind = true;
    let again = again.decide();
    assert_eq!(again.notes(), ["ExpiresSoon!"]);
    assert_eq!(again.plan.report.until, Some(again.now + days(1)), "and again tomorrow");
    // The access to the person's data may be what ends first.
    let data = TokenInfo { data_access_expires_at: Some(now() + days(3)), expires_at: None, ..long_user(10) };
    let data = Scene::of(data).decide();
    data.shows(&[(Ready, "True/ExpiresSoon")]);
    assert_eq!(data.status().expires.as_deref(), Some("2026-03-04T12:00:00Z"));
}

#[test]
fn a_death_is_told_once() {
    let before = Scene::healthy().decide();
    let dead = Scene::of(ended(460)).after(&before).decide();
    assert_eq!(dead.notes(), ["PasswordChanged!"]);
    assert_eq!(Scene::of(ended(460)).after(&dead).decide().notes(), [""; 0]);
}
