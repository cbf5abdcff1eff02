//! What may keep Meta from being asked about a channel: limits that Meta named, and an outage.

use jiff::Timestamp;
use kube::ResourceExt;

use super::observe::{TokenSeen, app_key};
use crate::api::FacebookChannel;
use crate::engine::budgets::Budget;
use crate::engine::{Context, Key};

/// What may keep Meta from being asked about a channel.
pub struct Restraint {
    /// UID of the MetaApp.
    pub app: String,
    /// What is limited.
    pub budgets: Vec<Budget>,
}

impl Restraint {
    /// What applies to a channel with this token.
    pub fn of(ctx: &Context, channel: &FacebookChannel, token: &TokenSeen, key: &Key) -> Self {
        let app = ctx.app(&app_key(channel, key)).and_then(|app| app.uid()).unwrap_or_default();
        let token = match token {
            TokenSeen::Present { fingerprint } => Some(Budget::token(&app, fingerprint)),
            _ => None,
        };
        let budgets = [Budget::app(&app), Budget::page(&app, &channel.spec.page_id)].into_iter().chain(token).collect();
        Self { app, budgets }
    }

    /// Whether Meta may not be asked about a channel now.
    pub fn holds(&self, ctx: &Context, uid: &str, now: Timestamp) -> bool {
        ctx.breakers.open_until(&self.app, uid, now).is_some()
            || ctx.budgets.silent_until(&self.budgets, uid, now).is_some()
    }
}
