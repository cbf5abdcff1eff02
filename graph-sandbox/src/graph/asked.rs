//! What is known of a request before it is carried out.

use jiff::Timestamp;

use super::route::Destination;
use crate::faults::CallbackAnswer;
use crate::protocol::GraphRequest;

/// A request on its way through.
pub(super) struct Asked {
    pub(super) request: GraphRequest,
    pub(super) destination: Destination,
    /// Its number in the ledger.
    pub(super) seq: u64,
    /// When it arrived.
    pub(super) now: Timestamp,
    /// A fault wants it to succeed without changing anything.
    pub(super) without_effect: bool,
    /// A fault answers in place of the callback.
    pub(super) callback_answer: Option<CallbackAnswer>,
}
