//! Restraint in writing at Meta: a write is soon checked again, and the operator does not fight forever with someone who keeps
//! changing it back.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::Reason;
use crate::api::conditions::Status;
use crate::base::clock::Moment;
use crate::cluster::events::Note;

/// When something that was written is checked again.
const AGAIN: [SignedDuration; 3] =
    [SignedDuration::from_mins(1), SignedDuration::from_mins(5), SignedDuration::from_mins(10)];

/// So many repairs of the same thing, the last not longer than [`WINDOW`] after the first, are a fight.
const FIGHT: usize = 3;

/// How close together repairs are a fight; after as long without a change the fight is over.
const WINDOW: SignedDuration = SignedDuration::from_mins(30);

/// What a write at Meta would be, when something there is not as declared.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum DriftState {
    /// The first one: the inputs are others than at the last complete look, or it was not as declared then.
    #[default]
    New,
    /// A repair: someone else changed what was as declared before.
    Known,
    /// One repair too many: none is made until the inputs change.
    Fought,
}

/// What a pass came to for the thing that is written at Meta.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RepairOutcome {
    /// Nothing was restored.
    #[default]
    None,
    /// What someone else had changed was restored.
    Repaired,
    /// It was left as someone else wants it.
    GaveUp,
}

impl RepairOutcome {
    /// The same, where something was given up in this very pass.
    #[must_use]
    pub fn given_up(self, fought: bool) -> Self {
        if fought { Self::GaveUp } else { self }
    }

    /// What a pass came to, for a thing that was or was not written and is well or not.
    pub fn of(standing: DriftState, written: bool, well: bool) -> Self {
        match standing {
            DriftState::Known if written && well => Self::Repaired,
            DriftState::Fought if !well => Self::GaveUp,
            _ => Self::None,
        }
    }

    /// The Event of a repair. Repetitions are counted in one Event, so what was done names no details.
    pub fn note(self, done: &'static str) -> Option<Note> {
        let text = format!("{done} at Meta by someone else; the operator restored what is declared.");
        (self == Self::Repaired).then_some(Note { warning: false, reason: "Repaired", action: "Repair", text })
    }
}

/// What is remembered of the writes about one object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DriftGuard {
    /// Fingerprint of the inputs that the repairs were made under; under others everything begins anew.
    inputs: Option<String>,
    /// The last repairs, the oldest first.
    made: Vec<Timestamp>,
    /// Since when writes have had no effect.
    without_effect: Option<Timestamp>,
    /// Whether the operator gave up.
    gave_up: bool,
}

impl DriftGuard {
    /// What a write would be under these inputs. `known` are those of the last complete look, `condition` is what was
    /// said then: it is all that is left of a fight after a restart.
    pub fn standing(
        &self,
        inputs: &str,
        known: Option<&str>,
        condition: Option<&Condition>,
        now: Timestamp,
    ) -> DriftState {
        if known != Some(inputs) {
            return DriftState::New;
        }
        let said = condition.is_some_and(|it| it.reason == Reason::RepairFight.as_str());
        let remembered = self.inputs.as_deref() == Some(inputs) && (self.gave_up || self.is_fight(now));
        if said || remembered {
            return DriftState::Fought;
        }
        // Of what was not as declared when it was seen last, nobody changed anything since.
        let broken = condition.is_some_and(|it| it.status == Status::False.as_str());
        if broken { DriftState::New } else { DriftState::Known }
    }

    fn is_fight(&self, now: Timestamp) -> bool {
        let Some(first) = self.made.len().checked_sub(FIGHT) else { return false };
        let (first, last) = (self.made[first], self.made[self.made.len() - 1]);
        last.duration_since(first) <= WINDOW && now.duration_since(last) <= WINDOW
    }

    /// Remembers what a pass came to.
    pub fn note(&mut self, inputs: Option<&str>, effect: RepairOutcome, without_effect: bool, now: Timestamp) {
        if self.inputs.as_deref() != inputs {
            *self = Self { inputs: inputs.map(str::to_owned), ..Self::default() };
        }
        self.without_effect = without_effect.then(|| self.without_effect.unwrap_or(now));
        self.gave_up = effect == RepairOutcome::GaveUp;
        if effect == RepairOutcome::Repaired {
            self.made.push(now);
            self.made.drain(..self.made.len().saturating_sub(FIGHT));
        }
    }

    /// What is left after a restart: since when a write has had no effect, under these inputs.
    pub fn resumed(inputs: Option<&str>, without_effect: Timestamp) -> Self {
        let inputs = inputs.map(str::to_owned);
        Self { inputs, without_effect: Some(without_effect), ..Self::default() }
    }

    /// Whether it is still to be seen whether what was written lasts.
    pub fn are_watched(&self, now: Timestamp) -> bool {
        let since = self.without_effect.or(self.made.last().copied());
        since.is_some_and(|since| now.duration_since(since) <= WINDOW)
    }

