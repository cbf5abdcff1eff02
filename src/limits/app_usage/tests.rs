#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::limits::answer::Held;
use crate::limits::round_robin::unfair;
use crate::testing::since_start as at;

fn refusal(scope: ThrottleScope, minutes: u64) -> Refusal {
    let until_hint = (minutes > 0).then(|| Duration::from_secs(minutes * 60));
    Refusal::new(Verdict::Throttled { until_hint, scope }, "code 4")
}

/// What a channel of this application, page and token needs.
fn channel(app: &str, page: &str, token: &str) -> Vec<Budget> {
    vec![Budget::app(&app.into()), Budget::page(&app.into(), &page.into()), Budget::token(&app.into(), token)]
}

fn usage(of: Metered, percent: u32) -> Usage {
    Usage { of, percent, regain_access: None }
}

/// So much is used of the limit of "app".
fn used(percent: u32, second: i64) -> UsageTracker {
    let all = UsageTracker::default();
    all.hear(&"app".into(), &usage(Metered::App, percent), at(second));
    all
}

/// A channel of "app" asks as this; whether it is let through.
fn asks(all: &UsageTracker, namespace: &str, name: &str, priority: Priority, second: i64) -> bool {
    let (key, budgets) = (Key::new(namespace, name), channel("app", name, name));
    let ask = Ask { app: &"app".into(), budgets: &budgets, key: &key, uid: &name.into(), priority };
    let answer = all.admit(&ask, at(second));
    if let Err(until) = answer {
        assert!(until > at(second), "it would ask again at once");
    }
    answer.is_ok()
}

fn called(all: &UsageTracker, second: i64) -> Vec<String> {
    all.call(at(second)).into_iter().map(|called| called.key.name).collect()
}

#[test]
fn a_limit_silences_what_it_applies_to_and_nothing_else() {
    let met = channel("app", "page", "token");
    let others = [
        channel("app", "page", "other"),
        channel("app", "other", "token"),
        channel("app", "other", "other"),
        vec![Budget::app(&"app".into())],
        channel("other", "page", "token"),
    ];
    let rows = [
        (ThrottleScope::App, [true, true, true, true, false]),
        (ThrottleScope::Page, [true, false, false, false, false]),
        (ThrottleScope::Token, [false, true, false, false, false]),
    ];
    for (scope, expected) in rows {
        let all = UsageTracker::default();
        all.heed(&met, &refusal(scope, 0), at(0));
        assert!(all.silent_until(&met, &"u".into(), at(1)).is_some(), "{scope:?}");
        let silent = others.each_ref().map(|budgets| all.silent_until(budgets, &"u".into(), at(1)).is_some());
        assert_eq!(silent, expected, "{scope:?}");
    }
}

#[test]
fn the_silence_lasts_as_long_as_meta_says_and_at_least_five_minutes() {
    for (minutes, expected) in [(0, 300), (3, 300), (7, 420)] {
        let (all, met) = (UsageTracker::default(), channel("app", "page", "token"));
        all.heed(&met, &refusal(ThrottleScope::Page, minutes), at(0));
        let until = all.silent_until(&met, &"u".into(), at(expected - 1)).unwrap();
        assert!(at(expected) <= until && until < at(expected + 60), "{until}");
        assert_eq!(all.silent_until(&met, &"u".into(), at(expected)), None);
        // An answer to a question of before does not prolong it, and another limit after it counts anew.
        all.heed(&met, &refusal(ThrottleScope::Page, minutes), at(10));
        assert_eq!(all.silent_until(&met, &"u".into(), at(expected)), None);
        all.heed(&met, &refusal(ThrottleScope::Page, minutes), at(expected));
        assert!(all.silent_until(&met, &"u".into(), at(expected + 1)).is_some());
    }
}

#[test]
fn those_who_wait_for_one_limit_do_not_come_back_at_once() {
    let (all, met) = (UsageTracker::default(), channel("app", "page", "token"));
    all.heed(&met, &refusal(ThrottleScope::App, 0), at(0));
    let times: BTreeSet<_> =
        (0..200).map(|number| all.silent_until(&met, &Uid::new(&format!("uid-{number}")), at(1)).unwrap()).collect();
    assert!(times.len() > 30, "{} times", times.len());
    // Those who stand in line are called a part at a time.
    for number in 0..120 {
        assert!(!asks(&all, "a", &format!("page-{number}"), Priority::Edit, 1));
    }
    assert_eq!(all.call(at(299)), []);
    let counts: Vec<_> = (300..304).map(|second| all.call(at(second)).len()).collect();
    assert_eq!(counts, [50, 50, 20, 0]);
}

