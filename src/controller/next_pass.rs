//! When an object has its next pass.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::outcome::Class;
use crate::base::clock::Moment;
use crate::base::schedule::{NEVER, Slots, backoff};

const LONGEST_BACKOFF: Duration = Duration::from_secs(300);
/// With what is added at random it is less than a minute.
const LONGEST_IN_THE_CLUSTER: Duration = Duration::from_secs(36);

/// When to act again: the one place where a class becomes an action.
pub fn next_try(class: Class, attempts: u32, now: Timestamp, slots: Slots) -> Timestamp {
    match class {
        Class::Settled | Class::Waiting => slots.again.map_or(slots.regular, |again| again.min(slots.regular)),
        Class::Reauthorize | Class::AppBroken | Class::Terminal => slots.broken,
        Class::WithoutEffect => slots.again.unwrap_or(slots.broken),
        Class::Held(until) => until,
        Class::Paused => NEVER,
        Class::Throttled(until) => until.max(now.later(backoff(attempts, LONGEST_BACKOFF))),
        Class::Transient => now.later(backoff(attempts, LONGEST_BACKOFF)),
        Class::Conflict | Class::Refused | Class::Withheld => now.later(backoff(attempts, LONGEST_IN_THE_CLUSTER)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::at;

    #[test]
    fn every_class_has_its_time() {
        let now = at(1_000_000);
        let slots = Slots { regular: at(1_000_900), broken: at(1_007_200), again: None };
        let again = |second| Slots { again: Some(at(second)), ..slots };
        let cases = [
            (Class::Settled, 0, 1_000_900, 1_000_900),
            (Class::Waiting, 0, 1_000_900, 1_000_900),
            (Class::Reauthorize, 0, 1_007_200, 1_007_200),
            (Class::AppBroken, 0, 1_007_200, 1_007_200),
            (Class::Terminal, 0, 1_007_200, 1_007_200),
            (Class::Transient, 0, 1_000_001, 1_000_002),
            (Class::Transient, 4, 1_000_016, 1_000_024),
            (Class::Transient, 1_000, 1_000_300, 1_000_450),
            (Class::Throttled(at(1_000_500)), 0, 1_000_500, 1_000_500),
            (Class::Throttled(at(1)), 2, 1_000_004, 1_000_006),
            (Class::Held(at(1_000_003)), 7, 1_000_003, 1_000_003),
            (Class::WithoutEffect, 3, 1_007_200, 1_007_200),
            (Class::Conflict, 0, 1_000_001, 1_000_002),
            (Class::Conflict, 3, 1_000_008, 1_000_012),
            (Class::Conflict, 1_000, 1_000_036, 1_000_054),
            (Class::Refused, 0, 1_000_001, 1_000_002),
            (Class::Refused, 1_000, 1_000_036, 1_000_054),
            (Class::Withheld, 0, 1_000_001, 1_000_002),
            (Class::Withheld, 1_000, 1_000_036, 1_000_054),
        ];
        for (class, attempts, earliest, latest) in cases {
            let next = next_try(class, attempts, now, slots);
            assert!(at(earliest) <= next && next <= at(latest), "{class:?} after {attempts}: {next}");
        }
        assert_eq!(next_try(Class::Paused, 3, now, slots), NEVER);
        let written = [
            (Class::WithoutEffect, 1_000_060, 1_000_060),
            (Class::Settled, 1_000_060, 1_000_060),
            (Class::Settled, 1_001_000, 1_000_900),
            (Class::Terminal, 1_000_060, 1_007_200),
        ];
        for (class, second, expected) in written {
            assert_eq!(next_try(class, 0, now, again(second)), at(expected), "{class:?}, again at {second}");
        }
    }
}
