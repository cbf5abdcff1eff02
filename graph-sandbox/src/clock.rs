//! The sandbox's clock: real time plus an offset that control calls move.

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::locked::Locked;

/// A running clock that can be moved.
#[derive(Default)]
pub(crate) struct Clock {
    offset: Locked<SignedDuration>,
    moved: watch::Sender<()>,
}

/// How far the clock stays from both ends of the calendar: ten years.
const MARGIN: SignedDuration = SignedDuration::from_hours(10 * 366 * 24);

/// The clock cannot be moved there.
#[derive(Debug, thiserror::Error)]
#[error("that moment is outside the range of the clock")]
pub(crate) struct OutOfRange;

impl Clock {
    /// The sandbox's present moment.
    pub(crate) fn now(&self) -> Timestamp {
        let real = Timestamp::now();
        let offset = *self.offset.lock();
        let end = if offset.is_negative() { Timestamp::MIN } else { Timestamp::MAX };
        real.checked_add(offset).unwrap_or(end)
    }

    /// Moves the clock by a span, which may be negative; returns the new time.
    pub(crate) fn advance(&self, span: SignedDuration) -> Result<Timestamp, OutOfRange> {
        let mut offset = self.offset.lock();
        let moved = offset.checked_add(span).ok_or(OutOfRange)?;
        let now = Timestamp::now().checked_add(moved).map_err(|_| OutOfRange)?;
        check(now)?;
        *offset = moved;
        self.moved.send_replace(());
        Ok(now)
    }

    /// Sets the clock; it runs on from there with real time.
    pub(crate) fn set(&self, moment: Timestamp) -> Result<Timestamp, OutOfRange> {
        check(moment)?;
        *self.offset.lock() = moment.duration_since(Timestamp::now());
        self.moved.send_replace(());
        Ok(moment)
    }

    /// Tells of every move from now on.
    pub(crate) fn moves(&self) -> watch::Receiver<()> {
        self.moved.subscribe()
    }
}

/// Refuses the first and last years of the calendar, so that time can run on, and spans be added.
fn check(moment: Timestamp) -> Result<(), OutOfRange> {
    let from_start = moment.duration_since(Timestamp::MIN);
    let to_end = Timestamp::MAX.duration_since(moment);
    if from_start.min(to_end) < MARGIN { Err(OutOfRange) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_and_keeps_running() {
        let clock = Clock::default();
        let moment: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
        clock.set(moment).unwrap();
        let first = clock.now();
        assert!(first >= moment && first.duration_since(moment).as_secs() < 60);
        std::thread::sleep(std::time::Duration::from_millis(5));
        assert!(clock.now() > first);
        clock.advance(SignedDuration::from_hours(-24)).unwrap();
        assert!(clock.now() < moment);
    }

    #[test]
    fn refuses_to_leave_the_calendar() {
        let clock = Clock::default();
        let before = clock.now();
        assert!(clock.advance(SignedDuration::MAX).is_err());
        for moment in ["9999-12-30T22:00:00Z", "9998-01-01T00:00:00Z", "-009999-01-03T00:00:00Z"] {
            assert!(clock.set(moment.parse().unwrap()).is_err(), "{moment}");
        }
        assert!(clock.advance(SignedDuration::from_hours(24 * 366 * 9000)).is_err());
        assert!(clock.now().duration_since(before).as_secs() < 60);
    }
}
