//! Identifiers of apps, people, pages and businesses.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};

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

    /// A random id that is not taken yet.
    pub(crate) fn fresh(taken: impl Fn(&Self) -> bool) -> Self {
        loop {
            let id = Self(rand::random_range(1_000_000_000_000_000..10_000_000_000_000_000_u64).to_string());
            if !taken(&id) {
                return id;
            }
        }
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

/// Ids, each once and in order. Copies share them: there may be thousands, for many tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeSet<Id>")]
pub struct Ids(#[serde(serialize_with = "write_ids")] Arc<BTreeSet<Id>>);

fn write_ids<S: Serializer>(ids: &BTreeSet<Id>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(ids)
}

impl Ids {
    /// Whether both are one in memory.
    pub(crate) fn shares(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Those that are in both.
    pub(crate) fn both(&self, other: &Self) -> Self {
        if self.shares(other) || self.is_subset(other) {
            return self.clone();
        }
        if other.is_subset(self) {
            return other.clone();
        }
        self.intersection(other).cloned().collect()
    }

    /// Adds those of the other; whether there was one to add.
    pub(crate) fn extend(&mut self, other: &Self) -> bool {
        let grows = !self.shares(other) && !other.is_subset(self);
        if grows {
            Arc::make_mut(&mut self.0).extend(other.iter().cloned());
        }
        grows
    }
}

impl Deref for Ids {
    type Target = BTreeSet<Id>;

    fn deref(&self) -> &BTreeSet<Id> {
        &self.0
    }
}

impl From<BTreeSet<Id>> for Ids {
    fn from(ids: BTreeSet<Id>) -> Self {
        Self(Arc::new(ids))
    }
}

impl FromIterator<Id> for Ids {
    fn from_iter<T: IntoIterator<Item = Id>>(ids: T) -> Self {
        Self::from(BTreeSet::from_iter(ids))
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
