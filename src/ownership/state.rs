//! What is known of claims beyond what the watch shows of them.

use std::sync::Arc;

use kube::ResourceExt;
use tokio::sync::watch;

use super::blocked::AdmissionCheck;
use super::freshness::Freshness;
use crate::api::ClaimHolder;
use crate::base::key::{Key, KindName};
use crate::controller::context::Context;

/// What is known of claims beyond what the watch shows of them.
pub struct Ownership {
    /// What every kind shares.
    pub ctx: Arc<Context>,
    /// Which claims were written or read just now.
    pub freshness: Freshness,
    /// Whether claims are protected.
    pub admission_check: AdmissionCheck,
    /// Whether the claims may not be listed.
    pub forbidden: watch::Sender<bool>,
}

impl Ownership {
    /// Nothing is known of claims yet.
    pub fn new(ctx: &Arc<Context>) -> Self {
        let (freshness, admission_check, forbidden) = Default::default();
        Self { ctx: Arc::clone(ctx), freshness, admission_check, forbidden }
    }

    /// Whether the channel that holds a page is there, be it one that cannot be decoded or one too many.
    pub fn lives(&self, holder: &ClaimHolder) -> bool {
        let (cluster, key) = (&self.ctx.cluster, Key::new(&holder.namespace, &holder.name));
        let uid = cluster.stores.channels.get(&key).and_then(|channel| channel.uid());
        uid.or_else(|| cluster.undecodable.uid(KindName::FacebookChannel, &key)).as_deref() == Some(&holder.uid)
            || cluster.is_surplus(KindName::FacebookChannel, &key, &holder.uid)
    }
}
