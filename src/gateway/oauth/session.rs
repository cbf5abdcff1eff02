//! What the browser brings back of a reauthorisation that it began.

use std::sync::Arc;

use axum::http::HeaderMap;

use super::app::App;
use super::cookie;
use super::flow::Flow;
use super::grants::Grant;
use super::seal::Sealer;
use super::state::OAuth;
use crate::graph::AppSecret;

/// What the browser knows of a reauthorisation that it began.
pub(super) struct Visit {
    pub(super) grant: Arc<Grant>,
    pub(super) app: App,
    pub(super) flow: Flow,
    /// The app secret that it was begun with.
    pub(super) secret: AppSecret,
}

impl OAuth {
    /// What the browser began with this id, if it is something of ours.
    pub(super) fn visit(&self, headers: &HeaderMap, id: &str) -> Option<Visit> {
        let (key, sealed) = cookie::read(headers, id)?;
        let grant = self.grants.get(&key)?;
        let app = self.app(&grant)?;
        // Whoever began before the app secret was rotated may end all the same.
        let secrets = self.keyring.app(&grant.app())?;
        let open = |(_, secret)| Some((Sealer::new(&secret, grant.uid())?.open(sealed)?, secret));
        let (flow, secret) = secrets.secrets().find_map(open)?;
        (flow.id() == id).then_some(Visit { grant, app, flow, secret })
    }

    /// Whether what the browser brought with this id is about something that is not known yet.
    pub(super) fn may_know_later(&self, headers: &HeaderMap, id: &str) -> bool {
        let Some((key, _)) = cookie::read(headers, id) else { return false };
        let Some(grant) = self.grants.get(&key) else { return !self.grants.are_known(&key.namespace) };
        let app = grant.app();
        self.keyring.app(&app).map_or_else(|| !self.keyring.knows_apps(&app), |keys| !keys.app_secret_is_known)
    }
}
