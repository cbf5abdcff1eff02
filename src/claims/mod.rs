//! Claims: which namespace owns a page or the callback of an application.
//!
//! Creating the claim is the lock: of several that try, the API server lets one through. A claim is made only after its
//! holder proved the asset with a credential, and before the first write at Meta.

use jiff::{Timestamp, Unit};
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use kube_runtime::reflector::ObjectRef;

use crate::api::{AssetClaim, AssetClaimSpec, AssetKind, ClaimHolder, ClaimProof, ProofMethod};
use crate::engine::failure::{Failure, kubernetes};
use crate::engine::{Class, Context};

/// What was seen of a claim, from the point of view of one object.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum ClaimSeen {
    /// Nobody holds the asset.
    Free,
    /// The object holds it.
    Ours {
        /// UID of the claim.
        uid: String,
    },
    /// The object's namespace holds it for an object that is gone, so that it may be adopted.
    Orphaned {
        /// UID of that object.
        of: String,
    },
    /// Another living object of the namespace holds it.
    Duplicate {
        /// Name of that object.
        name: String,
    },
    /// Another namespace holds it.
    Elsewhere {
        /// That namespace.
        namespace: String,
    },
}

/// An asset and who wants to hold it.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Kind of the asset.
    pub kind: AssetKind,
    /// Id of the asset.
    pub id: String,
    /// Application through which it is used.
    pub app_id: String,
    /// Who wants to hold it.
    pub holder: ClaimHolder,
}

impl Wanted {
    /// Name of the claim.
    pub fn claim_name(&self) -> String {
        match self.kind {
            AssetKind::FacebookPage => AssetClaim::page_name(&self.id),
            AssetKind::MetaApp => AssetClaim::app_name(&self.id),
        }
    }

    fn claim(&self, proof: ProofMethod, now: Timestamp) -> AssetClaim {
        AssetClaim::new(
            &self.claim_name(),
            AssetClaimSpec {
                asset_kind: self.kind,
                asset_id: self.id.clone(),
                app_id: self.app_id.clone(),
                holder: self.holder.clone(),
                proof: ClaimProof { method: proof, proven_at: now.round(Unit::Second).unwrap_or(now) },
            },
        )
    }
}

/// Looks who holds an asset. `lives` says whether another object of the same namespace still exists.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn look(ctx: &Context, wanted: &Wanted, lives: impl Fn(&ClaimHolder) -> bool) -> Result<ClaimSeen, Failure> {
    let name = wanted.claim_name();
    let reference = ObjectRef::new(&name).within(&ctx.policy.claims_namespace);
    // The store may lag behind what was just created; only a claim that seems to be missing is worth a request.
    let found = match ctx.claims.get(&reference) {
        Some(claim) => Some((*claim).clone()),
        None => ctx.read(kubernetes("reading a claim", api(ctx).get_opt(&name))).await??,
    };
    Ok(found.map_or(ClaimSeen::Free, |claim| judge(&claim, &wanted.holder, lives)))
}

fn judge(claim: &AssetClaim, wanted: &ClaimHolder, lives: impl Fn(&ClaimHolder) -> bool) -> ClaimSeen {
    let holder = &claim.spec.holder;
    if holder.namespace != wanted.namespace {
        ClaimSeen::Elsewhere { namespace: holder.namespace.clone() }
    } else if holder.uid == wanted.uid {
        ClaimSeen::Ours { uid: claim.uid().unwrap_or_default() }
    } else if lives(holder) {
        ClaimSeen::Duplicate { name: holder.name.clone() }
    } else {
        ClaimSeen::Orphaned { of: holder.uid.clone() }
    }
}

/// Creates the claim. That somebody else was faster is no error: the next look says who.
///
/// # Errors
/// When the Kubernetes API refuses or does not answer.
pub async fn acquire(ctx: &Context, wanted: &Wanted, proof: ProofMethod) -> Result<(), Failure> {
    let claim = wanted.claim(proof, ctx.clock.now());
    match kubernetes("creating a claim", api(ctx).create(&PostParams::default(), &claim)).await {
        Err(failure) if failure.class() != Class::Conflict => Err(failure),
        _ => Ok(()),
    }
}

/// Takes over a claim of the same namespace from an object that is gone. That somebody else of the namespace was faster
/// is no error: the next look says who.
///
/// # Errors
/// When the Kubernetes API refuses, for instance because somebody else changed the claim, or does not answer.
pub async fn adopt(ctx: &Context, wanted: &Wanted, of: &str, proof: ProofMethod) -> Result<(), Failure> {
    let name = wanted.claim_name();
    let Some(mut claim) = kubernetes("reading a claim", api(ctx).get_opt(&name)).await? else {
        return acquire(ctx, wanted, proof).await;
    };
    // The decision was made on what the watch had brought; what counts is who holds it now.
    if claim.spec.holder.namespace != wanted.holder.namespace || claim.spec.holder.uid != of {
        return Ok(());
    }
    claim.spec = wanted.claim(proof, ctx.clock.now()).spec;
    kubernetes("adopting a claim", api(ctx).replace(&name, &PostParams::default(), &claim)).await?;
    Ok(())
}

fn api(ctx: &Context) -> Api<AssetClaim> {
    Api::namespaced(ctx.client.clone(), &ctx.policy.claims_namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_belongs_to_a_namespace_and_is_adopted_only_from_the_dead() {
        let holder = |namespace: &str, name: &str, uid: &str| ClaimHolder {
            namespace: namespace.into(),
            name: name.into(),
            uid: uid.into(),
        };
        let wanted = |holder| Wanted { kind: AssetKind::FacebookPage, id: "1".into(), app_id: "2".into(), holder };
        let mut claim = wanted(holder("a", "shop", "u1")).claim(ProofMethod::DebugToken, Timestamp::UNIX_EPOCH);
        claim.metadata.uid = Some("c1".into());
        let ours = ClaimSeen::Ours { uid: "c1".into() };
        let cases = [
            (holder("a", "shop", "u1"), true, ours),
            (holder("a", "shop", "u2"), false, ClaimSeen::Orphaned { of: "u1".into() }),
            (holder("a", "other", "u3"), true, ClaimSeen::Duplicate { name: "shop".into() }),
            (holder("a", "other", "u3"), false, ClaimSeen::Orphaned { of: "u1".into() }),
            (holder("b", "shop", "u1"), false, ClaimSeen::Elsewhere { namespace: "a".into() }),
        ];
        for (object, lives, expected) in cases {
            assert_eq!(judge(&claim, &object, |_| lives), expected, "{object:?}");
        }
    }
}
