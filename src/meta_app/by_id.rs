//! An application as a claim names it: by its id, and by its MetaApp if that is known.

use std::sync::Arc;

use super::facts::verdict;
use super::state::MetaApps;
use super::{DependencyError, secrets};
use crate::api::MetaApp;
use crate::base::key::{Key, KindName};
use crate::cluster::error::Failure;
use crate::graph::{AppCredentials, Version};

/// The application through which a page is used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AppState {
    /// Its MetaApp is not there.
    Missing,
    /// Its MetaApp is about this application now.
    OtherApp(String),
    /// Its app secret is not there.
    SecretGone,
    /// It cannot be used now, for this reason.
    NotReady(String),
    /// It can be used.
    Ready,
}

/// What calls on behalf of an application need.
#[derive(Debug)]
pub struct Access {
    /// Version of the Graph API.
    pub version: Version,
    /// The application's credentials.
    pub credentials: Arc<AppCredentials>,
    pub app: Arc<MetaApp>,
}

/// Looks at an application by its id and its MetaApp, if that is known.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn see(apps: &MetaApps, app_id: &str, key: Option<&Key>) -> Result<(AppState, Option<Access>), Failure> {
    let Some(key) = key else { return Ok((AppState::Missing, None)) };
    if apps.ctx.wakeups.watches(&key.namespace) && !apps.ctx.cluster.is_ours(&key.namespace) {
        let gone = apps.ctx.read(apps.ctx.cluster.is_namespace_gone(&key.namespace)).await??;
        let why = "Its namespace is not bound to this release.".to_owned();
        return Ok((if gone { AppState::Missing } else { AppState::NotReady(why) }, None));
    }
    let Some(app) = apps.get(key) else {
        let why = if apps.ctx.cluster.undecodable.uid(KindName::META_APP, key).is_some() {
            Some("It cannot be decoded.")
        } else if apps.ctx.cluster.surplus.holds(KindName::META_APP.as_str(), key) {
            Some("There are too many in its namespace.")
        } else {
            None
        };
        return Ok((why.map_or(AppState::Missing, |why| AppState::NotReady(why.to_owned())), None));
    };
    if app.spec.app_id != app_id {
        return Ok((AppState::OtherApp(app.spec.app_id.clone()), None));
    }
    let Some(credentials) = secrets::find_credentials(apps, &app).await? else {
        return Ok((AppState::SecretGone, None));
    };
    Ok(match verdict(&app).credentials {
        Ok(()) => (AppState::Ready, Some(Access { version: super::facts::version(&app), credentials, app })),
        Err(DependencyError::Broken(told) | DependencyError::Unknown(told)) => (AppState::NotReady(told.why), None),
    })
}
