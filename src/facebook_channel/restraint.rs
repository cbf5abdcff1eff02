//! What may keep Meta from being asked about a channel: limits that Meta named, and an outage.

use jiff::Timestamp;
use kube::ResourceExt;

use super::observe::Observed;
use crate::api::{FacebookChannel, ManagementPolicy};
use crate::engine::Context;
use crate::engine::budgets::Budget;

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
    /// What applies to a channel.
    pub fn of(ctx: &Context, channel: &FacebookChannel, seen: &Observed) -> Self {
        let found = seen.app_key.as_ref().and_then(|key| ctx.app(key));
        let probed = found.as_ref().is_none_or(|app| app.spec.management_policy != ManagementPolicy::Pause);
        let app = found.and_then(|app| app.uid()).unwrap_or_default();
        let token = seen.token.fingerprint().map(|fingerprint| Budget::token(&app, fingerprint));
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
