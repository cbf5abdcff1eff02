//! Why a control call is refused.

use crate::seed::SeedError;
use crate::switches::BadSwitch;
use crate::when::BadWhen;

/// A control call was refused.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no such app, page, token or fault.
    #[error("there is no {0}")]
    NotFound(String),
    /// There is nothing of this name; the text names the nearest.
    #[error("{0}")]
    Missing(String),
    /// The request contradicts itself or the state.
    #[error("{0}")]
    Refused(String),
}

impl From<SeedError> for ControlError {
    fn from(error: SeedError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<BadSwitch> for ControlError {
    fn from(error: BadSwitch) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<BadWhen> for ControlError {
    fn from(error: BadWhen) -> Self {
        Self::Refused(error.to_string())
    }
}
