//! What was decided about an object, as far as its status shows it: tests of all kinds look at it in the same way.

use std::fmt::Debug;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::conditions::{ConditionType, find, sentence};
use crate::api::{FacebookChannelStatus, MetaAppStatus, MetaGrantStatus};

/// What the statuses of all kinds have.
pub(crate) trait DecidedStatus: Debug {
    fn conditions(&self) -> &[Condition];
    fn next_step(&self) -> Option<&str>;
}

impl DecidedStatus for MetaAppStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    fn next_step(&self) -> Option<&str> {
        self.next_step.as_deref()
    }
}

impl DecidedStatus for MetaGrantStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    fn next_step(&self) -> Option<&str> {
        self.next_step.as_deref()
    }
}

impl DecidedStatus for FacebookChannelStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    fn next_step(&self) -> Option<&str> {
        self.next_step.as_deref()
    }
}

/// A decision with a status.
pub(crate) trait Decided {
    type Status: DecidedStatus;

    fn status(&self) -> &Self::Status;

    /// Value and reason of a condition, as in `False/TokenExpired`; empty if it is not there.
    fn of(&self, type_: ConditionType) -> String {
        let found = find(self.status().conditions(), type_);
        found.map(|condition| format!("{}/{}", condition.status, condition.reason)).unwrap_or_default()
    }

    fn message(&self, type_: ConditionType) -> &str {
        match type_ {
            ConditionType::Ready => sentence(self.status().conditions()).unwrap(),
            _ => &find(self.status().conditions(), type_).unwrap().message,
        }
    }

    fn shows(&self, expected: &[(ConditionType, &str)]) {
        for (type_, value) in expected {
            assert_eq!(self.of(*type_), *value, "{type_:?}: {:#?}", self.status());
        }
    }

    /// A person has to act: Ready is False and Stalled for this reason, and a next step is given.
    fn stalled(&self, reason: &str) {
        let (ready, stalled) = (format!("False/{reason}"), format!("True/{reason}"));
        self.shows(&[(ConditionType::Ready, &ready), (ConditionType::Stalled, &stalled)]);
        let step = self.status().next_step().unwrap_or_default();
        assert!(!step.is_empty() && self.message(ConditionType::Ready).contains(step), "{:#?}", self.status());
    }

    /// The operator continues on its own: Ready is False or Unknown, and Reconciling.
    fn reconciling(&self, ready: &str) {
        let reason = ready.split('/').nth(1).unwrap();
        self.shows(&[(ConditionType::Ready, ready), (ConditionType::Reconciling, &format!("True/{reason}"))]);
    }
}
