//! One turn of a lane: reads the next events of its channel, sends them once, keeps what came of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::endpoint::Endpoint;
use super::outcome::Failure;
use super::schedule;
use crate::event::{Attempts, ChannelId, DeadLetterReason, QueuedEvent, Sequence};
use crate::queue::{Limit, Queue, QueueError};

/// How much of a channel one request carries at most.
const BYTES: usize = 1 << 20;
/// How often an endpoint may refuse an event before the next one is tried.
const REFUSALS: u32 = 5;

/// Sends events in one request.
pub trait Transport: Send + Sync + 'static {
    fn send(
        &self,
        endpoint: &Endpoint,
        events: &[QueuedEvent],
        now: SystemTime,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Hears what becomes of events, for metrics and statuses.
pub trait Observer: Send + Sync + 'static {
    /// These were accepted by the endpoint.
    fn delivered(&self, _channel: ChannelId, _events: &[QueuedEvent]) {}
    /// The first event of the channel was not.
    fn failed(&self, _channel: ChannelId, _failure: Failure) {}
    /// An event is given up since the endpoint refuses it and accepts the next one.
    fn gave_up(&self, _channel: ChannelId, _event: Sequence) {}
}

/// What a lane does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Ends; the channel has no events.
    End,
    /// Takes its next turn as soon as others had theirs.
    Again,
    /// Takes its next turn after a pause.
    Wait(Duration),
    /// Takes no turn before there is another endpoint.
    Pause,
}

/// What turns need.
pub(super) struct Turns<Q, T> {
    pub(super) queue: Arc<Q>,
    pub(super) transport: T,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) now: fn() -> SystemTime,
}

impl<Q: Queue, T: Transport> Turns<Q, T> {
    pub(super) async fn take(&self, channel: ChannelId, endpoint: &Endpoint) -> Result<Step, QueueError> {
        let limit = Limit { events: endpoint.batch(), bytes: BYTES };
        let mut events = self.queue.next(channel, None, limit).await?;
        events.truncate(sent_together(&events));
        let [head, rest @ ..] = &*events else { return Ok(Step::End) };
        let now = (self.now)();
        let Err(failure) = self.transport.send(endpoint, &events, now).await else {
            return self.delivered(channel, &events).await;
        };
        self.observer.failed(channel, failure);
        let attempts = after(head.attempts, failure, rest.is_empty(), now);
        self.queue.failed(channel, head.sequence, attempts).await?;
        if failure == Failure::Gone {
            return Ok(Step::Pause);
        }
        if attempts.refused >= REFUSALS && self.next_is_accepted(channel, head.sequence, endpoint).await? {
            self.observer.gave_up(channel, head.sequence);
            return Ok(Step::Again);
        }
        let failing_for = attempts.first_failure.and_then(|first| now.duration_since(first).ok()).unwrap_or_default();
        Ok(Step::Wait(schedule::pause(attempts.failed, failing_for, failure.retry_after(), rand::random())))
    }

    async fn delivered(&self, channel: ChannelId, events: &[QueuedEvent]) -> Result<Step, QueueError> {
        self.observer.delivered(channel, events);
        self.queue.delivered(channel, events.iter().map(|event| event.sequence).collect()).await?;
        Ok(Step::Again)
    }

    /// Sends the event after the one that is refused. If it is accepted, the fault is that of the refused one, which then keeps the
    /// others back no longer: the only case in which the order is broken.
    async fn next_is_accepted(
        &self,
        channel: ChannelId,
        refused: Sequence,
        endpoint: &Endpoint,
    ) -> Result<bool, QueueError> {
        let next = self.queue.next(channel, Some(refused), Limit { events: 1, bytes: BYTES }).await?;
        if next.is_empty() || self.transport.send(endpoint, &next, (self.now)()).await.is_err() {
            return Ok(false);
        }
        self.queue.bury(channel, refused, DeadLetterReason::Refused).await?;
        self.delivered(channel, &next).await?;
        Ok(true)
    }
}

/// How many of these go into one request: one that failed before goes alone, so that it is known whose fault a failure is.
fn sent_together(events: &[QueuedEvent]) -> usize {
    let failed_before = |event: &QueuedEvent| event.attempts.failed > 0;
    match events.iter().position(failed_before) {
        Some(0) => 1,
        Some(place) => place,
        None => events.len(),
    }
}

/// What was tried, after one more failure.
fn after(attempts: Attempts, failure: Failure, was_alone: bool, now: SystemTime) -> Attempts {
    Attempts {
        failed: attempts.failed.saturating_add(1),
        refused: attempts.refused.saturating_add(u32::from(was_alone && failure.may_be_the_events_fault())),
        first_failure: attempts.first_failure.or(Some(now)),
    }
}