    /// When to check again at what was written, if not in the regular slot alone.
    pub fn again(&self, now: Timestamp) -> Option<Timestamp> {
        let since = self.without_effect.or(self.made.last().copied())?;
        AGAIN.iter().map(|after| since.later(*after)).find(|at| *at > now)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    const INPUTS: &str = "inputs";

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + minute * 60).unwrap()
    }

    fn repaired(minutes: &[i64]) -> DriftGuard {
        let mut repairs = DriftGuard::default();
        for minute in minutes {
            repairs.note(Some(INPUTS), RepairOutcome::Repaired, false, at(*minute));
        }
        repairs
    }

    fn condition(reason: Reason) -> Condition {
        Condition {
            type_: "Subscribed".to_owned(),
            status: "False".to_owned(),
            reason: reason.as_str().to_owned(),
            message: String::new(),
            observed_generation: Some(1),
            last_transition_time: Time(at(0)),
        }
    }

    #[test]
    fn the_third_repair_within_half_an_hour_is_the_last() {
        let rows: [(&[i64], i64, DriftState); 8] = [
            (&[], 0, DriftState::Known),
            (&[0, 1], 2, DriftState::Known),
            (&[0, 1, 2], 3, DriftState::Fought),
            (&[0, 15, 30], 31, DriftState::Fought),
            (&[0, 15, 31], 32, DriftState::Known),
            (&[0, 40, 41, 42], 43, DriftState::Fought),
            // After half an hour of peace it is another drift, not the same fight.
            (&[0, 1, 2], 32, DriftState::Fought),
            (&[0, 1, 2], 33, DriftState::Known),
        ];
        for (minutes, now, expected) in rows {
            let standing = repaired(minutes).standing(INPUTS, Some(INPUTS), None, at(now));
            assert_eq!(standing, expected, "repaired at {minutes:?}, seen at {now}");
        }
    }

    #[test]
    fn a_fight_stays_given_up_until_the_inputs_change_or_it_is_well() {
        let mut repairs = repaired(&[0, 1, 2]);
        repairs.note(Some(INPUTS), RepairOutcome::GaveUp, false, at(3));
        let standing = |repairs: &DriftGuard, inputs| repairs.standing(inputs, Some(INPUTS), None, at(5_000));
        assert_eq!(standing(&repairs, INPUTS), DriftState::Fought);
        assert_eq!(standing(&repairs, "others"), DriftState::New);
        let mut well = repairs.clone();
        well.note(Some(INPUTS), RepairOutcome::None, false, at(120));
        assert_eq!(standing(&well, INPUTS), DriftState::Known);
        repairs.note(Some("others"), RepairOutcome::None, false, at(4));
        assert_eq!(repairs.standing("others", Some("others"), None, at(5)), DriftState::Known);
        assert_eq!(repairs.again(at(4)), None, "what was repaired under other inputs is not checked again");
    }

    #[test]
    fn what_was_not_as_declared_when_it_was_seen_last_is_no_repair() {
        let fresh = DriftGuard::default();
        for reason in [Reason::FieldsMissing, Reason::CallbackVerificationFailed, Reason::WriteHadNoEffect] {
            assert_eq!(
                fresh.standing(INPUTS, Some(INPUTS), Some(&condition(reason)), at(0)),
                DriftState::New,
                "{reason:?}"
            );
        }
    }

    #[test]
    fn what_the_status_says_of_a_fight_counts_after_a_restart() {
        let fresh = DriftGuard::default();
        let standing = |known: Option<&str>, reason| fresh.standing(INPUTS, known, Some(&condition(reason)), at(0));
        assert_eq!(standing(Some(INPUTS), Reason::RepairFight), DriftState::Fought);
        assert_eq!(standing(Some("others"), Reason::RepairFight), DriftState::New);
        assert_eq!(standing(None, Reason::RepairFight), DriftState::New);
    }

    #[test]
    fn what_was_written_is_looked_at_again_after_1_5_and_10_minutes() {
        let mut without_effect = DriftGuard::default();
        for minute in [0, 1, 5] {
            without_effect.note(Some(INPUTS), RepairOutcome::None, true, at(minute));
        }
        let resumed = DriftGuard::resumed(Some(INPUTS), at(0));
        for repairs in [repaired(&[0]), without_effect, resumed] {
            for (now, expected) in [(0, Some(1)), (1, Some(5)), (4, Some(5)), (5, Some(10)), (10, None), (60, None)] {
                assert_eq!(repairs.again(at(now)), expected.map(at), "at {now}: {repairs:?}");
            }
        }
        assert_eq!(repaired(&[0, 7]).again(at(7)), Some(at(8)), "counted from the last repair");
        assert_eq!([10, 37, 38].map(|now| repaired(&[0, 7]).are_watched(at(now))), [true, true, false]);
        assert!(!DriftGuard::default().are_watched(at(0)));
        assert_eq!(DriftGuard::default().again(at(0)), None);
    }

    #[test]
    fn only_what_was_well_before_and_is_well_again_counts_as_a_repair() {
        use DriftState::{Fought, Known, New};
        let rows = [
            (New, true, true, RepairOutcome::None),
            (Known, true, true, RepairOutcome::Repaired),
            (Known, true, false, RepairOutcome::None),
            (Known, false, true, RepairOutcome::None),
            (Fought, false, false, RepairOutcome::GaveUp),
            (Fought, false, true, RepairOutcome::None),
        ];
        for (standing, written, well, expected) in rows {
            assert_eq!(RepairOutcome::of(standing, written, well), expected, "{standing:?} {written} {well}");
        }
    }
}
