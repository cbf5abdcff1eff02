//! MetaGrant: its whole life, as a table of contents.

use crate::api::MetaGrant;
use crate::api::conditions::{ConditionType, find};
use crate::engine::trouble::{Trouble, holds};

/// What channels need to know of their grant. They are woken when it changes, and only then. What it gives for each page
/// is another matter, see [`crate::engine::grants`].
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Verdict {
    /// Generation that the verdict is about.
    pub observed_generation: i64,
    /// Whether the grant's token works.
    pub valid: Result<(), Trouble>,
}

/// The verdict on a grant, from its status alone.
pub fn verdict(grant: &MetaGrant) -> Verdict {
    let conditions = grant.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let valid = find(conditions, ConditionType::Valid);
    Verdict {
        observed_generation: valid.and_then(|condition| condition.observed_generation).unwrap_or(-1),
        valid: holds(conditions, ConditionType::Valid),
    }
}

/// Name of the Secret with the token that a grant uses.
pub fn living_secret_name(grant_name: &str) -> String {
    format!("metagrant-{grant_name}-token")
}
