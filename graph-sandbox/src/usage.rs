//! How many calls were made, against how many are allowed.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::locked::Locked;

/// Allowances per rolling hour. They are so large by default that nobody meets them by accident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Calls of an app with app and user tokens.
    pub app: u64,
    /// Calls of one person through an app.
    pub user: u64,
    /// Calls about one page with page and system-user tokens, for each type.
    pub page: u64,
    /// How long a block lasts; every call meanwhile adds a minute.
    pub block_minutes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { app: 1_000_000_000, user: 1_000_000_000, page: 1_000_000_000, block_minutes: 5 }
    }
}

/// What calls about a page are charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageKind {
    /// Pages.
    Pages,
    /// Messenger.
    Messenger,
}

/// What calls are counted for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meter {
    /// An app, called with app and user tokens.
    App(Id),
    /// A person, by their user tokens.
    User(Id),
    /// A page, called with page and system-user tokens.
    Page(Id, UsageKind),
}

/// How much of an allowance is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UsageView {
    /// What is counted.
    pub meter: Meter,
    /// Whole percent of the allowance.
    pub percent: u64,
    /// Minutes until calls are let through again; 0 if they are.
    pub minutes: u64,
}

/// State of a meter after a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) percent: u64,
    pub(crate) minutes: u64,
    /// The call comes on top of what is allowed.
    pub(crate) exceeded: bool,
}

/// The longest block: a caller that never rests must not run off the calendar.
const LONGEST_BLOCK: SignedDuration = SignedDuration::from_hours(24);
/// What every call while blocked adds.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// All meters.
#[derive(Default)]
pub(crate) struct Usage {
    inner: Locked<Inner>,
}

#[derive(Default)]
struct Inner {
    limits: Limits,
    meters: BTreeMap<Meter, Window>,
}

/// Calls of the last hour, by minute.
#[derive(Default)]
struct Window {
    minutes: VecDeque<(i64, u64)>,
    total: u64,
    blocked_until: Option<Timestamp>,
}

impl Usage {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { inner: Locked::new(Inner { limits, ..Inner::default() }) }
    }

    pub(crate) fn limits(&self) -> Limits {
        self.inner.lock().limits
    }

    pub(crate) fn set_limits(&self, limits: Limits) {
        self.inner.lock().limits = limits;
    }

    /// Counts a call.
    pub(crate) fn charge(&self, meter: &Meter, now: Timestamp) -> Share {
        let mut inner = self.inner.lock();
        let limits = inner.limits;
        let window = inner.meters.entry(meter.clone()).or_default();
        window.charge(limits.of(meter), limits.block_minutes, now)
    }

    /// Sets a meter to this share; from 100 percent on calls are blocked for so many minutes.
    pub(crate) fn set(&self, meter: Meter, percent: u64, minutes: Option<u64>, now: Timestamp) {
        let mut inner = self.inner.lock();
        let limits = inner.limits;
        let mut window = Window::default();
        let calls = u128::from(limits.of(&meter)) * u128::from(percent);
        window.add(u64::try_from(calls.div_ceil(100)).unwrap_or(u64::MAX), now);
        if percent >= 100 {
            window.block(minutes.unwrap_or(limits.block_minutes), now);
        }
        inner.meters.insert(meter, window);
    }

    /// The meters at present.
    pub(crate) fn list(&self, now: Timestamp) -> Vec<UsageView> {
        let mut inner = self.inner.lock();
        let limits = inner.limits;
        let view = |(meter, window): (&Meter, &mut Window)| {
            window.forget(now);
            let Share { percent, minutes, .. } = window.share(limits.of(meter), now);
            UsageView { meter: meter.clone(), percent, minutes }
        };
        inner.meters.iter_mut().map(view).collect()
    }
}

impl Limits {
    fn of(self, meter: &Meter) -> u64 {
        match meter {
            Meter::App(_) => self.app,
            Meter::User(_) => self.user,
            Meter::Page(..) => self.page,
        }
    }
}

impl Window {
    fn charge(&mut self, allowance: u64, block_minutes: u64, now: Timestamp) -> Share {
        self.forget(now);
        if let Some(until) = self.blocked_until {
            // Whoever calls on while blocked stays blocked for longer.
            let latest = now.checked_add(LONGEST_BLOCK).unwrap_or(until);
            self.blocked_until = Some(until.checked_add(MINUTE).unwrap_or(until).min(latest));
            return Share { exceeded: true, ..self.share(allowance, now) };
        }
        self.add(1, now);
        let exceeded = self.total > allowance;
        if exceeded {
            self.block(block_minutes, now);
        }
        Share { exceeded, ..self.share(allowance, now) }
    }

    fn add(&mut self, calls: u64, now: Timestamp) {
        let minute = now.as_second().div_euclid(60);
        match self.minutes.back_mut() {
            Some((last, count)) if *last == minute => *count = count.saturating_add(calls),
            _ => self.minutes.push_back((minute, calls)),
        }
        self.total = self.total.saturating_add(calls);
    }

