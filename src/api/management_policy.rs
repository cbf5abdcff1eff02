//! How far the operator goes with an object; the same for every kind.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far the operator goes with an object.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum ManagementPolicy {
    /// Reads at Meta, and writes what differs from the declaration.
    #[default]
    Manage,
    /// Reads at Meta and reports what differs, but writes nothing there: the plan before it is applied.
    Observe,
    /// Neither reads nor writes at Meta; what was known before stays shown.
    Pause,
}
