//! A check that someone requested: when it counts as made.

use super::scene::*;
use crate::limits::answer::{Held, Refusal};
use crate::meta_app::model::{Asked, SecretSeen, Trial};

/// What the status repeats after a check that was asked for with `b`, where it repeated `a` before.
fn handled(mut scene: Scene) -> Option<String> {
    scene.previous.last_handled_requested_at = Some("a".to_owned());
    scene.seen.requested = Some("b".to_owned());
    scene.decide().status().last_handled_requested_at.clone()
}

#[test]
fn a_look_is_taken_once_meta_has_answered() {
    for refusal in [no_answer(), throttled(), Refusal::held(Held::Edits(now())), Refusal::held(Held::Limit(now()))] {
        assert_eq!(handled(Scene::refused(refusal.clone())).as_deref(), Some("a"), "{refusal:?}");
        let rows = Scene::with(|scene| scene.seen.asked.subscriptions = Some(Err(refusal.clone())));
        assert_eq!(handled(rows).as_deref(), Some("a"), "{refusal:?} about the subscriptions");
    }
    let untried = Scene::with(|scene| scene.seen.asked.trial = Some(Trial::Unanswered(no_answer())));
    assert_eq!(handled(untried).as_deref(), Some("a"), "another version is still being tried");
    assert_eq!(handled(Scene::healthy()).as_deref(), Some("b"));
    let rejected = Scene::refused(fault(190, None, "Invalid OAuth access token signature."));
    assert_eq!(handled(rejected).as_deref(), Some("b"), "a refusal is an answer");
}

#[test]
fn it_is_not_taken_without_the_app_secret() {
    let missing = Scene::with(|scene| {
        scene.seen.secret = SecretSeen::NotReleased;
        scene.seen.asked = Asked::default();
    });
    assert_eq!(handled(missing).as_deref(), Some("a"));
}
