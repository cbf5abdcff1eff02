//! What people do at Meta that ends, holds up or widens what apps may do.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::error::ControlError;
use crate::core::Core;
use crate::id::{Id, Ids};
use crate::seed::VerificationStatus;
use crate::world::{Targets, World};

/// What a person or system user does; what is absent stays as it is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PersonChange {
    /// The password was changed: all tokens end with 460.
    pub password_changed: bool,
    /// The person logged out everywhere: all tokens end with 467.
    pub logged_out: bool,
    /// This app was removed: the grant and all tokens of the pair end with 458.
    pub removed_app: Option<Id>,
    /// Whether a checkpoint holds all tokens up with 459.
    pub checkpoint: Option<bool>,
    /// Whether the account is unconfirmed, which holds all tokens up with 464.
    pub unconfirmed: Option<bool>,
    /// Authorizes an app again, with exactly this.
    pub regrant: Option<Regrant>,
    /// Goes through the login dialog; answers with a code.
    pub authorize: Option<Authorize>,
}

/// An authorization in place of the one before.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regrant {
    /// The app.
    pub app: Id,
    /// The scopes, all of them; absent: those granted before.
    #[serde(default)]
    pub scopes: Option<BTreeSet<String>>,
    /// The pages the scopes that concern pages are limited to; absent: not limited.
    #[serde(default)]
    pub pages: Option<Ids>,
}

/// A login: the scopes asked for are added, and the pages chosen anew.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authorize {
    /// The app.
    pub app: Id,
    /// The scopes asked for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The pages chosen; absent: all, also those to come.
    #[serde(default)]
    pub pages: Option<Ids>,
    /// One of the app's redirect URIs, for which the code is.
    pub redirect_uri: String,
}

/// Changes to a business.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BusinessChange {
    /// A new name.
    pub name: Option<String>,
    /// State of Meta's verification.
    pub verification_status: Option<VerificationStatus>,
}

/// What someone authorized an app to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GrantView {
    /// The app.
    pub app: String,
    /// The person or system user.
    pub user: String,
    /// Scope → the assets it is limited to, if it is.
    pub scopes: BTreeMap<String, Targets>,
    /// Scopes that were refused or taken back.
    pub declined: BTreeSet<String>,
    /// When access to the person's data lapses.
    pub data_access_expires_at: Option<Timestamp>,
}

impl Core {
    /// App and person, if the app is told when this person removes it.
    pub(crate) fn removal(&self, app: &Id, person: &str) -> Option<(Id, Id)> {
        let world = self.world.lock();
        let person: Id = person.parse().ok()?;
        let told = world.apps.get(app)?.deauthorize_url.is_some() && world.grants.get(app, &person).is_some();
        told.then(|| (app.clone(), person))
    }

    /// Lets a person or system user do something; gives the code of a login.
    pub(crate) fn change_person(&self, id: &str, change: PersonChange) -> Result<Option<SecretString>, ControlError> {
        let (mut world, now) = self.world_now();
        let id = id.parse::<Id>().ok().filter(|id| world.actors.contains_key(id));
        let id = id.ok_or_else(|| ControlError::NotFound("such person".into()))?;
        check(&world, &change)?;
        if change.password_changed {
            world.end_tokens(&id, None, 460);
        }
        if change.logged_out {
            world.end_tokens(&id, None, 467);
        }
        if let Some(app) = &change.removed_app {
            world.remove_app(app, &id);
        }
        if let Some(actor) = world.actors.get_mut(&id) {
            actor.trouble.checkpoint = change.checkpoint.unwrap_or(actor.trouble.checkpoint);
            actor.trouble.unconfirmed = change.unconfirmed.unwrap_or(actor.trouble.unconfirmed);
        }
        if let Some(regrant) = change.regrant {
            world.regrant(&id, regrant, now);
        }
        Ok(change.authorize.map(|login| {
            let issued = world.consent(&login.app, &id, &login.scopes, login.pages, now);
            world.codes.issue(login.app, id, login.redirect_uri, issued, None, now).into()
        }))
    }

    /// Changes a business.
    pub(crate) fn change_business(&self, id: &str, change: BusinessChange) -> Result<(), ControlError> {
        let mut world = self.world.lock();
        let business = id.parse::<Id>().ok().and_then(|id| world.businesses.get_mut(&id));
        let business = business.ok_or_else(|| ControlError::NotFound("such business".into()))?;
        if let Some(name) = change.name {
            business.name = name;
        }
        business.verification_status = change.verification_status.unwrap_or(business.verification_status);
        Ok(())
    }

    /// Every grant, by app and person.
    pub(crate) fn grants(&self) -> Vec<GrantView> {
        let world = self.world.lock();
        let mut grants: Vec<GrantView> = world
            .grants
            .iter()
            .map(|(app, user, grant)| GrantView {
                app: app.to_string(),
                user: user.to_string(),
                scopes: grant.scopes.clone(),
                declined: grant.declined.clone(),
                data_access_expires_at: grant.data_access_expires_at,
            })
            .collect();
        grants.sort_by(|one, other| (&one.app, &one.user).cmp(&(&other.app, &other.user)));
        grants
    }
}

/// Refuses a change as a whole, before any part of it is made.
fn check(world: &World, change: &PersonChange) -> Result<(), ControlError> {
    let regrant = change.regrant.as_ref().map(|regrant| &regrant.app);
    let login = change.authorize.as_ref().map(|login| &login.app);
    let mut named = [change.removed_app.as_ref(), regrant, login].into_iter().flatten();
    if named.any(|app| !world.apps.contains_key(app)) {
        return Err(ControlError::NotFound("such app".into()));
    }
    match &change.authorize {
        Some(login)
            if !world.apps.get(&login.app).is_some_and(|app| app.redirect_uris.contains(&login.redirect_uri)) =>
        {
            Err(ControlError::Refused("redirect_uri is none of the app's redirect_uris".into()))
        }
        _ => Ok(()),
    }
}

impl World {
    fn regrant(&mut self, person: &Id, Regrant { app, scopes, pages }: Regrant, now: Timestamp) {
        let held = self.grants.entry(&app, person).scopes.clone();
        let scopes = scopes.unwrap_or_else(|| held.keys().cloned().collect());
        let with_targets = |scope: String| {
            let kept = held.get(&scope).cloned().flatten();
            let targets = if scope.starts_with("pages_") { pages.clone() } else { kept };
            (scope, targets)
        };
        let scopes = scopes.into_iter().map(with_targets).collect();
        self.authorize(&app, person, scopes, now);
    }
}