#[test]
fn only_limits_of_meta_are_heeded() {
    let (all, met) = (UsageTracker::default(), channel("app", "page", "token"));
    let silent = Refusal { verdict: Verdict::NoAnswer, ..refusal(ThrottleScope::App, 0) };
    let held = Refusal::held(Held::Limit(at(500)));
    for refusal in [silent, held] {
        all.heed(&met, &refusal, at(0));
        assert_eq!(all.silent_until(&met, &"u".into(), at(1)), None, "{refusal:?}");
    }
}

#[test]
fn a_full_budget_is_a_silence_as_long_as_meta_says() {
    for (percent, hint, expected) in [(99, None, 0), (100, None, 300), (140, Some(420), 420), (100, Some(60), 300)] {
        let regain_access = hint.map(Duration::from_secs);
        let (page, app) = (Metered::Object("page".to_owned()), Metered::App);
        for (of, met) in [(page, Budget::page(&"app".into(), &"page".into())), (app, Budget::app(&"app".into()))] {
            let all = UsageTracker::default();
            all.hear(&"app".into(), &Usage { of, percent, regain_access }, at(0));
            let silent = |second| all.silent_until(std::slice::from_ref(&met), &"u".into(), at(second)).is_some();
            assert_eq!((silent(expected - 1), silent(expected)), (expected > 0, false), "{percent} % {hint:?} {met:?}");
        }
    }
}

#[test]
fn what_is_less_pressing_is_held_back_by_the_usage_of_its_app_or_page_and_by_no_other() {
    let budgets = [channel("app", "page", "t"), channel("app", "other", "t"), channel("other", "page", "t")];
    let held = |all: &UsageTracker, priority| {
        budgets.each_ref().map(|budgets| all.held_until(budgets, priority, &"u".into(), at(1)).is_some())
    };
    for (of, whom) in [(Metered::App, [true, true, false]), (Metered::Object("page".to_owned()), [true, false, false])]
    {
        for (percent, priority, is_held) in [
            (94, Priority::Sweep, false),
            (95, Priority::Sweep, true),
            (96, Priority::Unverified, true),
            (96, Priority::Urgent, false),
            (98, Priority::Urgent, true),
            (99, Priority::Edit, false),
        ] {
            let all = UsageTracker::default();
            all.hear(&"app".into(), &usage(of.clone(), percent), at(0));
            assert_eq!(held(&all, priority), whom.map(|it| it && is_held), "{of:?} at {percent} %, {priority:?}");
        }
        for (percent, tight) in [(79, false), (80, true), (96, true)] {
            let all = UsageTracker::default();
            all.hear(&"app".into(), &usage(of.clone(), percent), at(0));
            let found = budgets.each_ref().map(|budgets| all.are_tight(budgets, at(1)));
            assert_eq!(found, whom.map(|it| it && tight), "{of:?} at {percent} %");
        }
    }
}

#[test]
fn what_was_heard_counts_until_something_else_is_heard_and_for_most_of_an_hour() {
    let budgets = channel("app", "page", "token");
    for of in [Metered::App, Metered::Object("page".to_owned())] {
        let all = UsageTracker::default();
        let is_held = |second| all.held_until(&budgets, Priority::Sweep, &"u".into(), at(second)).is_some();
        all.hear(&"app".into(), &usage(of.clone(), 96), at(0));
        assert_eq!([1, 2999, 3000].map(is_held), [true, true, false], "{of:?}");
        all.hear(&"app".into(), &usage(of.clone(), 97), at(2900));
        assert!(is_held(3000));
        for lower in [0, 40] {
            all.hear(&"app".into(), &usage(of.clone(), 96), at(4000));
            all.hear(&"app".into(), &usage(of.clone(), lower), at(4001));
            assert!(!is_held(4002), "{of:?} at {lower} %");
        }
    }
}

#[test]
fn old_news_of_an_application_that_holds_others_back_is_asked_for_anew() {
    let rows = [(79, 300, false), (80, 299, false), (80, 300, true), (96, 301, true), (96, 3000, false)];
    for (percent, second, expected) in rows {
        assert_eq!(used(percent, 0).wants_news(&"app".into(), at(second)), expected, "{percent} % after {second} s");
    }
    let all = used(96, 0);
    all.heed(&[Budget::app(&"app".into())], &refusal(ThrottleScope::App, 60), at(1));
    assert!(!all.wants_news(&"app".into(), at(1000)), "Meta wants silence");
    assert!(!all.wants_news(&"other".into(), at(1000)));
}

#[test]
fn an_edit_is_let_through_at_once_while_others_are_held() {
    let all = used(96, 0);
    assert!(!asks(&all, "a", "new", Priority::Unverified, 1));
    assert!(!asks(&all, "a", "due", Priority::Sweep, 1));
    assert!(asks(&all, "a", "edited", Priority::Edit, 1));
    assert!(asks(&all, "a", "ending", Priority::Urgent, 2));
    assert_eq!(called(&all, 100), [""; 0], "who is held is not called");
    all.hear(&"app".into(), &usage(Metered::App, 90), at(101));
    assert_eq!(called(&all, 102), ["new"]);
    assert!(asks(&all, "a", "new", Priority::Unverified, 103));
    assert_eq!(called(&all, 103), ["due"]);
    assert_eq!(called(&all, 200), [""; 0]);
}

