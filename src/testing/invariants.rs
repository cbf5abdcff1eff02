//! What holds for the conditions of every status, whatever was seen; tests of all kinds hold their decisions to it.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use crate::api::Reason;
use crate::api::conditions::{ConditionType, find, sentence};
use crate::api::reasons::Actor;

/// Panics unless the conditions that follow upon `previous` keep the invariants.
pub(crate) fn check(
    previous: &[Condition],
    conditions: &[Condition],
    next_step: Option<&str>,
    generation: i64,
    now: Timestamp,
) {
    check_sentence(conditions);
    let ready = find(conditions, ConditionType::Ready).is_some_and(|ready| ready.status == "True");
    assert!(ready || next_step.is_some_and(|step| !step.is_empty()), "no next step: {conditions:#?}");
    let types: BTreeSet<_> = conditions.iter().map(|condition| condition.type_.as_str()).collect();
    assert_eq!(types.len(), conditions.len(), "one entry a type: {conditions:#?}");
    for condition in conditions {
        assert!(["True", "False", "Unknown"].contains(&condition.status.as_str()), "{condition:#?}");
        assert!(Reason::parse(&condition.reason).is_some(), "{condition:#?}");
        assert!(!condition.message.trim().is_empty(), "a condition without a message: {condition:#?}");
        assert!(condition.observed_generation.unwrap() <= generation, "about the future: {condition:#?}");
        let before = previous.iter().find(|old| old.type_ == condition.type_ && old.status == condition.status);
        let expected = before.map_or(Time(now), |old| old.last_transition_time.clone());
        assert_eq!(condition.last_transition_time, expected, "the time moves with the status only: {condition:#?}");
    }
    check_ready(conditions, generation);
}

/// A sentence stands on the condition that failed; those that follow from it refer to it.
fn check_sentence(conditions: &[Condition]) {
    const SUMS: [&str; 6] = ["Ready", "Connected", "Expired", "Disconnected", "Reconciling", "Stalled"];
    for sum in conditions.iter().filter(|it| SUMS.contains(&it.type_.as_str()) && it.message.chars().count() > 80) {
        let others = conditions.iter().filter(|it| it.type_ != sum.type_ && it.message == sum.message);
        assert_eq!(others.count(), 0, "told more than once: {conditions:#?}");
    }
    assert!(sentence(conditions).is_some_and(|it| !it.contains("its message says why")), "{conditions:#?}");
}

/// Ready is True; or False with Stalled; or False or Unknown with Reconciling; or Unknown under Pause.
fn check_ready(conditions: &[Condition], generation: i64) {
    let ready = find(conditions, ConditionType::Ready).expect("Ready is always there");
    let reconciling = find(conditions, ConditionType::Reconciling);
    let stalled = find(conditions, ConditionType::Stalled);
    assert_eq!(ready.observed_generation, Some(generation), "{ready:#?}");
    assert_eq!(conditions[0].type_, "Ready");
    match (ready.status.as_str(), reconciling, stalled) {
        ("True", None, None) => {}
        ("Unknown", None, None) => assert_eq!(ready.reason, "Paused"),
        ("False", None, Some(stalled)) => {
            assert_eq!((stalled.status.as_str(), &stalled.reason), ("True", &ready.reason));
            assert_eq!(Reason::parse(&stalled.reason).unwrap().actor(), Actor::Person, "{stalled:#?}");
        }
        ("False" | "Unknown", Some(reconciling), None) => {
            assert_eq!((reconciling.status.as_str(), &reconciling.reason), ("True", &ready.reason));
        }
        _ => panic!("no allowed combination: {ready:#?} {reconciling:#?} {stalled:#?}"),
    }
}
