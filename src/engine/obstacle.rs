//! What keeps the operator from writing claims.

/// Why claims cannot be taken or changed.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub enum Obstacle {
    /// Their namespace does not exist.
    NoNamespace,
    /// The operator has no rights there.
    Forbidden,
    /// The API server would let anybody write claims for any namespace.
    Unguarded,
    /// The API server refuses them for another reason.
    Refused {
        /// What was seen.
        seen: String,
        /// Who must do what.
        next_step: String,
    },
    /// The API server has not said yet whether it would.
    #[default]
    Unproven,
}
