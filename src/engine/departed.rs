//! Which objects this process saw live and then go. Only that tells a deletion from an object that is not there yet, as in the
//! middle of a restore.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

/// The objects that were seen to go, by their UIDs, until that is written down.
#[derive(Debug, Default)]
pub struct Departed(Mutex<HashSet<u64>>);

/// What is kept of a UID.
pub fn mark(uid: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    hasher.finish()
}

impl Departed {
    /// Notes that the object with this mark was seen to go.
    pub fn note(&self, mark: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(mark);
    }

    /// Whether the object of this UID was seen to go.
    pub fn contains(&self, uid: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&mark(uid))
    }

    /// Forgets it.
    pub fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&mark(uid));
    }
}
