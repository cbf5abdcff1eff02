//! What is stored of an event, as bytes.
//!
//! `version (1) | length of the header (8) | header | item`. A later version that only adds fields adds them at the end of the
//! header, where this one skips them. What it must not skip has another version, which this one refuses.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::event::{Attempts, ChannelId, DeadLetterReason, EventKind, NewEvent, QueuedEvent, Sequence};

const VERSION: u8 = 1;
/// The fields of the header that have the same length in every event.
const FIXED: usize = ATTEMPTS + 12 + 1 + 8 + 8;
/// Those of them that say what was tried.
const ATTEMPTS: usize = 4 + 4 + 12;
/// Where the header begins, and with it the attempts, which are the only thing that changes.
const HEADER: usize = 1 + 8;
/// How many bytes an event has besides its item and the id of its entry.
pub const OVERHEAD: u64 = (HEADER + FIXED) as u64;
/// In the place of nanoseconds: there is no time.
const NO_TIME: u32 = u32::MAX;

/// Bytes that this version did not write, or that changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not what was stored, or a later version stored it")]
pub(super) struct Malformed(pub(super) &'static str);

pub(super) type Decoded<T> = Result<T, Malformed>;

pub(super) fn encode(event: &NewEvent, attempts: Attempts) -> Vec<u8> {
    let id = event.entry_id.as_bytes();
    let header = FIXED + id.len();
    let mut bytes = Vec::with_capacity(HEADER + header + event.item.len());
    bytes.push(VERSION);
    bytes.extend((header as u64).to_le_bytes());
    bytes.extend(encode_attempts(attempts));
    bytes.extend(encode_time(Some(event.received)));
    bytes.push(match event.kind {
        EventKind::Messaging => 1,
        EventKind::Standby => 2,
        EventKind::Change => 3,
    });
    bytes.extend(event.entry_time.to_le_bytes());
    bytes.extend((id.len() as u64).to_le_bytes());
    bytes.extend(id);
    bytes.extend(&event.item);
    bytes
}

pub(super) fn decode(channel: ChannelId, sequence: Sequence, bytes: &[u8]) -> Decoded<QueuedEvent> {
    let (mut header, item) = split(bytes)?;
    let attempts = Attempts { failed: header.u32()?, refused: header.u32()?, first_failure: header.time()? };
    let received = header.time()?.ok_or(Malformed("the time of an event"))?;
    let kind = match header.u8()? {
        1 => EventKind::Messaging,
        2 => EventKind::Standby,
        3 => EventKind::Change,
        _ => return Err(Malformed("the kind of an event")),
    };
    let entry_time = i64::from_le_bytes(header.take()?);
    let length = header.u64()?;
    let entry_id = str::from_utf8(header.slice(length)?).map_err(|_| Malformed("the entry of an event"))?;
    let event = NewEvent { channel, kind, entry_id: entry_id.into(), entry_time, item: item.into(), received };
    Ok(QueuedEvent { sequence, event, attempts })
}

/// When the event was received. Does not read the item.
pub(super) fn received(bytes: &[u8]) -> Decoded<SystemTime> {
    let (mut header, _) = split(bytes)?;
    header.take::<ATTEMPTS>()?;
    header.time()?.ok_or(Malformed("the time of an event"))
}

/// How long the item is.
pub(super) fn item_length(bytes: &[u8]) -> Decoded<usize> {
    Ok(split(bytes)?.1.len())
}

pub(super) fn set_attempts(bytes: &mut [u8], attempts: Attempts) -> Decoded<()> {
    split(bytes)?;
    let encoded = encode_attempts(attempts);
    let field = bytes.get_mut(HEADER..HEADER + encoded.len()).ok_or(Malformed("the attempts of an event"))?;
    field.copy_from_slice(&encoded);
    Ok(())
}

/// `version (1) | reason (1) | the event as it was stored`.
pub(super) fn encode_dead(event: &[u8], reason: DeadLetterReason) -> Vec<u8> {
    let reason = match reason {
        DeadLetterReason::Expired => 1,
        DeadLetterReason::Refused => 2,
        DeadLetterReason::OverQuota => 3,
    };
    [&[VERSION, reason], event].concat()
}

/// Why it is not delivered, and the event as it was stored.
pub(super) fn decode_dead(bytes: &[u8]) -> Decoded<(DeadLetterReason, &[u8])> {
    let reason = match bytes.get(..2) {
        Some([VERSION, 1]) => DeadLetterReason::Expired,
        Some([VERSION, 2]) => DeadLetterReason::Refused,
        Some([VERSION, 3]) => DeadLetterReason::OverQuota,
        _ => return Err(Malformed("a dead letter")),
    };
    Ok((reason, &bytes[2..]))
}

fn encode_attempts(attempts: Attempts) -> [u8; ATTEMPTS] {
    let mut bytes = [0; ATTEMPTS];
    bytes[..4].copy_from_slice(&attempts.failed.to_le_bytes());
    bytes[4..8].copy_from_slice(&attempts.refused.to_le_bytes());
    bytes[8..].copy_from_slice(&encode_time(attempts.first_failure));
    bytes
}

fn encode_time(time: Option<SystemTime>) -> [u8; 12] {
    // A clock before 1970 is not set: nothing depends on how much it is not.
    let since = time.map(|it| it.duration_since(UNIX_EPOCH).unwrap_or_default());
    let (seconds, nanos) = since.map_or((0, NO_TIME), |it| (it.as_secs(), it.subsec_nanos()));
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&seconds.to_le_bytes());
    bytes[8..].copy_from_slice(&nanos.to_le_bytes());
    bytes
}

