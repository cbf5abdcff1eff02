//! Restraint after Meta said "too often": what its limit applies to is left alone until the limit is over.
//!
//! Nobody waits here while holding a slot: a pass that may not ask ends, and is woken when it may.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::answer::{Refusal, end_of_silence};
use super::failure::spread;
use crate::graph::{ThrottleScope, Verdict};

/// Over how long those are spread who wait for the same limit.
const SPREAD: SignedDuration = SignedDuration::from_mins(1);

/// What a limit applies to. All of it belongs to a MetaApp, by its UID: whatever one tenant's application meets slows
/// nobody else's, even if both name the same app at Meta.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Budget {
    app: String,
    part: Part,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Part {
    App,
    Page(String),
    Token(String),
}

impl Budget {
    /// Of everything that is asked for an application.
    pub fn app(uid: &str) -> Self {
        Self { app: uid.to_owned(), part: Part::App }
    }

    /// Of what is asked about a page.
    pub fn page(app: &str, id: &str) -> Self {
        Self { app: app.to_owned(), part: Part::Page(id.to_owned()) }
    }

    /// Of what is asked with a token, known by its fingerprint.
    pub fn token(app: &str, fingerprint: &str) -> Self {
        Self { app: app.to_owned(), part: Part::Token(fingerprint.to_owned()) }
    }

    fn is_limited_by(&self, scope: ThrottleScope) -> bool {
        matches!(
            (&self.part, scope),
            (Part::App, ThrottleScope::App)
                | (Part::Page(_), ThrottleScope::Page)
                | (Part::Token(_), ThrottleScope::Token)
        )
    }
}

/// What must be left alone, and until when.
#[derive(Debug, Default)]
pub struct Budgets(Mutex<HashMap<Budget, Timestamp>>);

impl Budgets {
    /// Takes note of a refusal, if it speaks of a limit.
    pub fn heed(&self, budgets: &[Budget], refusal: &Refusal, now: Timestamp) {
        let (Verdict::Throttled { until_hint, scope }, None) = (&refusal.verdict, refusal.held) else { return };
        let until = end_of_silence(*until_hint, now);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, until| *until > now);
        for budget in budgets.iter().filter(|budget| budget.is_limited_by(*scope)) {
            // A limit that is told of again by an answer to an older question is not prolonged.
            all.entry(budget.clone()).or_insert(until);
        }
    }

    /// When an object that needs all of these may ask, if it may not now.
    pub fn silent_until(&self, budgets: &[Budget], uid: &str, now: Timestamp) -> Option<Timestamp> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until = budgets.iter().filter_map(|budget| all.get(budget)).filter(|until| **until > now).max()?;
        Some(*until + spread(uid, SPREAD))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::super::answer::Held;
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn refusal(scope: ThrottleScope, minutes: u64) -> Refusal {
        let until_hint = (minutes > 0).then(|| Duration::from_secs(minutes * 60));
        Refusal { verdict: Verdict::Throttled { until_hint, scope }, fact: "code 4".to_owned(), held: None }
    }

    /// What a channel of this application, page and token needs.
    fn channel(app: &str, page: &str, token: &str) -> Vec<Budget> {
        vec![Budget::app(app), Budget::page(app, page), Budget::token(app, token)]
    }

    #[test]
    fn a_limit_silences_what_it_applies_to_and_nothing_else() {
        let met = channel("app", "page", "token");
        let others = [
            channel("app", "page", "other"),
            channel("app", "other", "token"),
            channel("app", "other", "other"),
            vec![Budget::app("app")],
            channel("other", "page", "token"),
        ];
        let rows = [
            (ThrottleScope::App, [true, true, true, true, false]),
            (ThrottleScope::Page, [true, false, false, false, false]),
            (ThrottleScope::Token, [false, true, false, false, false]),
        ];
        for (scope, expected) in rows {
            let all = Budgets::default();
            all.heed(&met, &refusal(scope, 0), at(0));
            assert!(all.silent_until(&met, "u", at(1)).is_some(), "{scope:?}");
            let silent = others.each_ref().map(|budgets| all.silent_until(budgets, "u", at(1)).is_some());
            assert_eq!(silent, expected, "{scope:?}");
        }
    }

    #[test]
    fn the_silence_lasts_as_long_as_meta_says_and_at_least_five_minutes() {
        for (minutes, expected) in [(0, 300), (3, 300), (7, 420)] {
            let (all, met) = (Budgets::default(), channel("app", "page", "token"));
            all.heed(&met, &refusal(ThrottleScope::Page, minutes), at(0));
            let until = all.silent_until(&met, "u", at(expected - 1)).unwrap();
            assert!(at(expected) <= until && until < at(expected + 60), "{until}");
            assert_eq!(all.silent_until(&met, "u", at(expected)), None);
            // An answer to a question of before does not prolong it, and another limit after it counts anew.
            all.heed(&met, &refusal(ThrottleScope::Page, minutes), at(10));
            assert_eq!(all.silent_until(&met, "u", at(expected)), None);
            all.heed(&met, &refusal(ThrottleScope::Page, minutes), at(expected));
            assert!(all.silent_until(&met, "u", at(expected + 1)).is_some());
        }
    }

    #[test]
    fn those_who_wait_for_one_limit_do_not_come_back_at_once() {
        let (all, met) = (Budgets::default(), channel("app", "page", "token"));
        all.heed(&met, &refusal(ThrottleScope::App, 0), at(0));
        let times: std::collections::BTreeSet<_> =
            (0..200).map(|number| all.silent_until(&met, &format!("uid-{number}"), at(1)).unwrap()).collect();
        assert!(times.len() > 30, "{} times", times.len());
    }

    #[test]
    fn only_limits_of_meta_are_heeded() {
        let (all, met) = (Budgets::default(), channel("app", "page", "token"));
        let silent = Refusal { verdict: Verdict::NoAnswer, ..refusal(ThrottleScope::App, 0) };
        let held = Refusal::held(Held::Limit(at(500)));
        for refusal in [silent, held] {
            all.heed(&met, &refusal, at(0));
            assert_eq!(all.silent_until(&met, "u", at(1)), None, "{refusal:?}");
        }
    }
}