#[test]
fn a_tight_budget_lets_one_look_through_a_second_and_a_loose_one_all() {
    let all = used(80, 0);
    let names: Vec<_> = (0..5).map(|number| format!("page-{number}")).collect();
    let first: Vec<_> = names.iter().filter(|name| asks(&all, "a", name, Priority::Edit, 10)).collect();
    assert_eq!(first, ["page-0"]);
    assert_eq!(called(&all, 10), [""; 0], "the second is not over");
    assert_eq!(called(&all, 11), ["page-1"]);
    assert!(!asks(&all, "b", "late", Priority::Edit, 12), "others wait");
    assert!(asks(&all, "a", "page-1", Priority::Edit, 12), "it was called");
    all.hear(&"app".into(), &usage(Metered::App, 79), at(13));
    assert!(asks(&all, "b", "later", Priority::Sweep, 13));
    let rest: BTreeSet<_> = called(&all, 13).into_iter().collect();
    assert_eq!(rest, ["late", "page-2", "page-3", "page-4"].map(str::to_owned).into());
}

#[test]
fn who_is_let_through_before_its_turn_is_not_called_again() {
    let all = used(96, 0);
    assert!(!asks(&all, "a", "x", Priority::Unverified, 1));
    assert!(asks(&all, "a", "x", Priority::Edit, 2));
    all.hear(&"app".into(), &usage(Metered::App, 0), at(3));
    assert_eq!(called(&all, 4), [""; 0]);
    // Who was called but is held back again goes on waiting.
    let all = used(90, 0);
    assert!(asks(&all, "a", "first", Priority::Unverified, 1));
    assert!(!asks(&all, "a", "x", Priority::Unverified, 1));
    assert_eq!(called(&all, 2), ["x"]);
    all.hear(&"app".into(), &usage(Metered::App, 96), at(3));
    assert!(!asks(&all, "a", "x", Priority::Sweep, 3));
    all.hear(&"app".into(), &usage(Metered::App, 90), at(4));
    assert_eq!(called(&all, 5), ["x"]);
}

#[test]
fn who_waits_for_its_own_page_does_not_stand_in_line() {
    let all = used(90, 0);
    all.hear(&"app".into(), &usage(Metered::Object("x".to_owned()), 96), at(0));
    assert!(!asks(&all, "a", "x", Priority::Unverified, 1));
    assert_eq!(called(&all, 2), [""; 0]);
    assert!(asks(&all, "a", "y", Priority::Unverified, 3));
}

#[test]
fn the_usage_that_is_told_is_that_of_the_app_and_of_its_fullest_page() {
    let share = |level, percent| Some(UsageShare { level, percent });
    let all = used(79, 0);
    assert_eq!(all.usage(&"app".into(), at(1)), None);
    for (page, percent) in [("p", 79), ("q", 84), ("r", 97)] {
        all.hear(&"app".into(), &usage(Metered::Object(page.to_owned()), percent), at(1));
    }
    let highest_page = share(UsageLevel::Sparse, 97);
    assert_eq!(all.usage(&"app".into(), at(2)), Some(UsageStatus { app: None, highest_page: highest_page.clone() }));
    all.hear(&"app".into(), &usage(Metered::App, 85), at(2));
    let app = share(UsageLevel::Tight, 85);
    assert_eq!(all.usage(&"app".into(), at(3)), Some(UsageStatus { app: app.clone(), highest_page }));
    all.hear(&"app".into(), &usage(Metered::Object("r".to_owned()), 3), at(3));
    let highest_page = share(UsageLevel::Tight, 84);
    assert_eq!(all.usage(&"app".into(), at(4)), Some(UsageStatus { app, highest_page }));
    all.hear(&"app".into(), &usage(Metered::App, 100), at(5));
    assert_eq!(all.usage(&"app".into(), at(6)).unwrap().app, share(UsageLevel::Silent, 100));
    assert_eq!(all.usage(&"other".into(), at(6)), None);
    assert_eq!(all.usage(&"app".into(), at(3006)), None);
}

