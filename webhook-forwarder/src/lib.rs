//! Keeps webhook events durably and forwards them, in the order of their channel, to the endpoint of each channel.
//!
//! - [`event`]: what one event is, and by what it is known
//! - [`queue`]: what is to be forwarded, durable before Meta hears 200
//! - [`delivery`]: a lane for each channel that has events: what is sent, how it is signed, when it is tried again
//! - [`address`]: to which addresses a request may go
//!
//! Knows nothing of Kubernetes: who the channels are, and where their endpoints are, it is told.

pub mod address;
pub mod delivery;
pub mod event;
pub mod queue;
#[cfg(test)]
pub(crate) mod testing;
