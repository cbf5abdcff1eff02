//! What is known about the FacebookChannels.

use std::sync::Arc;

use super::prefetched::{PageNews, Prefetched};
use crate::api::FacebookChannelStatus;
use crate::controller::context::Context;
use crate::controller::last_look::LastLook;
use crate::controller::managed_secrets::Written;
use crate::controller::object_state::ObjectStates;
use crate::controller::requests::Taken;
use crate::meta_app::MetaApps;
use crate::meta_grant::MetaGrants;
use crate::ownership::Ownership;

/// The FacebookChannels, and what is known of them.
pub struct FacebookChannels {
    /// What every kind shares.
    pub ctx: Arc<Context>,
    /// Who holds which page.
    pub ownership: Arc<Ownership>,
    /// The applications through which pages are used.
    pub apps: Arc<MetaApps>,
    /// The grants that give pages.
    pub grants: Arc<MetaGrants>,
    /// Published Secrets as they were written.
    pub published: Written,
    /// What a sweep read about channels that it wakes.
    pub(super) prefetched: Prefetched<PageNews>,
    /// When evidence of the primary receiver was looked for.
    pub(super) evidence_looks: LastLook,
    /// For which requests evidence was looked for.
    pub(super) evidence_requests: Taken,
    pub(super) states: ObjectStates<FacebookChannelStatus>,
}

impl FacebookChannels {
    /// Nothing is known of any channel yet.
    pub fn new(ownership: &Arc<Ownership>, grants: &Arc<MetaGrants>) -> Self {
        let ctx = Arc::clone(&ownership.ctx);
        Self {
            ownership: Arc::clone(ownership),
            apps: Arc::clone(&grants.apps),
            grants: Arc::clone(grants),
            published: Written::default(),
            prefetched: Prefetched::default(),
            evidence_looks: LastLook::new(ctx.clock.now()),
            evidence_requests: Taken::default(),
            states: ObjectStates::default(),
            ctx,
        }
    }
}
