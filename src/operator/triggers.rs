//! What a change wakes: the object itself, if what it is reconciled by changed, and who depends on it, if what they
//! depend on did. A counter that moves in a status wakes nobody.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::{Resource, ResourceExt};

use crate::api::{AssetClaim, FacebookChannel, MetaApp, REQUESTED_AT};
use crate::engine::index::Dependency;
use crate::engine::watch::Change;
use crate::engine::{Context, Key, KindName};
use crate::meta_app;

/// What the objects of one watch looked like to themselves and to their dependents.
#[derive(Default)]
pub(super) struct Triggers {
    own: HashMap<Key, u64>,
    outer: HashMap<Key, u64>,
}

impl Triggers {
    /// A MetaApp changed.
    pub(super) fn app(&mut self, ctx: &Context, change: Change<'_, MetaApp>) {
        match change {
            Change::Applied(app) => {
                let key = Key::of(app);
                if changed(&mut self.own, &key, own_inputs(app)) {
                    ctx.wake(KindName::MetaApp, key.clone());
                    // It may have given up its webhook, which another one waits for.
                    ctx.wake_dependents(&Dependency::Claim(AssetClaim::app_name(&app.spec.app_id)));
                }
                if changed(&mut self.outer, &key, hash(&(app.uid(), meta_app::verdict(app)))) {
                    ctx.wake_dependents(&Dependency::MetaApp(key));
                }
            }
            Change::Deleted(key) => {
                self.forget(key);
                if let Some(uid) = ctx.app_memories.forget(key) {
                    ctx.metrics.unreachable_apps(ctx.breakers.forget(&uid));
                }
                forget(ctx, KindName::MetaApp, key);
                ctx.wake_dependents(&Dependency::MetaApp(key.clone()));
            }
        }
    }

    /// A FacebookChannel changed.
    pub(super) fn channel(&mut self, ctx: &Context, change: Change<'_, FacebookChannel>) {
        match change {
            Change::Applied(channel) => {
                let key = Key::of(channel);
                if changed(&mut self.own, &key, own_inputs(channel)) {
                    ctx.wake(KindName::FacebookChannel, key);
                }
            }
            Change::Deleted(key) => {
                self.forget(key);
                ctx.channel_memories.forget(key);
                forget(ctx, KindName::FacebookChannel, key);
            }
        }
    }

    fn forget(&mut self, key: &Key) {
        self.own.remove(key);
        self.outer.remove(key);
    }
}

/// A released Secret changed.
pub(super) fn secret(ctx: &Context, change: Change<'_, PartialObjectMeta<Secret>>) {
    let key = match change {
        Change::Applied(secret) => Key::of(secret),
        Change::Deleted(key) => {
            ctx.secrets.forget(key);
            key.clone()
        }
    };
    ctx.wake_dependents(&Dependency::Secret(key));
}

/// A claim changed.
pub(super) fn claim(ctx: &Context, change: Change<'_, AssetClaim>) {
    let name = match change {
        Change::Applied(claim) => claim.name_any(),
        Change::Deleted(key) => key.name.clone(),
    };
    ctx.wake_dependents(&Dependency::Claim(name));
}

/// Forgets an object that is gone; who waits for the claim that it held is woken.
fn forget(ctx: &Context, kind: KindName, key: &Key) {
    if let Some(timer) = ctx.timer(kind, &key.namespace) {
        timer.forget(key.clone());
    }
    for dependency in ctx.index.forget(&(kind, key.clone())) {
        if let Dependency::Claim(_) = dependency {
            ctx.wake_dependents(&dependency);
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
