//! A check that someone requested: when it counts as made.

use super::scene::*;
use crate::api::outcome::Class;
use crate::facebook_channel::model::{Asked, TokenSeen};
use crate::limits::answer::{Held, Refusal};

/// What the status repeats after a check that was asked for with `b`, where it repeated `a` before.
fn handled(change: impl FnOnce(&mut Scene)) -> Option<String> {
    let mut scene = Scene::healthy();
    scene.previous.last_handled_requested_at = Some("a".to_owned());
    scene.seen.requested = Some("b".to_owned());
    change(&mut scene);
    scene.decide().status().last_handled_requested_at.clone()
}

#[test]
fn a_look_is_taken_once_everything_that_it_is_about_was_answered() {
    let held = |held: fn(jiff::Timestamp) -> Held| Refusal::held(held(now()));
    let unanswered =
        [held(Held::Edits), held(Held::Limit), held(Held::Outage), held(Held::Grant), no_answer(), throttled()];
    for refusal in unanswered {
        let token =
            |scene: &mut Scene| scene.seen.asked = Asked { token: Some(Err(refusal.clone())), ..Asked::default() };
        assert_eq!(handled(token).as_deref(), Some("a"), "{refusal:?} about the token");
        let page = |scene: &mut Scene| scene.seen.asked.page = Some(Err(refusal.clone()));
        assert_eq!(handled(page).as_deref(), Some("a"), "{refusal:?} about the page");
    }
    assert_eq!(handled(|_| ()).as_deref(), Some("b"));
    // A refusal is an answer, whatever it makes of the channel.
    let refused = fault(crate::graph::Operation::ReadPage, 100, 33, "Unsupported get request");
    assert_eq!(handled(|scene| scene.seen.asked.page = Some(Err(refused))).as_deref(), Some("b"));
    assert_eq!(handled(|scene| scene.seen.requested = None).as_deref(), Some("a"), "nobody asked again");
}

#[test]
fn it_is_not_taken_while_nothing_can_be_asked() {
    let missing = |scene: &mut Scene| {
        scene.seen.token = TokenSeen::NotReleased;
        scene.seen.asked = Asked::default();
    };
    assert_eq!(handled(missing).as_deref(), Some("a"));
}

#[test]
fn conversations_that_cannot_be_looked_at_yet_are_owed_and_looked_at_then() {
    let owed = now() + jiff::SignedDuration::from_secs(40);
    assert_eq!(handled(|scene| scene.seen.asked.threads_owed = Some(owed)).as_deref(), Some("a"));
    let outcome = Scene::with(|scene| scene.seen.asked.threads_owed = Some(owed)).decide();
    assert_eq!((outcome.plan.report.class, outcome.plan.report.until), (Class::Settled, Some(owed)));
}
