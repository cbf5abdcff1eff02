//! The Graph client: what Meta is asked, and what its answers mean. Knows nothing of Kubernetes.
//!
//! - `client`: the calls we make; `grants`, `login`: those for people and system users; `list`: what comes in pages;
//!   `batch`: many reads in one;
//!   `flight`: one call for all who ask the same; `call`: one
//!   bounded exchange; `usage`, `refused`: what it remembers
//! - `answers`, `decode`: lenient types of what Graph sends
//! - `error`, `signs`: what went wrong; `operation`: which call it answers; `classes`, `verdict`: what it means, by
//!   consequence
//! - `token`, `version`: what a call needs; `calendar`: when versions end

#![deny(missing_docs)]

mod answers;
mod batch;
mod calendar;
mod call;
mod client;
pub(crate) mod decode;
mod error;
mod error_codes;
mod flight;
mod grants;
mod list;
mod login;
mod operation;
mod refused;
mod signs;
#[cfg(test)]
mod testing;
mod threads;
mod token;
mod usage_headers;
mod verdict;
mod version;

pub use answers::{
    AppNode, AppPermission, AppSubscription, GranularScope, PageNode, PageSubscription, PermissionStatus, Person,
    TokenInfo, TokenKind,
};
pub use batch::{PAGES_PER_BATCH, PageAnswers, PageRead};
pub use calendar::Stage;
pub use call::{CallObserver, GraphOptions, GraphSetupError, plain_url};
pub use client::GraphClient;
pub use error::{GraphError, GraphFault};
pub use error_codes::{Caller, Definite, classify, classify_fault, definite};
pub use grants::{Account, Exchange, PageToken, missing_tasks};
pub use operation::Operation;
pub use threads::{Conversation, OwnerRead, PAGE_INBOX, Thread, ThreadOwner};
pub use token::{AppCredentials, AppSecret, Token, TokenMalformed};
pub use usage_headers::{Meter, Metered, Usage, UsageListener};
pub use verdict::{AppReason, ApprovalReason, CutReason, EndReason, PageReason, RoutingSign, ThrottleScope, Verdict};
pub use version::{Version, VersionMalformed};
