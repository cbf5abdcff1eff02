//! When objects were last checked, for checks that are rarer than the regular ones. This is lost at a restart: then the time of
//! the start counts, so that not everything is checked again at once.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use crate::base::ids::Uid;
use crate::base::key::Key;
use crate::base::schedule::last_slot;

/// When objects were checked last.
pub struct LastLook {
    start: Timestamp,
    looks: Mutex<HashMap<Key, (Uid, Timestamp)>>,
}

impl LastLook {
    /// Nothing was checked yet; `start` is now.
    pub fn new(start: Timestamp) -> Self {
        Self { start, looks: Mutex::default() }
    }

    /// Whether the slot of an object has come since it was checked.
    pub fn is_due(&self, key: &Key, uid: &Uid, now: Timestamp, period: Duration) -> bool {
        let looks = self.looks.lock();
        let last = looks.get(key).filter(|(of, _)| of == uid).map_or(self.start, |(_, at)| *at);
        last_slot(uid.as_str(), now, period) > last
    }

    /// Whether an object was checked within this time.
    pub fn was_within(&self, key: &Key, uid: &Uid, now: Timestamp, span: SignedDuration) -> bool {
        let looks = self.looks.lock();
        looks.get(key).is_some_and(|(of, at)| of == uid && now.duration_since(*at) < span)
    }

    /// When an object was checked.
    pub fn at(&self, key: &Key, uid: &Uid) -> Option<Timestamp> {
        let looks = self.looks.lock();
        looks.get(key).filter(|(of, _)| of == uid).map(|(_, at)| *at)
    }

    /// Notes that an object is checked now.
    pub fn mark(&self, key: &Key, uid: &Uid, now: Timestamp) {
        self.looks.lock().insert(key.clone(), (uid.to_owned(), now));
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, key: &Key) {
        self.looks.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn an_object_is_due_once_a_period_and_not_at_once_after_a_start() {
        let at = |minute: i64| Timestamp::from_second(1_000_000_000 + minute * 60).unwrap();
        let (looks, key) = (LastLook::new(at(0)), Key::new("a", "x"));
        let due: Vec<i64> = (1..=240)
            .filter(|minute| {
                let due = looks.is_due(&key, &"u".into(), at(*minute), HOUR);
                if due {
                    looks.mark(&key, &"u".into(), at(*minute));
                }
                due
            })
            .collect();
        assert_eq!(due.len(), 4, "{due:?}");
        assert!(due.windows(2).all(|pair| pair[1] - pair[0] == 60), "{due:?}");
        let again = LastLook::new(at(240));
        assert!(!again.is_due(&key, &"u".into(), at(240), HOUR) && again.is_due(&key, &"u".into(), at(300), HOUR));
    }

    #[test]
    fn another_object_of_the_same_name_starts_afresh() {
        let at = |hour: i64| Timestamp::from_second(1_000_000_000 + hour * 3600).unwrap();
        let (looks, key) = (LastLook::new(at(0)), Key::new("a", "x"));
        looks.mark(&key, &"u".into(), at(9));
        assert!(!looks.is_due(&key, &"u".into(), at(9), HOUR) && looks.is_due(&key, &"v".into(), at(9), HOUR));
    }
}
