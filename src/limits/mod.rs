//! Whether Meta may be asked now: its limits, its outages, how often people edit, and what its answers say besides.

pub mod answer;
pub mod brakes;
pub mod calls;
pub mod circuit_breaker;
pub mod clock_skew;
pub mod drift_guard;
pub mod edit_limiter;
pub mod round_robin;
pub mod served_version;
pub mod token_bucket;
pub mod usage;
pub mod usage_recorder;
pub mod wait_queue;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;

use crate::api::MetaApp;
use crate::base::clock::Clock;
use crate::base::key::Key;
use crate::graph::Meter;
use crate::limits::answer::Refusal;
use crate::limits::circuit_breaker::{CircuitBreakers, Reachability};
use crate::limits::clock_skew::ClockSkew;
use crate::limits::edit_limiter::EditLimiter;
use crate::limits::served_version::ServedVersions;
use crate::limits::usage::{Budget, UsageTracker};
use crate::limits::usage_recorder::UsageRecorder;
use crate::metrics::Metrics;

/// What keeps Meta from being asked too often, or in vain.
pub struct Limits {
    /// Of which applications Meta answers nothing.
    pub circuit_breakers: CircuitBreakers,
    /// What Meta wants to be left alone, and how much of its limits is used.
    pub usage: Arc<UsageTracker>,
    /// Which version of the Graph API answers for which.
    pub served_versions: Arc<ServedVersions>,
    /// How far our clock is from Meta's.
    pub clock_skew: Arc<ClockSkew>,
    /// How often changed objects may be looked at.
    pub edit_limiter: EditLimiter,
    clock: Clock,
    metrics: Metrics,
}

impl Limits {
    /// Nothing was heard yet. An object that is edited over and over is looked at once in `edit_interval`.
    pub fn new(edit_interval: Duration, clock: Clock, metrics: Metrics) -> Self {
        Self {
            circuit_breakers: CircuitBreakers::default(),
            usage: Arc::default(),
            served_versions: Arc::default(),
            clock_skew: Arc::default(),
            edit_limiter: EditLimiter::new(edit_interval),
            clock,
            metrics,
        }
    }

    /// Takes note of whether Meta answers for an application, by the calls of a pass for it or for one of its channels.
    pub fn reached(&self, app: &str, uid: &str, reach: Reachability) {
        self.metrics.unreachable_apps(self.circuit_breakers.note(app, uid, reach, self.clock.now()));
    }

    /// Hears what Meta's answers say of the usage of an application, and of their version.
    pub fn meter(&self, app: &MetaApp) -> Meter {
        Meter::new(Arc::new(UsageRecorder {
            budgets: Arc::clone(&self.usage),
            served: Arc::clone(&self.served_versions),
            skew: Arc::clone(&self.clock_skew),
            metrics: self.metrics.clone(),
            clock: self.clock.clone(),
            app: Key::of(app),
            uid: app.uid().unwrap_or_default(),
        }))
    }

    /// Takes note of limits among the refusals that a pass met, so that whatever they apply to is left alone.
    pub fn heed<'a>(&self, budgets: &[Budget], refusals: impl Iterator<Item = &'a Refusal>, now: Timestamp) {
        for refusal in refusals {
            self.usage.heed(budgets, refusal, now);
        }
    }
}
