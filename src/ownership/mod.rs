//! Which namespace owns a page or the callback of an application: the lock that the other kinds take before they write at Meta.
//!
//! [`mod@look`] and [`hold`] are what the other kinds use, [`proof`] what has to be known before, [`fence`] what stands before each
//! write at Meta.

pub mod fence;
pub mod freshness;
pub mod hold;
pub mod look;
pub mod obstacle;
pub mod proof;
mod state;
mod unavailable;

use jiff::SignedDuration;

pub use hold::{KIND, acquire, adopt, is_let_in, record};
pub use look::{ClaimSeen, FormerApp, Look, Offer, Record, Wanted, app_of, look, look_again};
pub use unavailable::Unavailable;

pub use state::Ownership;

/// How long a request to Meta that was begun may still be on its way, if the process that began it said nothing more.
pub const ON_ITS_WAY: SignedDuration = SignedDuration::from_mins(1);
