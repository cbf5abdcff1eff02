//! Events, and a queue in memory that keeps its promises but one.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use parking_lot::Mutex;

use crate::event::{Attempts, ChannelId, DeadLetterReason, EventKind, NewEvent, QueuedEvent, Sequence};
use crate::queue::{Limit, Queue, QueueError};

pub(crate) const CHANNEL: ChannelId = ChannelId(1);

pub(crate) fn event(channel: ChannelId, item: &str) -> NewEvent {
    NewEvent {
        channel,
        kind: EventKind::Messaging,
        entry_id: "2200000000000001".into(),
        entry_time: 1_790_000_000_123,
        item: item.as_bytes().into(),
        received: UNIX_EPOCH + Duration::from_secs(1_790_000_000),
    }
}

pub(crate) fn queued(channel: ChannelId, sequence: u64, item: &str) -> QueuedEvent {
    QueuedEvent { sequence: Sequence(sequence), event: event(channel, item), attempts: Attempts::default() }
}

/// A queue that does not outlive the process.
#[derive(Default)]
pub(crate) struct MemoryQueue {
    events: Mutex<BTreeMap<(ChannelId, Sequence), QueuedEvent>>,
    buried: Mutex<Vec<(ChannelId, Sequence, DeadLetterReason)>>,
    broken: Mutex<bool>,
}

impl MemoryQueue {
    pub(crate) fn break_it(&self) {
        *self.broken.lock() = true;
    }

    pub(crate) fn buried(&self) -> Vec<(ChannelId, Sequence, DeadLetterReason)> {
        self.buried.lock().clone()
    }

    pub(crate) fn attempts(&self, channel: ChannelId) -> Option<Attempts> {
        self.events.lock().iter().find(|((of, _), _)| *of == channel).map(|(_, event)| event.attempts)
    }

    pub(crate) fn len(&self) -> usize {
        self.events.lock().len()
    }
}

impl Queue for MemoryQueue {
    async fn append(&self, events: Vec<NewEvent>) -> Result<(), QueueError> {
        let mut kept = self.events.lock();
        for event in events {
            let sequence = Sequence(kept.keys().next_back().map_or(0, |(_, last)| last.0) + 1 + kept.len() as u64);
            kept.insert((event.channel, sequence), QueuedEvent { sequence, event, attempts: Attempts::default() });
        }
        Ok(())
    }

    async fn next(
        &self,
        channel: ChannelId,
        after: Option<Sequence>,
        limit: Limit,
    ) -> Result<Vec<QueuedEvent>, QueueError> {
        if *self.broken.lock() {
            return Err(QueueError::Broken("as told".to_owned()));
        }
        let from = (channel, after.map_or(Sequence(0), |after| Sequence(after.0 + 1)));
        let kept = self.events.lock();
        Ok(kept
            .range(from..=(channel, Sequence(u64::MAX)))
            .take(limit.events)
            .map(|(_, event)| event.clone())
            .collect())
    }

    async fn delivered(&self, channel: ChannelId, events: Vec<Sequence>) -> Result<(), QueueError> {
        self.events.lock().retain(|(of, sequence), _| *of != channel || !events.contains(sequence));
        Ok(())
    }

    async fn failed(&self, channel: ChannelId, event: Sequence, attempts: Attempts) -> Result<(), QueueError> {
        if let Some(kept) = self.events.lock().get_mut(&(channel, event)) {
            kept.attempts = attempts;
        }
        Ok(())
    }

    async fn bury(&self, channel: ChannelId, event: Sequence, reason: DeadLetterReason) -> Result<(), QueueError> {
        self.events.lock().remove(&(channel, event));
        self.buried.lock().push((channel, event, reason));
        Ok(())
    }

    async fn channels_with_events(&self) -> Result<Vec<ChannelId>, QueueError> {
        let mut channels: Vec<_> = self.events.lock().keys().map(|(channel, _)| *channel).collect();
        channels.dedup();
        Ok(channels)
    }
}
