//! Which namespace owns a page or the callback of an application: the lock that the other kinds take before they write at Meta.
//!
//! The other kinds use `observe` and `acquire`. [`admission_check`] covers what has to be known before, and [`claim_fence`]
//! stands before each write at Meta.
//!
//! # Who may write claims
//!
//! All releases write in one claims namespace; a policy of the API server lets each release write only for namespaces whose
//! channels' status it may patch. Before the operator takes a claim, and every ten minutes, `ownership/admission_check.rs`
//! tries two dry runs, a new claim for a namespace that cannot exist and the change of an existing claim to that namespace, and
//! expects the policy to refuse them. Until then `ownership.admission_check` reports what is in the way, and
//! `ownership/acquire.rs` takes and changes no claims. A release that may act for all namespaces, which the API server is asked
//! first, has nothing to prove.
//!
//! The policies about Secrets recognize operator and gateway by their own rights (`post` and `collect` on `inboxes`, a resource
//! that does not exist). `cluster/secret_guard.rs` checks that these policies take effect; without them the work continues.

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
