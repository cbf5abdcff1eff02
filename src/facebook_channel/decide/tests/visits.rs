//! The results of a visit between passes.

use jiff::{SignedDuration, Timestamp};

use super::scene::*;
use crate::controller::batch_resync::Found;
use crate::facebook_channel::batched_reads::{app_silence, judge};
use crate::facebook_channel::model::Asked;
use crate::facebook_channel::prefetched::PageNews;
use crate::graph::{Operation, PageNode, ThrottleScope, Verdict};
use crate::limits::answer::Refusal;

const FIVE_MINUTES: SignedDuration = SignedDuration::from_mins(5);

/// What a visit of a connected channel comes to that finds this.
fn found(change: impl FnOnce(&mut Asked), silence: Option<Timestamp>) -> Found {
    let mut scene = Scene::healthy().after(&Scene::healthy().decide());
    change(&mut scene.seen.asked);
    judge(&scene.decide().plan, &scene.previous, &scene.seen.suspicions, silence)
}

#[test]
fn only_what_the_status_does_not_say_is_news() {
    type Row = (&'static str, fn(&mut Asked), Found);
    let rows: [Row; 8] = [
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
            |asked| asked.page = Some(Err(fault(Operation::ReadPage, 190, Some(460), "x"))),
            Found::News,
        ),
        ("no answer", |asked| asked.page = Some(Err(no_answer())), Found::Nothing),
    ];
    for (name, change, expected) in rows {
        assert_eq!(found(change, None), expected, "{name}");
    }
}

#[test]
fn a_page_that_is_asked_about_too_often_gets_a_time_of_its_own() {
    let mut limited = fault(Operation::ReadPage, 32, None, "limit");
    let found_with = |refusal: &Refusal| found(|asked| asked.subscriptions = Some(Err(refusal.clone())), None);
    let visit = now() + SignedDuration::from_mins(15);
    assert_eq!(found_with(&limited), Found::Later(visit + FIVE_MINUTES));
    let until_hint = Some(std::time::Duration::from_secs(3600));
    limited.verdict = Verdict::Throttled { until_hint, scope: ThrottleScope::Page };
    assert_eq!(found_with(&limited), Found::Later(visit + SignedDuration::from_hours(1)));
}

#[test]
fn no_answer_is_news_once_values_may_not_be_kept_any_longer() {
    let mut scene = Scene::healthy().after(&Scene::healthy().decide());
    scene.seen.asked.page = Some(Err(no_answer()));
    scene.seen.stale = true;
    assert_eq!(judge(&scene.decide().plan, &scene.previous, &scene.seen.suspicions, None), Found::News);
}

#[test]
fn what_throttles_the_app_silences_all_of_it() {
    let until = now() + FIVE_MINUTES;
    let limited = |asked: &mut Asked| asked.page = Some(Err(fault(Operation::ReadPage, 4, None, "limit")));
    assert_eq!(found(limited, Some(until)), Found::Silence(until));
    let refusal = fault(Operation::ReadPage, 4, None, "limit");
    let news = PageNews { page: Err(refusal), subscriptions: Ok(vec![]), threads: None };
    assert_eq!(app_silence(&news, now()), Some(until));
    let news = PageNews { page: Err(throttled()), subscriptions: Err(no_answer()), threads: None };
    assert_eq!(app_silence(&news, now()), None, "a page's own limit is its own");
}
