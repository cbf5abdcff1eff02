//! What a status contains besides conditions.

use super::super::counted;
use super::passes::*;
use super::scene::*;
use crate::graph::GraphFault;

const OTHER_PAGE: &str = "2200000000000003";

#[test]
fn of_many_pages_those_in_use_are_listed_first_and_all_are_counted() {
    let ids: Vec<String> = (0..10_000).map(|number| format!("3300000000{number:06}")).collect();
    let all: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut scene = Scene::with(|scene| scene.seen.asked.pages = Some(Ok(accounts(&all))));
    scene.seen.dependents.pages = [ids[9_999].as_str().into(), ids[5_000].as_str().into()].into();
    let outcome = scene.decide();
    let status = outcome.status();
    assert_eq!((status.page_count, status.pages_truncated, status.pages.len()), (Some(10_000), true, 100));
    let listed: Vec<&str> = status.pages.iter().take(3).map(|page| page.id.as_str()).collect();
    assert_eq!(listed, [all[5_000], all[9_999], all[0]]);
    let size = serde_json::to_string(status).unwrap().len();
    assert!(size < 20_000, "{size} bytes");
}

#[test]
fn channels_that_come_and_go_are_counted_without_a_look() {
    let before = Scene::healthy().decide();
    let mut scene = Scene::healthy().after(&before);
    assert_eq!(counted(before.status(), &scene.seen, scene.now), *before.status());
    scene.seen.dependents.channels = Some(7);
    (scene.seen.asked.pages, scene.seen.asked.token) = (None, None);
    let status = counted(before.status(), &scene.seen, scene.now);
    assert_eq!((status.channels, status.page_count), (Some(7), Some(2)));
    assert_eq!(status.conditions, before.status().conditions);
    scene.seen.dependents.channels = None;
    assert_eq!(counted(&status, &scene.seen, scene.now).channels, Some(7), "kept until they are counted again");
}

#[test]
fn pages_of_which_nothing_is_known_are_named_until_something_is() {
    // Channels name pages, and nobody has authorized anything yet.
    let mut new = Scene::of(ended(460));
    (new.seen.asked.pages, new.seen.before) = (None, None);
    let new = new.decide();
    assert_eq!(new.status().unchecked_pages, [PAGE_A, PAGE_B]);
    let listed = Scene::healthy().after(&new).decide();
    assert_eq!(listed.status().unchecked_pages, [""; 0]);
    // Another channel comes while the grant is dead.
    let mut dead = Scene::of(ended(460)).after(&listed);
    (dead.seen.asked.pages, dead.seen.before) = (None, None);
    dead.seen.dependents.pages.insert(OTHER_PAGE.into());
    let dead = dead.decide();
    assert_eq!(
        (dead.status().unchecked_pages.as_slice(), dead.status().pages.len()),
        (&[OTHER_PAGE.to_owned()][..], 2)
    );
    // Of a list that was cut short nobody knows what it lacks.
    let mut cut = Scene::of(ended(460)).after(&listed);
    (cut.seen.asked.pages, cut.seen.before) = (None, None);
    cut.previous.pages_truncated = true;
    cut.seen.dependents.pages.insert(OTHER_PAGE.into());
    assert_eq!(cut.decide().status().unchecked_pages, [""; 0]);
}

#[test]
fn pages_in_use_are_marked_and_those_that_are_not_covered_are_named() {
    let of = |outcome: &Outcome| {
        let status = outcome.status();
        let used = status.pages.iter().filter(|page| page.in_use).map(|page| page.id.clone()).collect::<Vec<_>>();
        (used, status.missing_pages.iter().map(|it| (it.id.clone(), it.name.clone())).collect::<Vec<_>>())
    };
    let lost = |name: Option<String>| vec![(PAGE_A.to_owned(), name)];
    let before = Scene::healthy().decide();
    assert_eq!(of(&before), (words(&[PAGE_A, PAGE_B]), vec![]));
    // A person chose fewer pages; its name is known from before.
    let mut passes = Passes::listed();
    passes.pass(60, Passes::lacking(&[PAGE_A]), refuses);
    let shrunk = passes.pass(60, Passes::lacking(&[PAGE_A]), refuses);
    assert_eq!(of(&shrunk), (words(&[PAGE_B]), lost(Some(format!("Page {PAGE_A}")))));
    // Nothing is known of the pages any more; a channel goes, and what it used is not in use.
    let mut dead = Scene::of(ended(460)).after(&shrunk);
    (dead.seen.asked.pages, dead.seen.before) = (None, None);
    assert_eq!(of(&dead.decide()), of(&shrunk));
    dead.seen.dependents.pages.clear();
    assert_eq!(of(&dead.decide()), (vec![], vec![]));
    // One that was never covered has no name.
    let mut never = Passes::restarted();
    assert_eq!(of(&never.pass(60, Passes::lacking(&[PAGE_A]), refuses)), (words(&[PAGE_B]), vec![]));
    assert_eq!(of(&never.pass(60, Passes::lacking(&[PAGE_A]), refuses)), (words(&[PAGE_B]), lost(None)));
}

#[test]
fn what_was_known_of_a_token_stays_when_it_ended_and_its_end_is_in_the_past() {
    let before = Scene::of(long_user(10)).decide();
    let dead = Scene::of(ended(460)).after(&before).decide();
    let (old, new) = (before.status(), dead.status());
    assert_eq!((new.grantor_id.as_deref(), new.token_type.as_deref()), (Some(PERSON), Some("USER")));
    assert_eq!((new.expires_at, &new.pages), (old.expires_at, &old.pages));
    assert_eq!(new.expires, None, "it ended before its clock did");
    let over = Scene::of(system_user(61)).decide();
    assert_eq!(over.status().expires.as_deref(), Some("2026-02-28T12:00:00Z"));
}

#[test]
fn meta_s_words_are_shown_without_the_secrets_that_they_repeat() {
    let words = "Session of Alex with token EAABsecretsecretsecret ended on Tuesday";
    let mut info = ended(460);
    info.error = Some(GraphFault::new(190, Some(460), words));
    let outcome = Scene::of(info).decide();
    let shown = serde_json::to_string(outcome.status()).unwrap();
    assert!(shown.contains("ended on Tuesday") && !shown.contains("EAAB"), "{shown}");
}
