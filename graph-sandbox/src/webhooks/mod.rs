//! Webhook events: what happened, to whom it is told, and what becomes of it.

mod conclude;
mod outbox;
mod payload;
mod record;
mod retry_policy;
mod signature;
mod subscribers;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

pub(crate) use conclude::Outcome;
pub(crate) use outbox::{Attempt, Outbox};
pub use record::{Alert, AlertKind, Delivery, Dropped};
pub use signature::Signing;
pub(crate) use signature::hmac_sha256;

use crate::id::Id;

/// Something that happened on a page and may be told to one app.
///
/// It is delivered if the app is subscribed to `field` at both levels when it happens.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Occurrence {
    pub(crate) page: Id,
    /// The app to tell.
    pub(crate) app: Id,
    /// Webhook field that carries it, for example `messages`.
    pub(crate) field: &'static str,
    /// List of the entry it stands in.
    pub(crate) place: Place,
    /// The item of that list.
    pub(crate) item: Value,
    pub(crate) at: Timestamp,
}

/// List of a webhook entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// `entry[].messaging[]`.
    Messaging,
    /// `entry[].standby[]`: another app owns the thread.
    Standby,
    /// `entry[].changes[]`; the item is the value, the field stands beside it.
    Changes,
}
