//! Webhook events of any shape, and how they are signed.

use serde::Deserialize;
use serde_json::Value;

use super::error::ControlError;
use crate::core::Core;
use crate::id::Id;
use crate::protocol::webhook_fields;
use crate::webhooks::{Dropped, Occurrence, Place, Signing};

/// An event of any shape, made to happen.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookItem {
    /// The page on which it happens.
    pub page: Id,
    /// The app to tell.
    pub app: Id,
    /// Webhook field that carries it.
    pub field: String,
    /// List of the entry it stands in; by default the one Meta uses for the field.
    #[serde(default)]
    pub place: Option<Place>,
    /// The item of that list; of `changes` only the value.
    pub item: Value,
}

/// Another way to sign the next POSTs of an app.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningChange {
    /// The app.
    pub app: Id,
    /// How they are signed.
    pub with: Signing,
    /// How many; one by default.
    #[serde(default = "one")]
    pub times: u64,
}

fn one() -> u64 {
    1
}

impl Core {
    /// Makes events happen, all or none; says of each why the app does not hear of it.
    pub(crate) fn send_webhooks(&self, items: Vec<WebhookItem>) -> Result<Vec<Option<Dropped>>, ControlError> {
        let (world, at) = self.world_now();
        let mut occurrences = Vec::new();
        for WebhookItem { page, app, field, place, item } in items {
            if !world.pages.contains_key(&page) {
                return Err(ControlError::NotFound("such page".into()));
            }
            let field = webhook_fields::page_field(&field)
                .ok_or_else(|| ControlError::Refused("a page has no such webhook field".into()))?;
            let place = place.unwrap_or(match field {
                "standby" => Place::Standby,
                field if webhook_fields::needs_messaging(field) => Place::Messaging,
                _ => Place::Changes,
            });
            occurrences.push(Occurrence { page, app, field, place, item, at });
        }
        Ok(occurrences.into_iter().map(|occurrence| self.outbox.take(&world, occurrence)).collect())
    }

    /// Signs the next POSTs of an app in another way.
    pub(crate) fn sign_webhooks(&self, change: SigningChange) -> Result<(), ControlError> {
        if !self.world.lock().apps.contains_key(&change.app) {
            return Err(ControlError::NotFound("such app".into()));
        }
        self.outbox.sign(change.app, change.with, change.times);
        Ok(())
    }
}
