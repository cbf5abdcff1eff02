//! The run loop of one kind.

use std::sync::Arc;
use std::time::Instant;

use futures::{Stream, StreamExt, future, stream};
use jiff::Timestamp;
use kube::ResourceExt;
use kube_runtime::controller::{Action, Config, Controller};
use kube_runtime::reflector::Store;

use super::next_pass::next_try;
use super::panics;
use super::pass::refused;
use super::reconciler::{Reconciler, slots};
use super::safeguards::PanicOver;
use crate::api::outcome::Class;
use crate::base::ids::Uid;
use crate::base::key::Key;
use crate::base::schedule::NEVER;
use crate::cluster::error::Failure;

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
                tracing::trace!(kind = K::NAME.as_str(), %error, "a pass did not run or failed");
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
    let uid = Uid::of(&*object);
    let kept = kind.states().kept(&key, Some(uid.as_str()));
    // What someone else wrote into it is not what is known of it.
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
        let (key, uid) = (Key::of(&*object), Uid::of(&*object));
        let attempts = kind.states().count_failure(&key, &uid);
        let at = next_try(failure.class(), attempts, now, slots::<K>(ctx, &uid, now));
        if failure.class() == Class::Conflict {
            tracing::info!(kind = K::NAME.as_str(), object = %key, %failure, "someone else wrote first; trying again");
        } else if matches!(failure, Failure::Refused(_)) {
            // It was told when it was met first.
            tracing::debug!(kind = K::NAME.as_str(), object = %key, %failure, next = %at, "pass failed");
        } else if matches!(failure, Failure::Withheld(_) | Failure::NotOurs) {
            tracing::info!(kind = K::NAME.as_str(), object = %key, %failure, "a pass was stopped");
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
