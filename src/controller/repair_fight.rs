//! Findings for the case that another system writes what the operator writes. That system may be slower than the read-back, so
//! that each repair lasts for a while, or faster, so that no repair is ever seen.

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::evidence::APART;
use crate::api::Reason;
use crate::api::conditions::{Finding, Status};
use crate::base::redact::redact;
use crate::limits::answer::listed;
use crate::limits::reasons_to_wait::second_at_start;

/// Stands in the message of a first overwriting, before its time.
const FIRST: &str = "Someone else wrote it after the operator had, first seen at ";
/// Stands in the message of a fight in which no repair was ever seen.
const TOO_FAST: &str =
    "Twice someone else wrote it before the operator could read back what it had written; it is left alone.";
const SLOW: &str = "Someone else changed it back after three repairs within 30 minutes; it is left alone.";

/// What is known of a fight.
#[derive(Clone, Copy)]
pub struct Fight<'a> {
    /// The condition of the thing as it stands: it says how the fight went, also after a restart.
    pub previous: Option<&'a Condition>,
    /// The fields that stand there.
    pub held: &'a [String],
    /// The command that lets the operator restore it once more.
    pub look_again: &'a str,
    /// The time.
    pub now: Timestamp,
}

/// What is found when someone else keeps undoing what the operator restores.
pub fn repair_fight(defect: Finding, fight: Fight<'_>) -> Finding {
    let fast = fight.previous.is_some_and(|it| it.message.contains(TOO_FAST));
    fought(defect, fight, if fast { TOO_FAST } else { SLOW })
}

/// What is found when Meta accepted a write and shows what someone else wrote since. Once it may be an old answer. When it is
/// so again after another write, a minute later or more, it is a fight.
pub fn overwritten(defect: Finding, fight: Fight<'_>) -> Finding {
    let first = fight.previous.and_then(first_overwritten);
    if first.is_some_and(|first| fight.now.duration_since(first) >= APART) {
        return fought(defect, fight, TOO_FAST);
    }
    let first = first.unwrap_or(fight.now);
    let first = first.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Trunc)).unwrap_or(first);
    let seen = format!("{} {} {FIRST}{first}.", defect.seen, found(fight.held));
    let next_step = "The operator restores it once more a minute after the first time; if that is undone too, the operator leaves it alone.";
    Finding { status: Status::False, reason: Reason::Overwritten, seen, next_step: next_step.to_owned(), ..defect }
}

/// When it was first found that someone else overwrites it, as a condition tells. It may have been False long before, for
/// another reason.
pub fn first_overwritten(condition: &Condition) -> Option<Timestamp> {
    let told = Some(&condition.message).filter(|_| condition.reason == Reason::Overwritten.as_str())?;
    second_at_start(told.rsplit_once(FIRST)?.1)
}

/// Whether fields that stand there after a write are someone else's: what was there before and what was written do not explain
/// them. Of a write a part may show before the rest does; an end leaves nothing.
pub fn is_foreign(before: &[String], written: &[String], held: &[String]) -> bool {
    let within = |some: &[String], all: &[String]| some.iter().all(|field| all.contains(field));
    if written.is_empty() {
        return !(within(before, held) && within(held, before));
    }
    let outside = held.iter().any(|field| !before.contains(field) && !written.contains(field));
    outside || before.iter().any(|field| written.contains(field) && !held.contains(field))
}

/// Whether a condition says that someone else writes there too.
pub fn is_disputed(condition: Option<&Condition>) -> bool {
    let reasons = [Reason::Overwritten, Reason::RepairFight];
    condition.is_some_and(|it| reasons.iter().any(|reason| it.reason == reason.as_str()))
}

fn fought(defect: Finding, fight: Fight<'_>, how: &str) -> Finding {
    let seen = format!("{} {} {how}", defect.seen, found(fight.held));
    let next_step = format!(
        "Someone must find the other system that writes this subscription and stop it. The operator then repairs the subscription again after: {}",
        fight.look_again
    );
    Finding { status: Status::False, reason: Reason::RepairFight, seen, next_step, ..defect }
}

