//! The Graph client: what Meta is asked, and what its answers mean. Knows nothing of Kubernetes.
//!
//! - `error`, `signs`: what went wrong; `classes`, `verdict`: what it means, by consequence
//! - `redact`: the one door for foreign text
//! - `token`, `version`: what a call needs

mod classes;
mod decode;
mod error;
mod redact;
mod signs;
mod token;
mod verdict;
mod version;

pub use classes::{Caller, classify, classify_fault};
pub use error::{GraphError, GraphFault};
pub use redact::redact;
pub use token::{AppCredentials, AppSecret, Token, TokenMalformed};
pub use verdict::{
    AppReason, ApprovalReason, CutReason, EndReason, PageReason, RoutingSign, ThrottleScope,
    Verdict,
};
pub use version::{Version, VersionMalformed};
