//! What unit tests of several modules share.
#![allow(clippy::unwrap_used)]

mod decided;
pub(crate) mod invariants;
mod refusals;

use jiff::{SignedDuration, Timestamp};

use crate::base::key::Key;
use crate::graph::Token;

pub(crate) use decided::Decided;
pub(crate) use refusals::{fault, no_answer, unanswered};

pub(crate) const APP: &str = "1111000011110000";
pub(crate) const PAGE: &str = "2200000000000001";
pub(crate) const PERSON: &str = "6600000000000001";
pub(crate) const FIELDS: [&str; 2] = ["messages", "messaging_postbacks"];
pub(crate) const DAY: SignedDuration = SignedDuration::from_hours(24);

pub(crate) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// When decisions are made.
pub(crate) fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// So long after the begin of a test that has a past as well.
pub(crate) fn since_start(second: i64) -> Timestamp {
    at(1_000_000 + second)
}

pub(crate) fn grant() -> Key {
    Key::new("tenant-a", "acme")
}

/// A token that ends so.
pub(crate) fn token(end: &str) -> Token {
    Token::parse(format!("EAA0000000000000000000-{end}").as_bytes()).unwrap()
}
