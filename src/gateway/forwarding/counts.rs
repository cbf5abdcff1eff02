//! What becomes of events, as metrics.

use std::time::{Duration, SystemTime};

use webhook_forwarder::delivery::{self, Failure};
use webhook_forwarder::event::{ChannelId, DeadLetterReason, QueuedEvent};
use webhook_forwarder::queue::embedded::{self, Kept};

use crate::metrics::Metrics;

/// Counts what it hears.
#[derive(Clone)]
pub(super) struct Counts(pub(super) Metrics);

impl embedded::Observer for Counts {
    fn buried(&self, _: ChannelId, reason: DeadLetterReason, events: u64) {
        let reason = match reason {
            DeadLetterReason::Expired => "expired",
            DeadLetterReason::Refused => "refused",
            DeadLetterReason::OverQuota => "over_quota",
        };
        self.0.forwarding().dead_letters(reason, events);
    }

    fn committed(&self, took: Duration, _: usize) {
        self.0.forwarding().committed(took);
    }

    fn kept(&self, kept: Kept) {
        self.0.forwarding().kept(kept.events, kept.bytes);
    }
}

impl delivery::Observer for Counts {
    fn delivered(&self, _: ChannelId, events: &[QueuedEvent]) {
        let now = SystemTime::now();
        for QueuedEvent { event, .. } in events {
            self.0.forwarding().delivered(now.duration_since(event.received).unwrap_or_default());
        }
    }

    fn failed(&self, _: ChannelId, failure: Failure) {
        self.0.forwarding().failed(failure.class());
    }
}
