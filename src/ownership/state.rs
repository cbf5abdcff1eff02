//! What is known about claims beyond what the watch shows.

use std::sync::Arc;

use kube::ResourceExt;
use tokio::sync::watch;

use super::blocked::AdmissionCheck;
use super::freshness::Freshness;
use crate::api::{AssetClaim, ClaimHolder};
use crate::base::ids::Uid;
use crate::base::key::{Key, KindName};
use crate::cluster::departed::Departed;
use crate::controller::context::Context;

/// What is known of claims beyond what the watch shows of them.
pub struct Ownership {
    /// What every kind shares.
    pub ctx: Arc<Context>,
    /// Which claims were written or read just now.
    pub freshness: Freshness,
    /// Whether claims are protected.
    pub admission_check: AdmissionCheck,
    /// Which holders were seen to go.
    pub departed: Departed,
    /// Whether the claims may not be listed.
    pub forbidden: watch::Sender<bool>,
}

impl Ownership {
    /// Nothing is known of claims yet.
    pub fn new(ctx: &Arc<Context>) -> Self {
        let (freshness, admission_check, departed, forbidden) = Default::default();
        Self { ctx: Arc::clone(ctx), freshness, admission_check, departed, forbidden }
    }

    /// Wakes the claim of this name.
    pub fn wake(&self, name: &str) {
        self.ctx.wakeups.wake(KindName::ASSET_CLAIM, Key::new(&self.ctx.policy.claims_namespace, name));
    }

    /// Wakes the claims of an object that went without anybody knowing what it depended on. Rare, so that it may search.
    pub fn wake_claims_of(&self, key: &Key) {
        let holds = |claim: &AssetClaim| {
            let holder = &claim.spec.holder;
            holder.namespace == key.namespace && holder.name == key.name
        };
        let claims = self.ctx.cluster.stores.claims.state();
        claims.iter().filter(|claim| holds(claim)).for_each(|claim| self.wake(&claim.name_any()));
    }

    /// Whether the channel that holds a page is there, be it one that cannot be decoded or one too many.
    pub fn lives(&self, holder: &ClaimHolder) -> bool {
        let (cluster, key) = (&self.ctx.cluster, Key::new(&holder.namespace, &holder.name));
        let uid = cluster.stores.channels.get(&key).and_then(|channel| channel.metadata.uid.as_deref().map(Uid::new));
        let uid = uid.or_else(|| cluster.undecodable.uid(KindName::FACEBOOK_CHANNEL, &key));
        uid.is_some_and(|uid| uid.as_str() == holder.uid)
            || cluster.is_surplus(KindName::FACEBOOK_CHANNEL, &key, &holder.uid)
    }
}
