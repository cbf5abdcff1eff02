//! Unsubscribes a page for a deleted channel, and records the new state of the claim.
//!
//! Everything is written over the very version of the claim that was checked. If anyone changed it meanwhile, such as a channel
//! that adopted it or another process that cleans up, the write fails, and nothing happens at Meta.

use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::PostParams;

use super::model::{Report, Then};
use super::state::AssetClaims;
use crate::api::outcome::Class;
use crate::api::{AssetClaim, AssetClaimStatus, ClaimState};
use crate::base::clock::Stamp;
use crate::base::ids::{PageId, Uid};
use crate::base::key::{Key, KindName};
use crate::base::schedule::NEVER;
use crate::cluster::error;
use crate::cluster::error::Failure;
use crate::cluster::write_refused::Write;
use crate::controller::lease_fence::leads;
use crate::controller::next_pass::next_try;
use crate::controller::reconciler::{Next, Reconciler, slots};
use crate::graph::{Operation, Verdict};
use crate::limits::answer::Answer;
use crate::limits::calls::{Calls, Told};
use crate::meta_app::by_id::Access;
use crate::ownership::{KIND, claim_fence, store};

/// Unsubscribes the page. The claim says so before, so that nobody takes it over meanwhile.
///
/// # Errors
/// When the Kubernetes API refuses, for instance because someone else changed the claim, or does not answer.
pub async fn release(
    claims: &AssetClaims,
    claim: &AssetClaim,
    access: &Access,
) -> Result<(AssetClaim, Answer<()>), Failure> {
    let (key, page) = (Key::of(claim), &PageId::new(&claim.spec.asset_id));
    leads(&claims.ctx, KindName::ASSET_CLAIM, &key)?;
    let (mut status, since) = (claim.status.clone().unwrap_or_default(), Stamp::now());
    status.releasing_since = Some(claims.ctx.clock.now());
    let marked = if claims.ctx.policy.safeguards.mark { write(claims, claim, status).await? } else { claim.clone() };
    tracing::info!(kind = "AssetClaim", object = %key, "unsubscribing the page at Meta for a deleted channel");
    let end = claims.ctx.graph.unsubscribe_page(&access.version, &access.credentials, page);
    let result = claim_fence::marked(&claims.ownership, &marked, since, end).await?;
    let mut calls = Calls::default();
    let answer = calls.answer(Operation::UnsubscribePage, result);
    calls.log(KindName::ASSET_CLAIM, &key, &Told::default());
    if let (Err(refusal), Some(app)) = (&answer, &claim.spec.app_ref)
        && matches!(refusal.verdict, Verdict::AppBroken(_))
    {
        claims.apps.look_at(Key::new(&app.namespace, &app.name));
    }
    Ok((marked, answer))
}

/// Writes the status if there is a new one, publishes an Event, and says when to act again.
///
/// # Errors
/// When the Kubernetes API refuses, for instance because someone else changed the claim, or does not answer.
pub async fn report(claims: &AssetClaims, claim: &AssetClaim, report: Report, now: Timestamp) -> Result<Next, Failure> {
    let (key, uid) = (Key::of(claim), Uid::of(claim));
    if let Some(status) = report.status {
        let (state, is_told) = (status.state, status.gone_since.is_some());
        write(claims, claim, status).await?;
        if is_told {
            // From now on the claim remembers it.
            claims.ownership.departed.forget(&claim.spec.holder.uid);
        }
        claims.ctx.metrics.status_written(KindName::ASSET_CLAIM);
        if state != claim.state() {
            log(&key, claim, state);
        }
    }
    if let Some(note) = &report.note {
        claims.ctx.cluster.events.publish(claim, note).await;
    }
    let class = match report.then {
        Then::Never | Then::At(_) => Class::Settled,
        Then::Class(class) => class,
    };
    let at = match report.then {
        Then::Never => NEVER,
        Then::At(at) => at,
        Then::Class(class) => {
            let attempts = claims.states.count_failure(&key, &uid);
            next_try(class, attempts, now, slots::<AssetClaims>(&claims.ctx, &uid, now))
        }
    };
    if report.then == Then::Never {
        claims.forget(&key);
    }
    Ok(Next { at, class })
}

async fn write(claims: &AssetClaims, claim: &AssetClaim, status: AssetClaimStatus) -> Result<AssetClaim, Failure> {
    let claim = AssetClaim { status: Some(status), ..claim.clone() };
    let (api, name) = (store::api(&claims.ownership), claim.name_any());
    let write = Write::status(KIND, &Key::of(&claim));
    let written =
        error::write(&claims.ctx.metrics, write, api.replace_status(&name, &PostParams::default(), &claim)).await?;
    claims.states.written(&Key::of(&written));
    Ok(written)
}

fn log(key: &Key, claim: &AssetClaim, state: ClaimState) {
    let (holder, page) = (&claim.spec.holder, &claim.spec.asset_id);
    let (channel, before) = (Key::new(&holder.namespace, &holder.name), claim.state().as_str());
    let state = state.as_str();
    if state == ClaimState::LeftBehind.as_str() {
        tracing::warn!(kind = "AssetClaim", object = %key, %channel, page, before, state, "a subscription remains at Meta");
    } else {
        tracing::info!(kind = "AssetClaim", object = %key, %channel, page, before, state, "the claim changed its state");
    }
}
