//! Where claims are stored: in the API server, and in what the watch shows of it.

use std::sync::Arc;

use kube::Api;
use kube_runtime::reflector::ObjectRef;

use super::state::Ownership;
use crate::api::AssetClaim;
use crate::base::key::{KindName, version};

pub const KIND: &str = KindName::ASSET_CLAIM.as_str();

pub fn api(ownership: &Ownership) -> Api<AssetClaim> {
    Api::namespaced(ownership.ctx.cluster.client.clone(), &ownership.ctx.policy.claims_namespace)
}

/// The version of a claim that the watch shows.
pub(super) fn shown(ownership: &Ownership, name: &str) -> Option<u64> {
    version(&ownership.ctx.cluster.stores.claims.get(&reference(ownership, name))?.metadata)
}

/// A claim as the watch shows it, unless that is known to be outdated.
pub(super) fn stored(ownership: &Ownership, name: &str) -> Option<Arc<AssetClaim>> {
    let claim = ownership.ctx.cluster.stores.claims.get(&reference(ownership, name))?;
    (!ownership.freshness.is_outdated(name, version(&claim.metadata))).then_some(claim)
}

fn reference(ownership: &Ownership, name: &str) -> ObjectRef<AssetClaim> {
    ObjectRef::new(name).within(&ownership.ctx.policy.claims_namespace)
}
