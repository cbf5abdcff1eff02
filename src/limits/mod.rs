//! Whether Meta may be asked now: its limits, its outages, how often people edit, and what else its answers report.
//!
//! # Why Meta is asked, and when not
//!
//! `status.inputs` is a fingerprint of everything the last complete check depended on: generation, fingerprints of token and
//! secret, the app's verdict, the claim, `metachannels.io/requested-at`. Equal inputs → no request to Meta and no write, also
//! after a restart. The only other cause of a check is time: a regular check in step with the wall clock (`hash(uid) mod
//! period`: the same after a restart, spread over all objects), every 15 minutes for a working channel, every hour for an app,
//! every 2 hours for what is broken.
//!
//! For channels, that check is not a pass but a visit of the *sweep* (`controller/batch_resync.rs`). Thirty times per period,
//! the channels of an app that are due are read together (`graph/batch.rs`: 25 pages in one request, each with its own token;
//! the latest conversations of the channels due for the hourly check in another, and the owners of their threads in a third),
//! and `decide` is asked what it would make of the answers. The same status → nothing happens. Another one → the channel is
//! woken, and its pass receives what was read (`facebook_channel/prefetched.rs`). No answer → it is noted, until the staleness
//! limit makes it a decision.
//!
//! The answers are not kept in memory: the status reports them (`facebook_channel/token_check_schedule.rs`). The operator asks
//! about a token that the status calls good once a day, at a time of its own that `lastVerifiedAt` is compared with, hourly on
//! its last day, and at once when a call about the page casts doubt on it.
//!
//! The declaration decides how far a pass goes. Under `managementPolicy: Observe`, a decision names drift instead of a write at
//! Meta; under `Pause`, it keeps what was known, and nothing but a change wakes the object. `connection: Disconnected` is
//! decided in `facebook_channel/decide/disconnect.rs`: the app's token ends the subscription, and without a living page token
//! to check with, the condition `Subscribed` remembers that it ended.
//!
//! Four things hold the operator back. In all of them, a pass that may not ask ends and sets its time; nothing waits while it
//! holds a permit.
//!
//! - Edits (`limits/edit_limiter.rs`): a changed object may be checked five times at once and then once a minute. Meanwhile
//!   Meta counts as not having answered, so that the status follows without claiming anything.
//! - Fights (`limits/repair_limiter.rs`, their words in `controller/repair_fight.rs`): what was repaired or written without
//!   effect is read again 1, 5 and 10 minutes later. What had to be repaired three times within 30 minutes is left alone
//!   (`RepairFight`) until the inputs change; after a restart, only the condition records that.
//! - Limits (`limits/app_usage.rs`): whatever a throttling code applies to (the page, the token or the whole MetaApp) is left
//!   alone until Meta's estimate is over, five minutes at least. Before that happens, less urgent checks are deferred; see
//!   below.
//! - Outages (`limits/circuit_breaker.rs`): after twenty different channels of a MetaApp in a row without one answer, only the
//!   app's own check asks Meta, until it is answered. A batch counts as one.
//!
//! `limits/reasons_to_wait.rs` reports why, and until or since when, in words that stay the same while the restraint lasts. A
//! check that someone requests (`controller/requests.rs`) stays open until it was made: the status then repeats the request,
//! and until then every pass has something to check.
//!
//! A channel that becomes due meanwhile stays in the ring, which catches up in batches when the restraint is over.
//!
//! Headers of Meta's answers report how much of a limit is used, also for each operation in a batch (`graph/usage_headers.rs`).
//! The usage is noted for the page and for the application, separately for each MetaApp (`limits/usage_recorder.rs`). What
//! happens then depends on the urgency of a check (`base/priority.rs`):
//!
//! | Used | A person's change | About to end, repaired | Not verified as it is now | Only due in time |
//! |---|---|---|---|---|
//! | below 80 % | at once | at once | at once | every regular check |
//! | from 80 % on | in line | in line | in line | every second regular check |
//! | from 95 % on | in line | in line | deferred | deferred |
//! | from 98 % on | in line | deferred | deferred | deferred |
//! | 100 %, or a throttling code | silence | silence | silence | silence |
//!
//! - The usage of a page slows down only that page, and nothing stands in line for it.
//! - In line (`limits/wait_queue.rs`), one check a second is let through for an application: more urgent checks first, and
//!   among equals the namespaces in turns (`limits/round_robin.rs`), so that none gets more than half while another waits. A
//!   round of the sweep also takes them in turns. A pass that has to wait ends; when its turn comes, it is woken with a ticket.
//! - Only silence holds back the MetaApp's own check. While much is used, it runs every five minutes, so that one check finds
//!   out for all whether that is still so. An answer that does not mention a usage means that it is low. A usage that was
//!   reported 50 minutes ago no longer counts.
//! - `status.usage` of the MetaApp reports the level that was reached. It is written when a level changes, not when a number
//!   does, once a minute at most, and wakes nobody. The numbers are metrics: `app_usage_percent`, and `checks_deferred` by
//!   priority.
//!
//! Time comes from one clock (`base/clock.rs`), also for waking up (`controller/timer.rs`), so that tests can move it.

pub mod answer;
pub mod app_usage;
pub mod calls;
pub mod circuit_breaker;
pub mod clock_skew;
pub mod edit_limiter;
pub mod reasons_to_wait;
pub mod repair_limiter;
pub mod round_robin;
pub mod served_version;
pub mod suspect_tokens;
pub mod token_bucket;
pub mod usage_recorder;
pub mod wait_queue;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::MetaApp;
use crate::base::clock::Clock;
use crate::base::ids::Uid;
use crate::base::key::Key;
use crate::graph::Meter;
use crate::limits::answer::Refusal;
use crate::limits::app_usage::{Budget, UsageTracker};
use crate::limits::circuit_breaker::{CircuitBreakers, Reachability};
use crate::limits::clock_skew::ClockSkew;
use crate::limits::edit_limiter::EditLimiter;
use crate::limits::served_version::ServedVersions;
use crate::limits::suspect_tokens::SuspectTokens;
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
    /// How many channels of each application doubt their tokens.
    pub suspect_tokens: SuspectTokens,
    /// How often changed objects may be checked.
    pub edit_limiter: EditLimiter,
    clock: Clock,
    metrics: Metrics,
}

impl Limits {
    /// Nothing was heard yet. An object that is edited over and over is checked once in `edit_interval`.
    pub fn new(edit_interval: Duration, clock: Clock, metrics: Metrics) -> Self {
        Self {
            circuit_breakers: CircuitBreakers::default(),
            usage: Arc::default(),
            served_versions: Arc::default(),
            clock_skew: Arc::default(),
            suspect_tokens: SuspectTokens::default(),
            edit_limiter: EditLimiter::new(edit_interval),
            clock,
            metrics,
        }
    }

    /// Takes note of whether Meta answers for an application, by the calls of a pass for it or for one of its channels.
    pub fn reached(&self, app: &Uid, uid: &Uid, reach: Reachability) {
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
            uid: Uid::of(app),
        }))
    }

    /// Takes note of limits among the refusals that a pass met, so that whatever they apply to is left alone.
    pub fn heed<'a>(&self, budgets: &[Budget], refusals: impl Iterator<Item = &'a Refusal>, now: Timestamp) {
        for refusal in refusals {
            self.usage.heed(budgets, refusal, now);
        }
    }
}
