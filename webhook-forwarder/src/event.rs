//! What one event is, and by what it is known.

use std::fmt;
use std::time::SystemTime;

/// A channel, by the UID of its object: 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId(pub u128);

/// The place of an event in the order of its channel. Later events have greater ones; gaps mean nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sequence(pub u64);

/// From which array of Meta's entry an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// `entry[].messaging[]`: a conversation that this application handles.
    Messaging,
    /// `entry[].standby[]`: a conversation that another application handles.
    Standby,
    /// `entry[].changes[]`: anything that is not a conversation.
    Change,
}

/// An event to be kept.
#[derive(Clone, PartialEq, Eq)]
pub struct NewEvent {
    pub channel: ChannelId,
    pub kind: EventKind,
    /// `id` of Meta's entry: the page.
    pub entry_id: Box<str>,
    /// `time` of Meta's entry, in milliseconds since 1970.
    pub entry_time: i64,
    /// The item as Meta sent it, byte for byte. It is what people wrote: never shown, never logged.
    pub item: Box<[u8]>,
    /// When the gateway received it.
    pub received: SystemTime,
}

/// An event that is kept, with what was tried so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedEvent {
    pub sequence: Sequence,
    pub event: NewEvent,
    pub attempts: Attempts,
}

/// What was tried to deliver one event. It outlives the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// How often it was to be sent, without success.
    pub failed: u32,
    /// How often of these the endpoint had it, alone, and did not accept it.
    pub refused: u32,
    /// When it failed first.
    pub first_failure: Option<SystemTime>,
}

/// Why an event is not delivered any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeadLetterReason {
    /// It waited longer than events are kept.
    Expired,
    /// The endpoint refused it again and again and accepts the next one.
    Refused,
    /// The channel had more than its quota, and this was its oldest event.
    OverQuota,
}

/// Without what people wrote.
impl fmt::Debug for NewEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channel, kind, entry_id, entry_time, item, received } = self;
        f.debug_struct("NewEvent")
            .field("channel", channel)
            .field("kind", kind)
            .field("entry_id", entry_id)
            .field("entry_time", entry_time)
            .field("item", &format_args!("{} bytes", item.len()))
            .field("received", received)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn what_people_wrote_is_not_shown() {
        let event = NewEvent {
            channel: ChannelId(7),
            kind: EventKind::Messaging,
            entry_id: "page".into(),
            entry_time: 1,
            item: Box::from(*b"zebra"),
            received: UNIX_EPOCH,
        };
        let queued = QueuedEvent { sequence: Sequence(3), event, attempts: Attempts::default() };
        let shown = format!("{queued:?} {queued:#?}");
        assert!(shown.contains("5 bytes") && shown.contains("Sequence(3)"), "{shown}");
        // As text, and as the numbers of its bytes.
        assert!(!shown.contains("zebra") && !shown.contains("122"), "{shown}");
    }
}
