//! Drift: subscriptions that someone else changes, past the app that made them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::load::check_url;
use super::{AppField, AppSubscription, Page, PageSubscription};
use crate::id::Id;
use crate::protocol::webhook_fields;
use crate::seed::{default_object, default_version};

/// A change to an app's webhook subscription, made by someone else as it were.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppSubscriptionChange {
    /// Kind of object, `page` by default.
    #[serde(default = "default_object")]
    pub object: String,
    /// Another callback.
    #[serde(default)]
    pub callback_url: Option<String>,
    /// Whether Meta delivers.
    #[serde(default)]
    pub active: Option<bool>,
    /// Other fields, all of them.
    #[serde(default)]
    pub fields: Option<Vec<String>>,
    /// Removes the subscription.
    #[serde(default)]
    pub removed: bool,
}

impl Default for AppSubscriptionChange {
    fn default() -> Self {
        Self { object: default_object(), callback_url: None, active: None, fields: None, removed: false }
    }
}

/// A change to an app's row among a page's subscriptions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageSubscriptionChange {
    /// The app.
    pub app: Id,
    /// Its fields, all of them; absent removes the row.
    #[serde(default)]
    pub fields: Option<Vec<String>>,
}

/// Changes an app's row among a page's subscriptions.
pub(crate) fn drift_page(page: &mut Page, PageSubscriptionChange { app, fields }: PageSubscriptionChange) {
    let name = page.subscriptions.remove(&app).and_then(|row| row.name);
    if let Some(fields) = fields {
        page.subscriptions.insert(app, PageSubscription { name, fields });
    }
}

/// Changes an app's webhook subscription.
pub(crate) fn drift_app(
    subscriptions: &mut BTreeMap<String, AppSubscription>,
    change: AppSubscriptionChange,
) -> Result<(), String> {
    webhook_fields::check_object(&change.object).map_err(|error| error.message)?;
    if change.removed {
        subscriptions.remove(&change.object);
        return Ok(());
    }
    let mut row = match (subscriptions.get(&change.object), &change.callback_url) {
        (Some(row), _) => row.clone(),
        (None, Some(url)) => AppSubscription { callback_url: url.clone(), active: true, fields: Vec::new() },
        (None, None) => {
            return Err("there is no such subscription: a new one needs callback_url".into());
        }
    };
    if let Some(url) = change.callback_url {
        check_url(&url)?;
        row.callback_url = url;
    }
    if let Some(fields) = change.fields {
        row.fields = fields.into_iter().map(|name| AppField { name, version: default_version() }).collect();
    }
    row.active = change.active.unwrap_or(row.active);
    subscriptions.insert(change.object, row);
    Ok(())
}
