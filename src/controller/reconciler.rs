//! The run loop of one kind.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Instant;

use futures::{Stream, StreamExt, future, stream};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource, ResourceExt};
use kube_runtime::controller::{Action, Config, Controller};
use kube_runtime::reflector::Store;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::context::Context;
use super::object_state::ObjectStates;
use super::panics;
use super::panics::PanicOver;
use super::pass::refused;
use super::resync::next_try;
use crate::api::outcome::Class;
use crate::base::key::{Key, KindName};
use crate::base::schedule::{NEVER, Slots, next_slot};
use crate::cluster::error::Failure;
use crate::cluster::status::StatusOf;

/// What a pass came to: when to act again, and why then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Next {
    /// When to act again; [`NEVER`] if only a change wakes the object.
    pub at: Timestamp,
    /// Why then; for metrics and logs.
    pub class: Class,
}

/// A kind, as the controller sees it: a value that owns what is remembered of its objects.
pub trait Reconciler: Send + Sync + 'static {
    /// The object.
    type Object: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static;

    /// Its status.
    type Status: Clone + Default + PartialEq + Serialize + Send + Sync + 'static;

    /// Name of the kind.
    const NAME: KindName;

    /// Whether the slots of resting objects are the [sweep](crate::controller::batch_resync)'s. If not, each is a pass.
    const BATCHED: bool = false;

    /// What it shares with the other kinds.
    fn ctx(&self) -> &Arc<Context>;

    /// Observes, decides, acts and reports, until nothing is left to do now.
    ///
    /// # Errors
    /// When the Kubernetes API does not answer. What Meta does or does not answer is an observation, not an error.
    fn reconcile(&self, object: &Self::Object) -> impl Future<Output = Result<Next, Failure>> + Send;

    /// The object of this name in the stores, if it is ours.
    fn stored(&self, key: &Key) -> Option<Arc<Self::Object>>;

    /// The status of an object.
    fn status(object: &Self::Object) -> Option<&Self::Status>;

    /// The same object with another status.
    fn with_status(object: &Self::Object, status: Self::Status) -> Self::Object;

    /// The conditions in a status.
    fn conditions(status: &Self::Status) -> &[Condition];

    /// The fingerprint in a status of what the last complete look depended on.
    fn inputs(status: &Self::Status) -> Option<&str>;

    /// The request for a look that a status says was handled, for a kind that is asked for looks.
    fn handled(_: &Self::Status) -> Option<&str> {
        None
    }

    /// What is remembered of the objects of this kind.
    fn states(&self) -> &ObjectStates<Self::Status>;

    /// Forgets everything that is remembered of an object that is gone; its UID, if it was known.
    fn forget(&self, key: &Key) -> Option<String> {
        self.states().forget(key)
    }
}

/// The status of an object, to be written.
pub(super) fn status_of<'a, K: Reconciler>(ctx: &'a Context, object: &'a K::Object) -> StatusOf<'a, K::Object> {
    let namespace = object.meta().namespace.as_deref().unwrap_or_default();
    let api = Api::namespaced(ctx.cluster.client.clone(), namespace);
    StatusOf { metrics: &ctx.metrics, kind: K::NAME.as_str(), api, object }
}

/// The regular slots of an object.
pub fn slots(ctx: &Context, kind: KindName, uid: &str, now: Timestamp) -> Slots {
    let period = match kind {
        KindName::MetaApp => ctx.policy.app_period,
        KindName::MetaGrant => ctx.policy.token_period,
        KindName::FacebookChannel => ctx.policy.channel_period,
        // A claim has no regular turn: nothing is looked at while it is held.
        KindName::AssetClaim => ctx.policy.broken_period,
    };
    let broken = match kind {
        // A grant that works is looked at more rarely than what is broken, so that a broken one is not found well too late.
        KindName::MetaGrant => ctx.policy.broken_period,
        _ => ctx.policy.broken_period.max(period),
    };
    let broken = next_slot(uid, now, broken);
    Slots { regular: next_slot(uid, now, period), broken, again: None }
}