/// The header and the item.
fn split(bytes: &[u8]) -> Decoded<(Fields<'_>, &[u8])> {
    let mut fields = Fields(bytes);
    if fields.u8()? != VERSION {
        return Err(Malformed("an event"));
    }
    let length = fields.u64()?;
    let header = fields.slice(length)?;
    Ok((Fields(header), fields.0))
}

/// Fields one after another.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Decoded<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk().ok_or(Malformed("what is kept of an event"))?;
        self.0 = rest;
        Ok(*field)
    }

    fn slice(&mut self, length: u64) -> Decoded<&'a [u8]> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (field, rest) = self.0.split_at_checked(length).ok_or(Malformed("what is kept of an event"))?;
        self.0 = rest;
        Ok(field)
    }

    pub(super) fn u8(&mut self) -> Decoded<u8> {
        self.take().map(u8::from_le_bytes)
    }

    fn u32(&mut self) -> Decoded<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Decoded<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn time(&mut self) -> Decoded<Option<SystemTime>> {
        let (seconds, nanos) = (self.u64()?, self.u32()?);
        if nanos == NO_TIME {
            return Ok(None);
        }
        let time = (nanos < 1_000_000_000).then(|| UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))).flatten();
        time.map(Some).ok_or(Malformed("a time"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn time() -> impl Strategy<Value = SystemTime> {
        (0..u64::from(u32::MAX), 0..1_000_000_000_u32).prop_map(|(s, n)| UNIX_EPOCH + Duration::new(s, n))
    }

    fn kind() -> impl Strategy<Value = EventKind> {
        prop_oneof![Just(EventKind::Messaging), Just(EventKind::Standby), Just(EventKind::Change)]
    }

    prop_compose! {
        fn queued()(
            channel: u128, sequence: u64, kind in kind(), id in ".{0,20}", entry_time: i64, item: Vec<u8>, received in time(),
            failed: u32, refused: u32, first_failure in proptest::option::of(time()),
        ) -> QueuedEvent {
            let item = item.into();
            let channel = ChannelId(channel);
            QueuedEvent {
                sequence: Sequence(sequence),
                event: NewEvent { channel, kind, entry_id: id.into(), entry_time, item, received },
                attempts: Attempts { failed, refused, first_failure },
            }
        }
    }

    fn decoded(like: &QueuedEvent, bytes: &[u8]) -> Option<QueuedEvent> {
        decode(like.event.channel, like.sequence, bytes).ok()
    }

    proptest! {
        #[test]
        fn an_event_is_read_as_it_was_written(it in queued(), other in queued()) {
            let mut bytes = encode(&it.event, it.attempts);
            let length = OVERHEAD as usize + it.event.entry_id.len() + it.event.item.len();
            prop_assert_eq!(bytes.len(), length);
            prop_assert!(decoded(&it, &bytes) == Some(it.clone()));
            prop_assert_eq!(received(&bytes).unwrap(), it.event.received);
            prop_assert_eq!(item_length(&bytes).unwrap(), it.event.item.len());

            set_attempts(&mut bytes, other.attempts).unwrap();
            let tried = QueuedEvent { attempts: other.attempts, ..it.clone() };
            prop_assert!(decoded(&it, &bytes) == Some(tried));

            let dead = encode_dead(&bytes, DeadLetterReason::Refused);
            prop_assert_eq!(decode_dead(&dead).unwrap(), (DeadLetterReason::Refused, &bytes[..]));
        }

        #[test]
        fn fields_that_a_later_version_adds_are_skipped(it in queued(), added: Vec<u8>) {
            let mut bytes = encode(&it.event, it.attempts);
            let header = FIXED + it.event.entry_id.len();
            bytes.splice(HEADER + header..HEADER + header, added.iter().copied());
            bytes[1..HEADER].copy_from_slice(&((header + added.len()) as u64).to_le_bytes());
            prop_assert!(decoded(&it, &bytes) == Some(it.clone()));
        }

        #[test]
        fn other_bytes_are_refused_or_are_an_event(it in queued(), cut in 0..64_usize, bytes: Vec<u8>) {
            let whole = encode(&it.event, it.attempts);
            let end = cut.min(HEADER + FIXED - 1);
            prop_assert!(decoded(&it, &whole[..end]).is_none());
            // Must not panic.
            let _ = (decoded(&it, &bytes), decode_dead(&bytes).is_ok(), received(&bytes), item_length(&bytes));
            let mut newer = whole.clone();
            newer[0] = VERSION + 1;
            prop_assert!(decoded(&it, &newer).is_none());
        }
    }
}
