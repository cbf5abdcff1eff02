//! Watches that feed the stores and report what changed.
//!
//! They run on their own, separately from the controllers, so that no reconcile starts before every store is filled.

mod intake;
mod seen;

use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, TryFutureExt};
use k8s_openapi::serde::de::DeserializeOwned;
use kube::api::ListParams;
use kube::core::{DeserializeGuard, NamespaceResourceScope, ObjectMeta, PartialObjectMeta};
use kube::{Api, Client, Resource};
use kube_runtime::reflector::Store;
use kube_runtime::reflector::store::Writer;
use kube_runtime::utils::Backoff;
use kube_runtime::watcher;
use kube_runtime::watcher::{Config, DefaultBackoff, Event};
use tokio::time::MissedTickBehavior;

use super::error::{Failure, kubernetes};
use super::list_refusals::ListRefusals;
use super::surplus::Room;
use crate::base::key::Key;
use crate::base::unlisted::Unlisted;
use crate::base::watch_health::{cause, is_silence};
use crate::metrics::Metrics;
use intake::{digest, give_turns};
use seen::{Misfit, Seen};

/// Objects that are listed in one answer. Each may be larger than a megabyte, and all of an answer are in memory at once.
const PAGE: u32 = 16;

/// How often places that became free are given away, and how long to wait once that failed.
const TURN: Duration = Duration::from_secs(1);
const TURN_AFTER_FAILURE: Duration = Duration::from_secs(30);

/// What a watch saw.
pub enum Change<'a, K> {
    /// The object is new or differs from what was last seen. The store holds it already.
    Applied(&'a K),
    /// The object is there but cannot be decoded. The store does not hold it: it must not be acted on.
    Misfit {
        /// Name of the object.
        key: &'a Key,
        uid: &'a str,
    },
    /// The object is gone, also if it went while the watch was interrupted.
    Deleted(&'a Key),
    /// The object is there, and has no place: there are too many. The store does not hold it.
    Surplus(&'a Key),
    /// An object without a place is gone.
    SurplusGone {
        /// Name of the object.
        key: &'a Key,
        /// The mark of its UID.
        mark: u64,
    },
    /// Everything that there is was reported, and the store holds it.
    Listed,
    /// The objects cannot be listed, so nothing is known of any.
    Unlisted(Unlisted),
}

/// An event of a watch, taken apart.
enum Incoming<K> {
    /// About an object that is well.
    Event(Event<K>),
    /// An object cannot be decoded.
    Misfit {
        misfit: Misfit,
        /// Whether it is part of a list.
        listed: bool,
        /// What the store holds of it, from better times.
        known: Option<K>,
    },
    /// An object that cannot be decoded is gone.
    MisfitGone {
        key: Key,
        /// What the store holds of it, from better times.
        known: Option<K>,
    },
}

/// What a watch shows its objects through.
pub struct View<K: Resource<DynamicType = ()> + Clone + 'static> {
    /// Where they are kept.
    pub store: Writer<K>,
    /// Who has a place there.
    pub room: Arc<Room>,
}

impl<K: Resource<DynamicType = ()> + Clone> From<Writer<K>> for View<K> {
    /// One with a place for everything.
    fn from(store: Writer<K>) -> Self {
        Self { store, room: Room::endless() }
    }
}

/// Runs a watch until the process ends, keeping the store filled and reporting each change after it is in the store.
/// An object that cannot be decoded does not stop the others. It is reported as such: it is neither acted on, nor is it
/// gone.
///
/// An object is shown to `review` before it is in the store, which holds it then as it was before. One without a place is not
/// shown at all, until one becomes free.
pub async fn run<K>(
    api: Api<DeserializeGuard<K>>,
    config: Config,
    view: impl Into<View<K>>,
    metrics: &Metrics,
    review: impl FnMut(&K),
    report: impl FnMut(Change<'_, K>),
) where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let (view, client) = (view.into(), api.clone().into_client());
    let (api, config) = metrics.api_server().hearing().watch(api, config);
    let objects = view.store.as_reader();
    let events = || {
        let events = watcher(api.clone(), config.clone().page_size(PAGE));
        events.map(|event| event.map(|event| open(event, &objects, metrics)))
    };
    let one = |key: Key| {
        let found = find::<DeserializeGuard<K>>(client.clone(), config.label_selector.clone(), key);
        found.map_ok(|found| found.map(|found| open(Event::Apply(found), &objects, metrics)))
    };
    drive(events, one, view, metrics, review, report).await;
}

/// As [`run`], for metadata alone: contents are neither asked for nor sent. A guard would have them sent, since it does
/// not know that it guards metadata; and metadata always decodes.
pub async fn run_metadata<K>(
    api: Api<PartialObjectMeta<K>>,
    config: Config,
    view: impl Into<View<PartialObjectMeta<K>>>,
    metrics: &Metrics,
    review: impl FnMut(&PartialObjectMeta<K>),
    report: impl FnMut(Change<'_, PartialObjectMeta<K>>),
) where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Send + 'static,
{
    let client = api.clone().into_client();
    let (api, config) = metrics.api_server().hearing().watch(api, config);
    let events = || watcher(api.clone(), config.clone().page_size(PAGE)).map(|event| event.map(Incoming::Event));
    let one = |key: Key| {
        let found = find::<PartialObjectMeta<K>>(client.clone(), config.label_selector.clone(), key);
        found.map_ok(|found| found.map(|found| Incoming::Event(Event::Apply(found))))
    };
    drive(events, one, view.into(), metrics, review, report).await;
}

/// The object of this name as it is now, if it has these labels.
async fn find<K>(client: Client, label_selector: Option<String>, key: Key) -> Result<Option<K>, Failure>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client, &key.namespace);
    let named = ListParams { label_selector, ..ListParams::default() };
    let named = named.fields(&format!("metadata.name={}", key.name));
    Ok(kubernetes("reading an object", api.list(&named)).await?.items.pop())
}

