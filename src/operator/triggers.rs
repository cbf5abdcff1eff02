//! What a change wakes: the object itself, if what it is reconciled by changed, and who depends on it, if what they
//! depend on did. A counter that moves in a status wakes nobody.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::{Resource, ResourceExt};

use crate::api::{AssetClaim, AssetKind, FacebookChannel, MetaApp, MetaGrant, REQUESTED_AT};
use crate::claims::AssetClaimKind;
use crate::engine::bindings::Unlisted;
use crate::engine::departed;
use crate::engine::index::Dependency;
use crate::engine::key::version;
use crate::engine::own_status;
use crate::engine::run::Kind;
use crate::engine::watch::Change;
use crate::engine::{Context, Key, KindName};
use crate::facebook_channel::FacebookChannelKind;
use crate::meta_app::{self, MetaAppKind};
use crate::meta_grant::{self, MetaGrantKind, users};

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
    pub(super) fn app(&mut self, ctx: &Context, change: Change<'_, MetaApp>) {
        match change {
            Change::Applied(app) => {
                let key = Key::of(app);
                ctx.misfits.forget(KindName::MetaApp, &key);
                if self.is_changed(&key, app) {
                    // It may have been made anew.
                    ctx.keyring.news.notify_one();
                    ctx.wake(KindName::MetaApp, key.clone());
                    // It may have given up its webhook, which another one waits for.
                    ctx.wake_dependents(&Dependency::Claim(AssetClaim::app_name(&app.spec.app_id)));
                }
                own_status::wake::<MetaAppKind>(ctx, app);
                // As its dependants see it.
                let seen = ctx.app(&key);
                let app = seen.as_deref().unwrap_or(app);
                if changed(&mut self.outer, &key, hash(&(app.uid(), meta_app::verdict(app), meta_app::unapproved(app))))
                {
                    ctx.wake_dependents(&Dependency::MetaApp(key));
                }
            }
            Change::Misfit { key, uid } => {
                ctx.misfits.note(KindName::MetaApp, key, uid);
                self.forget(key);
                app_went(ctx, key);
            }
            Change::Deleted(key) => {
                ctx.misfits.forget(KindName::MetaApp, key);
                self.forget(key);
                app_went(ctx, key);
            }
            Change::SurplusGone { key, .. } => {
                ctx.keyring.news.notify_one();
                ctx.wake_dependents(&Dependency::MetaApp(key.clone()));
            }
            Change::Surplus(_) | Change::Listed | Change::Unlisted(_) => {}
        }
    }

    /// A MetaGrant changed.
    pub(super) fn grant(&mut self, ctx: &Context, change: Change<'_, MetaGrant>) {
        match change {
            Change::Applied(grant) => {
                let key = Key::of(grant);
                ctx.misfits.forget(KindName::MetaGrant, &key);
                if self.is_changed(&key, grant) {
                    ctx.wake(KindName::MetaGrant, key.clone());
                }
                own_status::wake::<MetaGrantKind>(ctx, grant);
                let seen = ctx.grant(&key);
                let grant = seen.as_deref().unwrap_or(grant);
                if changed(&mut self.outer, &key, hash(&(grant.uid(), meta_grant::verdict(grant)))) {
                    ctx.wake_dependents(&Dependency::MetaGrant(key));
                }
            }
            Change::Misfit { key, uid } => {
                ctx.misfits.note(KindName::MetaGrant, key, uid);
                self.forget(key);
                grant_went(ctx, key);
            }
            Change::Deleted(key) => {
                ctx.misfits.forget(KindName::MetaGrant, key);
                self.forget(key);
                grant_went(ctx, key);
            }
            Change::SurplusGone { key, .. } => ctx.wake_dependents(&Dependency::MetaGrant(key.clone())),
            Change::Surplus(_) | Change::Listed | Change::Unlisted(_) => {}
        }
    }

    /// A FacebookChannel changed.
    pub(super) fn channel(&mut self, ctx: &Context, change: Change<'_, FacebookChannel>) {
        match change {
            Change::Applied(channel) => {
                let key = Key::of(channel);
                ctx.misfits.forget(KindName::FacebookChannel, &key);
                let uid = channel.uid().unwrap_or_default();
                ctx.channel_memories.shown(&key, &uid, version(channel.meta()).unwrap_or_default());
                let mark = departed::mark(&uid);
                if let Some(own) = self.own.get(&key).filter(|own| own.mark != mark) {
                    // Made anew while the watch was interrupted.
                    ctx.departed.note(own.mark);
                    wake_claims_of(ctx, &key);
                }
                if self.is_changed(&key, channel) {
                    ctx.wake(KindName::FacebookChannel, key.clone());
                }
                own_status::wake::<FacebookChannelKind>(ctx, channel);
                // From then on its grant is looked at as often as anything that is broken.
                if let Some(grant) = users::grant_of(channel).filter(|_| users::is_broken(channel)) {
                    if changed(&mut self.outer, &key, hash(&grant.name)) {
                        ctx.wake(KindName::MetaGrant, grant);
                    }
                } else {
                    self.outer.remove(&key);
                }
            }
            Change::Misfit { key, uid } => {
                ctx.misfits.note(KindName::FacebookChannel, key, uid);
                self.outer.remove(key);
                // That it goes is seen all the same.
                self.own.insert(key.clone(), Own { inputs: None, mark: departed::mark(uid) });
                channel_went(ctx, key);
            }
            Change::Deleted(key) => {
                ctx.misfits.forget(KindName::FacebookChannel, key);
                if let Some(own) = self.own.get(key) {
                    ctx.departed.note(own.mark);
                }
                self.forget(key);
                if !channel_went(ctx, key) {
                    wake_claims_of(ctx, key);
                }
            }
            Change::SurplusGone { key, mark } => {
                ctx.departed.note(mark);
                wake_claims_of(ctx, key);
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
pub(super) fn app_went(ctx: &Context, key: &Key) {
    if let Some(uid) = MetaAppKind::forget(ctx, key) {
        ctx.metrics.unreachable_apps(ctx.breakers.forget(&uid));
        ctx.budgets.forget_app(&uid);
        ctx.doubts.forget(&uid);
        ctx.served.forget(&uid);
    }
    ctx.metrics.forget_app(key);
    ctx.keyring.news.notify_one();
    forget(ctx, KindName::MetaApp, key);
    ctx.wake_dependents(&Dependency::MetaApp(key.clone()));
}

/// Forgets a MetaGrant that went, or is not ours any more.
pub(super) fn grant_went(ctx: &Context, key: &Key) {
    MetaGrantKind::forget(ctx, key);
    forget(ctx, KindName::MetaGrant, key);
    ctx.wake_dependents(&Dependency::MetaGrant(key.clone()));
}

/// Forgets a channel that went, or is not ours any more; whether it was known what it depended on, its claim among it.
pub(super) fn channel_went(ctx: &Context, key: &Key) -> bool {
    FacebookChannelKind::forget(ctx, key);
    ctx.budgets.forget(key);
    forget(ctx, KindName::FacebookChannel, key)
}

/// A released Secret changed.
pub(super) fn secret(ctx: &Context, change: Change<'_, PartialObjectMeta<Secret>>) {
    let key = match change {
        Change::Applied(secret) => Key::of(secret),
        Change::Deleted(key) | Change::SurplusGone { key, .. } => {
            ctx.secrets.forget(key);
            ctx.published.forget(key);
            key.clone()
        }
        // It is read by who depends on it.
        Change::Surplus(key) => key.clone(),
        // Metadata always decodes.
        Change::Misfit { .. } | Change::Listed | Change::Unlisted(_) => return,
    };
    ctx.wake_dependents(&Dependency::Secret(key));
}

/// A claim changed. It is looked after by the release that the namespace of its holder belongs to.
pub(super) fn claim(ctx: &Context, change: Change<'_, AssetClaim>) {
    let forbidden = matches!(change, Change::Unlisted(Unlisted::Forbidden));
    ctx.claims_forbidden.send_if_modified(|was| std::mem::replace(was, forbidden) != forbidden);
    let name = match change {
        Change::Applied(claim) => {
            let name = claim.name_any();
            ctx.fence.shows(&name, version(claim.meta()));
            if claim.spec.asset_kind == AssetKind::FacebookPage && ctx.watches(&claim.spec.holder.namespace) {
                ctx.wake_claim(&name);
            }
            name
        }
        Change::Misfit { key, .. } | Change::Deleted(key) => {
            forget(ctx, KindName::AssetClaim, key);
            AssetClaimKind::forget(ctx, key);
            ctx.fence.shows(&key.name, None);
            key.name.clone()
        }
        // There is a place for every claim.
        Change::Surplus(_) | Change::SurplusGone { .. } | Change::Listed | Change::Unlisted(_) => return,
    };
    ctx.wake_dependents(&Dependency::Claim(name));
}

/// Forgets an object that is gone; the claim that it held is woken, and who waits for it. Whether anything was known of
/// what it depended on.
fn forget(ctx: &Context, kind: KindName, key: &Key) -> bool {
    if let Some(timer) = ctx.timer(kind, &key.namespace) {
        timer.forget(key.clone());
    }
    let dependencies = ctx.index.forget(&(kind, key.clone()));
    for dependency in &dependencies {
        if let Dependency::Claim(name) = dependency {
            ctx.wake_dependents(dependency);
            ctx.wake_claim(name);
        }
    }
    !dependencies.is_empty()
}

/// Wakes the claims of a channel that went before it had a pass of its own. Rare, so that it may search.
fn wake_claims_of(ctx: &Context, key: &Key) {
    let holds = |claim: &AssetClaim| {
        let holder = &claim.spec.holder;
        holder.namespace == key.namespace && holder.name == key.name
    };
    for claim in ctx.claims.state() {
        if holds(&claim) {
            ctx.wake_claim(&claim.name_any());
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
