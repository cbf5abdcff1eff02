//! What is found when another system writes what the operator writes. It may be slower than the read-back, so that each repair
//! lasts for a while, or faster, so that none is ever seen.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::answer::listed;
use super::evidence::APART;
use crate::api::Reason;
use crate::api::conditions::{Finding, Status};
use crate::graph::redact;

/// Stands in the message of a fight in which no repair was ever seen.
const TOO_FAST: &str =
    "Twice somebody else wrote it before the operator could read back what it had written; it is left alone.";
const SLOW: &str = "Somebody else changed it back after three repairs within 30 minutes; it is left alone.";

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

/// What is found when somebody else keeps undoing what the operator restores.
pub fn repair_fight(defect: Finding, fight: Fight<'_>) -> Finding {
    let fast = fight.previous.is_some_and(|it| it.message.contains(TOO_FAST));
    fought(defect, fight, if fast { TOO_FAST } else { SLOW })
}

/// What is found when Meta accepted a write and shows what somebody else wrote since. Once it may be an old answer. When it is
/// so again after another write, a minute later or more, it is a fight.
pub fn overwritten(defect: Finding, fight: Fight<'_>) -> Finding {
    let once = fight.previous.filter(|it| it.reason == Reason::Overwritten.as_str());
    if once.is_some_and(|it| fight.now.duration_since(it.last_transition_time.0) >= APART) {
        return fought(defect, fight, TOO_FAST);
    }
    let seen = format!("{} {} Somebody else wrote it after the operator had.", defect.seen, found(fight.held));
    let next_step =
        "The operator restores it once more a minute after the first time; if that is undone too, it leaves it alone.";
    Finding { status: Status::False, reason: Reason::Overwritten, seen, next_step: next_step.to_owned(), ..defect }
}

/// Whether a condition says that somebody else writes there too.
pub fn is_disputed(condition: Option<&Condition>) -> bool {
    let reasons = [Reason::Overwritten, Reason::RepairFight];
    condition.is_some_and(|it| reasons.iter().any(|reason| it.reason == reason.as_str()))
}

fn fought(defect: Finding, fight: Fight<'_>, how: &str) -> Finding {
    let seen = format!("{} {} {how}", defect.seen, found(fight.held));
    let next_step = format!(
        "Somebody must find the other system that writes this subscription and have it stop. Then the operator repairs it again after: {}",
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

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

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
    fn another_reason_in_between_begins_anew() {
        let other = condition(&defect(), 0);
        assert!(!is_disputed(Some(&other)) && !is_disputed(None));
        assert_eq!(overwritten(defect(), fight(Some(&other), 600)).reason, Reason::Overwritten);
    }
}
