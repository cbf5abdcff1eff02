//! What may keep Meta from being asked about a channel: limits that Meta named, and an outage.

use jiff::Timestamp;
use kube::ResourceExt;

use super::observe::{TokenSeen, app_key};
use crate::api::{FacebookChannel, ManagementPolicy};
use crate::engine::budgets::Budget;
use crate::engine::{Context, Key};

/// What may keep Meta from being asked about a channel.
pub struct Restraint {
    /// UID of the MetaApp.
    pub app: String,
    /// Whether the application's own look finds out when an outage is over; that of a paused one never takes place.
    pub probed: bool,
    /// What is limited.
    pub budgets: Vec<Budget>,
}

impl Restraint {
    /// What applies to a channel with this token.
    pub fn of(ctx: &Context, channel: &FacebookChannel, token: &TokenSeen, key: &Key) -> Self {
        let found = ctx.app(&app_key(channel, key));
        let probed = found.as_ref().is_none_or(|app| app.spec.management_policy != ManagementPolicy::Pause);
        let app = found.and_then(|app| app.uid()).unwrap_or_default();
        let token = match token {
            TokenSeen::Present { fingerprint } => Some(Budget::token(&app, fingerprint)),
            _ => None,
        };
        let budgets = [Budget::app(&app), Budget::page(&app, &channel.spec.page_id)].into_iter().chain(token).collect();
        Self { app, probed, budgets }
    }

    /// Until when Meta is not asked about a channel because of an outage.
    pub fn outage(&self, ctx: &Context, uid: &str, now: Timestamp) -> Option<Timestamp> {
        ctx.breakers.open_until(&self.app, uid, now).filter(|_| self.probed)
    }

    /// Whether Meta may not be asked about a channel now.
    pub fn holds(&self, ctx: &Context, uid: &str, now: Timestamp) -> bool {
        self.outage(ctx, uid, now).is_some() || ctx.budgets.silent_until(&self.budgets, uid, now).is_some()
    }
}
