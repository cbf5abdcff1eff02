//! Holding an asset: acquiring, adopting and taking over its claim, and keeping its content up to date.
//!
//! Creating the claim is the lock: if several try, the API server lets one through. A claim is created only after its holder
//! proved the asset with a credential, and before the first write at Meta. Every later change is written over the very version
//! that was read, so here too only one of several gets through.

use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::PostParams;

use super::admission_check;
use super::blocked::{BlockedBy, ClaimsBlocked};
use super::evaluate::{evaluate, is_used_through_another, noted};
use super::model::{ClaimSeen, Wanted};
use super::state::Ownership;
use super::store::{KIND, api, shown};
use crate::api::outcome::Class;
use crate::api::{AssetClaim, AssetClaimSpec, CLEANUP, ProofMethod};
use crate::base::clock::Stamp;
use crate::base::key::{Key, version};
use crate::cluster::error;
use crate::cluster::error::{Failure, kubernetes};
use crate::cluster::write_refused::{Cause, Verb, Write};

/// Creates the claim. That someone else was faster is no error: the next look says who. Says so if claims cannot be made.
///
/// # Errors
/// When the Kubernetes API refuses or does not answer.
pub async fn acquire(
    ownership: &Ownership,
    wanted: &Wanted,
    proof: ProofMethod,
) -> Result<Option<ClaimsBlocked>, Failure> {
    if let Some(why) = admission_check::blocked(ownership).await {
        return Ok(Some(why));
    }
    create(ownership, wanted, proof, &PostParams::default()).await
}

async fn create(
    ownership: &Ownership,
    wanted: &Wanted,
    proof: ProofMethod,
    params: &PostParams,
) -> Result<Option<ClaimsBlocked>, Failure> {
    let claim = wanted.claim(proof, ownership.ctx.clock.now());
    match write(ownership, wanted, Verb::Create, params, api(ownership).create(params, &claim)).await {
        Err(Failure::Refused(refused)) if refused.cause == Cause::NoNamespace => {
            let namespace = ownership.ctx.policy.claims_namespace.clone();
            Ok(Some(ClaimsBlocked { namespace, by: BlockedBy::NoNamespace }))
        }
        Err(failure) if failure.class() != Class::Conflict => Err(failure),
        _ => Ok(None),
    }
}

/// Waits for a write of the claim. What it says then needs not be read again before a write at Meta.
async fn write(
    ownership: &Ownership,
    wanted: &Wanted,
    verb: Verb,
    params: &PostParams,
    request: impl Future<Output = Result<AssetClaim, kube::Error>>,
) -> Result<(), Failure> {
    let (name, sent) = (wanted.claim_name(), Stamp::now());
    let key = Key::new(&ownership.ctx.policy.claims_namespace, &name);
    let claim = error::write(&ownership.ctx.metrics, Write::new(verb, KIND, &key), request).await?;
    if !params.dry_run {
        ownership.freshness.wrote(&name, &claim.spec.holder.uid, claim.spec.transfer_to.is_some(), sent);
        // What the watch still shows would have done again what this says was done.
        let (shown, made) = (shown(ownership, &name), version(&claim.metadata));
        if shown < made {
            ownership.freshness.outdate(&name, shown, made);
        }
    }
    Ok(())
}

/// Whether the API server would let the claim in now that was seen like this, which it refused before. Nothing is written, so that
/// nothing has to be proven.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn is_let_in(ownership: &Ownership, wanted: &Wanted, seen: &ClaimSeen) -> Result<bool, Failure> {
    let trial = PostParams { dry_run: true, ..PostParams::default() };
    let tried = match seen {
        ClaimSeen::Free => create(ownership, wanted, ProofMethod::DebugToken, &trial).await.map(drop),
        ClaimSeen::Orphaned { .. } | ClaimSeen::Offered { .. } | ClaimSeen::Ours { .. } => {
            let name = wanted.claim_name();
            let Some(claim) = kubernetes("reading a claim", api(ownership).get_opt(&name)).await? else {
                return Ok(true);
            };
            // For policies, who takes a claim over is another matter than who writes in it.
            let holder = match seen {
                ClaimSeen::Ours { .. } => claim.spec.holder.clone(),
                _ => wanted.holder.clone(),
            };
            let spec = AssetClaimSpec { holder, ..claim.spec.clone() };
            let changed = AssetClaim { spec, ..claim };
            write(ownership, wanted, Verb::Update, &trial, api(ownership).replace(&name, &trial, &changed)).await
        }
        _ => return Ok(true),
    };
    match tried {
        Err(Failure::Refused(_)) => Ok(false),
        tried => tried.map(|()| true),
    }
}

