//! Why Meta is not asked now, and until when: told where nothing is known yet. The words are the same for as long as it lasts, so
//! that nothing is rewritten meanwhile.

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

use super::answer::{Held, Refusal, silence};

/// That changes are looked at one by one after the first few.
pub fn edits(until: Timestamp) -> String {
    format!(
        "it was changed many times within a short time, and such changes are looked at one by one; this one at {}",
        second(until)
    )
}

/// That Meta wants to be left alone.
pub fn silent(until: Timestamp) -> String {
    format!("it wants to be left alone until {}", second(until))
}

/// That other looks come first while much of what Meta allows is used.
pub fn used(since: Option<Timestamp>) -> String {
    let since = since.map(|since| format!(" since {}", second(since))).unwrap_or_default();
    format!(
        "so much of what it allows within an hour has been used{since} that more pressing looks come first; status.usage of the MetaApp shows it, and this look is taken as soon as there is room"
    )
}

/// That Meta answers about nothing of an application.
pub fn outage(since: Timestamp) -> String {
    format!(
        "it has answered nothing for the application since {}; the application alone is asked, and all else within two minutes after an answer",
        second(since)
    )
}

/// What keeps Meta from being asked again now, if something does.
pub fn told(refusals: &[&Refusal], now: Timestamp) -> Option<String> {
    match refusals.iter().find_map(|refusal| Some((refusal.held?, refusal))) {
        Some((Held::Grant(_), _)) => None,
        Some((_, refusal)) => Some(refusal.fact.clone()),
        None => silence(refusals, now).map(silent),
    }
}

/// The second that is not before a time.
fn second(at: Timestamp) -> Timestamp {
    at.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Ceil)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;
    use crate::graph::{ThrottleScope, Verdict};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn every_brake_says_why_and_to_the_second_until_or_since_when() {
        let time = at("2026-03-01T12:00:00.25Z");
        for text in [edits(time), silent(time), used(Some(time)), outage(time)] {
            assert!(text.contains(" 2026-03-01T12:00:01Z"), "{text}");
        }
        assert!(!used(None).contains("since"));
    }

    #[test]
    fn the_first_restraint_is_told_else_the_silence_that_meta_wants() {
        let now = at("2026-03-01T12:00:00Z");
        let throttled = Refusal::new(
            Verdict::Throttled { until_hint: Some(Duration::from_secs(600)), scope: ThrottleScope::App },
            "code 4",
        );
        let held = Refusal::held(Held::Edits(now));
        let waiting = Refusal::held(Held::Grant(now));
        assert_eq!(told(&[], now), None);
        assert_eq!(told(&[&Refusal::nothing()], now), None);
        assert_eq!(told(&[&throttled], now).unwrap(), silent(at("2026-03-01T12:10:00Z")));
        assert_eq!(told(&[&throttled, &held], now).unwrap(), edits(now));
        assert_eq!(told(&[&waiting], now), None, "the grant says what it waits for");
    }
}
