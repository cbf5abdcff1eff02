#![allow(clippy::unwrap_used)]

mod channels;
mod evidence;
mod payload;

use jiff::{SignedDuration, Timestamp};

/// The time of a test.
fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn minutes_ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}