    fn block(&mut self, minutes: u64, now: Timestamp) {
        let minutes = i64::try_from(minutes).unwrap_or(i64::MAX).min(LONGEST_BLOCK.as_mins());
        self.blocked_until = now.checked_add(SignedDuration::from_mins(minutes)).ok();
    }

    /// Lets calls go that are an hour old, and a block that is over with all that led to it.
    fn forget(&mut self, now: Timestamp) {
        if self.blocked_until.is_some_and(|until| until <= now) {
            *self = Self::default();
        }
        let minute = now.as_second().div_euclid(60);
        // Calls of a future the clock was set back from, and a block that came of them, never were.
        // Calls at the same time may be counted in either order, so the next minute stays.
        while let Some((_, count)) = self.minutes.back().filter(|(later, _)| *later > minute + 1) {
            self.total = self.total.saturating_sub(*count);
            self.minutes.pop_back();
            self.blocked_until = None;
        }
        let oldest = minute - 59;
        while let Some((_, count)) = self.minutes.front().filter(|(minute, _)| *minute < oldest) {
            self.total = self.total.saturating_sub(*count);
            self.minutes.pop_front();
        }
    }

    fn share(&self, allowance: u64, now: Timestamp) -> Share {
        let percent = u128::from(self.total) * 100 / u128::from(allowance.max(1));
        let left = self.blocked_until.map_or(0, |until| until.duration_since(now).as_secs().max(0));
        let minutes = u64::try_from(left).unwrap_or_default().div_ceil(60);
        let percent = u64::try_from(percent).unwrap_or(u64::MAX);
        let percent = if self.blocked_until.is_some() { percent.max(100) } else { percent };
        Share { percent, minutes, exceeded: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "2026-11-22T10:00:30Z";

    fn at(minutes: i64) -> Timestamp {
        START.parse::<Timestamp>().unwrap().checked_add(SignedDuration::from_mins(minutes)).unwrap()
    }

    fn usage(app: u64) -> (Usage, Meter) {
        let limits = Limits { app, block_minutes: 10, ..Limits::default() };
        (Usage::new(limits), Meter::App("1111000011110000".parse().unwrap()))
    }

    #[test]
    fn calls_count_for_an_hour() {
        let (usage, meter) = usage(10);
        for _ in 0..4 {
            usage.charge(&meter, at(0));
        }
        assert_eq!(usage.charge(&meter, at(59)).percent, 50);
        assert_eq!(usage.charge(&meter, at(60)).percent, 20);
    }

    #[test]
    fn the_last_call_allowed_makes_it_full_and_the_next_one_blocks() {
        let (usage, meter) = usage(2);
        usage.charge(&meter, at(0));
        assert_eq!(usage.charge(&meter, at(0)), Share { percent: 100, minutes: 0, exceeded: false });
        assert_eq!(usage.charge(&meter, at(0)), Share { percent: 150, minutes: 10, exceeded: true });
        assert_eq!(usage.charge(&meter, at(1)), Share { percent: 150, minutes: 10, exceeded: true });
        assert_eq!(usage.list(at(2))[0].minutes, 9);
        assert_eq!(usage.charge(&meter, at(11)), Share { percent: 50, minutes: 0, exceeded: false });
    }

    #[test]
    fn a_block_does_not_grow_beyond_a_day() {
        let (usage, meter) = usage(0);
        let last = (0..3000).map(|_| usage.charge(&meter, at(0))).last().unwrap();
        assert_eq!(last.minutes, 24 * 60);
    }

    #[test]
    fn setting_the_clock_back_undoes_what_came_later() {
        let (usage, meter) = usage(2);
        usage.charge(&meter, at(0));
        for _ in 0..3 {
            usage.charge(&meter, at(30));
        }
        assert!(usage.charge(&meter, at(30)).exceeded);
        assert_eq!(usage.charge(&meter, at(1)), Share { percent: 100, minutes: 0, exceeded: false });
    }

    #[test]
    fn a_meter_can_be_set() {
        let (usage, meter) = usage(1_000_000_000);
        usage.set(meter.clone(), 95, None, at(0));
        assert_eq!(usage.charge(&meter, at(0)), Share { percent: 95, minutes: 0, exceeded: false });
        usage.set(meter.clone(), 100, Some(30), at(0));
        assert_eq!(usage.charge(&meter, at(0)), Share { percent: 100, minutes: 31, exceeded: true });
        usage.set(meter.clone(), 0, None, at(0));
        assert!(!usage.charge(&meter, at(0)).exceeded);
        usage.set(meter.clone(), u64::MAX, Some(u64::MAX), at(0));
        assert_eq!(usage.charge(&meter, at(0)).minutes, 24 * 60);
    }
}
