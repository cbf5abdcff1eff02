//! A check that someone requested: when it counts as made.

use super::scene::*;
use crate::limits::answer::{Held, Refusal};
use crate::meta_grant::model::{Asked, SourceTokenSeen, TokenSecretSeen};

/// What the status repeats after a check that was asked for with `b`, where it repeated `a` before.
fn handled(change: impl FnOnce(&mut Scene)) -> Option<String> {
    let mut scene = Scene::healthy();
    scene.previous.last_handled_requested_at = Some("a".to_owned());
    scene.seen.requested = Some("b".to_owned());
    change(&mut scene);
    scene.decide().status().last_handled_requested_at.clone()
}

#[test]
fn a_look_is_taken_once_token_and_pages_were_answered_about() {
    for refusal in [no_answer(), Refusal::held(Held::Edits(now())), Refusal::held(Held::Outage(now()))] {
        let token =
            |scene: &mut Scene| scene.seen.asked = Asked { token: Some(Err(refusal.clone())), ..Asked::default() };
        assert_eq!(handled(token).as_deref(), Some("a"), "{refusal:?} about the token");
        let pages = |scene: &mut Scene| scene.seen.asked.pages = Some(Err(refusal.clone()));
        assert_eq!(handled(pages).as_deref(), Some("a"), "{refusal:?} about the pages");
    }
    assert_eq!(handled(|_| ()).as_deref(), Some("b"));
    assert_eq!(handled(|scene| scene.seen.asked.token = Some(Ok(ended(460)))).as_deref(), Some("b"), "it was told");
}

#[test]
fn it_is_not_taken_without_a_token_to_ask_about() {
    let missing = |scene: &mut Scene| {
        (scene.seen.source_token, scene.seen.token_secret) = (SourceTokenSeen::NotReleased, TokenSecretSeen::Missing);
        (scene.seen.in_use, scene.seen.asked) = (None, Asked::default());
    };
    assert_eq!(handled(missing).as_deref(), Some("a"));
}
