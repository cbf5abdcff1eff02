//! The watches of everything that nobody declares as a kind: labeled Secrets, the bindings of namespaces, and claims.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube_runtime::reflector;
use kube_runtime::reflector::store::Writer;
use kube_runtime::watcher::Config;
use tokio::task::JoinSet;

use super::kinds::Kinds;
use super::namespaces;
use super::triggers;
use crate::api::{AssetClaim, PURPOSE_LABEL, RELEASE_BINDING};
use crate::base::key::Key;
use crate::cluster::namespace_ownership::{BINDING, SECRETS};
use crate::cluster::watch::{Change, View};
use crate::cluster::{scoped, secrets, watch};

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
            triggers::secret(ctx, change, |key| kinds.secret_went(key));
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

pub(super) fn spawn_claims(watches: &mut JoinSet<()>, kinds: &Arc<Kinds>, store: Writer<AssetClaim>) {
    let (kinds, ctx) = (Arc::clone(kinds), Arc::clone(&kinds.ctx));
    let claims: Api<DeserializeGuard<AssetClaim>> = scoped(&ctx.cluster.client, &ctx.policy.claims_namespace);
    watches.spawn(async move {
        let report = |change: Change<'_, AssetClaim>| triggers::claim(&kinds.claims, change);
        let review = |claim: &AssetClaim| {
            let before = ctx.cluster.stores.claims.get(&Key::of(claim).to_ref());
            ctx.compare(before.as_ref().map(|it| &it.metadata), &claim.metadata);
        };
        watch::run(claims, Config::default(), store, &ctx.metrics, review, report).await;
    });
}