/// Runs the passes of a kind over the objects of a store, woken by `wakes`, until the shutdown; waits for running ones.
pub async fn run<K: Reconciler>(
    kind: Arc<K>,
    store: Store<K::Object>,
    wakes: impl Stream<Item = Key> + Send + 'static,
    concurrency: u16,
) {
    let shutdown = kind.ctx().shutdown.clone();
    // The watch feeds the store and the wakes on its own, so the controller gets no stream of objects.
    Controller::for_stream(stream::pending(), store)
        .with_config(Config::default().concurrency(concurrency))
        .reconcile_on(wakes.map(|key| key.to_ref()))
        .graceful_shutdown_on(async move { shutdown.cancelled().await })
        // On the heap, since the controller moves it through many frames of the stack.
        .run(|object, kind| Box::pin(pass(object, kind)), failed, kind)
        .for_each(|outcome| {
            if let Err(error) = outcome {
                // An object that went before its turn is no trouble; failures of passes were logged where they were met.
                tracing::trace!(kind = K::NAME.as_str(), %error, "a pass did not take place or failed");
            }
            future::ready(())
        })
        .await;
}

async fn pass<K: Reconciler>(object: Arc<K::Object>, kind: Arc<K>) -> Result<Action, Failure> {
    let ctx = kind.ctx();
    let _slot = ctx.read(ctx.wakeups.permits.acquire()).await?;
    let key = Key::of(&*object);
    if kind.stored(&key).is_none() {
        // It went, or its namespace is not ours any more.
        return Ok(Action::await_change());
    }
    let uid = object.uid().unwrap_or_default();
    let kept = kind.states().kept(&key, Some(&uid));
    // What somebody else wrote into it is not what is known of it.
    let object = kept.map_or(object.clone(), |status| Arc::new(K::with_status(&object, status)));
    let _running = ctx.metrics.running(K::NAME);
    let started = Instant::now();
    let work = async {
        PanicOver::now(ctx.policy.panic_over.pass.as_ref(), &key);
        kind.reconcile(&object).await
    };
    let outcome = panics::caught(work).await.unwrap_or(Err(Failure::Panicked));
    if matches!(outcome, Err(Failure::Panicked)) {
        ctx.metrics.panicked(K::NAME);
        panics::tell(&*kind, &object).await;
    }
    let label = outcome.as_ref().map_or_else(|failure| failure.class().as_str(), |next| next.class.as_str());
    ctx.metrics.reconciled(K::NAME, label, started.elapsed());
    if let Err(Failure::Refused(refused)) = &outcome
        && kind.states().tells(&key, &uid, refused)
    {
        refused::tell::<K>(ctx, &object, refused).await;
    }
    let next = outcome?;
    tracing::debug!(kind = K::NAME.as_str(), object = %key, outcome = label, next = %next.at, "pass done");
    // Of what was written meanwhile nobody else knows.
    let repair = kind.states().repair_due(&key, &uid);
    set_timer(&*kind, &object, key, repair.map_or(next.at, |due| due.min(next.at)));
    Ok(Action::await_change())
}

fn failed<K: Reconciler>(object: Arc<K::Object>, failure: &Failure, kind: Arc<K>) -> Action {
    let ctx = kind.ctx();
    if !ctx.shutdown.is_cancelled() {
        let now = ctx.clock.now();
        let (key, uid) = (Key::of(&*object), object.uid().unwrap_or_default());
        let attempts = kind.states().count_failure(&key, &uid);
        let at = next_try(failure.class(), attempts, now, slots(ctx, K::NAME, &uid, now));
        if failure.class() == Class::Conflict {
            tracing::info!(kind = K::NAME.as_str(), object = %key, %failure, "somebody else wrote first; trying again");
        } else if matches!(failure, Failure::Refused(_)) {
            // It was told when it was met first.
            tracing::debug!(kind = K::NAME.as_str(), object = %key, %failure, next = %at, "pass failed");
        } else if matches!(failure, Failure::Withheld(_) | Failure::NotOurs) {
            tracing::info!(kind = K::NAME.as_str(), object = %key, %failure, "a pass was given up");
        } else {
            tracing::warn!(kind = K::NAME.as_str(), object = %key, %failure, next = %at, "pass failed");
        }
        set_timer(&*kind, &object, key, at);
    }
    Action::await_change()
}

/// Sets the time of the next pass. An object that went while its pass ran is forgotten again, or it would be remembered
/// for ever.
fn set_timer<K: Reconciler>(kind: &K, object: &K::Object, key: Key, at: Timestamp) {
    let ctx = kind.ctx();
    let there = kind.stored(&key).is_some_and(|stored| stored.uid() == object.uid());
    if !there {
        kind.forget(&key);
        ctx.wakeups.dependents.forget(&(K::NAME, key));
    } else if let Some(timer) = ctx.wakeups.timer(K::NAME, &key.namespace) {
        if at == NEVER { timer.forget(key) } else { timer.set(key, at) }
    }
}
