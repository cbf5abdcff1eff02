//! What is to be forwarded. Durable before Meta hears 200.
//!
//! - [`Queue`]: what a store promises
//! - [`embedded`]: the store of a single process

pub mod embedded;

use std::future::Future;

use crate::event::{Attempts, ChannelId, DeadLetterReason, NewEvent, QueuedEvent, Sequence};

/// Events in the order of their channels.
///
/// An event that is not there any more is no error: it may have grown too old, or gone over the quota, while it was sent.
/// Except for `append`, a call that was begun is done even if its future is dropped.
pub trait Queue: Send + Sync + 'static {
    /// Keeps all of these events or none. What returned `Ok` outlives the loss of power.
    ///
    /// A channel over its quota loses its oldest events as dead letters, and never fails the call: an answer to Meta is about
    /// many channels. Two calls have an order if the second begins after the first ended.
    fn append(&self, events: Vec<NewEvent>) -> impl Future<Output = Result<(), QueueError>> + Send;

    /// The first events of a channel after the given one (`None`: from its first), at most so many and at most so many bytes of
    /// items, but one if there is one.
    fn next(
        &self,
        channel: ChannelId,
        after: Option<Sequence>,
        limit: Limit,
    ) -> impl Future<Output = Result<Vec<QueuedEvent>, QueueError>> + Send;

    /// These events were delivered, and are forgotten.
    fn delivered(
        &self,
        channel: ChannelId,
        events: Vec<Sequence>,
    ) -> impl Future<Output = Result<(), QueueError>> + Send;

    /// An event was sent without success.
    fn failed(
        &self,
        channel: ChannelId,
        event: Sequence,
        attempts: Attempts,
    ) -> impl Future<Output = Result<(), QueueError>> + Send;

    /// An event is not to be delivered any more. It is kept as long as every event is, and no `next` returns it.
    fn bury(
        &self,
        channel: ChannelId,
        event: Sequence,
        reason: DeadLetterReason,
    ) -> impl Future<Output = Result<(), QueueError>> + Send;

    /// Channels that have events to be delivered. Asked at the start; afterwards who appends knows.
    fn channels_with_events(&self) -> impl Future<Output = Result<Vec<ChannelId>, QueueError>> + Send;
}

/// How much of a channel to read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub events: usize,
    pub bytes: usize,
}

/// Why nothing was kept or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// There is no room for any channel: Meta is to send it again.
    #[error("the queue is full")]
    Full,
    /// It took too long; it may still be kept.
    #[error("the queue did not keep the events in time")]
    Late,
    /// The store failed, and the process ends: what it kept in memory is not what it kept on disk.
    #[error("the store of the queue failed: {0}")]
    Broken(String),
}
