//! Statuses that someone else wrote: removed, restored to an earlier one by a backup, or patched. What is stored is not the
//! operator's memory: the object is checked and its status repaired, and until then it counts as it was before.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::io;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::object_state::ObjectStates;
use crate::base::clock::Moment;
use crate::base::ids::Uid;
use crate::base::key::Key;

/// How often a status is repaired, so that nobody is raced with.
const PACE: SignedDuration = SignedDuration::from_mins(1);

/// What is remembered of the status of an object.
#[derive(Clone, Debug)]
pub struct OwnStatus<S> {
    /// Version of the object that our last write made.
    wrote: u64,
    /// Fingerprint of the status that is being written: the watch may bring it before the answer comes.
    writing: u64,
    /// Whether it is being repaired: what is shown meanwhile is no news.
    repairing: bool,
    /// When it was repaired last.
    repaired_at: Timestamp,
    /// What it was before someone else wrote it, until ours is stored again.
    kept: Option<Box<Kept<S>>>,
}

#[derive(Clone, Debug)]
struct Kept<S> {
    status: S,
    /// Fingerprint of what is stored instead, but for its times.
    stored: u64,
}

impl<S> Default for OwnStatus<S> {
    fn default() -> Self {
        Self { wrote: 0, writing: 0, repairing: false, repaired_at: Timestamp::UNIX_EPOCH, kept: None }
    }
}

impl<S> OwnStatus<S> {
    /// Whether someone else's status is stored that says something else than this one.
    pub fn is_to_be_repaired(&self, status: &impl Serialize) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.stored != without_times(status))
    }

    /// Whether ours was written over an object of this version, and is stored.
    pub fn outdates(&self, version: Option<u64>) -> bool {
        self.kept.is_none() && version.is_some_and(|version| version < self.wrote)
    }

    /// Whether someone else's status is stored.
    pub const fn is_of_somebody_else(&self) -> bool {
        self.kept.is_some()
    }
}

impl<S: Clone + Serialize> ObjectStates<S> {
    /// What the status of an object was before someone else wrote it, if someone did and it is not repaired yet.
    pub fn kept(&self, key: &Key, uid: Option<&str>) -> Option<S> {
        self.own_status(key, uid?, |own| own.kept.as_ref().map(|kept| kept.status.clone()))?
    }

    /// When an object whose status someone else wrote is to be checked, if there is one: at once, but not too often.
    pub fn repair_due(&self, key: &Key, uid: &Uid) -> Option<Timestamp> {
        self.own_status(key, uid.as_str(), |own| own.kept.as_ref().map(|_| own.repaired_at.later(PACE)))?
    }

    /// Notes that this status is about to be written.
    pub fn writes(&self, key: &Key, uid: &Uid, status: &S, now: Timestamp) {
        let writing = fingerprint(status);
        self.own_status(key, uid.as_str(), |own| {
            own.writing = writing;
            own.repairing = own.kept.is_some();
            if own.repairing {
                own.repaired_at = now;
            }
        });
    }

    /// Notes that a status was written, or that what is stored is as good as it. If that made no other version the watch has nothing
    /// to bring: whether what was kept instead of someone else's is over by that, of which nobody is told otherwise.
    #[must_use]
    pub fn wrote(&self, key: &Key, uid: &Uid, version: Option<u64>, is_shown: bool) -> bool {
        let over = self.own_status(key, uid.as_str(), |own| {
            own.wrote = version.unwrap_or_default().max(own.wrote);
            own.repairing = false;
            is_shown && own.kept.take().is_some()
        });
        over.unwrap_or_default()
    }

    /// Compares a status that is shown with ours. If it is someone else's, what it was before is kept, and a look is owed.
    pub fn shows(&self, key: &Key, uid: &Uid, version: u64, shown: Option<&S>, before: Option<&S>) {
        let print = shown.map(fingerprint).unwrap_or_default();
        let owed = self.own_status(key, uid.as_str(), |own| {
            let put_back = own.kept.as_ref().is_some_and(|kept| fingerprint(&kept.status) == print);
            if version <= own.wrote || own.writing == print || put_back {
                own.kept = None;
                return false;
            }
            let stored = shown.map(without_times).unwrap_or_default();
            match (&mut own.kept, before) {
                (Some(kept), _) => kept.stored = stored,
                (None, Some(before)) => own.kept = Some(Box::new(Kept { status: before.clone(), stored })),
                (None, None) => {}
            }
            own.kept.is_some() && !own.repairing
        });
        if owed == Some(true) {
            self.request(key, uid);
        }
    }
}

