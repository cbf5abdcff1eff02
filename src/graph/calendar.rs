//! When versions of the Graph API come and go, by Meta's changelog
//! (<https://developers.facebook.com/docs/graph-api/changelog/versions>). A version serves two years at least, and its end is announced
//! when the next one comes. Meta may put an end off: what an answer says of its version counts more than this table.

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::version::Version;

/// The life of one version.
struct Life {
    /// Its first number; the second one is 0.
    major: u16,
    /// The day it came.
    released: Date,
    /// The first day without it, if that is announced.
    ends: Option<Date>,
}

/// All versions that are or were served lately, the oldest first. Those before are over.
const CALENDAR: &[Life] = &[
    Life { major: 19, released: date(2024, 1, 23), ends: Some(date(2026, 5, 21)) },
    Life { major: 20, released: date(2024, 5, 21), ends: Some(date(2026, 9, 24)) },
    Life { major: 21, released: date(2024, 10, 2), ends: Some(date(2027, 1, 21)) },
    Life { major: 22, released: date(2025, 1, 21), ends: Some(date(2027, 5, 20)) },
    Life { major: 23, released: date(2025, 5, 29), ends: Some(date(2027, 10, 8)) },
    Life { major: 24, released: date(2025, 10, 8), ends: Some(date(2028, 2, 18)) },
    Life { major: 25, released: date(2026, 2, 18), ends: Some(date(2028, 7, 29)) },
    Life { major: 26, released: date(2026, 7, 29), ends: None },
];

/// How long before its end a version is called ending.
const NOTICE: SignedDuration = SignedDuration::from_hours(180 * 24);

/// Where a version is in its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// It is served, until this day if that is announced.
    Served(Option<Date>),
    /// It is served, and ends on this day, which is near.
    Ending(Date),
    /// It ended on this day; `None`: before all that the calendar knows of.
    Ended(Option<Date>),
    /// It is not in the calendar, so nothing is known of its end: it came later, or does not exist.
    NotKnown,
}

impl Version {
    /// Where the version is in its life, by the calendar.
    #[must_use]
    pub fn stage(self, now: Timestamp) -> Stage {
        let Some(life) = CALENDAR.iter().find(|life| self == Self::of(life.major)) else {
            let is_old = CALENDAR.first().is_some_and(|first| self < Self::of(first.major));
            return if is_old { Stage::Ended(None) } else { Stage::NotKnown };
        };
        match life.ends {
            None => Stage::Served(None),
            Some(ends) if begin(ends) <= now => Stage::Ended(Some(ends)),
            Some(ends) if begin(ends).duration_since(now) <= NOTICE => Stage::Ending(ends),
            Some(ends) => Stage::Served(Some(ends)),
        }
    }

    /// The oldest and the newest version in the calendar.
    #[must_use]
    pub fn known() -> (Self, Self) {
        let of = |life: Option<&Life>| life.map_or(Self::DEFAULT, |life| Self::of(life.major));
        (of(CALENDAR.first()), of(CALENDAR.last()))
    }

    /// The newest version that was served on this day, by the calendar.
    #[must_use]
    pub fn newest(now: Timestamp) -> Option<Self> {
        let newest = CALENDAR.iter().rev().find(|life| begin(life.released) <= now)?;
        Some(Self::of(newest.major))
    }
}

/// Meta names days without a time zone; an hour makes no difference here.
fn begin(day: Date) -> Timestamp {
    day.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |day| day.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(version: &str, now: &str) -> Stage {
        let now = format!("{now}T12:00:00Z");
        version.parse::<Version>().expect("a version").stage(now.parse().expect("a time"))
    }

    #[test]
    fn a_version_is_served_then_ends_and_is_over() {
        let end = date(2027, 1, 21);
        for (now, expected) in [
            ("2026-03-01", Stage::Served(Some(end))),
            ("2026-07-24", Stage::Served(Some(end))),
            ("2026-07-25", Stage::Ending(end)),
            ("2027-01-20", Stage::Ending(end)),
            ("2027-01-21", Stage::Ended(Some(end))),
            ("2040-01-01", Stage::Ended(Some(end))),
        ] {
            assert_eq!(stage("v21.0", now), expected, "{now}");
        }
    }

    #[test]
    fn of_what_is_not_in_the_calendar_the_old_is_over_and_the_new_is_not_known() {
        for old in ["v1.0", "v2.12", "v18.0"] {
            assert_eq!(stage(old, "2026-03-01"), Stage::Ended(None), "{old}");
        }
        for new in ["v25.1", "v27.0", "v99.0"] {
            assert_eq!(stage(new, "2040-01-01"), Stage::NotKnown, "{new}");
        }
        assert_eq!(stage("v26.0", "2040-01-01"), Stage::Served(None));
    }

    #[test]
    fn the_calendar_is_in_order_and_knows_the_version_that_is_used_by_default() {
        assert!(CALENDAR.is_sorted_by(|one, next| one.major + 1 == next.major && one.released < next.released));
        assert!(CALENDAR.is_sorted_by(|one, next| next.ends.is_none_or(|end| one.ends.is_some_and(|it| it < end))));
        assert!(CALENDAR.iter().any(|life| Version::of(life.major) == Version::DEFAULT));
        assert_eq!(Version::known(), (Version::of(19), Version::of(26)));
        let newest = |now: &str| Version::newest(now.parse().expect("a time")).map(|it| it.to_string());
        assert_eq!(newest("2026-07-28T00:00:00Z").as_deref(), Some("v25.0"));
        assert_eq!(newest("2026-07-29T00:00:00Z").as_deref(), Some("v26.0"));
        assert_eq!(newest("2020-01-01T00:00:00Z"), None);
    }
}
