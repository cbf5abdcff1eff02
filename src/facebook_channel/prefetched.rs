//! Reads made outside of a pass, for the pass that they wake: asking Meta the same again would be a waste.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use crate::base::key::Key;
use crate::graph::{PageNode, PageSubscription, Thread};
use crate::limits::answer::Answer;

/// What a sweep read about the page of a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct PageNews {
    pub page: Answer<PageNode>,
    /// The applications that the page is subscribed to.
    pub subscriptions: Answer<Vec<PageSubscription>>,
    /// Its latest threads, if they were checked too.
    pub threads: Option<Answer<Vec<Thread>>>,
}

/// What is older was read for a pass that never came.
const FRESH: SignedDuration = SignedDuration::from_mins(1);

/// News about objects, each for one pass.
pub struct Prefetched<T>(Mutex<HashMap<Key, News<T>>>);

struct News<T> {
    /// What the news depends on, such as a fingerprint of the inputs.
    basis: String,
    at: Timestamp,
    news: T,
}

impl<T> Default for Prefetched<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Prefetched<T> {
    /// Leaves news for the next pass over an object.
    pub fn leave(&self, key: Key, basis: String, now: Timestamp, news: T) {
        let mut all = self.0.lock();
        all.retain(|_, left| now.duration_since(left.at) < FRESH);
        all.insert(key, News { basis, at: now, news });
    }

    /// Takes the news about an object, if there is any that still holds.
    pub fn take(&self, key: &Key, basis: &str, now: Timestamp) -> Option<T> {
        let left = self.0.lock().remove(key)?;
        left.holds(basis, now).then_some(left.news)
    }

    /// Whether there is news about an object that still holds.
    pub fn has(&self, key: &Key, basis: &str, now: Timestamp) -> bool {
        let all = self.0.lock();
        all.get(key).is_some_and(|left| left.holds(basis, now))
    }
}

impl<T> News<T> {
    fn holds(&self, basis: &str, now: Timestamp) -> bool {
        self.basis == basis && now.duration_since(self.at) < FRESH
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::at;

    #[test]
    fn news_is_told_once_while_it_is_fresh_and_about_the_same_inputs() {
        let (handover, key) = (Prefetched::default(), Key::new("a", "x"));
        let take = |basis, second| {
            handover.leave(key.clone(), "inputs".to_owned(), at(0), 1);
            let there = handover.has(&key, basis, at(second));
            let taken = handover.take(&key, basis, at(second));
            assert_eq!(there, taken.is_some());
            taken
        };
        assert_eq!(take("inputs", 59), Some(1));
        assert_eq!(handover.take(&key, "inputs", at(59)), None, "it was taken");
        assert_eq!(take("others", 1), None);
        assert_eq!(take("inputs", 60), None);
    }

    #[test]
    fn news_that_nobody_takes_is_not_kept() {
        let handover = Prefetched::default();
        for second in 0..1_000 {
            handover.leave(Key::new("a", second.to_string()), String::new(), at(second), ());
        }
        assert_eq!(handover.0.lock().len(), 60);
    }
}
