//! Forwards what the queue keeps: a lane for each channel that has events, one request of a channel at a time, in order.
//!
//! An endpoint that fails delays its own channel alone. Events carry no address: where one goes is asked when it is sent, so that
//! another endpoint takes over with the next request.

mod body;
mod endpoint;
mod lanes;
mod outcome;
mod schedule;
mod sender;
mod signature;
mod turn;
mod wakes;

pub use endpoint::{Endpoint, Endpoints, SigningKey};
pub use lanes::{Forwarder, Limits};
pub use outcome::{Failure, Unreachable};
pub use sender::Sender;
pub use turn::{Observer, Transport};
pub use wakes::Wakes;
