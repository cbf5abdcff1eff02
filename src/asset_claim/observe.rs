//! Reads what must be known before anything is cleaned up. About a claim whose holder lives, it asks nothing.

use jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::decide;
use super::model::{Checked, Observed};
use super::state::AssetClaims;
use crate::api::{AssetClaim, ClaimState, DeletionPolicy, FacebookChannel, ManagementPolicy, MetaApp};
use crate::base::ids::{PageId, Uid};
use crate::base::key::{Key, KindName};
use crate::base::priority::Priority;
use crate::cluster::error::Failure;
use crate::cluster::error::permitted;
use crate::controller::dependents::Dependency;
use crate::limits::answer::Answer;
use crate::limits::app_usage::Budget;
use crate::limits::circuit_breaker::Reachability;
use crate::meta_app::by_id::{self, Access, AppState};

/// Reads what has to be known about a claim.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn observe(
    claims: &AssetClaims,
    claim: &AssetClaim,
    asked: Option<Answer<()>>,
    now: Timestamp,
) -> Result<Observed, Failure> {
    let (holder, key) = (&claim.spec.holder, Key::of(claim));
    let dependent = (KindName::ASSET_CLAIM, key.clone());
    let lives = claims.ownership.lives(holder);
    let departed = claims.ownership.departed.contains(&holder.uid) || !lives && is_another(claims, claim);
    let mut seen = Observed {
        lives,
        departed,
        app: AppState::Missing,
        clock_doubted: false,
        turn: None,
        checked: None,
        asked,
        access: None,
    };
    if lives || claim.state() == ClaimState::Tombstone {
        claims.ctx.wakeups.dependents.forget(&dependent);
        return Ok(seen);
    }
    let app_key = app_key(claim);
    claims.ctx.wakeups.dependents.set(&dependent, app_key.iter().cloned().map(Dependency::MetaApp).collect());
    (seen.app, seen.access) = by_id::see(&claims.apps, &claim.spec.app_id, app_key.as_ref()).await?;
    if let (Some(answer), Some(Access { app, .. })) = (&seen.asked, &seen.access) {
        let (app, uid) = (Uid::of(&**app), Uid::of(claim));
        claims.ctx.limits.heed(&budgets(claim, &app), answer.as_ref().err().into_iter(), now);
        claims.ctx.limits.reached(&app, &uid, Reachability::Unknown.with(Some(answer)));
    }
    seen.clock_doubted = is_clock_doubted(claims, seen.access.as_ref());
    if seen.asked.is_some() || seen.clock_doubted || !decide::wants_check(claim, &seen.app, now) {
        return Ok(seen);
    }
    if let (DeletionPolicy::Disconnect, Some(Access { app, .. })) = (claim.spec.deletion_policy, &seen.access) {
        let turn = || claims.pace.take(&claim.spec.app_id, &key, now).err();
        seen.turn = held_until(claims, claim, app, now).or_else(turn);
    }
    if seen.turn.is_none() {
        seen.checked = Some(claims.ctx.read(check(claims, claim)).await??);
    }
    Ok(seen)
}

/// Whether our clock is not known to agree with Meta's. Before Meta answered anything the application is checked, which tells.
fn is_clock_doubted(claims: &AssetClaims, access: Option<&Access>) -> bool {
    let asks = |access: &&Access| access.app.spec.management_policy != ManagementPolicy::Pause;
    let unheard = access.filter(asks).filter(|_| !claims.ctx.limits.clock_skew.is_heard());
    unheard.inspect(|access| claims.apps.look_at(Key::of(&*access.app))).is_some()
        || claims.ctx.limits.clock_skew.is_doubted(&claims.ctx.clock)
}

/// What an unsubscription uses of what Meta allows.
fn budgets(claim: &AssetClaim, app: &Uid) -> [Budget; 2] {
    [Budget::app(app), Budget::page(app, &PageId::new(&claim.spec.asset_id))]
}

/// Until when Meta is not asked to unsubscribe a page, since it limits that or does not answer. Nobody waits for it, so
/// that it is held back as early as anything.
fn held_until(claims: &AssetClaims, claim: &AssetClaim, app: &MetaApp, now: Timestamp) -> Option<Timestamp> {
    let (key, uid) = (Key::of(app), Uid::of(claim));
    let app_uid = Uid::of(app);
    // Only the application's own check finds out when an outage is over, which a paused one never takes.
    let probed = app.spec.management_policy != ManagementPolicy::Pause;
    let outage = claims
        .ctx
        .limits
        .circuit_breakers
        .open_until(&app_uid, &uid, now)
        .filter(|_| probed)
        .inspect(|_| claims.apps.look_at(key));
    outage.or_else(|| claims.ctx.limits.usage.held_until(&budgets(claim, &app_uid), Priority::Sweep, &uid, now))
}

/// Whether this release manages a claim: the namespace of its holder is ours, or was until it was deleted. That takes the
/// binding and our rights with it, in any order. Of other namespaces that are not ours nothing is known.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn is_looked_after(claims: &AssetClaims, claim: &AssetClaim) -> Result<bool, Failure> {
    let holder = &claim.spec.holder;
    if claims.ctx.cluster.is_ours(&holder.namespace) {
        return Ok(true);
    }
    let shown = claims.ctx.cluster.stores.channels.shown(&Key::new(&holder.namespace, &holder.name));
    if claim.state() == ClaimState::Tombstone
        || shown.is_some_and(|channel| channel.uid().as_ref() == Some(&holder.uid))
    {
        return Ok(false);
    }
    claims.ctx.read(claims.ctx.cluster.is_namespace_gone(&holder.namespace)).await?
}

/// Whether the holder is a living channel of another name or namespace, so that the one which the claim names is none: an
/// administrator moved it.
fn is_another(claims: &AssetClaims, claim: &AssetClaim) -> bool {
    let declare_the_page = claims.ctx.wakeups.dependents.dependents(&Dependency::Claim(claim.name_any()));
    let is = |key: &Key| {
        claims
            .ctx
            .cluster
            .stores
            .channels
            .shown(key)
            .is_some_and(|it| it.uid().as_ref() == Some(&claim.spec.holder.uid))
    };
    declare_the_page.iter().any(|(kind, key)| *kind == KindName::FACEBOOK_CHANNEL && is(key))
}

fn app_key(claim: &AssetClaim) -> Option<Key> {
    claim.spec.app_ref.as_ref().map(|app| Key::new(&app.namespace, &app.name))
}

/// Looks at the API server itself, as metadata: it counts also what the watch lags behind of and what cannot be decoded.
async fn check(claims: &AssetClaims, claim: &AssetClaim) -> Result<Checked, Failure> {
    let (holder, page) = (&claim.spec.holder, &claim.spec.asset_id);
    let api: Api<FacebookChannel> = Api::namespaced(claims.ctx.cluster.client.clone(), &holder.namespace);
    let named = permitted("looking for a channel", api.get_metadata_opt(&holder.name)).await?;
    let Some(named) = named else { return Ok(Checked::Forbidden) };
    if named.is_some_and(|channel| channel.uid().as_ref() == Some(&holder.uid)) {
        return Ok(Checked::Lives);
    }
    let of_page = ListParams::default().fields(&format!("spec.pageId={page}")).limit(1);
    let others = permitted("looking for channels of a page", api.list_metadata(&of_page)).await?;
    let Some(others) = others else { return Ok(Checked::Forbidden) };
    Ok(match others.items.first() {
        Some(other) => Checked::Wanted { name: other.name_any() },
        None => Checked::Gone,
    })
}
