//! What is known about claims whose holders are gone.

use std::sync::Arc;

use super::pace::Pacer;
use crate::api::AssetClaimStatus;
use crate::controller::context::Context;
use crate::controller::object_state::ObjectStates;
use crate::meta_app::MetaApps;
use crate::ownership::Ownership;

/// The claims, and what is known of those whose holders are gone.
pub struct AssetClaims {
    /// What every kind shares.
    pub ctx: Arc<Context>,
    /// Who holds what.
    pub ownership: Arc<Ownership>,
    /// The applications through which pages are used.
    pub apps: Arc<MetaApps>,
    pub(super) states: ObjectStates<AssetClaimStatus>,
    /// Turns of those that clean up.
    pub(super) pace: Pacer,
}

impl AssetClaims {
    /// Nothing is known of any claim yet.
    pub fn new(ownership: &Arc<Ownership>, apps: &Arc<MetaApps>) -> Self {
        let (states, pace) = Default::default();
        let ctx = Arc::clone(&ownership.ctx);
        Self { ctx, ownership: Arc::clone(ownership), apps: Arc::clone(apps), states, pace }
    }
}
