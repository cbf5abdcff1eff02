//! Webhook events: what happened, to whom it is told, and how it gets there.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde_json::Value;

use crate::id::Id;
use crate::locked::Locked;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// `entry[].messaging[]`.
    Messaging,
    /// `entry[].standby[]`: another app owns the thread.
    Standby,
    /// `entry[].changes[]`; the item is the value, the field stands beside it.
    Changes,
}

/// What waits to be delivered.
#[derive(Default)]
pub(crate) struct Outbox {
    waiting: Locked<VecDeque<Occurrence>>,
}

impl Outbox {
    /// Takes occurrences for delivery.
    pub(crate) fn tell(&self, occurrences: impl IntoIterator<Item = Occurrence>) {
        self.waiting.lock().extend(occurrences);
    }
}
