//! What became of events: deliveries and alerts, for those who watch.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How many deliveries and how many alerts are remembered.
const CAPACITY: usize = 100_000;

/// One POST to a callback, or an event that did not get one. Holds no secret and no content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Delivery {
    /// Position in the order of ends, from 1.
    pub seq: u64,
    /// When it was sent or dropped, by the sandbox's clock.
    pub time: Timestamp,
    /// The app to be told.
    pub app: String,
    /// The pages it is about.
    pub pages: Vec<String>,
    /// The callback, without query.
    pub callback: Option<String>,
    /// The webhook fields in it.
    pub fields: Vec<String>,
    /// How many updates are in it.
    pub updates: usize,
    /// Number of the POST; attempts to send the same one share it.
    pub post: Option<u64>,
    /// Which attempt, from 1; 0 if nothing was sent.
    pub attempt: u32,
    /// How it was signed: `right`, `wrong`, `none`, or `secret` for one given by a control call.
    pub signing: Option<String>,
    /// HTTP status of the answer.
    pub status: Option<u16>,
    /// Why it failed.
    pub failure: Option<String>,
    /// Why it will not be sent, or not again.
    pub dropped: Option<Dropped>,
}

/// Why an event is not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dropped {
    /// The sandbox does not have the app.
    UnknownApp,
    /// The app has no subscription of the object `page`.
    AppNotSubscribed,
    /// The app's subscription is there, but not active.
    AppSubscriptionInactive,
    /// The app's subscription lacks the field.
    AppFieldMissing,
    /// The app has no row on the page.
    PageNotSubscribed,
    /// The app's row on the page lacks the field.
    PageFieldMissing,
    /// Its callback failed for so long that the app was unsubscribed from the page.
    WebhooksDisabled,
    /// Every attempt failed, while other events of the page got through.
    GivenUp,
}

/// A message of Meta to the developer of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Position in the order of alerts, from 1.
    pub seq: u64,
    /// When, by the sandbox's clock.
    pub time: Timestamp,
    /// The app.
    pub app: String,
    /// The page.
    pub page: String,
    /// What it is about.
    pub kind: AlertKind,
    /// The text.
    pub message: String,
}

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// The callback has failed for a while.
    WebhooksFailing,
    /// The app was unsubscribed from the page.
    WebhooksDisabled,
}

/// A bounded list of what happened, numbered from 1.
pub(super) struct Records<T> {
    last: u64,
    kept: VecDeque<T>,
}

impl<T> Default for Records<T> {
    fn default() -> Self {
        Self { last: 0, kept: VecDeque::new() }
    }
}

impl<T: Clone> Records<T> {
    /// Keeps what `make` makes of the next number.
    pub(super) fn push(&mut self, make: impl FnOnce(u64) -> T) {
        self.last += 1;
        if self.kept.len() == CAPACITY {
            self.kept.pop_front();
        }
        self.kept.push_back(make(self.last));
    }

    /// What came after this number.
    pub(super) fn since(&self, seq: u64) -> Vec<T> {
        // The newest has number `last`, so the count of later ones tells where they begin.
        let later = usize::try_from(self.last.saturating_sub(seq)).unwrap_or(usize::MAX);
        self.kept.iter().skip(self.kept.len().saturating_sub(later)).cloned().collect()
    }
}
