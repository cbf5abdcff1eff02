//! The watches that keep the stores filled, and tell what changed.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube_runtime::reflector::store::Writer;
use kube_runtime::reflector::{self, Store};
use kube_runtime::watcher::Config;
use tokio::task::JoinSet;

use super::kinds::Kinds;
use super::namespaces;
use super::triggers::{self, Triggers};
use crate::api::{AssetClaim, FacebookChannel, MetaApp, MetaGrant, PURPOSE_LABEL, RELEASE_BINDING};
use crate::base::key::Key;
use crate::cluster::namespace_ownership::List;
use crate::cluster::watch::View;
use crate::cluster::{scoped, secrets, watch};
use crate::controller::foreign_status;
use crate::controller::reconciler::Reconciler;

/// A store and what fills it.
type Filled<K> = (Store<K>, Writer<K>);

/// The stores of one watched namespace, or of all if it has no name.
pub(super) struct Scope {
    pub(super) namespace: String,
    pub(super) apps: Filled<MetaApp>,
    pub(super) grants: Filled<MetaGrant>,
    pub(super) channels: Filled<FacebookChannel>,
    pub(super) secrets: Filled<PartialObjectMeta<Secret>>,
}

impl Scope {
    pub(super) fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            apps: reflector::store(),
            grants: reflector::store(),
            channels: reflector::store(),
            secrets: reflector::store(),
        }
    }

    pub(super) fn spawn(self, watches: &mut JoinSet<()>, kinds: &Arc<Kinds>) {
        let namespace = &self.namespace;
        spawn_watch(watches, kinds, &kinds.apps, namespace, self.apps.1, List::Apps, Triggers::app);
        spawn_watch(watches, kinds, &kinds.grants, namespace, self.grants.1, List::Grants, Triggers::grant);
        spawn_watch(watches, kinds, &kinds.channels, namespace, self.channels.1, List::Channels, Triggers::channel);
        spawn_secrets(watches, kinds, namespace, self.secrets.1);
        spawn_binding(watches, kinds, namespace);
    }
}

/// Watches the objects of a kind in one namespace, or in all if it has no name.
fn spawn_watch<K: Reconciler>(
    watches: &mut JoinSet<()>,
    kinds: &Arc<Kinds>,
    kind: &Arc<K>,
    namespace: &str,
    store: Writer<K::Object>,
    list: List,
    trigger: fn(&mut Triggers, &Kinds, watch::Change<'_, K::Object>),
) {
    let objects: Api<DeserializeGuard<K::Object>> = scoped(&kinds.ctx.cluster.client, namespace);
    let (kinds, kind, scope) = (Arc::clone(kinds), Arc::clone(kind), namespace.to_owned());
    let view = View { store, room: kinds.ctx.cluster.surplus.room(K::NAME.as_str(), namespace) };
    let mut triggers = Triggers::default();
    watches.spawn(async move {
        let review = |object: &K::Object| foreign_status::review(&*kind, object);
        let report = |change: watch::Change<'_, K::Object>| {
            namespaces::note(&kinds, &scope, list, &change);
            trigger(&mut triggers, &kinds, change);
        };
        watch::run(objects, Config::default(), view, &kinds.ctx.metrics, review, report).await;
    });
}

/// Watches the released Secrets, as metadata.
fn spawn_secrets(
    watches: &mut JoinSet<()>,
    kinds: &Arc<Kinds>,
    namespace: &str,
    store: Writer<PartialObjectMeta<Secret>>,
) {
    let all: Api<PartialObjectMeta<Secret>> = scoped(&kinds.ctx.cluster.client, namespace);
    let released = Config::default().labels(PURPOSE_LABEL);
    let (kinds, scope) = (Arc::clone(kinds), namespace.to_owned());
    let view = View { store, room: kinds.ctx.cluster.surplus.room(secrets::KIND, namespace) };
    watches.spawn(async move {
        let ctx = &kinds.ctx;
        let report = |change: watch::Change<'_, PartialObjectMeta<Secret>>| {
            namespaces::note(&kinds, &scope, List::Secrets, &change);
            triggers::secret(&kinds, change);
        };
        let review = |it: &PartialObjectMeta<Secret>| {
            ctx.compare(ctx.cluster.secrets.watched(&Key::of(it)).as_ref(), &it.metadata);
        };
        watch::run_metadata(all, released, view, &ctx.metrics, review, report).await;
    });
}

/// Watches which release a namespace is bound to.
fn spawn_binding(watches: &mut JoinSet<()>, kinds: &Arc<Kinds>, namespace: &str) {
    let bindings: Api<DeserializeGuard<namespaces::Binding>> = scoped(&kinds.ctx.cluster.client, namespace);
    let named = Config::default().fields(&format!("metadata.name={RELEASE_BINDING}"));
    let (kinds, scope) = (Arc::clone(kinds), namespace.to_owned());
    watches.spawn(async move {
        let report = |change: watch::Change<'_, namespaces::Binding>| {
            namespaces::note(&kinds, &scope, List::Binding, &change);
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
        let report = |change: watch::Change<'_, AssetClaim>| triggers::claim(&kinds, change);
        let review = |claim: &AssetClaim| {
            let before = ctx.cluster.stores.claims.get(&Key::of(claim).to_ref());
            ctx.compare(before.as_ref().map(|it| &it.metadata), &claim.metadata);
        };
        watch::run(claims, Config::default(), store, &ctx.metrics, review, report).await;
    });
}
