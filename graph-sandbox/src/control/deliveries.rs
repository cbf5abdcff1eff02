//! Control calls: webhook events and how they fare.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ControlError;
use super::http::{Answer, Body, OneOrMore, Since, done};
use crate::core::Core;
use crate::id::Id;
use crate::protocol::webhook_fields;
use crate::sandbox::Sandbox;
use crate::webhooks::{Alert, Deauthorization, Delivery, Dropped, Occurrence, Place, Signing};

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Removal {
    app: Id,
    user: Id,
}

/// The routes, below `/_sandbox/`.
pub(super) fn routes() -> Router<Arc<Core>> {
    Router::new()
        .route("/deliveries", get(read))
        .route("/deliveries/send", post(send))
        .route("/deliveries/signing", post(sign))
        .route("/deliveries/flush", post(flush))
        .route("/deliveries/deauthorize", post(deauthorize))
        .route("/alerts", get(read_alerts))
}

async fn read(State(core): State<Arc<Core>>, since: Result<Query<Since>, QueryRejection>) -> Answer {
    Ok(Json(json!({"deliveries": core.outbox.deliveries(Since::read(since)?)})))
}

async fn read_alerts(State(core): State<Arc<Core>>, since: Result<Query<Since>, QueryRejection>) -> Answer {
    Ok(Json(json!({"alerts": core.outbox.alerts(Since::read(since)?)})))
}

async fn send(State(core): State<Arc<Core>>, Body(items): Body<OneOrMore>) -> Answer {
    Ok(Json(json!({"dropped": core.send_webhooks(items.read()?)?})))
}

async fn sign(State(core): State<Arc<Core>>, Body(change): Body<SigningChange>) -> Answer {
    core.sign_webhooks(change)?;
    done()
}

async fn flush(State(core): State<Arc<Core>>) -> Answer {
    core.flush().await;
    done()
}

async fn deauthorize(State(core): State<Arc<Core>>, Body(removal): Body<Removal>) -> Answer {
    Ok(Json(json!(core.deauthorize(&removal.app, &removal.user).await?)))
}

impl Core {
    /// Makes events happen, all or none; says of each why the app does not hear of it.
    fn send_webhooks(&self, items: Vec<WebhookItem>) -> Result<Vec<Option<Dropped>>, ControlError> {
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

    fn sign_webhooks(&self, change: SigningChange) -> Result<(), ControlError> {
        if !self.world.lock().apps.contains_key(&change.app) {
            return Err(ControlError::NotFound("such app".into()));
        }
        self.outbox.sign(change.app, change.with, change.times);
        Ok(())
    }
}

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