#[test]
fn nothing_is_kept_of_what_is_gone_old_or_low() {
    let all = used(96, 0);
    for number in 0..1_000_u32 {
        let of = Metered::Object(format!("page-{number}"));
        all.hear(&"app".into(), &usage(of.clone(), 79), at(0));
        assert_eq!(all.lock().shares.len(), 1 + number.div_ceil(2) as usize, "nothing is kept of it");
        if number % 2 == 0 {
            all.hear(&"app".into(), &usage(of, 80), at(number.into()));
        }
    }
    all.clear_up(at(3000 + 500));
    assert_eq!(all.lock().shares.len(), 249, "those of the last time");
    asks(&all, "a", "x", Priority::Sweep, 4200);
    all.hear(&"app".into(), &usage(Metered::App, 100), at(4200));
    all.forget_app(&"app".into());
    let inner = all.lock();
    assert!(inner.shares.is_empty() && inner.silences.is_empty() && inner.lines.is_empty());
}

#[test]
fn a_line_that_nobody_stands_in_is_dropped() {
    let all = used(90, 0);
    assert!(asks(&all, "a", "x", Priority::Edit, 1));
    assert!(!asks(&all, "a", "y", Priority::Edit, 1));
    all.forget(&Key::new("a", "y"));
    assert_eq!(called(&all, 2), [""; 0]);
    assert!(all.lock().lines.is_empty());
}

/// What happens to an application whose budget is tight.
#[derive(Clone, Debug)]
enum Step {
    /// So many channels of a namespace want a look.
    Ask(usize, usize, Priority),
    /// Meta says how much is used.
    Hear(u32),
    Second,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let priority = prop::sample::select(&Priority::ALL[..]);
    let ask = (0..3_usize, 1..15_usize, priority).prop_map(|(namespace, count, of)| Step::Ask(namespace, count, of));
    let hear = prop::sample::select(&[80_u32, 94, 96, 98, 100][..]).prop_map(Step::Hear);
    prop::collection::vec(prop_oneof![3 => ask, 1 => hear, 12 => Just(Step::Second)], 1..250)
}

proptest! {
    /// Looks of one priority that are let through, in any span of time: as long as another namespace waits with the same
    /// priority all through it, none gets more than half of them, but for the odd one.
    #[test]
    fn no_namespace_takes_over_half_of_a_tight_budget_while_another_waits(steps in steps()) {
        let all = used(80, 0);
        let (mut second, mut number) = (0, 0);
        let mut waiting: BTreeMap<String, (usize, Priority)> = BTreeMap::new();
        // Each look: its namespace and priority, and who waits with the same priority after it.
        let mut let_through: Vec<(usize, Priority, [bool; 3])> = Vec::new();
        let waits = |waiting: &BTreeMap<String, (usize, Priority)>, of: Priority| {
            [0, 1, 2].map(|namespace| waiting.values().any(|it| *it == (namespace, of)))
        };
        for step in steps {
            match step {
                Step::Hear(percent) => all.hear(&"app".into(), &usage(Metered::App, percent), at(second)),
                Step::Ask(namespace, count, priority) => for _ in 0..count {
                    number += 1;
                    let name = format!("page-{number}");
                    if asks(&all, &namespace.to_string(), &name, priority, second) {
                        let_through.push((namespace, priority, waits(&waiting, priority)));
                    } else {
                        waiting.insert(name, (namespace, priority));
                    }
                },
                Step::Second => {
                    second += 1;
                    let called = all.call(at(second));
                    prop_assert!(called.len() <= 1, "the budget is tight");
                    for called in called {
                        let (namespace, priority) = waiting.remove(&called.key.name).unwrap();
                        prop_assert!(asks(&all, &called.key.namespace, &called.key.name, priority, second));
                        let_through.push((namespace, priority, waits(&waiting, priority)));
                    }
                }
            }
        }
        for priority in Priority::ALL {
            let of: Vec<_> = let_through.iter().filter(|it| it.1 == priority).map(|it| (it.0, it.2)).collect();
            prop_assert_eq!(unfair(&of), None);
        }
    }
}

#[test]
fn why_a_look_is_held_back_stays_the_same_while_it_lasts() {
    let (budgets, app) = (UsageTracker::default(), Budget::app(&"app".into()));
    let hear = |percent, second| {
        budgets.hear(&"app".into(), &Usage { of: Metered::App, percent, regain_access: None }, at(second))
    };
    let why = |second| budgets.brake(std::slice::from_ref(&app), at(second));
    hear(50, 0);
    assert!(!why(0).contains("since"), "{}", why(0));
    // The numbers move, and it is heard of again and again.
    for (percent, second) in [(81, 100), (96, 400), (97, 700), (85, 1_000)] {
        hear(percent, second);
        assert_eq!(why(second + 1), reasons_to_wait::used(Some(at(100))), "{percent} %");
    }
    hear(10, 1_100);
    hear(90, 1_200);
    assert_eq!(why(1_201), reasons_to_wait::used(Some(at(1_200))));
    hear(100, 1_300);
    assert_eq!([1_301, 1_500].map(why), [reasons_to_wait::silent(at(1_300)), reasons_to_wait::silent(at(1_300))]);
}
