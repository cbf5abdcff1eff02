//! From the conditions that matter to Ready, Reconciling and Stalled: one rule for all kinds.
//!
//! Ready is True; or False with Stalled, when only a person can fix it; or False or Unknown with Reconciling, when the
//! operator acts again on its own; or Unknown under Pause. Nothing else, so that kstatus and GitOps tools read it without
//! expressions.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::Reason;
use super::conditions::{ConditionType, Finding, Status, find};
use super::reasons::Actor;

/// Ready and what follows from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Readiness {
    /// Ready, then Reconciling or Stalled if they are True.
    pub findings: Vec<(ConditionType, Finding)>,
    /// The next step; there is one whenever Ready is not True.
    pub next_step: Option<String>,
    /// Why Ready is what it is, in full.
    pub cause: Finding,
    /// Whether what is known is of an older generation, and nothing else is in the way.
    unverified: bool,
}

impl Readiness {
    /// The same, with why Meta is not asked now about this generation, if it is not.
    #[must_use]
    pub fn held_by(mut self, brake: Option<&str>) -> Self {
        let found = self.findings.iter_mut().map(|(_, finding)| finding).chain([&mut self.cause]);
        for finding in found.filter(|_| self.unverified) {
            finding.seen.extend(brake.map(|why| format!(" Meta is not being asked now: {why}.")));
        }
        self
    }
}

/// Derives Ready from the conditions that matter, the most telling first.
pub fn readiness(blocking: &[&Finding], generation: i64, reached: Finding) -> Readiness {
    let first_false = blocking.iter().find(|finding| finding.status == Status::False);
    let first_unknown = blocking.iter().find(|finding| finding.status == Status::Unknown);
    let outdated = blocking.iter().find(|finding| finding.observed_generation != generation);
    let (cause, unverified) = match (first_false, first_unknown, outdated) {
        (Some(cause), ..) if cause.observed_generation == generation => ((*cause).clone(), false),
        (None, Some(cause), _) => (not_ready_yet(cause), false),
        (_, _, Some(cause)) => (unverified(cause, generation), true),
        _ => (reached, false),
    };
    let cause = Finding { observed_generation: generation, ..cause };
    let mut findings = vec![(ConditionType::Ready, cause.clone())];
    if cause.status != Status::True {
        let person = cause.status == Status::False && cause.reason.actor() == Actor::Person;
        let type_ = if person { ConditionType::Stalled } else { ConditionType::Reconciling };
        findings.push((type_, cause.with_status(Status::True)));
    }
    Readiness { findings, next_step: next_step(&cause), cause, unverified }
}

/// What is to be done, also where the finding does not say it.
fn next_step(cause: &Finding) -> Option<String> {
    if cause.status == Status::True || !cause.next_step.is_empty() {
        return Some(cause.next_step.clone()).filter(|step| !step.is_empty());
    }
    Some(match cause.reason.actor() {
        // A value that was kept has its step in its message.
        Actor::Person => format!("Follow the message: {}", cause.seen),
        Actor::Operator | Actor::Nobody => "No action is needed now: the operator continues on its own.".to_owned(),
    })
}

/// What is not known makes Ready Unknown, unless it is known why: then Ready is False with that reason.
fn not_ready_yet(cause: &Finding) -> Finding {
    let known = matches!(
        cause.reason,
        Reason::AppNotFound
            | Reason::AppNotReady
            | Reason::ServiceNotFound
            | Reason::GrantNotFound
            | Reason::GrantNotReady
            | Reason::TokenRefused
            | Reason::RefusedByMeta
    );
    cause.with_status(if known { Status::False } else { Status::Unknown })
}

/// A value kept from an older generation says nothing about this one.
fn unverified(cause: &Finding, generation: i64) -> Finding {
    Finding {
        status: Status::Unknown,
        reason: Reason::Pending,
        seen: format!(
            "Generation {generation} has not been verified at Meta yet; this status shows generation {}.",
            cause.observed_generation
        ),
        next_step: String::new(),
        words: None,
        observed_generation: generation,
    }
}

