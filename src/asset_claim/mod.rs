//! AssetClaim: what is cleaned up once the channel that held a page is gone. Channels carry no finalizer, so nothing ever hangs on
//! Meta: what is left to do stands in the claim.

pub mod act;
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
use crate::base::key::{Key, KindName};
use crate::base::schedule::NEVER;
use crate::cluster::error::Failure;
use crate::controller::context::Context;
use crate::controller::object_state::ObjectStates;
use crate::controller::reconciler::{Next, Reconciler};
use crate::controller::rounds;

impl Reconciler for AssetClaims {
    type Object = AssetClaim;
    type Status = AssetClaimStatus;
    const NAME: KindName = KindName::AssetClaim;

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
                    let (marked, answer) = act::release(self, &claim, &access).await?;
                    (claim, asked) = (marked, Some(answer));
                }
                _ => return act::report(self, &claim, plan.report, now).await,
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

    fn forget(&self, key: &Key) -> Option<String> {
        self.pace.forget(key);
        self.states.forget(key)
    }
}
