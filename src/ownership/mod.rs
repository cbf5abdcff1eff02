//! Which namespace owns a page or the callback of an application: the lock that the other kinds take before they write at Meta.
//!
//! `observe` and `acquire` are what the other kinds use, [`admission_check`] what has to be known before, [`fence`] what stands
//! before each write at Meta.

mod acquire;
pub mod admission_check;
pub mod blocked;
mod evaluate;
pub mod fence;
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