fn fingerprint(status: &impl Serialize) -> u64 {
    struct Writer(DefaultHasher);
    impl io::Write for Writer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut writer = Writer(DefaultHasher::new());
    // A status that cannot be written down is written nowhere.
    let _ = serde_json::to_writer(&mut writer, status);
    writer.0.finish()
}

/// The fingerprint of a status but for the times at which it says that something happened.
fn without_times(status: &impl Serialize) -> u64 {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.remove("lastTransitionTime");
                fields.remove("lastVerifiedAt");
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(status).unwrap_or_default();
    strip(&mut value);
    fingerprint(&value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::object_state::Written;
    use super::*;

    #[test]
    fn only_a_status_that_we_did_not_write_is_somebody_elses_and_what_was_before_it_is_kept() {
        let (memories, key, uid) = (ObjectStates::<u32>::default(), Key::new("a", "x"), &Uid::new("u"));
        let shows = |version, shown: u32, before: u32| {
            memories.shows(&key, uid, version, Some(&shown), Some(&before));
            memories.kept(&key, Some(uid.as_str()))
        };
        let is_owed = || memories.begin(&key, uid).1;
        assert!(!is_owed());
        memories.writes(&key, uid, &1, Timestamp::UNIX_EPOCH);
        assert_eq!(shows(5, 1, 0), None, "the watch may be faster than the answer");
        assert!(!memories.wrote(&key, uid, Some(5), false));
        assert_eq!((shows(6, 2, 1), is_owed()), (Some(1), true));
        assert_eq!(shows(7, 3, 2), Some(1), "what was before the first of them");
        assert_eq!(shows(8, 1, 3), None, "put back by whoever wrote it");
        assert_eq!((shows(9, 2, 1), memories.kept(&key, Some("another"))), (Some(1), None));
        memories.writes(&key, uid, &4, Timestamp::UNIX_EPOCH);
        is_owed();
        assert_eq!((shows(10, 0, 2), is_owed()), (Some(1), false), "it is being repaired");
        assert_eq!(shows(11, 4, 0), None);
        assert!(!memories.wrote(&key, uid, Some(11), false));
        assert_eq!(shows(10, 7, 4), None, "overwritten by us since");
        assert_eq!(shows(12, 8, 4), Some(4));
        assert!(!memories.wrote(&key, uid, Some(13), false), "the watch brings it");
        assert_eq!((memories.wrote(&key, uid, Some(13), true), memories.kept(&key, Some(uid.as_str()))), (true, None));
    }

    #[test]
    fn an_object_from_before_our_write_is_known_as_such_when_the_write_came_back_since() {
        let (memories, key, uid) = (ObjectStates::<u32>::default(), Key::new("a", "x"), &Uid::new("u"));
        let outdated = |version| memories.recall(&key, uid).outdates(Some(version));
        let (mut memory, _) = memories.begin(&key, uid);
        memories.writes(&key, uid, &1, Timestamp::UNIX_EPOCH);
        assert!(!memories.wrote(&key, uid, Some(5), false));
        memory.written = Some(Written { version: 5, status: 1 });
        memories.keep(&key, memory);
        assert!(!outdated(4), "the status is remembered");
        memories.shown(&key, uid, 5);
        assert_eq!([3, 4, 5, 6].map(outdated), [true, true, false, false]);
        memories.shows(&key, uid, 6, Some(&2), Some(&1));
        assert!(!outdated(4), "what it was before someone else wrote it is kept");
    }

    #[test]
    fn a_status_that_differs_in_its_times_alone_needs_no_repair() {
        let status = |at: &str, reason: &str| json!({"conditions": [{"reason": reason, "lastTransitionTime": at}], "lastVerifiedAt": at});
        let stored = without_times(&status("2026-01-01T00:00:00Z", "ReconcileSucceeded"));
        let own = OwnStatus { kept: Some(Box::new(Kept { status: json!(null), stored })), ..OwnStatus::default() };
        assert!(!own.is_to_be_repaired(&status("2026-02-02T00:00:00Z", "ReconcileSucceeded")));
        assert!(own.is_to_be_repaired(&status("2026-01-01T00:00:00Z", "Pending")));
    }
}