fn found(held: &[String]) -> String {
    let mut held = held.to_vec();
    held.sort();
    let held = if held.is_empty() { "no fields".to_owned() } else { redact(&listed(&held), &[]) };
    format!("Found: {held}.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::testing::since_start as at;

    fn defect() -> Finding {
        Finding {
            status: Status::False,
            reason: Reason::NotSubscribed,
            seen: "The app's callback at Meta is https://old.example/bot.".to_owned(),
            next_step: String::new(),
            words: None,
            observed_generation: 1,
        }
    }

    fn condition(finding: &Finding, since: i64) -> Condition {
        Condition {
            type_: "WebhookSubscribed".to_owned(),
            status: finding.status.as_str().to_owned(),
            reason: finding.reason.as_str().to_owned(),
            message: finding.message(),
            observed_generation: Some(1),
            last_transition_time: Time(at(since)),
        }
    }

    fn fight(previous: Option<&Condition>, second: i64) -> Fight<'_> {
        Fight { previous, held: &[], look_again: "look", now: at(second) }
    }

    #[test]
    fn what_is_overwritten_twice_a_minute_apart_is_a_fight_and_stays_one() {
        let first = overwritten(defect(), fight(None, 0));
        assert_eq!(first.reason, Reason::Overwritten);
        let told = condition(&first, 0);
        assert!(is_disputed(Some(&told)));
        for (second, expected) in [(0, Reason::Overwritten), (59, Reason::Overwritten), (60, Reason::RepairFight)] {
            assert_eq!(overwritten(defect(), fight(Some(&told), second)).reason, expected, "after {second} s");
        }
        let fought = overwritten(defect(), fight(Some(&told), 60));
        let told = condition(&fought, 0);
        assert_eq!(repair_fight(defect(), fight(Some(&told), 7_200)), fought, "nothing is rewritten");
        let slow = repair_fight(defect(), fight(None, 0));
        assert!(slow.seen.contains("three repairs") && !fought.seen.contains("three repairs"));
    }

    #[test]
    fn a_minute_is_measured_from_the_first_overwriting_and_not_from_when_it_broke() {
        let refused = condition(&Finding { reason: Reason::CallbackVerificationFailed, ..defect() }, 0);
        assert_eq!(first_overwritten(&refused), None);
        let first = overwritten(defect(), fight(Some(&refused), 7_200));
        assert_eq!(first.reason, Reason::Overwritten);
        // The value is the same, so its time does not move.
        let told = condition(&first, 0);
        assert_eq!(first_overwritten(&told), Some(at(7_200)));
        let soon = overwritten(defect(), fight(Some(&told), 7_205));
        assert_eq!(soon, first, "nothing is rewritten");
        assert_eq!(overwritten(defect(), fight(Some(&told), 7_259)).reason, Reason::Overwritten);
        assert_eq!(overwritten(defect(), fight(Some(&told), 7_260)).reason, Reason::RepairFight);
    }

    #[test]
    fn a_part_of_what_was_written_is_nobody_elses_write() {
        let rows: [([&[&str]; 3], bool); 12] = [
            ([&[], &["a", "b", "c"], &["a", "b"]], false),
            ([&[], &["a", "b"], &[]], false),
            ([&["a"], &["a", "b", "c"], &["a", "b"]], false),
            // What is not written any more may go at once or later.
            ([&["a", "z"], &["a", "b"], &["a", "z"]], false),
            ([&["a", "z"], &["a", "b"], &["b", "a"]], false),
            ([&["a"], &["a", "b"], &["b"]], true),
            ([&["a"], &["a", "b"], &[]], true),
            ([&["a"], &["a", "b"], &["a", "x"]], true),
            ([&[], &["a", "b"], &["x"]], true),
            // An end.
            ([&["a", "b"], &[], &["b", "a"]], false),
            ([&["a", "b"], &[], &["a"]], true),
            ([&[], &[], &["a"]], true),
        ];
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        for ([before, written, held], foreign) in rows {
            let found = is_foreign(&words(before), &words(written), &words(held));
            assert_eq!(found, foreign, "{before:?}, {written:?} written, {held:?} found");
        }
    }

    #[test]
    fn another_reason_in_between_begins_anew() {
        let other = condition(&defect(), 0);
        assert!(!is_disputed(Some(&other)) && !is_disputed(None));
        assert_eq!(overwritten(defect(), fight(Some(&other), 600)).reason, Reason::Overwritten);
    }
}
