//! What a change wakes: the object itself, if what it is reconciled by changed, and who depends on it, if what they
//! depend on did. A counter that moves in a status wakes nobody.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::{Resource, ResourceExt};

use super::kinds::Kinds;
use crate::api::{AssetClaim, AssetKind, FacebookChannel, MetaApp, MetaGrant, REQUESTED_AT};
use crate::base::key::{Key, KindName, version};
use crate::base::unlisted::Unlisted;
use crate::cluster::departed;
use crate::cluster::watch::Change;
use crate::controller::dependents::Dependency;
use crate::controller::foreign_status;
use crate::controller::reconciler::Reconciler;
use crate::meta_grant::dependents;
use crate::{meta_app, meta_grant};

/// What the objects of one watch looked like to themselves and to their dependents.
#[derive(Default)]
pub(super) struct Triggers {
    own: HashMap<Key, Own>,
    outer: HashMap<Key, u64>,
}

/// What an object looked like to itself.
#[derive(Clone, Copy)]
struct Own {
    /// What it is reconciled by; `None` of one that cannot be decoded.
    inputs: Option<u64>,
    /// The mark of its UID.
    mark: u64,
}

impl Triggers {
    /// A MetaApp changed.
    pub(super) fn app(&mut self, kinds: &Kinds, change: Change<'_, MetaApp>) {
        match change {
            Change::Applied(app) => {
                let key = Key::of(app);
                kinds.ctx.cluster.undecodable.forget(KindName::MetaApp, &key);
                if self.is_changed(&key, app) {
                    // It may have been made anew.
                    kinds.apps.keyring.news.notify_one();
                    kinds.ctx.wakeups.wake(KindName::MetaApp, key.clone());
                    // It may have given up its webhook, which another one waits for.
                    kinds.ctx.wakeups.wake_dependents(&Dependency::Claim(AssetClaim::app_name(&app.spec.app_id)));
                }
                foreign_status::wake(&*kinds.apps, app);
                // As its dependants see it.
                let seen = kinds.apps.get(&key);
                let app = seen.as_deref().unwrap_or(app);
                if changed(
                    &mut self.outer,
                    &key,
                    hash(&(app.uid(), meta_app::facts::verdict(app), meta_app::facts::unapproved(app))),
                ) {
                    kinds.ctx.wakeups.wake_dependents(&Dependency::MetaApp(key));
                }
            }
            Change::Misfit { key, uid } => {
                kinds.ctx.cluster.undecodable.note(KindName::MetaApp, key, uid);
                self.forget(key);
                app_went(kinds, key);
            }
            Change::Deleted(key) => {
                kinds.ctx.cluster.undecodable.forget(KindName::MetaApp, key);
                self.forget(key);
                app_went(kinds, key);
            }
            Change::SurplusGone { key, .. } => {
                kinds.apps.keyring.news.notify_one();
                kinds.ctx.wakeups.wake_dependents(&Dependency::MetaApp(key.clone()));
            }
            Change::Surplus(_) | Change::Listed | Change::Unlisted(_) => {}
        }
    }

    /// A MetaGrant changed.
    pub(super) fn grant(&mut self, kinds: &Kinds, change: Change<'_, MetaGrant>) {
        match change {
            Change::Applied(grant) => {
                let key = Key::of(grant);
                kinds.ctx.cluster.undecodable.forget(KindName::MetaGrant, &key);
                if self.is_changed(&key, grant) {
                    kinds.ctx.wakeups.wake(KindName::MetaGrant, key.clone());
                }
                foreign_status::wake(&*kinds.grants, grant);
                let seen = kinds.grants.get(&key);
                let grant = seen.as_deref().unwrap_or(grant);
                if changed(&mut self.outer, &key, hash(&(grant.uid(), meta_grant::verdict(grant)))) {
                    kinds.ctx.wakeups.wake_dependents(&Dependency::MetaGrant(key));
                }
            }
            Change::Misfit { key, uid } => {
                kinds.ctx.cluster.undecodable.note(KindName::MetaGrant, key, uid);
                self.forget(key);
                grant_went(kinds, key);
            }
            Change::Deleted(key) => {
                kinds.ctx.cluster.undecodable.forget(KindName::MetaGrant, key);
                self.forget(key);
                grant_went(kinds, key);
            }
            Change::SurplusGone { key, .. } => kinds.ctx.wakeups.wake_dependents(&Dependency::MetaGrant(key.clone())),
            Change::Surplus(_) | Change::Listed | Change::Unlisted(_) => {}
        }
    }

