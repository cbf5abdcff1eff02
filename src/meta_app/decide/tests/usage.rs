//! How the status reports the use of Meta's limits: by levels, not by numbers that move all the time.

use super::super::case::amended;
use super::scene::*;
use crate::api::{ManagementPolicy, MetaAppStatus, UsageLevel, UsageShare, UsageStatus};

fn share(level: UsageLevel, percent: u32) -> Option<UsageShare> {
    Some(UsageShare { level, percent })
}

fn app(level: UsageLevel, percent: u32) -> Option<UsageStatus> {
    Some(UsageStatus { app: share(level, percent), highest_page: None })
}

fn pages(level: UsageLevel, percent: u32) -> Option<UsageStatus> {
    Some(UsageStatus { app: None, highest_page: share(level, percent) })
}

#[test]
fn a_usage_is_told_when_its_level_changes_and_not_when_its_number_does() {
    use UsageLevel::{Silent, Sparse, Tight};
    let rows = [
        (None, None, None),
        (None, app(Tight, 81), app(Tight, 81)),
        (app(Tight, 81), app(Tight, 94), app(Tight, 81)),
        (app(Tight, 81), app(Sparse, 95), app(Sparse, 95)),
        (app(Sparse, 95), app(Silent, 100), app(Silent, 100)),
        (app(Sparse, 95), None, None),
        (app(Tight, 81), pages(Tight, 81), pages(Tight, 81)),
        (pages(Sparse, 96), pages(Sparse, 99), pages(Sparse, 96)),
        (pages(Sparse, 96), None, None),
    ];
    for (before, heard, told) in rows {
        let mut scene = Scene::healthy().after(&Scene::healthy().decide());
        scene.previous.usage.clone_from(&before);
        scene.seen.usage.clone_from(&heard);
        // With a check at Meta, and without one.
        assert_eq!(scene.decide().status().usage, told, "{before:?}, then {heard:?}");
        let amended = amended(&scene.previous, &scene.seen);
        let expected = MetaAppStatus { usage: told, ..scene.previous.clone() };
        assert_eq!(amended, expected, "{before:?}, then {heard:?}");
    }
}

#[test]
fn a_usage_changes_nothing_else() {
    let mut scene = Scene::healthy().after(&Scene::healthy().decide());
    scene.seen.usage = app(UsageLevel::Sparse, 96);
    let outcome = scene.decide();
    assert_eq!(MetaAppStatus { usage: None, ..outcome.status().clone() }, scene.previous);
    assert!(outcome.plan.report.notes.is_empty());
    outcome.no_mutation();
    // A paused one is left as it was.
    scene.app.spec.management_policy = ManagementPolicy::Pause;
    assert_eq!(scene.decide().status().usage, None);
}
