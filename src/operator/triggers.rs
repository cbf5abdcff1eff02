//! What a change wakes: the object itself, if its inputs changed, and its dependents, if what they depend on changed. A counter
//! that moves in a status wakes nothing.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::{Resource, ResourceExt};

use crate::api::{AssetClaim, AssetKind, REQUESTED_AT};
use crate::asset_claim::AssetClaims;
use crate::base::ids::Uid;
use crate::base::key::{Key, KindName, version};
use crate::base::unlisted::Unlisted;
use crate::cluster::departed;
use crate::cluster::watch::Change;
use crate::controller::context::Context;
use crate::controller::declared::{Declared, digest};
use crate::controller::dependents::Dependency;
use crate::controller::foreign_status;
use crate::controller::reconciler::Reconciler;
use crate::ownership::Ownership;

/// What the objects of one watch looked like to themselves and to their dependents.
#[derive(Default)]
pub(super) struct Triggers {
    own: HashMap<Key, Own>,
    outside: HashMap<Key, u64>,
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
    /// An object of a kind changed.
    pub(super) fn report<K: Declared>(&mut self, kind: &K, ownership: &Ownership, change: Change<'_, K::Object>) {
        let undecodable = &kind.ctx().cluster.undecodable;
        match change {
            Change::Applied(object) => {
                undecodable.forget(K::NAME, &Key::of(object));
                self.applied(kind, ownership, object);
            }
            Change::Misfit { key, uid } => {
                undecodable.note(K::NAME, key, &Uid::new(uid));
                self.outside.remove(key);
                // That it goes is seen all the same.
                self.own.insert(key.clone(), Own { inputs: None, mark: departed::mark(uid) });
                let _ = went(kind, ownership, key);
            }
            Change::Deleted(key) => {
                undecodable.forget(K::NAME, key);
                self.outside.remove(key);
                if let Some(own) = self.own.remove(key) {
                    kind.departed(own.mark);
                }
                // A pass that ends at the same time may have forgotten it before.
                if !went(kind, ownership, key) {
                    ownership.wake_claims_of(key);
                }
            }
            Change::SurplusGone { key, mark } => {
                kind.departed(mark);
                ownership.wake_claims_of(key);
                foreign_status::wake_dependents(kind, key);
            }
            Change::Surplus(_) | Change::Listed | Change::Unlisted(_) => {}
        }
    }

    fn applied<K: Declared>(&mut self, kind: &K, ownership: &Ownership, object: &K::Object) {
        let key = Key::of(object);
        let uid = Uid::of(object);
        kind.states().shown(&key, &uid, version(object.meta()).unwrap_or_default());
        let own = Own { inputs: Some(inputs(kind, object)), mark: departed::mark(uid.as_str()) };
        let before = self.own.insert(key.clone(), own);
        if let Some(before) = before.filter(|before| before.mark != own.mark) {
            // Made anew while the watch was interrupted.
            kind.departed(before.mark);
            ownership.wake_claims_of(&key);
        }
        if before.and_then(|before| before.inputs) != own.inputs {
            kind.changed(object);
            kind.ctx().wakeups.wake(K::NAME, key.clone());
        }
        foreign_status::wake(kind, object);
        match kind.outside(&key, object) {
            Some(outside) => {
                if self.outside.insert(key.clone(), outside) != Some(outside) {
                    kind.outside_changed(&key, object);
                }
            }
            None => drop(self.outside.remove(&key)),
        }
    }
}

/// Notes whether something is listed in a watched namespace.
pub(super) fn note<K>(ctx: &Context, scope: &str, list: &'static str, change: &Change<'_, K>) {
    match change {
        Change::Listed => ctx.cluster.namespaces.listed(scope, list, Ok(())),
        Change::Unlisted(why) => ctx.cluster.namespaces.listed(scope, list, Err(*why)),
        _ => {}
    }
}

/// Forgets an object that went, or is not ours any more, and wakes who depends on it. Whether it was known what it depended on, so
/// that its claim is woken too.
pub(super) fn went<K: Declared>(kind: &K, ownership: &Ownership, key: &Key) -> bool {
    kind.went(key);
    let known = forget(ownership, K::NAME, key);
    foreign_status::wake_dependents(kind, key);
    known
}

/// A labeled Secret changed.
pub(super) fn secret(ctx: &Context, change: Change<'_, PartialObjectMeta<Secret>>, went: impl FnOnce(&Key)) {
    let key = match change {
        Change::Applied(secret) => Key::of(secret),
        Change::Deleted(key) | Change::SurplusGone { key, .. } => {
            went(key);
            key.clone()
        }
        // It is read by who depends on it.
        Change::Surplus(key) => key.clone(),
        // Metadata always decodes.
        Change::Misfit { .. } | Change::Listed | Change::Unlisted(_) => return,
    };
    ctx.wakeups.wake_dependents(&Dependency::Secret(key));
}

/// A claim changed. It is managed by the release that the namespace of its holder belongs to.
pub(super) fn claim(claims: &AssetClaims, change: Change<'_, AssetClaim>) {
    let (ctx, ownership) = (&claims.ctx, &claims.ownership);
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
            forget(ownership, KindName::ASSET_CLAIM, key);
            claims.forget(key);
            ownership.freshness.shows(&key.name, None);
            key.name.clone()
        }
        // There is a place for every claim.
        Change::Surplus(_) | Change::SurplusGone { .. } | Change::Listed | Change::Unlisted(_) => return,
    };
    ctx.wakeups.wake_dependents(&Dependency::Claim(name));
}

/// Forgets the times of an object that is gone and what it depended on; the claim that it held is woken, and who waits for it. Whether
/// it was known what it depended on: asked and forgotten in one step, since a pass that ends may forget it too.
fn forget(ownership: &Ownership, kind: KindName, key: &Key) -> bool {
    let wakeups = &ownership.ctx.wakeups;
    if let Some(timer) = wakeups.timer(kind, &key.namespace) {
        timer.forget(key.clone());
    }
    let dependencies = wakeups.dependents.forget(&(kind, key.clone()));
    for dependency in &dependencies {
        if let Dependency::Claim(name) = dependency {
            wakeups.wake_dependents(dependency);
            ownership.wake(name);
        }
    }
    !dependencies.is_empty()
}

fn inputs<K: Declared>(kind: &K, object: &K::Object) -> u64 {
    let requested_at = object.annotations().get(REQUESTED_AT);
    digest(&(object.uid(), object.meta().generation, requested_at, kind.heard(object)))
}
