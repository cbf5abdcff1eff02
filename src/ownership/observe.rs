//! Who holds an asset, from the point of view of one object, and whether the object's own claim is up to date.

use super::blocked::{BlockedBy, ClaimsBlocked};
use super::evaluate::{observed, recorded};
use super::model::{ClaimObservation, ClaimSeen, Record, Wanted};
use super::state::Ownership;
use super::store::{api, stored};
use crate::api::{AssetClaim, ClaimHolder};
use crate::base::ids::{PageId, Uid};
use crate::base::key::Key;
use crate::cluster::error::{Failure, kubernetes};
use crate::cluster::write_refused::is_missing_right;

/// Finds out who holds an asset, and whether the claim, if it is the object's own, says what it should. `lives` says whether
/// another object of the same namespace still exists.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn observe_claim(
    ownership: &Ownership,
    wanted: &Wanted,
    lives: impl Fn(&ClaimHolder) -> bool,
) -> Result<ClaimObservation, Failure> {
    let name = wanted.claim_name();
    // The store may lag behind what was just created; only a claim that seems to be missing, or to be outdated, is worth a request.
    let found = match stored(ownership, &name) {
        Some(claim) => Ok(Some((*claim).clone())),
        None => ownership.ctx.read(answered(ownership, "reading a claim", api(ownership).get_opt(&name))).await??,
    };
    Ok(match found {
        Ok(Some(claim)) => observed(&claim, wanted, lives),
        Ok(None) => ClaimObservation { claim: ClaimSeen::Free, record: Record::Current, former: None },
        Err(why) => ClaimObservation { claim: ClaimSeen::Unavailable(why), record: Record::Current, former: None },
    })
}

/// Whether the claim says what it should after more was learned, if it is the object's own and the watch has brought it.
pub fn observe_record(ownership: &Ownership, wanted: &Wanted) -> Option<Record> {
    let claim = stored(ownership, &wanted.claim_name())?;
    (claim.spec.holder.uid == wanted.holder.uid).then(|| recorded(&claim.spec, wanted))
}

/// The MetaApp through which a holder used its page, as its claim remembers it.
pub fn app_of(ownership: &Ownership, page_id: &PageId, holder_uid: &Uid) -> Option<Key> {
    let claim = stored(ownership, &AssetClaim::page_name(page_id.as_str()))
        .filter(|claim| claim.spec.holder.uid == holder_uid.as_str())?;
    claim.spec.app_ref.as_ref().map(|app| Key::new(&app.namespace, &app.name))
}

/// Waits for a read of claims. That their namespace is missing or closed is an answer too.
async fn answered<T>(
    ownership: &Ownership,
    what: &'static str,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<Result<T, ClaimsBlocked>, Failure> {
    let answer = async {
        match request.await {
            Err(kube::Error::Api(status)) if status.code == 404 || is_missing_right(&status) => {
                let namespace = ownership.ctx.policy.claims_namespace.clone();
                let by = if status.code == 404 { BlockedBy::NoNamespace } else { BlockedBy::Forbidden };
                Ok(Err(ClaimsBlocked { namespace, by }))
            }
            answer => answer.map(Ok),
        }
    };
    kubernetes(what, answer).await
}
