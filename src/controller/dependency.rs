//! Why an object that others depend on cannot be used, in the words of its own conditions.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::conditions::{ConditionType, Finding, Status, find, status_of};

/// Why an object that others depend on cannot be used, in the words of that object.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum DependencyError {
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
pub fn holds(conditions: &[Condition], type_: ConditionType, next_step: Option<&str>) -> Result<(), DependencyError> {
    let Some(condition) = find(conditions, type_) else {
        return Err(DependencyError::Unknown(Told::only("it has not been checked yet.")));
    };
    // A step that is not the end of this message belongs to another condition of the object.
    let told = || {
        let (seen, next_step) = Finding::from_condition(condition, next_step)
            .map_or_else(|| (condition.message.clone(), String::new()), |it| (it.seen, it.next_step));
        Told { why: format!("{}: {seen}", condition.reason), next_step }
    };
    match status_of(conditions, type_) {
        Some(Status::True) => Ok(()),
        Some(Status::False) => Err(DependencyError::Broken(told())),
        _ => Err(DependencyError::Unknown(told())),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn condition(message: &str) -> Condition {
        Condition {
            type_: "WebhookSubscribed".to_owned(),
            status: "False".to_owned(),
            reason: "ForeignCallback".to_owned(),
            message: message.to_owned(),
            observed_generation: None,
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
        }
    }

    #[test]
    fn a_step_is_quoted_if_it_is_the_one_of_this_condition() {
        let of = |message: &str, step: &str| {
            let held = holds(&[condition(message)], ConditionType::WebhookSubscribed, Some(step));
            let Err(DependencyError::Broken(told)) = held else { panic!("{held:?}") };
            (told.why, told.next_step)
        };
        let pair = |why: &str, step: &str| (why.to_owned(), step.to_owned());
        let message = "Another callback is there. Take it over. Meta said: \"no\"";
        assert_eq!(of(message, "Take it over."), pair("ForeignCallback: Another callback is there.", "Take it over."));
        // The object asks for something else first.
        let whole = "ForeignCallback: Another callback is there. Take it over.";
        assert_eq!(of(message, "Have the permission approved."), pair(whole, ""));
    }
}
