//! Webhook events: what happened, to whom it is told, and how it gets there.

mod deauthorize;
mod delivery;
mod hearing;
mod outbox;
mod patience;
mod payload;
mod record;
mod signature;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

pub use deauthorize::Deauthorization;
pub(crate) use delivery::run;
pub(crate) use outbox::Outbox;
pub use record::{Alert, AlertKind, Delivery, Dropped};
pub use signature::Signing;

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
