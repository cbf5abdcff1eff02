//! Changes of the clock, of tokens, apps and pages, of switches and stand-ins.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::error::ControlError;
use crate::core::Core;
use crate::id::Id;
use crate::seed::{Block, Invalidation, PermissionStatus, SeedToken, Task};
use crate::when::{When, parse_span};
use crate::world::{AppSubscriptionChange, PageSubscriptionChange, check_redirect_uri, drift_app, drift_page};

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
            drift_app(&mut app.subscriptions, subscription).map_err(ControlError::Refused)?;
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