/// Takes over a claim that was seen like this: from an object of the same namespace that is gone, or from another namespace
/// that gives it away. Without a `proof` it is taken as it is, for the same application. That someone else was faster is
/// no error: the next look says who.
///
/// # Errors
/// When the Kubernetes API refuses, for instance because someone else changed the claim, or does not answer.
pub async fn adopt(
    ownership: &Ownership,
    wanted: &Wanted,
    seen: &ClaimSeen,
    proof: Option<ProofMethod>,
) -> Result<Option<ClaimsBlocked>, Failure> {
    if let Some(why) = admission_check::blocked(ownership).await {
        return Ok(Some(why));
    }
    let name = wanted.claim_name();
    let Some(mut claim) = kubernetes("reading a claim", api(ownership).get_opt(&name)).await? else {
        return match proof {
            Some(proof) => acquire(ownership, wanted, proof).await,
            None => Ok(None),
        };
    };
    // The decision was made on what the watch had brought; what counts is who holds it now, and whether it may be had.
    if ownership.ctx.policy.safeguards.judge && evaluate(&claim, &wanted.holder, |_| false) != *seen {
        return Ok(None);
    }
    let Some(spec) = adopted(&claim.spec, wanted, proof, ownership.ctx.clock.now()) else { return Ok(None) };
    claim.spec = spec;
    // It was said of the holder before.
    claim.annotations_mut().remove(CLEANUP);
    let params = PostParams::default();
    write(ownership, wanted, Verb::Update, &params, api(ownership).replace(&name, &params, &claim)).await?;
    Ok(None)
}

/// What a claim says once it is adopted; `None` if that takes a proof. It is given to nobody any more. What is left of the
/// use through another application stays in it until that is ended.
fn adopted(
    before: &AssetClaimSpec,
    wanted: &Wanted,
    proof: Option<ProofMethod>,
    now: Timestamp,
) -> Option<AssetClaimSpec> {
    let fresh = wanted.claim(proof.unwrap_or(before.proof.method), now).spec;
    let spec = if is_used_through_another(before, &fresh.app_id) {
        let (app_id, app_ref) = (before.app_id.clone(), before.app_ref.clone());
        AssetClaimSpec { app_id, app_ref, subscribed_fields: before.subscribed_fields.clone(), ..fresh }
    } else {
        let fields = wanted.fields.as_ref().unwrap_or(&before.subscribed_fields).clone();
        AssetClaimSpec { subscribed_fields: fields, ..fresh }
    };
    match proof {
        Some(_) => Some(spec),
        None if wanted.app_id == before.app_id => Some(AssetClaimSpec { proof: before.proof.clone(), ..spec }),
        None => None,
    }
}

/// Writes into the object's own claim how the asset is used now, and through which application if that is proven. Says so if claims
/// cannot be written.
///
/// # Errors
/// When the Kubernetes API refuses, for instance because someone else changed the claim, or does not answer; or when the
/// claim is not the object's any more, so that nothing may be done in its name.
pub async fn record(ownership: &Ownership, wanted: &Wanted, proven: bool) -> Result<Option<ClaimsBlocked>, Failure> {
    // Nothing is lost by that: it stays outdated, and is written once it may be.
    if let Some(why) = admission_check::blocked(ownership).await {
        return Ok(Some(why));
    }
    let name = wanted.claim_name();
    let found = kubernetes("reading a claim", api(ownership).get_opt(&name)).await?;
    let ours = |seen| matches!(seen, ClaimSeen::Ours { .. });
    let Some(mut claim) = found.filter(|claim| ours(evaluate(claim, &wanted.holder, |_| true))) else {
        let detail = "it no longer belongs to this object".to_owned();
        return Err(Failure::Kubernetes { what: "updating a claim", detail, conflict: true });
    };
    claim.spec = noted(&claim.spec, wanted, proven);
    let params = PostParams::default();
    write(ownership, wanted, Verb::Update, &params, api(ownership).replace(&name, &params, &claim)).await?;
    Ok(None)
}

#[cfg(test)]
mod tests;
