//! The watches of what nobody declares as a kind: labeled Secrets, the bindings of namespaces, and claims.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::{Api, Resource, ResourceExt};
use kube_runtime::reflector;
use kube_runtime::reflector::store::Writer;
use kube_runtime::watcher::Config;
use tokio::task::JoinSet;

use super::kinds::Kinds;
use super::namespaces;
use super::triggers;
use crate::api::{AssetClaim, AssetKind, PURPOSE_LABEL, RELEASE_BINDING};
use crate::base::key::{Key, KindName, version};
use crate::base::unlisted::Unlisted;
use crate::cluster::namespace_ownership::{BINDING, SECRETS};
use crate::cluster::watch::{Change, View};
use crate::cluster::{scoped, secrets, watch};
use crate::controller::dependents::Dependency;
use crate::controller::reconciler::Reconciler;

/// Watches the labeled Secrets, as metadata.
pub(super) fn spawn_secrets(
    watches: &mut JoinSet<()>,
    kinds: &Arc<Kinds>,
    namespace: &str,
    store: Writer<PartialObjectMeta<Secret>>,
) {
    let all: Api<PartialObjectMeta<Secret>> = scoped(&kinds.ctx.cluster.client, namespace);
    let labeled = Config::default().labels(PURPOSE_LABEL);
    let (kinds, scope) = (Arc::clone(kinds), namespace.to_owned());
    let view = View { store, room: kinds.ctx.cluster.surplus.room(secrets::KIND, namespace) };
    watches.spawn(async move {
        let ctx = &kinds.ctx;
        let report = |change: Change<'_, PartialObjectMeta<Secret>>| {
            triggers::note(&kinds.ctx, &scope, SECRETS, &change);
            secret(&kinds, change);
        };
        let review = |it: &PartialObjectMeta<Secret>| {
            ctx.compare(ctx.cluster.secrets.watched(&Key::of(it)).as_ref(), &it.metadata);
        };
        watch::run_metadata(all, labeled, view, &ctx.metrics, review, report).await;
    });
}

/// Watches which release a namespace is bound to.
pub(super) fn spawn_binding(watches: &mut JoinSet<()>, kinds: &Arc<Kinds>, namespace: &str) {
    let bindings: Api<DeserializeGuard<namespaces::Binding>> = scoped(&kinds.ctx.cluster.client, namespace);
    let named = Config::default().fields(&format!("metadata.name={RELEASE_BINDING}"));
    let (kinds, scope) = (Arc::clone(kinds), namespace.to_owned());
    watches.spawn(async move {
        let report = |change: Change<'_, namespaces::Binding>| {
            triggers::note(&kinds.ctx, &scope, BINDING, &change);
            namespaces::binding(&kinds, change);
        };
        // What it holds is kept as what follows from it.
        let (_, unread) = reflector::store();
        watch::run(bindings, named, unread, &kinds.ctx.metrics, |_| (), report).await;
    });
}

/// Watches all claims.
pub(super) fn spawn_claims(watches: &mut JoinSet<()>, kinds: &Arc<Kinds>, store: Writer<AssetClaim>) {
    let (kinds, ctx) = (Arc::clone(kinds), Arc::clone(&kinds.ctx));
    let claims: Api<DeserializeGuard<AssetClaim>> = scoped(&ctx.cluster.client, &ctx.policy.claims_namespace);
    watches.spawn(async move {
        let report = |change: Change<'_, AssetClaim>| claim(&kinds, change);
        let review = |claim: &AssetClaim| {
            let before = ctx.cluster.stores.claims.get(&Key::of(claim).to_ref());
            ctx.compare(before.as_ref().map(|it| &it.metadata), &claim.metadata);
        };
        watch::run(claims, Config::default(), store, &ctx.metrics, review, report).await;
    });
}

/// A labeled Secret changed.
fn secret(kinds: &Kinds, change: Change<'_, PartialObjectMeta<Secret>>) {
    let key = match change {
        Change::Applied(secret) => Key::of(secret),
        Change::Deleted(key) | Change::SurplusGone { key, .. } => {
            kinds.secret_went(key);
            key.clone()
        }
        // It is read by who depends on it.
        Change::Surplus(key) => key.clone(),
        // Metadata always decodes.
        Change::Misfit { .. } | Change::Listed | Change::Unlisted(_) => return,
    };
    kinds.ctx.wakeups.wake_dependents(&Dependency::Secret(key));
}

/// A claim changed. It is managed by the release that the namespace of its holder belongs to.
fn claim(kinds: &Kinds, change: Change<'_, AssetClaim>) {
    let (ctx, ownership) = (&kinds.ctx, &kinds.ownership);
    let forbidden = matches!(change, Change::Unlisted(Unlisted::Forbidden));
    ownership.forbidden.send_if_modified(|was| std::mem::replace(was, forbidden) != forbidden);
    let name = match change {
        Change::Applied(claim) => {
            let name = claim.name_any();
            ownership.freshness.shows(&name, version(claim.meta()));
            if claim.spec.asset_kind == AssetKind::FacebookPage && ctx.wakeups.watches(&claim.spec.holder.namespace) {
                ownership.wake(&name);
            }
            name
        }
        Change::Misfit { key, .. } | Change::Deleted(key) => {
            triggers::forget(ownership, KindName::ASSET_CLAIM, key);
            kinds.claims.forget(key);
            ownership.freshness.shows(&key.name, None);
            key.name.clone()
        }
        // There is a place for every claim.
        Change::Surplus(_) | Change::SurplusGone { .. } | Change::Listed | Change::Unlisted(_) => return,
    };
    ctx.wakeups.wake_dependents(&Dependency::Claim(name));
}
