//! Why something that others depend on cannot be used, in the words of its own conditions.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::conditions::{ConditionType, Finding, Status, find, status_of};

/// Why an object that others depend on cannot be used, in the words of that object.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Trouble {
    /// It does not work.
    Broken(Told),
    /// Whether it works is not known: not checked yet, or Meta has not answered for too long.
    Unknown(Told),
}

/// What an object tells of its trouble.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Told {
    /// The reason and what was seen, without Meta's words.
    pub why: String,
    /// Who must do what there; empty if nothing is said of it.
    pub next_step: String,
}

impl Told {
    /// What was seen, with nothing to be done about it.
    pub fn only(why: impl Into<String>) -> Self {
        Self { why: why.into(), next_step: String::new() }
    }

    /// The step that dependants quote; `otherwise` if there is none.
    pub fn step_or(&self, otherwise: impl FnOnce() -> String) -> String {
        if self.next_step.is_empty() { otherwise() } else { self.next_step.clone() }
    }
}

/// Whether a condition holds, and the trouble if it does not; `next_step` is that of the status.
///
/// # Errors
/// The trouble.
pub fn holds(conditions: &[Condition], type_: ConditionType, next_step: Option<&str>) -> Result<(), Trouble> {
    let Some(condition) = find(conditions, type_) else {
        return Err(Trouble::Unknown(Told::only("it was not checked yet.")));
    };
    let told = || {
        let seen =
            Finding::from_condition(condition, next_step).map_or_else(|| condition.message.clone(), |it| it.seen);
        let next_step = next_step.unwrap_or_default().to_owned();
        Told { why: format!("{}: {seen}", condition.reason), next_step }
    };
    match status_of(conditions, type_) {
        Some(Status::True) => Ok(()),
        Some(Status::False) => Err(Trouble::Broken(told())),
        _ => Err(Trouble::Unknown(told())),
    }
}
