//! What the browser brings back of a reauthorization that it started.

use std::sync::Arc;

use axum::http::HeaderMap;

use super::app::LoginApp;
use super::cookie;
use super::flow::Flow;
use super::grants::Grant;
use super::seal::Sealer;
use super::state::OAuth;
use crate::graph::AppSecret;

/// What the browser knows of a reauthorization that it began.
pub(super) struct Session {
    pub(super) grant: Arc<Grant>,
    pub(super) app: LoginApp,
    pub(super) flow: Flow,
    /// The app secret that it was begun with.
    pub(super) secret: AppSecret,
}

impl OAuth {
    /// What the browser began with this id, if it is something of ours.
    pub(super) fn session(&self, headers: &HeaderMap, id: &str) -> Option<Session> {
        let (key, sealed) = cookie::read(headers, id)?;
        let grant = self.grants.get(&key)?;
        let app = self.app(&grant)?;
        // Whoever began before the app secret was rotated may end all the same.
        let secrets = self.keyring.app(&grant.app())?;
        let open = |(_, secret)| Some((Sealer::new(&secret, grant.uid())?.open(sealed)?, secret));
        let (flow, secret) = secrets.secrets().find_map(open)?;
        (flow.id() == id).then_some(Session { grant, app, flow, secret })
    }

    /// Whether what the browser brought with this id is about something that is not known yet.
    pub(super) fn may_be_known_later(&self, headers: &HeaderMap, id: &str) -> bool {
        let Some((key, _)) = cookie::read(headers, id) else { return false };
        let Some(grant) = self.grants.get(&key) else { return !self.grants.are_known(&key.namespace) };
        let app = grant.app();
        self.keyring.app(&app).map_or_else(|| !self.keyring.knows_apps(&app), |keys| !keys.app_secret_is_known)
    }
}
