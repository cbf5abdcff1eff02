//! Claims: which namespace owns a page or the callback of an application, and what has to be cleaned up once the object
//! that used it is gone.
//!
//! [`mod@look`] and [`hold`] are what the other kinds use, [`proof`] what has to be known before. The rest is the life of a claim on a
//! page after its channel, as a table of
//! contents. Channels carry no finalizer, so nothing ever hangs on Meta: what is left to do stands in the claim.

pub mod act;
pub mod decide;
pub mod fence;
pub mod hold;
pub mod look;
pub mod observe;
pub mod proof;
mod unavailable;

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

pub use hold::{KIND, acquire, adopt, is_let_in, record};
pub use look::{ClaimSeen, FormerApp, Look, Offer, Record, Wanted, app_of, look, look_again};
pub use observe::{AppSeen, lives, see_app};
pub use unavailable::Unavailable;

use crate::api::{AssetClaim, AssetClaimStatus, AssetKind};
use crate::engine::failure::NEVER;
use crate::engine::memory::Memories;
use crate::engine::rounds;
use crate::engine::run::{Kind, Next};
use crate::engine::{Class, Context, Failure, Key, KindName};

/// The kind AssetClaim.
pub struct AssetClaimKind;

impl Kind for AssetClaimKind {
    type Object = AssetClaim;
    type Status = AssetClaimStatus;
    const NAME: KindName = KindName::AssetClaim;

    async fn reconcile(ctx: &Context, claim: &AssetClaim) -> Result<Next, Failure> {
        // A webhook needs no cleaning up: it belongs to the application, and the next MetaApp for it adopts the claim.
        let cleaned_up = claim.spec.asset_kind == AssetKind::FacebookPage;
        if !cleaned_up || !observe::is_looked_after(ctx, claim).await? {
            return Ok(Next { at: NEVER, class: Class::Settled });
        }
        let mut claim = claim.clone();
        let mut asked = None;
        for _ in 0..rounds::MOST {
            let now = ctx.clock.now();
            let seen = observe::observe(ctx, &claim, asked, now).await?;
            let plan = decide::decide(&claim, &seen, now);
            match (plan.release, seen.access) {
                (true, Some(access)) => {
                    let (marked, answer) = act::release(ctx, &claim, &access).await?;
                    (claim, asked) = (marked, Some(answer));
                }
                _ => return act::report(ctx, &claim, plan.report, now).await,
            }
        }
        Err(Failure::Circle)
    }

    fn stored(ctx: &Context, key: &Key) -> Option<Arc<AssetClaim>> {
        ctx.claims.get(&key.to_ref())
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

    fn memories(ctx: &Context) -> &Memories<AssetClaimStatus> {
        &ctx.claim_memories
    }

    fn forget(ctx: &Context, key: &Key) -> Option<String> {
        ctx.pace.forget(key);
        ctx.claim_memories.forget(key)
    }
}
