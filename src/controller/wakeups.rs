//! When objects get their next pass: their timers, what wakes them, and how many passes run at once.

use std::collections::HashMap;

use tokio::sync::Semaphore;

use super::dependents::{Dependency, Dependents};
use super::timer::Timer;
use crate::base::key::{Key, KindName};

/// The wake-ups of all kinds.
pub struct Wakeups {
    /// Who depends on what.
    pub dependents: Dependents,
    /// Bounds how many passes run at once, over all kinds.
    pub permits: Semaphore,
    timers: HashMap<(KindName, String), Timer<Key>>,
}

impl Wakeups {
    /// The timers are one for each kind and watched namespace, "" for all; `concurrency` passes run at once.
    pub fn new(timers: HashMap<(KindName, String), Timer<Key>>, concurrency: u16) -> Self {
        Self { dependents: Dependents::default(), permits: Semaphore::new(concurrency.into()), timers }
    }

    /// The timer of a kind for objects of a namespace.
    pub fn timer(&self, kind: KindName, namespace: &str) -> Option<&Timer<Key>> {
        self.timers.get(&(kind, namespace.to_owned())).or_else(|| self.timers.get(&(kind, String::new())))
    }

    /// Whether a namespace is watched here, though it may be another release's.
    pub fn watches(&self, namespace: &str) -> bool {
        self.timer(KindName::FacebookChannel, namespace).is_some()
    }

    /// Wakes one object.
    pub fn wake(&self, kind: KindName, key: Key) {
        if let Some(timer) = self.timer(kind, &key.namespace) {
            timer.wake(key);
        }
    }

    /// Wakes everything that depends on something that changed.
    pub fn wake_dependents(&self, dependency: &Dependency) {
        for (kind, key) in self.dependents.dependents(dependency) {
            self.wake(kind, key);
        }
    }

    /// Wakes everything that depends on the status of an object.
    pub fn wake_dependents_of(&self, kind: KindName, key: &Key) {
        match kind {
            KindName::MetaApp => self.wake_dependents(&Dependency::MetaApp(key.clone())),
            KindName::MetaGrant => self.wake_dependents(&Dependency::MetaGrant(key.clone())),
            KindName::FacebookChannel | KindName::AssetClaim => {}
        }
    }
}
