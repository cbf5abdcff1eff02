//! Objects that exist but cannot be decoded, as an older or newer version of the kinds may leave them behind.
//!
//! The operator does not act on them, but they are not gone either: they keep what they hold.

use std::collections::{HashMap, HashSet};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use crate::base::ids::Uid;
use crate::base::key::{Key, KindName};

/// The objects that cannot be decoded.
#[derive(Debug, Default)]
pub struct Undecodable {
    known: Mutex<Known>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Known {
    uids: HashMap<(KindName, Key), Uid>,
    /// Those whose status may not say so yet.
    untold: HashSet<(KindName, Key)>,
}

impl Undecodable {
    /// Notes an object that cannot be decoded.
    pub fn note(&self, kind: KindName, key: &Key, uid: &Uid) {
        let mut known = self.lock();
        known.uids.insert((kind, key.clone()), uid.clone());
        known.untold.insert((kind, key.clone()));
        self.news.notify_one();
    }

    /// Forgets one that is gone, or can be decoded again.
    pub fn forget(&self, kind: KindName, key: &Key) {
        let (mut known, name) = (self.lock(), (kind, key.clone()));
        known.uids.remove(&name);
        known.untold.remove(&name);
    }

    /// The UID of an object that cannot be decoded.
    pub fn uid(&self, kind: KindName, key: &Key) -> Option<Uid> {
        self.lock().uids.get(&(kind, key.clone())).cloned()
    }

    pub fn uids(&self, kind: KindName) -> Vec<(Key, Uid)> {
        let known = self.lock();
        let of_kind = known.uids.iter().filter(|((of, _), _)| *of == kind);
        of_kind.map(|((_, key), uid)| (key.clone(), uid.clone())).collect()
    }

    /// Waits for one whose status may not say so yet.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    /// Those whose status may not say so yet, which is the caller's to do now.
    pub fn take_untold(&self) -> HashSet<(KindName, Key)> {
        std::mem::take(&mut self.lock().untold)
    }

    /// Whether it still cannot be decoded.
    pub fn holds(&self, kind: KindName, key: &Key) -> bool {
        self.lock().uids.contains_key(&(kind, key.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock()
    }
}
