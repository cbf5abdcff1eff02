//! A write at Meta in the name of a claim: it is sent only if the claim, as the API server itself has it, is the one behind the
//! decision. The watch may lag by minutes, and what it shows is worthless once an administrator moved the claim.

use kube::ResourceExt;

use super::ON_ITS_WAY;
use super::evaluate::evaluate;
use super::freshness::FRESH;
use super::model::{ClaimSeen, Wanted};
use super::state::Ownership;
use super::store::{api, shown};
use crate::api::{AssetClaim, ClaimHolder};
use crate::base::clock::Stamp;
use crate::base::key::version;
use crate::base::key::{Key, KindName};
use crate::base::withheld::Withheld;
use crate::cluster::error::Failure;
use crate::cluster::error::kubernetes;
use crate::cluster::leader::LONGEST_ANSWER;
use crate::controller::lease_fence;

/// How often a claim is read, should the answer come too late to count.
const READS: usize = 2;

/// What was found of a claim: what was decided by still holds, or this is there instead.
type Found = Result<(), Option<AssetClaim>>;

/// Sends a write at Meta for the holder of a claim. `None` if it does not hold it any more and that is news: then it was not sent,
/// and the next look finds what is there now.
///
/// # Errors
/// When the Kubernetes API does not answer, or the write was withheld for another reason.
pub async fn held<T>(
    ownership: &Ownership,
    kind: KindName,
    key: &Key,
    wanted: &Wanted,
    write: impl Future<Output = T>,
) -> Result<Option<T>, Failure> {
    let (name, holder) = (wanted.claim_name(), &wanted.holder);
    let known = ownership.freshness.sent(&name, &holder.uid);
    if let Err(found) = confirmed(ownership, kind, key, &name, known, |claim| is_held(claim, holder)).await? {
        let withheld = lease_fence::withhold(&ownership.ctx, kind, key, Withheld::Claim);
        let read = found.as_ref().and_then(|claim| version(&claim.metadata));
        let is_news = ownership.freshness.outdate(&name, shown(ownership, &name), read);
        return if is_news { Ok(None) } else { Err(withheld) };
    }
    lease_fence::leading(&ownership.ctx, kind, key, write).await.map(Some)
}

/// Sends a write at Meta after which its claim says that it is on its way, by a request that was sent not before this time. Whoever
/// changed the claim since keeps it from being sent.
///
/// # Errors
/// When the Kubernetes API does not answer, or the write was withheld.
pub async fn marked<T>(
    ownership: &Ownership,
    claim: &AssetClaim,
    since: Stamp,
    write: impl Future<Output = T>,
) -> Result<T, Failure> {
    let (key, kind) = (Key::of(claim), KindName::ASSET_CLAIM);
    let same = |found: &AssetClaim| found.uid() == claim.uid() && version(&found.metadata) == version(&claim.metadata);
    if confirmed(ownership, kind, &key, &key.name, Some(since), same).await?.is_err() {
        return Err(lease_fence::withhold(&ownership.ctx, kind, &key, Withheld::Claim));
    }
    // Others wait no longer than that for what is on its way.
    if since.age().saturating_add(LONGEST_ANSWER) > ON_ITS_WAY.unsigned_abs() {
        return Err(lease_fence::withhold(&ownership.ctx, kind, &key, Withheld::Unanswered));
    }
    lease_fence::leading(&ownership.ctx, kind, &key, write).await
}

/// Reads a claim, unless what is `known` of it is so since just now.
async fn confirmed(
    ownership: &Ownership,
    kind: KindName,
    key: &Key,
    name: &str,
    mut known: Option<Stamp>,
    holds: impl Fn(&AssetClaim) -> bool,
) -> Result<Found, Failure> {
    if !ownership.ctx.policy.safeguards.claim {
        return Ok(Ok(()));
    }
    let is_fresh = |known: Option<Stamp>| known.is_some_and(|since| since.age() < FRESH);
    for _ in 0..READS {
        if is_fresh(known) {
            return Ok(Ok(()));
        }
        let sent = Stamp::now();
        // Without a version it is what most of the API server's storage agrees on, not what a cache shows.
        let found = ownership.ctx.read(kubernetes("reading a claim", api(ownership).get_opt(name))).await?;
        let found =
            found.inspect_err(|_| drop(lease_fence::withhold(&ownership.ctx, kind, key, Withheld::Unanswered)))?;
        if !found.as_ref().is_some_and(&holds) {
            return Ok(Err(found));
        }
        known = Some(sent);
    }
    match is_fresh(known) {
        true => Ok(Ok(())),
        false => Err(lease_fence::withhold(&ownership.ctx, kind, key, Withheld::Unanswered)),
    }
}

/// Whether a claim lets its holder write at Meta: what it gives away may be taken at any moment.
fn is_held(claim: &AssetClaim, holder: &ClaimHolder) -> bool {
    matches!(evaluate(claim, holder, |_| true), ClaimSeen::Ours { .. }) && claim.spec.transfer_to.is_none()
}
