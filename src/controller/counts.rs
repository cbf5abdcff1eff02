//! How many channels use each object, as last counted. Counting has its own schedule, so statuses follow at a bounded rate,
//! however many channels change.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;

use crate::base::key::Key;

/// What was counted last for the objects of a kind.
#[derive(Debug, Default)]
pub struct Counts<T>(Mutex<Round<T>>);

#[derive(Debug, Default)]
struct Round<T> {
    /// Whom there was something to count for.
    there: HashSet<Key>,
    counted: HashMap<Key, T>,
}

impl<T: Clone + Default + PartialEq> Counts<T> {
    /// The channels of an object; `None` if they were not counted yet.
    pub fn of(&self, key: &Key) -> Option<T> {
        self.0.lock().counted.get(key).cloned()
    }

    /// Takes the place of what was counted before, and returns those whose status says something else: what `said` knows,
    /// if the object was checked. That there is no channel is told only of who was there a round earlier: the channels
    /// of a new object may be on their way, and what is not used is not protected.
    pub fn replace(&self, mut counted: HashMap<Key, T>, said: impl Fn(&Key) -> Option<Option<T>>) -> Vec<Key> {
        let mut round = self.0.lock();
        let there = counted.keys().cloned().collect();
        counted.retain(|key, count| *count != T::default() || round.there.contains(key));
        let differs = |(key, count): &(&Key, &T)| said(key).is_some_and(|said| said.as_ref() != Some(count));
        let changed = counted.iter().filter(differs).map(|(key, _)| key.clone()).collect();
        *round = Round { there, counted };
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new("platform", name)
    }

    fn counted(counts: &[(&str, i64)]) -> HashMap<Key, i64> {
        counts.iter().map(|(name, count)| (key(name), *count)).collect()
    }

    #[test]
    fn whose_status_says_something_else_is_named_once_it_was_looked_at() {
        let counts = Counts::default();
        let said = |known: &Key| match known.name.as_str() {
            "new" => None,
            "untold" => Some(None),
            _ => Some(Some(2)),
        };
        let mut changed = counts.replace(counted(&[("new", 1), ("untold", 1), ("more", 3), ("same", 2)]), said);
        changed.sort();
        assert_eq!(changed, [key("more"), key("untold")]);
        assert_eq!((counts.of(&key("new")), counts.of(&key("gone"))), (Some(1), None));
        assert_eq!(counts.replace(counted(&[]), said), []);
        assert_eq!(counts.of(&key("new")), None);
    }

    #[test]
    fn that_nobody_uses_an_object_is_told_a_round_after_it_came() {
        let counts = Counts::default();
        let untold = |_: &Key| Some(None);
        assert_eq!(counts.replace(counted(&[("acme", 0)]), untold), []);
        assert_eq!(counts.of(&key("acme")), None);
        assert_eq!(counts.replace(counted(&[("acme", 0)]), untold), [key("acme")]);
        assert_eq!(counts.of(&key("acme")), Some(0));
        assert_eq!(counts.replace(counted(&[("acme", 0)]), |_| Some(Some(0))), []);
    }
}
