//! What the store tells of itself, for metrics and Events.

use std::time::Duration;

use crate::event::{ChannelId, DeadLetterReason};

/// Hears what is on the disk. The thread that writes calls it: it must not wait.
pub trait Observer: Send + 'static {
    /// So much is kept. Told at the start, and after each transaction.
    fn kept(&self, kept: Kept);

    /// Events of one channel became dead letters, for one reason.
    fn buried(&self, channel: ChannelId, reason: DeadLetterReason, events: u64);

    /// A transaction took so long, the waiting for the disk included, and answered so many calls.
    fn committed(&self, took: Duration, calls: usize);
}

/// Nobody listens.
impl Observer for () {
    fn kept(&self, _: Kept) {}
    fn buried(&self, _: ChannelId, _: DeadLetterReason, _: u64) {}
    fn committed(&self, _: Duration, _: usize) {}
}

/// What is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Events that are to be delivered.
    pub events: u64,
    pub bytes: u64,
    pub dead_letters: u64,
    pub dead_letter_bytes: u64,
}
