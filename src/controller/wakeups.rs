//! When objects get their next pass: their timers, what wakes them, and how many passes run at once.
//!
//! # Who wakes whom
//!
//! Each watch (`cluster/watch/mod.rs`) keeps a store filled and reports real changes. An object that cannot be decoded is neither acted
//! on nor gone (`cluster/undecodable.rs`), and its status says so (`operator/misfits.rs`). Nor is one acted on that is more than a namespace may have
//! (`cluster/surplus.rs`, `operator/surplus.rs`): the store does not hold it. Objects wake themselves when generation, UID or
//! `requested-at` changed. Secrets, apps and claims wake who depends on them through a reverse index (`controller/dependents.rs`), and an app
//! only if its verdict changed. No pass starts before every store is filled, but for those of namespaces that cannot be listed. Own status
//! writes wake nobody.
//!
//! What is stored is not the operator's memory. A status that someone else wrote (`controller/own_status.rs`) wakes its object, which is checked and repaired, once a
//! minute at most; until then `MetaApps::get` and `MetaGrants::get` show it as it was. What is published is looked into once after a start, in the
//! channel's slot (`controller/managed_secrets.rs`). Each interrupted watch begins with a list (what is refused for a moment closes nothing: `cluster/list_refusals.rs`), and an object that is older
//! than it was seen ends the process (`Context::compare`): the API server's storage was put back, and everything that is remembered is wrong.
//!
//! Objects that are being deleted (`controller/deletion.rs`) get nothing new, at Meta or in the cluster.
//!
//! Connections may stay open and go silent, so each watch has a client of its own that notes signs of life and fails on too long a silence
//! (`base/watch_health.rs`): the API server ends every watch shortly before that on its own. `/readyz` follows from the last sign of life of all. A watch task of the operator never ends; if one
//! does, the process does.
//!
//! A namespace belongs to one release (`cluster/namespace_ownership.rs`). The ConfigMap `metachannels-release` in it says to which; there is no pass, visit,
//! gauge or read of a Secret where it is not ours or cannot be listed, since the stores show nothing of it (`cluster/stores.rs`): what is not
//! ours is not there. When it becomes ours everything there is woken; when it stops being so everything about it is forgotten, and a pass
//! that still runs writes no status.
//!
//! Whether a MetaApp may be used from a namespace is decided in `api/allowed_namespaces.rs`. Where labels decide, `meta_app/allowed.rs` reads those of
//! the namespaces that matter once a minute and wakes only who is told something else by them. A MetaApp that may not be used is to be seen
//! nowhere: `meta_app/seen.rs` answers as if there were none.
//!
//! What an app's status says of its channels is counted from the stores once a minute (`operator/channel_counts.rs`): the app is woken if it
//! is another number, and never by a channel; a grant likewise (`meta_grant/dependents.rs`). That there is none is told a round later than the object came
//! (`controller/counts.rs`), since the policies take what is not counted yet for used. The gauges of each object (`operator/gauges.rs`) are read from the stores while
//! someone scrapes.

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
        self.timer(KindName::META_APP, namespace).is_some()
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
}
