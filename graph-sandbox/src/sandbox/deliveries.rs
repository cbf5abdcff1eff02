//! Webhook events through the handle of a running sandbox.

use super::Sandbox;
use crate::control::{ControlError, Deauthorization, SigningChange, WebhookItem};
use crate::id::Id;
use crate::webhooks::{Alert, Delivery, Dropped};

impl Sandbox {
    /// Every POST with webhook events so far, and the events that got none.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.deliveries_since(0)
    }

    /// The same, after this number.
    pub fn deliveries_since(&self, seq: u64) -> Vec<Delivery> {
        self.core.outbox.deliveries(seq)
    }

    /// Meta's messages to developers whose callbacks fail.
    pub fn alerts(&self) -> Vec<Alert> {
        self.core.outbox.alerts(0)
    }

    /// Makes an event happen; says why the app does not hear of it.
    pub fn send_webhook(&self, item: WebhookItem) -> Result<Option<Dropped>, ControlError> {
        Ok(self.core.send_webhooks(vec![item])?.pop().flatten())
    }

    /// Signs the next POSTs of an app in another way.
    pub fn sign_webhooks(&self, change: SigningChange) -> Result<(), ControlError> {
        self.core.sign_webhooks(change)
    }

    /// Waits until no POST is under way or due by the sandbox's clock.
    pub async fn flush_webhooks(&self) {
        self.core.flush().await;
    }

    /// Tells the app's `deauthorize_url` that this person has removed the app.
    pub async fn deauthorize(&self, app: &Id, user: &Id) -> Result<Deauthorization, ControlError> {
        self.core.deauthorize(app, user).await
    }
}
