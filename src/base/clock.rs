//! The one clock: it says what time it is and when to wake, so that a test can move both together.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// Longest sleep of the system clock before it looks at the wall again, so that a changed wall clock is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Instants that are moved and stay within the calendar: its end stands for what lies beyond. An operator would panic there.
pub trait Moment {
    /// So much later.
    #[must_use]
    fn later(self, by: SignedDuration) -> Self;

    /// So much earlier.
    #[must_use]
    fn earlier(self, by: SignedDuration) -> Self;
}

impl Moment for Timestamp {
    fn later(self, by: SignedDuration) -> Self {
        let end = if by.is_negative() { Self::MIN } else { Self::MAX };
        self.checked_add(by).unwrap_or(end)
    }

    fn earlier(self, by: SignedDuration) -> Self {
        let end = if by.is_negative() { Self::MAX } else { Self::MIN };
        self.checked_sub(by).unwrap_or(end)
    }
}

/// A moment of this process, by both clocks of the system: the one stands still while the whole machine does, the other may be set
/// back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stamp {
    running: Instant,
    wall: SystemTime,
}

impl Stamp {
    pub fn now() -> Self {
        Self { running: Instant::now(), wall: SystemTime::now() }
    }

    /// How long ago it was, by the clock that went on.
    pub fn age(self) -> Duration {
        self.running.elapsed().max(self.wall.elapsed().unwrap_or_default())
    }
}

/// What the running time is counted from.
static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A source of time.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The clock of the system.
    #[default]
    System,
    /// A clock that runs with the system's, set off by an amount that a test moves.
    Shifted(Shift),
}

impl Clock {
    /// The time now.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Shifted(shift) => Timestamp::now().later(shift.0.borrow().set_off),
        }
    }

    /// How long this process has run, by a clock that nobody sets.
    pub fn running(&self) -> SignedDuration {
        let ran = SignedDuration::try_from(BEGIN.elapsed()).unwrap_or(SignedDuration::MAX);
        match self {
            Self::System => ran,
            Self::Shifted(shift) => ran.saturating_add(shift.0.borrow().went_on),
        }
    }

    /// Sleeps until `at`, also when the clock is moved meanwhile.
    pub async fn sleep_until(&self, at: Timestamp) {
        loop {
            let left = at.duration_since(self.now());
            if left <= SignedDuration::ZERO {
                return;
            }
            // One millisecond more, so that a rounded sleep does not wake just before its time.
            let nap = Duration::try_from(left)
                .unwrap_or(LONGEST_SLEEP)
                .min(LONGEST_SLEEP)
                .saturating_add(Duration::from_millis(1));
            match self {
                Self::System => tokio::time::sleep(nap).await,
                Self::Shifted(shift) => {
                    let mut moved = shift.0.subscribe();
                    moved.mark_unchanged();
                    if at <= self.now() {
                        return;
                    }
                    // The sender lives in `self`, so `changed` never fails.
                    let _ = tokio::time::timeout(nap, moved.changed()).await;
                }
            }
        }
    }
}

/// The amount by which a clock is set off; clones move together.
#[derive(Clone, Debug, Default)]
pub struct Shift(std::sync::Arc<watch::Sender<Moved>>);

/// How a clock was moved.
#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    /// How far it is from the system's.
    set_off: SignedDuration,
    /// How much of that is time that went by.
    went_on: SignedDuration,
}

impl Shift {
    /// Lets time go by and wakes who sleeps on the clock.
    pub fn advance(&self, by: SignedDuration) {
        self.0.send_modify(|moved| {
            moved.set_off = moved.set_off.saturating_add(by);
            moved.went_on = moved.went_on.saturating_add(by);
        });
    }

    /// Sets the clock, as someone sets the clock of a machine: no time goes by.
    pub fn set_off(&self, by: SignedDuration) {
        self.0.send_modify(|moved| moved.set_off = moved.set_off.saturating_add(by));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_instant_that_is_moved_beyond_the_calendar_stays_at_its_end() {
        for (at, by) in [(Timestamp::MIN, SignedDuration::from_hours(1)), (Timestamp::MAX, SignedDuration::MIN)] {
            assert_eq!(at.earlier(by), at);
        }
        for (at, by) in [(Timestamp::MAX, SignedDuration::from_secs(1)), (Timestamp::MIN, SignedDuration::MIN)] {
            assert_eq!(at.later(by), at);
        }
        let now = Timestamp::now();
        assert_eq!(now.later(SignedDuration::from_secs(1)).earlier(SignedDuration::from_secs(1)), now);
    }

    #[test]
    fn a_moment_is_as_old_as_the_clock_says_that_went_on() {
        let (hour, now) = (Duration::from_secs(60 * 60), Stamp::now());
        let is_old = |stamp: Stamp| stamp.age() >= hour;
        let (earlier, later) = (now.wall.checked_sub(hour).unwrap(), now.wall.checked_add(hour).unwrap());
        assert!(!is_old(now));
        assert!(is_old(Stamp { wall: earlier, ..now }), "the machine was suspended");
        assert!(!is_old(Stamp { wall: later, ..now }), "the clock was set back");
        if let Some(running) = now.running.checked_sub(hour) {
            assert!(is_old(Stamp { running, wall: later }), "it was set back meanwhile");
        }
    }

    #[tokio::test]
    async fn a_moved_clock_wakes_a_sleeper_whose_time_came() {
        let shift = Shift::default();
        let clock = Clock::Shifted(shift.clone());
        let at = clock.now() + SignedDuration::from_hours(1);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(at).await }
        });
        shift.advance(SignedDuration::from_mins(30));
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!sleeper.is_finished(), "half an hour early");
        shift.advance(SignedDuration::from_mins(30));
        tokio::time::timeout(Duration::from_secs(5), sleeper).await.unwrap().unwrap();
        assert!(clock.now() >= at);
    }

    #[tokio::test]
    async fn a_time_in_the_past_does_not_sleep() {
        for clock in [Clock::System, Clock::Shifted(Shift::default())] {
            let past = clock.now() - SignedDuration::from_secs(1);
            tokio::time::timeout(Duration::from_secs(5), clock.sleep_until(past)).await.unwrap();
        }
    }
}
