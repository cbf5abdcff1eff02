//! Identifiers of apps, people, pages and businesses.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};

/// A Graph object id: 5 to 20 digits, no leading zero.
///
/// YAML may write it with or without quotes; it is always a string here, as in Graph's answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Id(String);

/// The text is not a Graph object id.
#[derive(Debug, thiserror::Error)]
#[error("an id is 5 to 20 digits without a leading zero")]
pub struct BadId;

impl Id {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Id {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        if digits && (5..=20).contains(&text.len()) && !text.starts_with('0') {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadId)
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq<str> for Id {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Id {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor;

        impl Visitor<'_> for IdVisitor {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id of 5 to 20 digits")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Id, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Id, E> {
                self.visit_str(&number.to_string())
            }
        }

        deserializer.deserialize_any(IdVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_only_and_no_leading_zero() {
        assert!("2200000000000001".parse::<Id>().is_ok());
        for bad in ["", "1234", "012345", "12345a", "123456789012345678901"] {
            assert!(bad.parse::<Id>().is_err(), "{bad} was taken for an id");
        }
    }

    #[test]
    fn yaml_may_leave_out_the_quotes() {
        let bare: Id = serde_yaml_ng::from_str("2200000000000001").unwrap();
        let quoted: Id = serde_yaml_ng::from_str("\"2200000000000001\"").unwrap();
        assert_eq!(bare, quoted);
    }
}
