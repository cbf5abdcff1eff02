//! Objects that are there but cannot be decoded, as an older or newer version of the kinds may leave them behind.
//!
//! They are not acted on, and they are not gone either: what they hold stays theirs.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::key::{Key, KindName};

/// The objects that cannot be decoded, with their UIDs.
#[derive(Debug, Default)]
pub struct Misfits(Mutex<HashMap<(KindName, Key), String>>);

impl Misfits {
    /// Notes an object that cannot be decoded.
    pub fn note(&self, kind: KindName, key: &Key, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((kind, key.clone()), uid.to_owned());
    }

    /// Forgets one that is gone, or can be decoded again.
    pub fn forget(&self, kind: KindName, key: &Key) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(kind, key.clone()));
    }

    /// The UID of an object that cannot be decoded.
    pub fn uid(&self, kind: KindName, key: &Key) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&(kind, key.clone())).cloned()
    }
}
