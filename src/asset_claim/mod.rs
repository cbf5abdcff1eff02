//! AssetClaim: what is cleaned up once the channel that held a page is gone. Channels carry no finalizer, so nothing ever waits
//! for Meta: the claim records what is left to do.
//!
//! # After a channel
//!
//! Nothing has a finalizer. A claim (`AssetClaim`) records what is needed to clean up after its channel: app, page, channel
//! UID, `deletionPolicy`. It has a pass when it changes and when its channel goes, and no schedule of its own while the channel
//! lives, so 10,000 healthy claims cost nothing. A channel is gone if this process saw it go (`cluster/departed.rs`), or an
//! earlier process did, which the status remembers (`goneSince`, and `claimUid`, because a restored status is not about this
//! claim). A holder that is merely missing makes the claim *AwaitingHolder* for a day: it may be about to come back from a
//! backup. Once the channel is gone, the claim is *CleanupPending* for a minute's grace. Then the operator asks the API server
//! itself (metadata only, so that objects that cannot be decoded count too) whether the channel is gone and no other channel of
//! the namespace declares the page. Then the claim is marked as being released, the page is unsubscribed with the app's token,
//! and the claim becomes a *Tombstone*, or *LeftBehind* if that is impossible. Every write goes over the very version that was
//! checked: a channel that adopts the claim meanwhile wins, and while the claim is marked, no channel adopts it. A state is
//! about one holder (`status.holderUid`); the next holder starts afresh. At most one page per second and application is
//! unsubscribed (`asset_claim/pace.rs`).

pub mod channel_cleanup;
pub mod decide;
pub mod model;
pub mod observe;
pub mod pace;
mod state;

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

pub use state::AssetClaims;

use crate::api::outcome::Class;
use crate::api::{AssetClaim, AssetClaimStatus, AssetKind};
use crate::base::ids::Uid;
use crate::base::key::{Key, KindName};
use crate::base::schedule::NEVER;
use crate::cluster::error::Failure;
use crate::controller::context::{Context, Policy};
use crate::controller::object_state::ObjectStates;
use crate::controller::reconciler::{Next, Periods, Reconciler};
use crate::controller::rounds;

impl Reconciler for AssetClaims {
    type Object = AssetClaim;
    type Status = AssetClaimStatus;
    const NAME: KindName = KindName::ASSET_CLAIM;

    fn periods(policy: &Policy) -> Periods {
        // A claim has no regular turn: nothing is checked while it is held.
        Periods::of(policy.broken_period, policy)
    }

    fn ctx(&self) -> &Arc<Context> {
        &self.ctx
    }

    async fn reconcile(&self, claim: &AssetClaim) -> Result<Next, Failure> {
        // A webhook needs no cleaning up: it belongs to the application, and the next MetaApp for it adopts the claim.
        let cleaned_up = claim.spec.asset_kind == AssetKind::FacebookPage;
        if !cleaned_up || !observe::is_looked_after(self, claim).await? {
            return Ok(Next { at: NEVER, class: Class::Settled });
        }
        let mut claim = claim.clone();
        let mut asked = None;
        for _ in 0..rounds::MOST {
            let now = self.ctx.clock.now();
            let seen = observe::observe(self, &claim, asked, now).await?;
            let plan = decide::decide(&claim, &seen, now);
            match (plan.release, seen.access) {
                (true, Some(access)) => {
                    let (marked, answer) = channel_cleanup::release(self, &claim, &access).await?;
                    (claim, asked) = (marked, Some(answer));
                }
                _ => return channel_cleanup::report(self, &claim, plan.report, now).await,
            }
        }
        Err(Failure::Circle)
    }

    fn stored(&self, key: &Key) -> Option<Arc<AssetClaim>> {
        self.ctx.cluster.stores.claims.get(&key.to_ref())
    }

    fn status(claim: &AssetClaim) -> Option<&AssetClaimStatus> {
        claim.status.as_ref()
    }

    fn inputs(_: &AssetClaimStatus) -> Option<&str> {
        None
    }

    fn with_status(object: &AssetClaim, status: AssetClaimStatus) -> AssetClaim {
        AssetClaim { status: Some(status), ..object.clone() }
    }

    fn conditions(status: &AssetClaimStatus) -> &[Condition] {
        &status.conditions
    }

    fn states(&self) -> &ObjectStates<AssetClaimStatus> {
        &self.states
    }

    fn forget(&self, key: &Key) -> Option<Uid> {
        self.pace.forget(key);
        self.states.forget(key)
    }
}