    /// A FacebookChannel changed.
    pub(super) fn channel(&mut self, kinds: &Kinds, change: Change<'_, FacebookChannel>) {
        match change {
            Change::Applied(channel) => {
                let key = Key::of(channel);
                kinds.ctx.cluster.undecodable.forget(KindName::FacebookChannel, &key);
                let uid = channel.uid().unwrap_or_default();
                kinds.channels.states().shown(&key, &uid, version(channel.meta()).unwrap_or_default());
                let mark = departed::mark(&uid);
                if let Some(own) = self.own.get(&key).filter(|own| own.mark != mark) {
                    // Made anew while the watch was interrupted.
                    kinds.claims.departed.note(own.mark);
                    wake_claims_of(kinds, &key);
                }
                if self.is_changed(&key, channel) {
                    kinds.ctx.wakeups.wake(KindName::FacebookChannel, key.clone());
                }
                foreign_status::wake(&*kinds.channels, channel);
                // From then on its grant is checked as often as anything that is broken.
                if let Some(grant) = dependents::grant_of(channel).filter(|_| dependents::is_broken(channel)) {
                    if changed(&mut self.outer, &key, hash(&grant.name)) {
                        kinds.ctx.wakeups.wake(KindName::MetaGrant, grant);
                    }
                } else {
                    self.outer.remove(&key);
                }
            }
            Change::Misfit { key, uid } => {
                kinds.ctx.cluster.undecodable.note(KindName::FacebookChannel, key, uid);
                self.outer.remove(key);
                // That it goes is seen all the same.
                self.own.insert(key.clone(), Own { inputs: None, mark: departed::mark(uid) });
                channel_went(kinds, key);
            }
            Change::Deleted(key) => {
                kinds.ctx.cluster.undecodable.forget(KindName::FacebookChannel, key);
                if let Some(own) = self.own.get(key) {
                    kinds.claims.departed.note(own.mark);
                }
                self.forget(key);
                if !channel_went(kinds, key) {
                    wake_claims_of(kinds, key);
                }
            }
            Change::SurplusGone { key, mark } => {
                kinds.claims.departed.note(mark);
                wake_claims_of(kinds, key);
            }
            Change::Surplus(_) | Change::Listed | Change::Unlisted(_) => {}
        }
    }

    /// Whether what an object is reconciled by is not what it was.
    fn is_changed<K: Resource>(&mut self, key: &Key, object: &K) -> bool {
        let own = Own { inputs: Some(own_inputs(object)), mark: departed::mark(&object.uid().unwrap_or_default()) };
        self.own.insert(key.clone(), own).and_then(|before| before.inputs) != own.inputs
    }

    fn forget(&mut self, key: &Key) {
        self.own.remove(key);
        self.outer.remove(key);
    }
}

/// Forgets a MetaApp that went, or is not ours any more.
pub(super) fn app_went(kinds: &Kinds, key: &Key) {
    if let Some(uid) = kinds.apps.forget(key) {
        kinds.ctx.metrics.unreachable_apps(kinds.ctx.limits.circuit_breakers.forget(&uid));
        kinds.ctx.limits.usage.forget_app(&uid);
        kinds.channels.doubts.forget(&uid);
        kinds.ctx.limits.served_versions.forget(&uid);
    }
    kinds.ctx.metrics.forget_app(key);
    kinds.apps.keyring.news.notify_one();
    forget(kinds, KindName::MetaApp, key);
    kinds.ctx.wakeups.wake_dependents(&Dependency::MetaApp(key.clone()));
}

