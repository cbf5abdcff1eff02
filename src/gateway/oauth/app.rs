//! The application of a grant, as a login needs it.

use reqwest::Url;

use crate::api::MetaApp;
use crate::base::ids::AppId;
use crate::gateway::keyring::AppKeys;
use crate::graph::{AppCredentials, Version};
use crate::meta_app;

/// What the application of a grant brings to a login.
pub(super) struct LoginApp {
    pub(super) name: String,
    pub(super) credentials: AppCredentials,
    pub(super) version: Version,
    pub(super) redirect_uri: Url,
    /// The permissions without which nothing works.
    pub(super) required: Vec<String>,
    /// The configuration of Facebook Login for Business that says what is asked for, if there is one.
    pub(super) config_id: Option<String>,
}

impl LoginApp {
    /// The application, if people can log in to it now.
    pub(super) fn of(keys: &AppKeys) -> Option<Self> {
        let app = &keys.app;
        let status = app.status.as_ref()?;
        let redirect_uri = Url::parse(status.oauth_redirect_uri.as_deref()?).ok()?;
        Some(LoginApp {
            name: status.app_name.clone().unwrap_or_else(|| app.spec.app_id.clone()),
            credentials: AppCredentials::new(AppId::new(&app.spec.app_id), keys.current_secret()?),
            version: meta_app::facts::version(app),
            redirect_uri,
            required: app.spec.required_permissions.clone(),
            config_id: config_id(app),
        })
    }
}

pub(super) fn config_id(app: &MetaApp) -> Option<String> {
    app.spec.login.as_ref().and_then(|login| login.config_id.clone())
}
