//! What the gateway counts of the events that it forwards.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ClassLabel {
    class: &'static str,
}

/// From when Meta's event was received until its endpoint accepted it, and how long a transaction takes: from a millisecond to a day.
const DELIVERY: [f64; 11] = [0.005, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0, 300.0, 3_600.0, 21_600.0, 86_400.0];
const COMMIT: [f64; 8] = [0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 3.0];

/// The counters of forwarding.
#[derive(Clone)]
pub struct Forwarding {
    queued: Counter,
    refused: Family<ReasonLabel, Counter>,
    delivery: Histogram,
    failures: Family<ClassLabel, Counter>,
    dead_letters: Family<ReasonLabel, Counter>,
    commits: Histogram,
    events: Gauge,
    bytes: Gauge,
}

impl Default for Forwarding {
    fn default() -> Self {
        let (queued, refused, failures, dead_letters, events, bytes) = Default::default();
        let (delivery, commits) = (Histogram::new(DELIVERY), Histogram::new(COMMIT));
        Self { queued, refused, delivery, failures, dead_letters, commits, events, bytes }
    }
}

impl Forwarding {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("forwarded_events_queued", "Events that were kept to be forwarded", self.queued.clone());
        registry.register(
            "forwarded_events_refused",
            "Requests of Meta answered with 503 since their events could not be kept, by reason",
            self.refused.clone(),
        );
        registry.register(
            "forwarded_event_delivery_seconds",
            "Time from the receipt of an event to its acceptance by the endpoint",
            self.delivery.clone(),
        );
        registry.register(
            "forwarded_event_failures",
            "Requests to endpoints that failed, by class of the failure",
            self.failures.clone(),
        );
        registry.register(
            "forwarded_event_dead_letters",
            "Events that are not delivered any more, by reason",
            self.dead_letters.clone(),
        );
        registry.register(
            "forwarding_queue_commit_seconds",
            "Time that a transaction of the queue takes, the writing to the disk included",
            self.commits.clone(),
        );
        registry.register("forwarding_queue_events", "Events that are to be forwarded", self.events.clone());
        registry.register("forwarding_queue_bytes", "Size of the events that are to be forwarded", self.bytes.clone());
        for reason in ["full", "late", "broken"] {
            drop(self.refused.get_or_create(&ReasonLabel { reason }));
        }
        for reason in ["expired", "refused", "over_quota"] {
            drop(self.dead_letters.get_or_create(&ReasonLabel { reason }));
        }
        for class in ["address", "connection", "timeout", "cut", "3xx", "4xx", "5xx", "gone"] {
            drop(self.failures.get_or_create(&ClassLabel { class }));
        }
    }

    /// Counts events that were kept.
    pub fn queued(&self, events: usize) {
        self.queued.inc_by(u64::try_from(events).unwrap_or_default());
    }

    /// Counts a request whose events were not.
    pub fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// Counts an event that was accepted, so long after it was received.
    pub fn delivered(&self, after: Duration) {
        self.delivery.observe(after.as_secs_f64());
    }

    /// Counts a request that failed.
    pub fn failed(&self, class: &'static str) {
        self.failures.get_or_create(&ClassLabel { class }).inc();
    }

    /// Counts events that are not delivered any more.
    pub fn dead_letters(&self, reason: &'static str, events: u64) {
        self.dead_letters.get_or_create(&ReasonLabel { reason }).inc_by(events);
    }

    /// Notes that a transaction is on the disk.
    pub fn committed(&self, took: Duration) {
        self.commits.observe(took.as_secs_f64());
    }

    /// Shows what is kept.
    pub fn kept(&self, events: u64, bytes: u64) {
        self.events.set(i64::try_from(events).unwrap_or(i64::MAX));
        self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}
