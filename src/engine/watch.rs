//! Watches that feed the stores and say what changed.
//!
//! They run on their own, apart from the controllers, so that no reconcile starts before every store is filled.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::pin::pin;

use futures::{Stream, StreamExt};
use k8s_openapi::serde::de::DeserializeOwned;
use kube::core::{DeserializeGuard, NamespaceResourceScope, ObjectMeta, PartialObjectMeta};
use kube::{Api, Resource, ResourceExt};
use kube_runtime::reflector::Store;
use kube_runtime::reflector::store::Writer;
use kube_runtime::utils::Backoff;
use kube_runtime::watcher;
use kube_runtime::watcher::{Config, DefaultBackoff, Event};

use super::bindings::Unlisted;
use super::hearing::{cause, is_silence};
use super::key::Key;
use super::list_refusals::ListRefusals;
use super::slim::prune;
use crate::metrics::Metrics;

/// Objects that are listed in one answer. Each may be larger than a megabyte, and all of an answer are in memory at once.
const PAGE: u32 = 16;

/// What a watch saw.
pub enum Change<'a, K> {
    /// The object is new or differs from what was last seen. The store holds it already.
    Applied(&'a K),
    /// The object is there but cannot be decoded. The store does not hold it: it must not be acted on.
    Misfit {
        /// Name of the object.
        key: &'a Key,
        /// Its UID.
        uid: &'a str,
    },
    /// The object is gone, also if it went while the watch was interrupted.
    Deleted(&'a Key),
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
        key: Key,
        uid: String,
        version: Option<String>,
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

/// Runs a watch until the process ends, keeping the store filled and reporting each change after it is in the store.
/// An object that cannot be decoded does not stop the others. It is reported as such: it is neither acted on, nor is it
/// gone.
///
/// An object is shown to `review` before it is in the store, which holds it then as it was before.
pub async fn run<K>(
    api: Api<DeserializeGuard<K>>,
    config: Config,
    store: Writer<K>,
    metrics: &Metrics,
    review: impl FnMut(&K),
    report: impl FnMut(Change<'_, K>),
) where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let (api, config) = metrics.hearing().watch(api, config);
    let objects = store.as_reader();
    let events = || {
        let events = watcher(api.clone(), config.clone().page_size(PAGE));
        events.map(|event| event.map(|event| open(event, &objects, metrics)))
    };
    drive(events, store, metrics, review, report).await;
}

/// As [`run`], for metadata alone: contents are neither asked for nor sent. A guard would have them sent, since it does
/// not know that it guards metadata; and metadata always decodes.
pub async fn run_metadata<K>(
    api: Api<PartialObjectMeta<K>>,
    config: Config,
    store: Writer<PartialObjectMeta<K>>,
    metrics: &Metrics,
    review: impl FnMut(&PartialObjectMeta<K>),
    report: impl FnMut(Change<'_, PartialObjectMeta<K>>),
) where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Send + 'static,
{
    let (api, config) = metrics.hearing().watch(api, config);
    drive(
        || watcher(api.clone(), config.clone().page_size(PAGE)).map(|event| event.map(Incoming::Event)),
        store,
        metrics,
        review,
        report,
    )
    .await;
}

/// Begins with a list, and again after each interruption: where the API server was put back to an earlier state meanwhile, it
/// would not tell a watch that goes on where it was what has happened before it got there again.
async fn drive<K, S>(
    begin: impl Fn() -> S,
    mut store: Writer<K>,
    metrics: &Metrics,
    mut review: impl FnMut(&K),
    mut report: impl FnMut(Change<'_, K>),
) where
    K: Resource<DynamicType = ()> + Clone + Send + 'static,
    S: Stream<Item = watcher::Result<Incoming<K>>>,
{
    let objects = store.as_reader();
    let (mut seen, mut backoff, mut refusals) = (Seen::default(), DefaultBackoff::default(), ListRefusals::default());
    loop {
        let mut events = pin!(begin());
        while let Some(event) = events.next().await {
            match event {
                Ok(Incoming::Event(event)) => {
                    let event = event.modify(prune);
                    // The first pages of a list that breaks off again and again are no success.
                    if !matches!(event, Event::Init | Event::InitApply(_)) {
                        backoff.reset();
                    }
                    if !matches!(event, Event::Init) {
                        refusals.end(matches!(event, Event::InitDone));
                    }
                    if let Event::InitApply(object) | Event::Apply(object) = &event {
                        review(object);
                    }
                    store.apply_watcher_event(&event);
                    seen.digest(&event, &objects, &mut report);
                }
                Ok(Incoming::Misfit { key, uid, version, known }) => {
                    drop_from(&mut store, known);
                    seen.misfit(&key, &uid, version, &mut report);
                }
                Ok(Incoming::MisfitGone { key, known }) => {
                    drop_from(&mut store, known);
                    seen.gone(&key, &mut report);
                }
                Err(error) => {
                    metrics.watch_error(&K::kind(&()));
                    if is_silence(&error) {
                        metrics.watch_silence(&K::kind(&()));
                    }
                    let why = why_unlisted(&error);
                    if refusals.is_news(why) {
                        tracing::warn!(kind = %K::kind(&()), cause = cause(&error), "the watch was interrupted; it begins anew");
                    }
                    if let Some(why) = refusals.count(why) {
                        report(Change::Unlisted(why));
                    }
                    break;
                }
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

/// What was known of an object that cannot be decoded any more must not be acted on.
fn drop_from<K>(store: &mut Writer<K>, known: Option<K>)
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    if let Some(known) = known {
        store.apply_watcher_event(&Event::Delete(known));
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
        let key = Key::new(metadata.namespace.unwrap_or_default(), metadata.name.unwrap_or_default());
        tracing::warn!(
            kind = %K::kind(&()), namespace = key.namespace, name = key.name,
            "an object cannot be decoded and is left alone"
        );
        (key, metadata.uid.unwrap_or_default(), metadata.resource_version)
    };
    let known = |key: &Key| objects.get(&key.to_ref()).map(|known| (*known).clone());
    match event {
        Event::Init => Incoming::Event(Event::Init),
        Event::InitDone => Incoming::Event(Event::InitDone),
        Event::InitApply(DeserializeGuard(Ok(object))) => Incoming::Event(Event::InitApply(object)),
        Event::Apply(DeserializeGuard(Ok(object))) => Incoming::Event(Event::Apply(object)),
        Event::Delete(DeserializeGuard(Ok(object))) => Incoming::Event(Event::Delete(object)),
        Event::InitApply(DeserializeGuard(Err(invalid))) => {
            let (key, uid, version) = misfit(invalid.metadata);
            Incoming::Misfit { known: known(&key), key, uid, version }
        }
        Event::Apply(DeserializeGuard(Err(invalid))) => {
            let (key, uid, version) = misfit(invalid.metadata);
            Incoming::Misfit { known: known(&key), key, uid, version }
        }
        Event::Delete(DeserializeGuard(Err(invalid))) => {
            let (key, ..) = misfit(invalid.metadata);
            Incoming::MisfitGone { known: known(&key), key }
        }
    }
}

/// What was last seen of each object, to tell changes from repetitions and to find what vanished.
#[derive(Default)]
struct Seen {
    objects: HashMap<Key, (u64, Option<String>)>,
    /// Those that cannot be decoded; never in both.
    misfits: HashMap<Key, (u64, (String, Option<String>))>,
    /// Those that a list that goes on has brought: the store holds none of it before it is complete.
    listed: BTreeSet<Key>,
    round: u64,
}

impl Seen {
    fn digest<K>(&mut self, event: &Event<K>, objects: &Store<K>, report: &mut impl FnMut(Change<'_, K>))
    where
        K: Resource<DynamicType = ()> + Clone + 'static,
    {
        match event {
            Event::Init => self.round += 1,
            Event::InitApply(object) => {
                if self.is_new(object) {
                    self.listed.insert(Key::of(object));
                }
            }
            Event::Apply(object) => {
                if self.is_new(object) {
                    report(Change::Applied(object));
                }
            }
            Event::Delete(object) => self.gone(&Key::of(object), report),
            Event::InitDone => {
                let new = std::mem::take(&mut self.listed).into_iter().filter_map(|key| objects.get(&key.to_ref()));
                new.for_each(|object| report(Change::Applied(&object)));
                let round = self.round;
                let mut there = |key: &Key, seen: u64| {
                    if seen != round {
                        report(Change::Deleted(key));
                    }
                    seen == round
                };
                self.objects.retain(|key, (seen, _)| there(key, *seen));
                self.misfits.retain(|key, (seen, _)| there(key, *seen));
                report(Change::Listed);
            }
        }
    }

    /// Whether an object was not seen before, or in another version.
    fn is_new(&mut self, object: &impl ResourceExt) -> bool {
        let (key, version) = (Key::of(object), object.resource_version());
        self.misfits.remove(&key);
        let old = self.objects.insert(key, (self.round, version.clone()));
        old.is_none_or(|(_, old)| old != version)
    }

    fn misfit<K>(&mut self, key: &Key, uid: &str, version: Option<String>, report: &mut impl FnMut(Change<'_, K>)) {
        self.objects.remove(key);
        let seen = (uid.to_owned(), version);
        let old = self.misfits.insert(key.clone(), (self.round, seen.clone()));
        if old.is_none_or(|(_, old)| old != seen) {
            report(Change::Misfit { key, uid });
        }
    }

    fn gone<K>(&mut self, key: &Key, report: &mut impl FnMut(Change<'_, K>)) {
        self.objects.remove(key);
        self.misfits.remove(key);
        report(Change::Deleted(key));
    }
}

#[cfg(test)]
mod tests;
