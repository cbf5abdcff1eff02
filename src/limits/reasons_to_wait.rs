//! Why Meta is not asked now, and since when or until when: reported where nothing is known yet. The words stay the same for as
//! long as the restraint lasts, so that no status is rewritten meanwhile and no dependent is woken.

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::answer::{Held, Refusal, silence};

/// What a brake by Meta's limits begins with; the time stands behind it.
const SILENT: &str = "it has been limiting calls";
const USED: &str = "so much of Meta's hourly limit has been used";
const SINCE: &str = " since ";

/// That changes are checked one by one after the first few.
pub fn edits(until: Timestamp) -> String {
    format!(
        "the object was changed many times within a short time, and the operator checks such changes one by one; this one at {}",
        second(until)
    )
}

/// That Meta wants to be left alone. Each further answer puts off the end of that, but not its begin.
pub fn silent(since: Timestamp) -> String {
    format!("{SILENT}{SINCE}{}", second(since))
}

/// That other looks come first while much of what Meta allows is used.
pub fn used(since: Option<Timestamp>) -> String {
    let since = since.map(|since| format!("{SINCE}{}", second(since))).unwrap_or_default();
    format!(
        "{USED}{since} that more urgent checks come first; status.usage of the MetaApp shows the use, and this check runs as soon as there is room"
    )
}

/// That Meta answers about nothing of an application.
pub fn outage(since: Timestamp) -> String {
    format!(
        "it has answered nothing for the application since {}; the operator asks only about the application, and about everything else within two minutes after an answer",
        second(since)
    )
}

/// What keeps Meta from being asked again now, if something does. `said` are the conditions as they stand: Meta's limits are met
/// by turns, and whichever was told first is told until there is an answer.
pub fn told(refusals: &[&Refusal], said: &[Condition], now: Timestamp) -> Option<String> {
    match refusals.iter().find_map(|refusal| Some((refusal.held?, refusal))) {
        Some((Held::Grant(_), _)) => None,
        Some((Held::Limit(_), refusal)) => Some(limit(said).unwrap_or_else(|| refusal.fact.clone())),
        Some((_, refusal)) => Some(refusal.fact.clone()),
        None => silence(refusals, now).map(|_| limit(said).unwrap_or_else(|| silent(now))),
    }
}

/// The limit of Meta's that conditions tell of, in the same words.
fn limit(said: &[Condition]) -> Option<String> {
    let time = |rest: &str| second_at_start(rest.strip_prefix(SINCE)?);
    said.iter().find_map(|condition| {
        let after = |words| condition.message.split_once(words).map(|(_, rest)| rest);
        let silence = after(SILENT).and_then(time).map(silent);
        silence.or_else(|| after(USED).map(|rest| used(time(rest))))
    })
}

/// The time to the second with which a text begins, as it stands in the messages of conditions.
pub fn second_at_start(text: &str) -> Option<Timestamp> {
    text.get(.."2026-03-01T12:00:00Z".len())?.parse().ok()
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
        assert_eq!(told(&[], &[], now), None);
        assert_eq!(told(&[&Refusal::nothing()], &[], now), None);
        assert_eq!(told(&[&throttled], &[], now).unwrap(), silent(now));
        assert_eq!(told(&[&throttled, &held], &[], now).unwrap(), edits(now));
        assert_eq!(told(&[&waiting], &[], now), None, "the grant says what it waits for");
    }

    #[test]
    fn the_limit_that_was_told_first_is_told_for_as_long_as_limits_are_met() {
        let (first, now) = (at("2026-03-01T12:00:00.5Z"), at("2026-03-01T12:10:00Z"));
        let said = |brake: String| Condition {
            type_: "Ready".to_owned(),
            status: "Unknown".to_owned(),
            reason: "RateLimited".to_owned(),
            message: format!("Meta limits how often it may be asked: {brake}. The operator tries again on its own."),
            observed_generation: Some(1),
            last_transition_time: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(first),
        };
        let throttled = Refusal::new(Verdict::Throttled { until_hint: None, scope: ThrottleScope::App }, "code 4");
        let limited = Refusal::held(Held::Limit(now)).because(used(Some(now)));
        for brake in [silent(first), used(Some(first)), used(None)] {
            for refusal in [&throttled, &limited] {
                assert_eq!(told(&[refusal], &[said(brake.clone())], now).as_ref(), Some(&brake));
            }
            let held = Refusal::held(Held::Edits(now));
            assert_eq!(told(&[&held], &[said(brake)], now).unwrap(), edits(now), "that is no limit of Meta's");
        }
        for other in [edits(first), outage(first), "nothing".to_owned()] {
            assert_eq!(told(&[&throttled], &[said(other.clone())], now).unwrap(), silent(now));
            assert_eq!(told(&[&limited], &[said(other)], now).unwrap(), used(Some(now)));
        }
    }
}