/// Begins with a list, and again after each interruption: where the API server was put back to an earlier state meanwhile, it
/// would not tell a watch that goes on where it was what has happened before it got there again.
async fn drive<K, S, F>(
    begin: impl Fn() -> S,
    one: impl Fn(Key) -> F,
    View { mut store, room }: View<K>,
    metrics: &Metrics,
    mut review: impl FnMut(&K),
    mut report: impl FnMut(Change<'_, K>),
) where
    K: Resource<DynamicType = ()> + Clone + Send + 'static,
    S: Stream<Item = watcher::Result<Incoming<K>>>,
    F: Future<Output = Result<Option<Incoming<K>>, Failure>>,
{
    let (mut backoff, mut refusals) = (DefaultBackoff::default(), ListRefusals::default());
    let (mut seen, mut turns) = (Seen::new(room), tokio::time::interval(TURN));
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut events = pin!(begin());
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                _ = turns.tick(), if seen.has_turns() => {
                    if !give_turns(&mut seen, &one, &mut store, &mut review, &mut report).await {
                        turns.reset_after(TURN_AFTER_FAILURE);
                    }
                    continue;
                }
            };
            match event {
                Some(Ok(incoming)) => {
                    if let Incoming::Event(event) = &incoming {
                        // The first pages of a list that breaks off again and again are no success.
                        if !matches!(event, Event::Init | Event::InitApply(_)) {
                            backoff.reset();
                        }
                        if !matches!(event, Event::Init) {
                            refusals.end(matches!(event, Event::InitDone));
                        }
                    }
                    digest(&mut seen, incoming, &mut store, &mut review, &mut report);
                }
                Some(Err(error)) => {
                    metrics.api_server().watch_error(&K::kind(&()));
                    if is_silence(&error) {
                        metrics.api_server().watch_silence(&K::kind(&()));
                    }
                    let why = why_unlisted(&error);
                    if refusals.is_news(why) {
                        tracing::warn!(kind = %K::kind(&()), cause = cause(&error), "the watch was interrupted and starts again");
                    }
                    if let Some(why) = refusals.count(why) {
                        report(Change::Unlisted(why));
                    }
                    break;
                }
                None => break,
            }
        }
        tokio::time::sleep(backoff.next().unwrap_or_default()).await;
    }
}

/// Why the objects cannot be listed, if that is what the API server says.
fn why_unlisted(error: &watcher::Error) -> Option<Unlisted> {
    let watcher::Error::InitialListFailed(kube::Error::Api(status)) = error else { return None };
    match status.code {
        403 => Some(Unlisted::Forbidden),
        404 => Some(Unlisted::NotFound),
        _ => None,
    }
}

/// Takes an event apart. The error text of an object that cannot be decoded quotes values, so it goes nowhere.
fn open<K: Resource<DynamicType = ()> + Clone>(
    event: Event<DeserializeGuard<K>>,
    objects: &Store<K>,
    metrics: &Metrics,
) -> Incoming<K> {
    let misfit = |metadata: ObjectMeta| {
        metrics.invalid_object(&K::kind(&()));
        let ObjectMeta { namespace, name, uid, resource_version, creation_timestamp, .. } = metadata;
        let key = Key::new(namespace.clone().unwrap_or_default(), name.clone().unwrap_or_default());
        // The rest may be large.
        let kept = ObjectMeta { namespace, name, uid, resource_version, creation_timestamp, ..ObjectMeta::default() };
        tracing::warn!(
            kind = %K::kind(&()), namespace = key.namespace, name = key.name,
            "an object cannot be decoded; the operator leaves it alone"
        );
        let known = objects.get(&key.to_ref()).map(|known| (*known).clone());
        (Misfit { key, metadata: Box::new(kept) }, known)
    };
    match event {
        Event::Init => Incoming::Event(Event::Init),
        Event::InitDone => Incoming::Event(Event::InitDone),
        Event::InitApply(DeserializeGuard(Ok(object))) => Incoming::Event(Event::InitApply(object)),
        Event::Apply(DeserializeGuard(Ok(object))) => Incoming::Event(Event::Apply(object)),
        Event::Delete(DeserializeGuard(Ok(object))) => Incoming::Event(Event::Delete(object)),
        Event::InitApply(DeserializeGuard(Err(invalid))) => {
            let (misfit, _) = misfit(invalid.metadata);
            Incoming::Misfit { misfit, listed: true, known: None }
        }
        Event::Apply(DeserializeGuard(Err(invalid))) => {
            let (misfit, known) = misfit(invalid.metadata);
            Incoming::Misfit { misfit, listed: false, known }
        }
        Event::Delete(DeserializeGuard(Err(invalid))) => {
            let (Misfit { key, .. }, known) = misfit(invalid.metadata);
            Incoming::MisfitGone { key, known }
        }
    }
}

#[cfg(test)]
mod tests;