/// An object that is to be left alone: what was known of these conditions stays as it is, with the generation it is
/// about; what was never known stays unknown. Ready is neither one nor the other: nobody is waited for.
pub fn paused(previous: &[Condition], types: &[ConditionType], generation: i64) -> Readiness {
    let finding = |seen: &str, next_step: &str| Finding {
        status: Status::Unknown,
        reason: Reason::Paused,
        seen: seen.to_owned(),
        next_step: next_step.to_owned(),
        words: None,
        observed_generation: generation,
    };
    let step = "The maintainer of this object must set spec.managementPolicy to Manage or Observe before the operator does anything again.";
    let ready = finding("The object is paused; this status shows what was known before.", step);
    let kept = types.iter().map(|type_| {
        let known = find(previous, *type_).and_then(|condition| Finding::from_condition(condition, None));
        (*type_, known.unwrap_or_else(|| finding("Nothing was known when the pause began.", "")))
    });
    let findings = std::iter::once((ConditionType::Ready, ready.clone())).chain(kept).collect();
    Readiness { findings, next_step: Some(step.to_owned()), cause: ready, unverified: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(status: Status, reason: Reason, observed_generation: i64) -> Finding {
        Finding { status, reason, seen: "seen".into(), next_step: String::new(), words: None, observed_generation }
    }

    #[test]
    fn what_is_not_verified_yet_says_why_meta_is_not_asked() {
        let reached = || finding(Status::True, Reason::ReconcileSucceeded, 2);
        let old = finding(Status::True, Reason::PageReachable, 1);
        let waiting = readiness(&[&old], 2, reached()).held_by(Some("because"));
        assert!(
            waiting.findings.len() == 2 && waiting.findings.iter().all(|(_, it)| it.seen.ends_with("now: because."))
        );
        assert!(!readiness(&[&old], 2, reached()).held_by(None).findings[0].1.seen.contains("asked"));
        for current in [finding(Status::True, Reason::PageReachable, 2), finding(Status::False, Reason::WrongPage, 2)] {
            let known = readiness(&[&current], 2, reached());
            assert_eq!(known.clone().held_by(Some("because")), known, "what is known is known");
        }
    }

    #[test]
    fn ready_is_one_of_the_allowed_combinations_and_names_the_cause() {
        use ConditionType::{Ready, Reconciling, Stalled};
        let good = finding(Status::True, Reason::TokenValid, 2);
        let cases: Vec<(Vec<Finding>, Status, Reason, Option<ConditionType>)> = vec![
            (vec![good.clone()], Status::True, Reason::ReconcileSucceeded, None),
            (
                vec![good.clone(), finding(Status::False, Reason::PasswordChanged, 2)],
                Status::False,
                Reason::PasswordChanged,
                Some(Stalled),
            ),
            (
                vec![finding(Status::False, Reason::SecretUnavailable, 2)],
                Status::False,
                Reason::SecretUnavailable,
                Some(Reconciling),
            ),
            (
                vec![finding(Status::Unknown, Reason::Pending, 2), finding(Status::False, Reason::WrongPage, 2)],
                Status::False,
                Reason::WrongPage,
                Some(Stalled),
            ),
            (vec![finding(Status::Unknown, Reason::Pending, 2)], Status::Unknown, Reason::Pending, Some(Reconciling)),
            (
                vec![finding(Status::Unknown, Reason::AppNotReady, 2)],
                Status::False,
                Reason::AppNotReady,
                Some(Reconciling),
            ),
            (
                vec![good, finding(Status::True, Reason::PageReachable, 1)],
                Status::Unknown,
                Reason::Pending,
                Some(Reconciling),
            ),
            (vec![finding(Status::False, Reason::WrongPage, 1)], Status::Unknown, Reason::Pending, Some(Reconciling)),
        ];
        for (blocking, status, reason, other) in cases {
            let blocking: Vec<_> = blocking.iter().collect();
            let result = readiness(&blocking, 2, finding(Status::True, Reason::ReconcileSucceeded, 2));
            let ready = &result.findings[0];
            assert_eq!((ready.0, ready.1.status, ready.1.reason), (Ready, status, reason), "{blocking:?}");
            assert_eq!(ready.1.observed_generation, 2);
            assert_eq!(result.findings.get(1).map(|(type_, _)| *type_), other, "{blocking:?}");
        }
    }

    #[test]
    fn a_next_step_is_never_missing() {
        let told = finding(Status::False, Reason::PasswordChanged, 2);
        let told = Finding { seen: "It ended. Authorize again.".into(), next_step: "Authorize again.".into(), ..told };
        let known = Finding { next_step: String::new(), ..told.clone() };
        let waiting = finding(Status::Unknown, Reason::AppNotReady, 2);
        for (finding, step) in [
            (&told, Some("Authorize again.")),
            (&known, Some("Follow the message: It ended. Authorize again.")),
            (&waiting, Some("No action is needed now: the operator continues on its own.")),
            (&known.with_status(Status::True), None),
        ] {
            let result = readiness(&[finding], 2, known.with_status(Status::True));
            assert_eq!(result.next_step.as_deref(), step);
        }
    }
}
