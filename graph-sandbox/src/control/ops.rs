//! What control calls do, over HTTP or from Rust.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::core::Core;
use crate::id::Id;
use crate::protocol::webhook_fields;
use crate::seed::{Block, Invalidation, PermissionStatus, SeedError, SeedToken, Task, default_object, default_version};
use crate::switches::BadSwitch;
use crate::when::{BadWhen, When, parse_span};
use crate::world::{AppField, AppSubscription, Page, PageSubscription, check_redirect_uri, check_url};

/// A control call was refused.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no such app, page, token or fault.
    #[error("there is no {0}")]
    NotFound(String),
    /// There is nothing of this name; the text names the nearest.
    #[error("{0}")]
    Missing(String),
    /// The request contradicts itself or the state.
    #[error("{0}")]
    Refused(String),
}

impl From<SeedError> for ControlError {
    fn from(error: SeedError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<BadSwitch> for ControlError {
    fn from(error: BadSwitch) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<BadWhen> for ControlError {
    fn from(error: BadWhen) -> Self {
        Self::Refused(error.to_string())
    }
}

/// Changes to an app; what is absent stays as it is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AppChange {
    /// A new app secret: app tokens and proofs made with the old one die.
    pub secret: Option<SecretString>,
    /// How long the old secret stays good beside the new one, for example `24h`.
    pub previous_secret_for: Option<String>,
    /// Deletes the app, or brings it back.
    pub deleted: Option<bool>,
    /// Other redirect URIs, all of them.
    pub redirect_uris: Option<BTreeSet<String>>,
    /// Shuts the app out, or lets it in again.
    pub blocked: Option<Block>,
    /// Whether every call needs a proof.
    pub require_proof: Option<bool>,
    /// Results of the login review, by permission.
    pub permissions: BTreeMap<String, PermissionStatus>,
    /// Drift of a webhook subscription.
    pub subscription: Option<AppSubscriptionChange>,
}

impl AppChange {
    /// Refuses what contradicts itself; else when a former secret ends.
    fn grace_ends(&self, now: Timestamp) -> Result<Option<Timestamp>, ControlError> {
        if let Some(bad) = self.redirect_uris.iter().flatten().find(|uri| check_redirect_uri(uri).is_err()) {
            return Err(ControlError::Refused(format!("redirect_uris: {bad} is no https URL without fragment")));
        }
        if self.secret.as_ref().is_some_and(|secret| secret.expose_secret().is_empty()) {
            return Err(ControlError::Refused("the secret is empty".into()));
        }
        match (&self.previous_secret_for, &self.secret) {
            (None, _) => Ok(None),
            (Some(_), None) => Err(ControlError::Refused("previous_secret_for belongs to a new secret".into())),
            (Some(span), Some(_)) => Ok(When::Relative(parse_span(span)?).resolve(now)?),
        }
    }
}

/// A change to an app's webhook subscription, made by somebody else as it were.
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

/// Changes to a page; what is absent stays as it is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PageChange {
    /// A new name.
    pub name: Option<String>,
    /// Whether the public sees it.
    pub published: Option<bool>,
    /// Whether Meta hides it.
    pub restricted: Option<bool>,
    /// Whether Meta bars it from sending.
    pub barred_from_sending: Option<bool>,
    /// Deletes the page, or brings it back.
    pub deleted: Option<bool>,
    /// Tasks by person; people not named keep theirs. From here on roles count for this page.
    pub tasks: BTreeMap<Id, Vec<Task>>,
    /// Drift of an app's row.
    pub subscription: Option<PageSubscriptionChange>,
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

impl Core {
    /// Moves the clock by a span such as `15m` or `-2d`.
    pub(crate) fn advance_clock(&self, span: &str) -> Result<Timestamp, ControlError> {
        let span = parse_span(span)?;
        self.clock.advance(span).map_err(|error| ControlError::Refused(error.to_string()))
    }

    /// Sets the clock.
    pub(crate) fn set_clock(&self, moment: Timestamp) -> Result<Timestamp, ControlError> {
        self.clock.set(moment).map_err(|error| ControlError::Refused(error.to_string()))
    }

    /// Adds a token; one of the same text or alias is replaced.
    pub(crate) fn put_token(&self, token: SeedToken) -> Result<(), ControlError> {
        let (mut world, now) = self.world_now();
        let place = format!("token ({})", token.alias.as_deref().unwrap_or("without alias"));
        let token = world.load_token(token, now, &place)?;
        let implied = token.clone();
        world.tokens.put(token).map_err(|error| ControlError::Refused(format!("{place}: {error}")))?;
        world.widen_grant(&implied);
        Ok(())
    }

    /// Ends a token, or makes it good again. The key is its alias or its text.
    pub(crate) fn mark_token(&self, key: &str, invalid: Option<Invalidation>) -> Result<(), ControlError> {
        let mut world = self.world.lock();
        // The key may be a token's text, so it is not repeated.
        let not_found = || ControlError::NotFound("such token".into());
        let id = world.tokens.id_named(key).ok_or_else(not_found)?;
        let restored = invalid.is_none();
        let token = world.tokens.get_mut(id).ok_or_else(not_found)?;
        token.invalid = invalid;
        // A good token was granted what it holds; after the app was removed, it is so again. What was granted anew since may be
        // less.
        let token = token.clone();
        if let Some(user) = token.user.as_ref().filter(|_| restored) {
            if world.grants.get(&token.app, user).is_none() {
                world.imply_grant(&token);
            }
            world.refit(&token.app, user);
        }
        Ok(())
    }

    /// Changes an app.
    pub(crate) fn change_app(&self, id: &str, change: AppChange) -> Result<(), ControlError> {
        let (mut world, now) = self.world_now();
        let grace_ends = change.grace_ends(now)?;
        let not_found = || ControlError::NotFound("such app".into());
        let id: Id = id.parse().map_err(|_| not_found())?;
        let app = world.apps.get_mut(&id).ok_or_else(not_found)?;
        if let Some(subscription) = change.subscription {
            drift_app(&mut app.subscriptions, subscription)?;
        }
        if let Some(secret) = change.secret {
            let former = std::mem::replace(&mut app.secret, secret);
            app.previous_secret = grace_ends.map(|end| (former, end));
        }
        app.deleted = change.deleted.unwrap_or(app.deleted);
        if let Some(uris) = change.redirect_uris {
            app.redirect_uris = uris;
        }
        app.blocked = change.blocked.unwrap_or(app.blocked);
        app.require_proof = change.require_proof.unwrap_or(app.require_proof);
        app.permissions.extend(change.permissions);
        // An earlier look than needed does no harm.
        world.grace_ends = [world.grace_ends, grace_ends].into_iter().flatten().min();
        Ok(())
    }

    /// Changes a page.
    pub(crate) fn change_page(&self, id: &str, change: PageChange) -> Result<(), ControlError> {
        let (mut world, _) = self.world_now();
        let not_found = || ControlError::NotFound("such page".into());
        let id: Id = id.parse().map_err(|_| not_found())?;
        let page = world.pages.get_mut(&id).ok_or_else(not_found)?;
        if let Some(name) = change.name {
            page.name = name;
        }
        page.published = change.published.unwrap_or(page.published);
        page.restricted = change.restricted.unwrap_or(page.restricted);
        page.messaging.barred_from_sending = change.barred_from_sending.unwrap_or(page.messaging.barred_from_sending);
        page.deleted = change.deleted.unwrap_or(page.deleted);
        if !change.tasks.is_empty() {
            page.tasks.get_or_insert_default().extend(change.tasks);
        }
        if let Some(subscription) = change.subscription {
            drift_page(page, subscription);
        }
        Ok(())
    }

    /// Puts switches into other positions; all or none.
    pub(crate) fn set_switches(&self, wanted: &BTreeMap<String, String>) -> Result<(), ControlError> {
        let mut world = self.world.lock();
        let mut switches = world.switches.clone();
        for (name, value) in wanted {
            switches.set(name, value)?;
        }
        world.switches = switches;
        Ok(())
    }

    /// Replaces the table of stand-ins for callback hosts.
    pub(crate) fn set_resolve(&self, table: BTreeMap<String, String>) -> Result<(), ControlError> {
        let mut world = self.world.lock();
        let old = std::mem::take(&mut world.resolve);
        for (host, base) in table {
            if let Err(error) = world.set_resolve(&host, &base) {
                world.resolve = old;
                return Err(error.into());
            }
        }
        Ok(())
    }
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
) -> Result<(), ControlError> {
    webhook_fields::check_object(&change.object).map_err(|error| ControlError::Refused(error.message))?;
    if change.removed {
        subscriptions.remove(&change.object);
        return Ok(());
    }
    let mut row = match (subscriptions.get(&change.object), &change.callback_url) {
        (Some(row), _) => row.clone(),
        (None, Some(url)) => AppSubscription { callback_url: url.clone(), active: true, fields: Vec::new() },
        (None, None) => {
            return Err(ControlError::Refused("there is no such subscription: a new one needs callback_url".into()));
        }
    };
    if let Some(url) = change.callback_url {
        check_url(&url).map_err(ControlError::Refused)?;
        row.callback_url = url;
    }
    if let Some(fields) = change.fields {
        row.fields = fields.into_iter().map(|name| AppField { name, version: default_version() }).collect();
    }
    row.active = change.active.unwrap_or(row.active);
    subscriptions.insert(change.object, row);
    Ok(())
}
