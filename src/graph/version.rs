//! Versions of the Graph API.

use std::fmt;
use std::str::FromStr;

/// A version of the Graph API, such as `v25.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    major: u16,
    minor: u16,
}

impl Version {
    /// The newest version this operator is tested with.
    pub const DEFAULT: Self = Self { major: 25, minor: 0 };

    /// The version with this first number, as all are numbered since v4.0.
    pub(super) const fn of(major: u16) -> Self {
        Self { major, minor: 0 }
    }

    /// Its first number.
    pub const fn major(self) -> u16 {
        self.major
    }
}

impl Default for Version {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The text is not a version of the Graph API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a Graph API version looks like v25.0")]
pub struct VersionMalformed;

impl FromStr for Version {
    type Err = VersionMalformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text
            .strip_prefix('v')
            .and_then(|rest| rest.split_once('.'))
            .and_then(|(major, minor)| Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? }))
            .ok_or(VersionMalformed)?;
        // `parse` also takes "+25" and "025"; only the canonical spelling may reach a URL.
        if parsed.major == 0 || parsed.to_string() != text {
            return Err(VersionMalformed);
        }
        Ok(parsed)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_survives_the_round_trip() {
        for text in ["v19.0", "v25.0", "v26.1"] {
            assert_eq!(text.parse::<Version>().expect("a version").to_string(), text);
        }
        assert_eq!(Version::default().to_string(), "v25.0");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "", "25.0", "v25", "v25.", "v.0", "v0.0", "v+25.0", "v025.0", "v25.0/me", "V25.0", " v25.0", "v25.0\n",
            "v99999.0",
        ] {
            assert!(text.parse::<Version>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn versions_have_an_order() {
        let old: Version = "v9.0".parse().expect("a version");
        assert!(old < Version::DEFAULT);
    }
}
