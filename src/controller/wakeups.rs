//! When objects get their next pass: their timers, what wakes them, and how many passes run at once.
//!
//! # What wakes what
//!
//! Each watch (`cluster/watch/mod.rs`) keeps a store filled and reports real changes. An object that cannot be decoded is
//! neither acted on nor gone (`cluster/undecodable.rs`), and its status reports it (`operator/misfits.rs`). The operator also
//! does not act on an object beyond the limit of its namespace (`cluster/surplus.rs`, `operator/surplus.rs`): the store does
//! not hold it. Objects wake themselves when their generation, UID or `requested-at` changed. Secrets, apps and claims wake
//! their dependents through a reverse index (`controller/dependents.rs`); an app does so only if its verdict changed. No pass
//! starts before every store is filled, except for the stores of namespaces that cannot be listed. The operator's own status
//! writes wake nobody.
//!
//! What is stored is not the operator's memory. A status that someone else wrote (`controller/own_status.rs`) wakes its object,
//! which is checked and repaired, once a minute at most; until then `MetaApps::get` and `MetaGrants::get` show it as it was.
//! Published Secrets are read once after a start, at the channel's regular check (`controller/managed_secrets.rs`). Each
//! interrupted watch begins with a list (a momentary refusal closes nothing: `cluster/list_refusals.rs`), and an object that is
//! older than before ends the process (`Context::compare`): the API server's storage was restored to an earlier state, and
//! everything that is remembered is wrong.
//!
//! Objects that are being deleted (`controller/being_deleted.rs`) get nothing new, at Meta or in the cluster.
//!
//! Connections may stay open and go silent, so each watch has its own client, which notes signs of life and fails after too
//! long a silence (`base/watch_health.rs`); the API server ends every watch shortly before that on its own. `/readyz` follows
//! from the last sign of life of all watches. A watch task of the operator never ends; if one does, the process ends.
//!
//! A namespace belongs to one release (`cluster/namespace_ownership.rs`). The ConfigMap `metachannels-release` in it names that
//! release. There is no pass, visit, gauge or read of a Secret in a namespace that is not ours or cannot be listed, because the
//! stores show nothing of it (`cluster/stores.rs`): for the operator, what is not ours does not exist. When a namespace becomes
//! ours, everything in it is woken; when it stops being ours, everything about it is forgotten, and a pass that still runs
//! writes no status.
//!
//! `api/allowed_namespaces.rs` decides whether a MetaApp may be used from a namespace. Where labels decide,
//! `meta_app/allowed.rs` reads the labels of the namespaces that matter once a minute and wakes only objects for which the
//! answer changed. A MetaApp that may not be used must not be visible anywhere: `meta_app/seen.rs` answers as if it did not
//! exist.
//!
//! The channel counts in an app's status come from the stores, once a minute (`operator/channel_counts.rs`): the app is woken
//! if a number changed, and never by a channel. A grant works the same way (`meta_grant/dependents.rs`). A count of zero is
//! reported one round after the object appeared (`controller/counts.rs`), because the policies treat an object that is not
//! counted yet as used. The gauges of each object (`operator/gauges.rs`) are read from the stores during a scrape.

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
