//! What channels need to know about their grant: from its status alone.

use crate::api::MetaGrant;
use crate::api::conditions::{ConditionType, find};
use crate::controller::dependency::{DependencyError, holds};

/// What channels need to know of their grant. They are woken when it changes, and only then. What it gives for each page
/// is another matter, see [`crate::meta_grant::page_tokens`].
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Verdict {
    /// Generation that the verdict is about.
    pub observed_generation: i64,
    /// Whether the grant's token works.
    pub valid: Result<(), DependencyError>,
}

/// The verdict on a grant, from its status alone.
pub fn verdict(grant: &MetaGrant) -> Verdict {
    let conditions = grant.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let next_step = grant.status.as_ref().and_then(|status| status.next_step.as_deref());
    let valid = find(conditions, ConditionType::Valid);
    Verdict {
        observed_generation: valid.and_then(|condition| condition.observed_generation).unwrap_or(-1),
        valid: holds(conditions, ConditionType::Valid, next_step),
    }
}