/// Forgets a MetaGrant that went, or is not ours any more.
pub(super) fn grant_went(kinds: &Kinds, key: &Key) {
    kinds.grants.forget(key);
    forget(kinds, KindName::MetaGrant, key);
    kinds.ctx.wakeups.wake_dependents(&Dependency::MetaGrant(key.clone()));
}

/// Forgets a channel that went, or is not ours any more; whether it was known what it depended on, its claim among it.
pub(super) fn channel_went(kinds: &Kinds, key: &Key) -> bool {
    kinds.channels.forget(key);
    kinds.ctx.limits.usage.forget(key);
    forget(kinds, KindName::FacebookChannel, key)
}

/// A released Secret changed.
pub(super) fn secret(kinds: &Kinds, change: Change<'_, PartialObjectMeta<Secret>>) {
    let key = match change {
        Change::Applied(secret) => Key::of(secret),
        Change::Deleted(key) | Change::SurplusGone { key, .. } => {
            kinds.ctx.cluster.secrets.forget(key);
            kinds.channels.published.forget(key);
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
pub(super) fn claim(kinds: &Kinds, change: Change<'_, AssetClaim>) {
    let forbidden = matches!(change, Change::Unlisted(Unlisted::Forbidden));
    kinds.ownership.forbidden.send_if_modified(|was| std::mem::replace(was, forbidden) != forbidden);
    let name = match change {
        Change::Applied(claim) => {
            let name = claim.name_any();
            kinds.ownership.freshness.shows(&name, version(claim.meta()));
            if claim.spec.asset_kind == AssetKind::FacebookPage
                && kinds.ctx.wakeups.watches(&claim.spec.holder.namespace)
            {
                kinds.claims.wake(&name);
            }
            name
        }
        Change::Misfit { key, .. } | Change::Deleted(key) => {
            forget(kinds, KindName::AssetClaim, key);
            kinds.claims.forget(key);
            kinds.ownership.freshness.shows(&key.name, None);
            key.name.clone()
        }
        // There is a place for every claim.
        Change::Surplus(_) | Change::SurplusGone { .. } | Change::Listed | Change::Unlisted(_) => return,
    };
    kinds.ctx.wakeups.wake_dependents(&Dependency::Claim(name));
}

/// Forgets an object that is gone; the claim that it held is woken, and who waits for it. Whether anything was known of
/// what it depended on.
fn forget(kinds: &Kinds, kind: KindName, key: &Key) -> bool {
    if let Some(timer) = kinds.ctx.wakeups.timer(kind, &key.namespace) {
        timer.forget(key.clone());
    }
    let dependencies = kinds.ctx.wakeups.dependents.forget(&(kind, key.clone()));
    for dependency in &dependencies {
        if let Dependency::Claim(name) = dependency {
            kinds.ctx.wakeups.wake_dependents(dependency);
            kinds.claims.wake(name);
        }
    }
    !dependencies.is_empty()
}

/// Wakes the claims of a channel that went before it had a pass of its own. Rare, so that it may search.
fn wake_claims_of(kinds: &Kinds, key: &Key) {
    let holds = |claim: &AssetClaim| {
        let holder = &claim.spec.holder;
        holder.namespace == key.namespace && holder.name == key.name
    };
    for claim in kinds.ctx.cluster.stores.claims.state() {
        if holds(&claim) {
            kinds.claims.wake(&claim.name_any());
        }
    }
}

fn own_inputs<K: Resource>(object: &K) -> u64 {
    hash(&(object.uid(), object.meta().generation, object.annotations().get(REQUESTED_AT)))
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn changed(seen: &mut HashMap<Key, u64>, key: &Key, hash: u64) -> bool {
    seen.insert(key.clone(), hash) != Some(hash)
}
