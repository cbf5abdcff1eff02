//! Graph API versions and their lives.

use std::fmt;

use jiff::Timestamp;

use super::error::GraphError;
use crate::switches::{DeadVersion, NoVersion, Switches, UnknownVersion};

/// A version as it stands in a path, such as `v25.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    major: u16,
    minor: u16,
}

/// The living versions with the day they end; older ones are over, newer ones do not exist.
const ENDS: &[(u16, Option<&str>)] = &[
    (21, Some("2027-01-21T00:00:00Z")),
    (22, Some("2027-05-20T00:00:00Z")),
    (23, Some("2027-10-08T00:00:00Z")),
    (24, Some("2028-02-18T00:00:00Z")),
    (25, Some("2028-07-29T00:00:00Z")),
    (26, None),
];
const OLDEST_EVER: u16 = 1;
const NEWEST: Version = Version { major: 26, minor: 0 };
/// Versions up to this one had minor numbers.
const LAST_WITH_MINORS: u16 = 3;

enum Life {
    Alive,
    Over,
    Unborn,
}

impl Version {
    /// Reads `v25.0`.
    pub(crate) fn parse(segment: &str) -> Option<Self> {
        let (major, minor) = segment.strip_prefix('v')?.split_once('.')?;
        let number = |text: &str| {
            let plain = !text.is_empty() && text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| text.parse().ok()).flatten()
        };
        Some(Self { major: number(major)?, minor: number(minor)? })
    }

    pub(crate) fn major(self) -> u16 {
        self.major
    }

    fn life(self, now: Timestamp) -> Life {
        if self.major < OLDEST_EVER || self > NEWEST || (self.minor != 0 && self.major > LAST_WITH_MINORS) {
            return Life::Unborn;
        }
        if living(now).any(|major| major == self.major) { Life::Alive } else { Life::Over }
    }

    /// The version that answers a call, or the refusal. `rest` is the path behind the version.
    pub(crate) fn effective(
        asked: Option<Self>,
        rest: &str,
        switches: &Switches,
        now: Timestamp,
    ) -> Result<Self, GraphError> {
        let refused = || Err(GraphError::unknown_path(rest));
        let Some(version) = asked else {
            return match switches.no_version {
                NoVersion::Served => Ok(oldest_living(now)),
                NoVersion::Refused => refused(),
            };
        };
        match version.life(now) {
            Life::Alive => Ok(version),
            Life::Over if switches.dead_version == DeadVersion::Served => Ok(oldest_living(now)),
            Life::Over if switches.dead_version == DeadVersion::Deprecated => {
                Err(GraphError::deprecated_version(NEWEST))
            }
            Life::Unborn if switches.unknown_version == UnknownVersion::Served => Ok(NEWEST),
            Life::Over | Life::Unborn => refused(),
        }
    }
}

/// The oldest and the newest version of the Graph API that is simulated. Which of them live is a matter of the clock.
pub fn graph_versions() -> (String, String) {
    let oldest = ENDS.first().map_or(NEWEST, |(major, _)| Version { major: *major, minor: 0 });
    (oldest.to_string(), NEWEST.to_string())
}

fn living(now: Timestamp) -> impl Iterator<Item = u16> {
    ENDS.iter()
        .filter(move |(_, end)| end.and_then(|end| end.parse::<Timestamp>().ok()).is_none_or(|end| now < end))
        .map(|(major, _)| *major)
}

fn oldest_living(now: Timestamp) -> Version {
    living(now).next().map_or(NEWEST, |major| Version { major, minor: 0 })
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(segment: Option<&str>, switches: &Switches, now: &str) -> Option<String> {
        let asked = segment.map(|segment| Version::parse(segment).unwrap());
        let now = now.parse().unwrap();
        Version::effective(asked, "/1", switches, now).ok().map(|version| version.to_string())
    }

    #[test]
    fn only_versions_are_read_as_versions() {
        for bad in ["25.0", "v25", "v.", "v25.0.1", "v-1.0", "v99999999999.0", "va.b", "v1111.0", ""] {
            assert_eq!(Version::parse(bad), None, "{bad}");
        }
        assert_eq!(Version::parse("v25.0").unwrap().to_string(), "v25.0");
    }

    #[test]
    fn every_end_is_a_time() {
        assert!(ENDS.iter().filter_map(|(_, end)| *end).all(|end| end.parse::<Timestamp>().is_ok()));
    }

    #[test]
    fn versions_die_with_the_clock() {
        let switches = Switches::default();
        let (before, after) = ("2027-01-20T00:00:00Z", "2027-01-22T00:00:00Z");
        assert_eq!(served(Some("v21.0"), &switches, before).unwrap(), "v21.0");
        assert_eq!(served(Some("v21.0"), &switches, after).unwrap(), "v22.0");
        assert_eq!(served(Some("v2.12"), &switches, before).unwrap(), "v21.0");
        assert_eq!(served(None, &switches, after).unwrap(), "v22.0");
        assert_eq!(served(Some("v27.0"), &switches, before), None);
        assert_eq!(served(Some("v25.1"), &switches, before), None);
        assert_eq!(served(Some("v26.0"), &switches, "2040-01-01T00:00:00Z").unwrap(), "v26.0");
    }

    #[test]
    fn switches_turn_it_round() {
        let switches = Switches {
            dead_version: DeadVersion::Refused,
            no_version: NoVersion::Refused,
            unknown_version: UnknownVersion::Served,
            ..Switches::default()
        };
        let now = "2026-11-22T00:00:00Z";
        assert_eq!(served(Some("v20.0"), &switches, now), None);
        assert_eq!(served(None, &switches, now), None);
        assert_eq!(served(Some("v30.0"), &switches, now).unwrap(), "v26.0");
        assert_eq!(served(Some("v25.0"), &switches, now).unwrap(), "v25.0");
    }
}
