//! Why something that others depend on cannot be used, in the words of its own conditions.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::conditions::{ConditionType, Status, find, status_of};

/// Why an object that others depend on cannot be used, in the words of that object.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Trouble {
    /// It does not work.
    Broken(String),
    /// Whether it works is not known: not checked yet, or Meta has not answered for too long.
    Unknown(String),
}

/// Whether a condition holds, and the trouble if it does not.
///
/// # Errors
/// The trouble.
pub fn holds(conditions: &[Condition], type_: ConditionType) -> Result<(), Trouble> {
    let Some(condition) = find(conditions, type_) else {
        return Err(Trouble::Unknown("it was not checked yet".to_owned()));
    };
    let why = || format!("{}: {}", condition.reason, condition.message);
    match status_of(conditions, type_) {
        Some(Status::True) => Ok(()),
        Some(Status::False) => Err(Trouble::Broken(why())),
        _ => Err(Trouble::Unknown(why())),
    }
}
