//! What a visit between passes comes to.

use jiff::{SignedDuration, Timestamp};

use super::scene::*;
use crate::engine::answer::PageNews;
use crate::engine::sweep::Found;
use crate::facebook_channel::observe::Asked;
use crate::facebook_channel::sweep::{app_silence, judge};
use crate::graph::{Caller, PageNode};

const FIVE_MINUTES: SignedDuration = SignedDuration::from_mins(5);

/// What a visit of a connected channel comes to that finds this.
fn found(change: impl FnOnce(&mut Asked), silence: Option<Timestamp>) -> Found {
    let mut scene = Scene::healthy().after(&Scene::healthy().decide());
    change(&mut scene.seen.asked);
    judge(&scene.decide().plan, &scene.previous, silence)
}

#[test]
fn only_what_the_status_does_not_say_is_news() {
    type Row = (&'static str, fn(&mut Asked), Found);
    let rows: [Row; 9] = [
        ("as before", |_| (), Found::Same),
        ("the row is gone", |asked| asked.subscriptions = Some(Ok(vec![])), Found::News),
        ("a field is gone", |asked| asked.subscriptions = Some(Ok(vec![row(APP, &FIELDS[1..])])), Found::News),
        (
            "another app came",
            |asked| asked.subscriptions = Some(Ok(vec![row(APP, &FIELDS), row(OTHER_APP, &FIELDS)])),
            Found::Same,
        ),
        (
            "unpublished",
            |asked| asked.page = Some(Ok(PageNode { is_published: Some(false), ..page_node() })),
            Found::News,
        ),
        (
            "another name",
            |asked| asked.page = Some(Ok(PageNode { name: Some("New".to_owned()), ..page_node() })),
            Found::News,
        ),
        (
            "the password was changed",
            |asked| asked.page = Some(Err(fault(Caller::PageToken, 190, Some(460), "x"))),
            Found::News,
        ),
        ("no answer", |asked| asked.page = Some(Err(no_answer())), Found::Nothing),
        ("this page is throttled", |asked| asked.subscriptions = Some(Err(throttled())), Found::Nothing),
    ];
    for (name, change, expected) in rows {
        assert_eq!(found(change, None), expected, "{name}");
    }
}

#[test]
fn no_answer_is_news_once_values_may_not_be_kept_any_longer() {
    let mut scene = Scene::healthy().after(&Scene::healthy().decide());
    scene.seen.asked.page = Some(Err(no_answer()));
    scene.seen.stale = true;
    assert_eq!(judge(&scene.decide().plan, &scene.previous, None), Found::News);
}

#[test]
fn what_throttles_the_app_silences_all_of_it() {
    let until = now() + FIVE_MINUTES;
    let limited = |asked: &mut Asked| asked.page = Some(Err(fault(Caller::PageToken, 4, None, "limit")));
    assert_eq!(found(limited, Some(until)), Found::Silence(until));
    let refusal = fault(Caller::PageToken, 4, None, "limit");
    let news = PageNews { page: Err(refusal), subscriptions: Ok(vec![]) };
    assert_eq!(app_silence(&news, now()), Some(until));
    let news = PageNews { page: Err(throttled()), subscriptions: Err(no_answer()) };
    assert_eq!(app_silence(&news, now()), None, "a page's own limit is its own");
}
