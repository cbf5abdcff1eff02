//! The difference between the operator's clock and Meta's, by the dates of Meta's answers.
//!
//! Only the operator's clock says when a token that Meta calls valid has ended, or how long someone has waited. A clock that is
//! wrong by months would end every authorization and cut every wait short, so it counts only as long as Meta's clock does not
//! contradict it. A wrong date defers something. It never ends anything: Meta's clock is never used in place of the operator's.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use parking_lot::{Mutex, MutexGuard};

use crate::base::clock::{Clock, Moment};

/// How far apart the clocks may be. Meta's own are never apart by that much, nor does an answer take so long.
pub const TOLERATED: SignedDuration = SignedDuration::from_mins(10);

/// Answers that count: the latest.
const COUNTED: usize = 3;

/// How far apart in time two answers are that count as two.
const APART: SignedDuration = SignedDuration::from_secs(1);

/// What was heard of Meta's clock.
#[derive(Debug, Default)]
pub struct ClockSkew(Mutex<Heard>);

#[derive(Debug, Default)]
struct Heard {
    /// Whether Meta answered anything.
    answered: bool,
    /// The latest dates, the oldest first.
    dates: VecDeque<Date>,
}

/// The date of an answer.
#[derive(Clone, Copy, Debug)]
struct Date {
    /// When it came, in running time.
    came: SignedDuration,
    /// When this process began to run, by Meta's clock. So it is known at any time what that one shows, also after ours was set.
    began: Timestamp,
}

impl ClockSkew {
    /// Takes note of the date of an answer that came just now; nonsense and its absence say nothing of the clock.
    pub fn note(&self, clock: &Clock, date: Option<Timestamp>) {
        let mut heard = self.lock();
        heard.answered = true;
        let Some(date) = date else { return };
        let ran = clock.running();
        let began = date.earlier(ran);
        match heard.dates.back_mut().filter(|last| ran.saturating_sub(last.came).abs() < APART) {
            Some(last) => last.began = began,
            None => heard.dates.push_back(Date { came: ran, began }),
        }
        if heard.dates.len() > COUNTED {
            heard.dates.pop_front();
        }
    }

    /// Whether Meta answered anything yet, with a date or without.
    pub fn is_heard(&self) -> bool {
        self.lock().answered
    }

    /// Whether nothing may rest on our clock alone: by the latest answer, or by most of the latest ones, it is too far from Meta's.
    /// After a clock was set that one answer is the first to say so.
    pub fn is_doubted(&self, clock: &Clock) -> bool {
        let latest = self.lock().dates.back().copied();
        latest.is_some_and(|date| is_much(date.ahead(clock))) || self.ahead(clock).is_some_and(is_much)
    }

    /// How far our clock is ahead of Meta's by most of the latest answers; `None` before there are two, since one is no verdict.
    pub fn ahead(&self, clock: &Clock) -> Option<SignedDuration> {
        let mut ahead: Vec<_> = self.lock().dates.iter().map(|date| date.ahead(clock)).collect();
        ahead.sort_by_key(|ahead| ahead.abs());
        let middle = ahead.len().checked_sub(2)?;
        ahead.get(middle).copied()
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.0.lock()
    }
}

impl Date {
    fn ahead(self, clock: &Clock) -> SignedDuration {
        clock.now().duration_since(self.began.later(clock.running()))
    }
}

/// Whether clocks that are so far apart cannot both be right.
pub fn is_much(ahead: SignedDuration) -> bool {
    ahead.abs() > TOLERATED
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Shift;
    use crate::testing::DAY;

    const SECOND: SignedDuration = SignedDuration::from_secs(2);

    fn hear(skew: &ClockSkew, shift: &Shift, ahead: SignedDuration) {
        let clock = Clock::Shifted(shift.clone());
        shift.advance(SECOND);
        skew.note(&clock, Some(clock.now().earlier(ahead)));
    }

    #[test]
    fn one_date_puts_off_what_rests_on_the_clock_and_two_of_three_are_a_verdict() {
        let minutes = SignedDuration::from_mins;
        let rows: [(&[SignedDuration], bool, Option<i64>); 9] = [
            (&[], false, None),
            (&[minutes(1)], false, None),
            (&[DAY * 60], true, None),
            (&[minutes(0), DAY * 60], true, Some(0)),
            (&[DAY * 60, minutes(0)], false, Some(0)),
            (&[DAY * 60, DAY * 60], true, Some(60)),
            (&[DAY * 60, DAY * 60, minutes(0)], true, Some(60)),
            (&[DAY * 60, minutes(0), minutes(9)], false, Some(0)),
            (&[DAY * -60, DAY * -60, DAY * -60, minutes(0), minutes(0)], false, Some(0)),
        ];
        for (ahead, doubted, days) in rows {
            let (skew, shift) = (ClockSkew::default(), Shift::default());
            ahead.iter().for_each(|ahead| hear(&skew, &shift, *ahead));
            let clock = Clock::Shifted(shift);
            assert_eq!(skew.is_doubted(&clock), doubted, "{ahead:?}");
            assert_eq!(skew.ahead(&clock).map(|it| it.as_hours() / 24), days, "{ahead:?}");
        }
    }

    #[test]
    fn answers_of_one_moment_count_as_one() {
        let (skew, shift) = (ClockSkew::default(), Shift::default());
        let clock = Clock::Shifted(shift.clone());
        for _ in 0..5 {
            skew.note(&clock, Some(clock.now().earlier(DAY)));
        }
        assert!(skew.is_doubted(&clock));
        assert_eq!(skew.ahead(&clock), None);
        hear(&skew, &shift, SignedDuration::ZERO);
        assert!(!skew.is_doubted(&clock), "one moment is no verdict");
    }

    #[test]
    fn a_clock_that_is_set_is_doubted_before_anything_more_is_heard_and_time_that_goes_by_is_no_reason() {
        let (skew, shift) = (ClockSkew::default(), Shift::default());
        let clock = Clock::Shifted(shift.clone());
        skew.note(&clock, None);
        assert!(skew.is_heard() && !skew.is_doubted(&clock));
        for _ in 0..3 {
            hear(&skew, &shift, SignedDuration::ZERO);
        }
        shift.advance(DAY * 400);
        assert!(!skew.is_doubted(&clock));
        shift.set_off(DAY * 60);
        assert!(skew.is_doubted(&clock));
        shift.set_off(DAY * -60);
        assert!(!skew.is_doubted(&clock));
    }
}
