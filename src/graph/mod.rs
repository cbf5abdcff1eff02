//! The Graph client: what Meta is asked, and what its answers mean. Knows nothing of Kubernetes.
//!
//! - `redact`: the one door for foreign text
//! - `token`, `version`: what a call needs

mod redact;
mod token;
mod version;

pub use redact::redact;
pub use token::{AppCredentials, AppSecret, Token, TokenMalformed};
pub use version::{Version, VersionMalformed};
