//! Which namespace owns a page or the callback of an application: the lock that the other kinds take before they write at Meta.
//!
//! `observe` and `acquire` are what the other kinds use, [`admission_check`] what has to be known before, [`claim_fence`] what stands
//! before each write at Meta.
//!
//! # Who may write claims
//!
//! All releases write in one claims namespace; a policy of the API server lets each write only for namespaces whose channels' status it may
//! patch. Before a claim is taken, and every ten minutes, `ownership/admission_check.rs` offers one for trial, for a namespace that cannot exist, and one that exists to that namespace, and
//! expects the policy's refusal; until then `ownership.admission_check` says what is in the way, and `ownership/acquire.rs` takes and changes none. Who may act for all namespaces, which
//! the API server is asked before, has nothing to prove.
//!
//! Operator and gateway are known to the policies about Secrets by rights of their own (`post` and `collect` on `inboxes`, of which there are none). That
//! these count is asked by `cluster/secret_guard.rs`; without them the work goes on.

mod acquire;
pub mod admission_check;
pub mod blocked;
pub mod claim_fence;
mod evaluate;
pub mod freshness;
mod model;
mod observe;
mod state;
pub mod store;

use jiff::SignedDuration;

pub use acquire::{acquire, adopt, is_let_in, record};
pub use blocked::ClaimsBlocked;
pub use model::{ClaimObservation, ClaimSeen, FormerApp, Offer, Record, Wanted};
pub use observe::{app_of, observe_claim, observe_record};
pub use store::KIND;

pub use state::Ownership;

/// How long a request to Meta that was begun may still be on its way, if the process that began it said nothing more.
pub const ON_ITS_WAY: SignedDuration = SignedDuration::from_mins(1);
