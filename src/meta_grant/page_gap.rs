//! A page in use about which the list of a grant no longer says what it said before. A single list is no withdrawal: the page
//! itself is asked, and what both say counts once it was repeated some time later.

use jiff::{SignedDuration, Timestamp};

use crate::base::clock::Moment;
use crate::controller::evidence::APART;

/// Why a grant does not give what a page needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Absence {
    /// The page is not part of what was granted.
    NotInGrant,
    /// The grantor may not do on it what is needed.
    RoleLost,
    /// It was granted, but there is no token for it: it is reached through a business only.
    BusinessManagementMissing,
}

/// What is known of a page in use that the list contradicts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Gap {
    /// What is missing, if it is.
    pub absence: Absence,
    /// Since when the list has left it open.
    pub since: Timestamp,
    /// When the page itself was asked last, if it was.
    pub asked: Option<Timestamp>,
    /// What that came to.
    pub status: GapStatus,
}

/// How far a gap is settled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GapStatus {
    /// Nothing was said yet.
    Open,
    /// The page gave a token, so that nothing is missing.
    Vouched,
    /// It was denied once, at this time.
    Denied(Timestamp),
    /// It was denied again long enough after the first time, or definitely.
    Absent,
}

/// How long a page that says nothing is asked once a minute.
const EAGER: SignedDuration = SignedDuration::from_mins(10);
/// How often it is asked then.
const PATIENT: SignedDuration = SignedDuration::from_mins(5);

impl Gap {
    /// One that was found just now.
    pub const fn new(absence: Absence, now: Timestamp) -> Self {
        Self { absence, since: now, asked: None, status: GapStatus::Open }
    }

    /// That something is missing, by a definite statement.
    pub const fn definite(absence: Absence, now: Timestamp) -> Self {
        Self { absence, since: now, asked: None, status: GapStatus::Absent }
    }

    /// The same after a denial: the second one counts, if it comes long enough after the first.
    #[must_use]
    pub fn denied(self, absence: Absence, now: Timestamp) -> Self {
        let status = match self.status {
            GapStatus::Absent => GapStatus::Absent,
            GapStatus::Denied(first) if now.duration_since(first) >= APART => GapStatus::Absent,
            GapStatus::Denied(first) => GapStatus::Denied(first.min(now)),
            GapStatus::Open | GapStatus::Vouched => GapStatus::Denied(now),
        };
        Self { absence, status, ..self }
    }

    /// What is missing, once that is certain.
    pub fn confirmed(&self) -> Option<Absence> {
        (self.status == GapStatus::Absent).then_some(self.absence)
    }

    /// When to check again, while nothing is certain.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let new = now.duration_since(self.since) < EAGER || !self.was_asked();
        match self.status {
            GapStatus::Vouched | GapStatus::Absent => None,
            GapStatus::Denied(first) if first.later(APART) > now => Some(first.later(APART)),
            GapStatus::Open | GapStatus::Denied(_) => Some(now.later(if new { APART } else { PATIENT })),
        }
    }

    /// Whether a look at what is not certain takes the list too. A page that has said nothing for some time is asked alone.
    pub fn needs_list(&self, now: Timestamp) -> bool {
        let alone = self.status == GapStatus::Open && self.was_asked() && now.duration_since(self.since) >= EAGER;
        self.next(now).is_some() && !alone
    }

    /// Whether the page was asked since the list left it open.
    pub fn was_asked(&self) -> bool {
        self.asked.is_some_and(|at| at >= self.since)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::at;

    #[test]
    fn two_denials_far_enough_apart_are_an_absence() {
        let gap = Gap::new(Absence::NotInGrant, at(0));
        assert_eq!(gap.confirmed(), None);
        let once = gap.denied(Absence::NotInGrant, at(0));
        assert_eq!(once.denied(Absence::NotInGrant, at(59)).confirmed(), None);
        let twice = once.denied(Absence::NotInGrant, at(59)).denied(Absence::RoleLost, at(60));
        assert_eq!(twice.confirmed(), Some(Absence::RoleLost), "what is missing is what was said last");
        assert_eq!(twice.denied(Absence::NotInGrant, at(61)).confirmed(), Some(Absence::NotInGrant));
        let vouched = Gap { status: GapStatus::Vouched, ..once };
        assert_eq!(vouched.denied(Absence::NotInGrant, at(100)).confirmed(), None, "it begins anew");
    }

    #[test]
    fn what_is_open_is_looked_at_each_minute_at_first_and_never_at_once() {
        let gap = Gap::new(Absence::NotInGrant, at(0));
        assert_eq!(gap.next(at(0)), Some(at(60)));
        assert_eq!(gap.next(at(5_000)), Some(at(5_060)), "it was never asked");
        let asked = Gap { asked: Some(at(1)), ..gap };
        assert_eq!([10, 599, 600].map(|now| asked.next(at(now))), [Some(at(70)), Some(at(659)), Some(at(900))]);
        let needs_list = |gap: Gap| [10, 599, 600, 5_000].map(|now| gap.needs_list(at(now)));
        assert_eq!(needs_list(asked), [true, true, false, false], "it is asked alone");
        assert_eq!(needs_list(gap), [true; 4], "it was never asked");
        let denied = asked.denied(Absence::NotInGrant, at(10));
        assert_eq!(needs_list(denied), [true; 4], "what was denied needs both");
        assert_eq!([10, 69, 70].map(|now| denied.next(at(now))), [Some(at(70)), Some(at(70)), Some(at(130))]);
        for status in [GapStatus::Vouched, GapStatus::Absent] {
            assert_eq!(Gap { status, ..gap }.next(at(10)), None);
            assert!(!Gap { status, ..gap }.needs_list(at(10)));
        }
    }
}
