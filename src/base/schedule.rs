//! When objects are checked: times in step with the wall clock, the same after a restart and spread over all objects, and how long
//! to wait after failures.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::RngExt;

use super::clock::Moment;

/// The regular slots of an object: when it is checked though nothing changed.
#[derive(Clone, Copy, Debug)]
pub struct Slots {
    /// The next slot of a working object.
    pub regular: Timestamp,
    /// The next slot of a broken one.
    pub broken: Timestamp,
    /// When something that was written is checked again before.
    pub again: Option<Timestamp>,
}

/// The time of an object that has none of its own: the ring visits it, or something wakes it.
pub const NEVER: Timestamp = Timestamp::MAX;

const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// How long to wait after so many failed tries in a row: twice as long each time, from a second to `longest`, and a little more by chance.
pub fn backoff(attempts: u32, longest: Duration) -> SignedDuration {
    let doubled = FIRST_BACKOFF.saturating_mul(1 << attempts.min(16));
    jittered(doubled.min(longest))
}

/// Between one and one and a half times as long: only ever later, so that no budget is exceeded.
fn jittered(duration: Duration) -> SignedDuration {
    let longer = duration.mul_f64(rand::rng().random_range(1.0..1.5));
    SignedDuration::try_from(longer).unwrap_or(SignedDuration::from_secs(300))
}

/// The next time that is in step with the wall clock for this object: the same after a restart, and spread over all
/// objects, so that neither stampedes.
pub fn next_slot(uid: &str, now: Timestamp, period: Duration) -> Timestamp {
    let (period, since_slot) = since_slot(uid, now, period);
    now.later(SignedDuration::from_secs(period - since_slot))
}

/// The last slot that has come, to the second.
pub fn last_slot(uid: &str, now: Timestamp, period: Duration) -> Timestamp {
    let second = now.as_second() - since_slot(uid, now, period).1;
    Timestamp::from_second(second).unwrap_or(now)
}

/// The period in seconds, and how many of them have passed since the last slot.
fn since_slot(uid: &str, now: Timestamp, period: Duration) -> (i64, i64) {
    let period = i64::try_from(period.as_secs()).unwrap_or(i64::MAX).max(1);
    (period, (now.as_second() - offset(uid, period)).rem_euclid(period))
}

/// A part of `over` that is the same for an object at all times, to keep objects that wait for the same from coming at once.
pub fn spread(uid: &str, over: SignedDuration) -> SignedDuration {
    SignedDuration::from_secs(offset(uid, over.as_secs()))
}

fn offset(uid: &str, period: i64) -> i64 {
    i64::try_from(stable_hash(uid) % period.max(1).unsigned_abs()).unwrap_or_default()
}

/// FNV-1a: the same in every process and version, unlike the standard library's hasher.
fn stable_hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::at;

    #[test]
    fn slots_are_in_step_with_the_clock_and_spread_over_the_period() {
        let period = Duration::from_secs(900);
        let mut offsets = std::collections::BTreeSet::new();
        for n in 0..1_000 {
            let uid = format!("uid-{n}");
            let last = last_slot(&uid, at(5_000_000), period);
            assert!(at(5_000_000 - 900) < last && last <= at(5_000_000));
            assert_eq!(last_slot(&uid, last, period), last, "a slot has come when it comes");
            let slot = next_slot(&uid, at(5_000_000), period);
            assert!(at(5_000_000) < slot && slot <= at(5_000_900));
            assert_eq!(next_slot(&uid, at(5_000_000 + 900 * 7), period), slot + SignedDuration::from_secs(900 * 7));
            assert_eq!(next_slot(&uid, slot, period), slot + SignedDuration::from_secs(900), "a slot is in the future");
            assert_eq!(slot, last + SignedDuration::from_secs(900));
            offsets.insert(slot.as_second() % 900);
        }
        assert!(offsets.len() > 500, "only {} of 900 seconds are used", offsets.len());
    }
}
