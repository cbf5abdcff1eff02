//! How much is kept, and for how long.

use std::time::Duration;

/// How much the store keeps.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Of the events of one channel that are to be delivered. Beyond it, its oldest become dead letters.
    pub channel: Quota,
    /// Of the dead letters of one channel. Beyond it, its oldest are dropped: an endpoint that is never reached must not
    /// fill the volume for all.
    pub dead_letters: Quota,
    /// Of all events that are to be delivered. Beyond it, nothing is kept any more ([`Full`](crate::queue::QueueError::Full)).
    /// The file has up to three times as much.
    pub total_bytes: u64,
    /// Of all dead letters. Beyond it, a channel gets room for a new one only by dropping its own.
    pub total_dead_letter_bytes: u64,
    /// What is left free on the volume: the greater of these. The store needs room to remove events, too.
    pub reserve: Reserve,
    /// For how long an event is kept, from when it was received.
    pub retention: Duration,
    /// For how long an `append` waits to be durable: Meta waits five seconds for the answer.
    pub deadline: Duration,
    /// Memory for pages of the file.
    pub cache_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            channel: Quota { events: 100_000, bytes: 64 << 20 },
            dead_letters: Quota { events: 10_000, bytes: 8 << 20 },
            total_bytes: 2 << 30,
            total_dead_letter_bytes: 512 << 20,
            reserve: Reserve { bytes: 256 << 20, percent: 5 },
            retention: Duration::from_secs(24 * 60 * 60),
            deadline: Duration::from_secs(3),
            cache_bytes: 8 << 20,
        }
    }
}

/// So many events, and so many bytes of them: item, id of the entry, and [`OVERHEAD`](super::OVERHEAD) for the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    pub events: u64,
    pub bytes: u64,
}

/// What is left free on the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve {
    pub bytes: u64,
    pub percent: u8,
}
