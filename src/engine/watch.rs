//! Watches that feed the stores and say what changed.
//!
//! They run on their own, apart from the controllers, so that no reconcile starts before every store is filled.

use std::collections::HashMap;
use std::fmt::Debug;
use std::pin::pin;

use futures::{Stream, StreamExt};
use k8s_openapi::serde::de::DeserializeOwned;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::{Api, Resource, ResourceExt};
use kube_runtime::reflector::store::Writer;
use kube_runtime::reflector::{ObjectRef, Store};
use kube_runtime::watcher::{Config, Event};
use kube_runtime::{WatchStreamExt, watcher};

use super::key::Key;
use crate::metrics::Metrics;

/// What a watch saw.
pub enum Change<'a, K> {
    /// The object is new or differs from what was last seen. The store holds it already.
    Applied(&'a K),
    /// The object is gone, also if it went while the watch was interrupted.
    Deleted(&'a Key),
}

/// Runs a watch until the process ends, keeping the store filled and reporting each change after it is in the store.
/// An object that cannot be decoded does not stop the others; it counts as gone.
pub async fn run<K>(
    api: Api<DeserializeGuard<K>>,
    config: Config,
    store: Writer<K>,
    metrics: &Metrics,
    report: impl FnMut(Change<'_, K>),
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let objects = store.as_reader();
    let events = watcher(api, config).default_backoff();
    let events = events.map(|event| event.map(|event| valid(event, &objects, metrics)));
    drive(events, store, metrics, report).await;
}

/// As [`run`], for metadata alone: contents are neither asked for nor sent. A guard would have them sent, since it does
/// not know that it guards metadata; and metadata always decodes.
pub async fn run_metadata<K>(
    api: Api<PartialObjectMeta<K>>,
    config: Config,
    store: Writer<PartialObjectMeta<K>>,
    metrics: &Metrics,
    report: impl FnMut(Change<'_, PartialObjectMeta<K>>),
) where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + 'static,
{
    let events = watcher(api, config).default_backoff().map(|event| event.map(Some));
    drive(events, store, metrics, report).await;
}

async fn drive<K>(
    events: impl Stream<Item = watcher::Result<Option<Event<K>>>>,
    mut store: Writer<K>,
    metrics: &Metrics,
    mut report: impl FnMut(Change<'_, K>),
) where
    K: Resource<DynamicType = ()> + Clone + Send + 'static,
{
    let mut seen = Seen::default();
    let mut events = pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Ok(Some(event)) => {
                let event = event.modify(prune);
                store.apply_watcher_event(&event);
                seen.digest(&event, &mut report);
            }
            Ok(None) => {}
            Err(error) => {
                metrics.watch_error(&K::kind(&()));
                tracing::warn!(kind = %K::kind(&()), cause = cause(&error), "the watch was interrupted; it is resumed");
            }
        }
    }
}

/// The cause of an interruption without foreign text.
fn cause(error: &watcher::Error) -> &'static str {
    match error {
        watcher::Error::InitialListFailed(_) => "listing failed",
        watcher::Error::WatchStartFailed(_) => "watching could not be started",
        watcher::Error::WatchFailed(_) | watcher::Error::WatchError(_) => "watching failed",
        watcher::Error::NoResourceVersion => "the API server sent no resource version",
    }
}

/// Takes an event apart. The error text of an object that cannot be decoded quotes values, so it goes nowhere. What was
/// known of the object before is as good as gone: it must not be acted on any more.
fn valid<K: Resource<DynamicType = ()> + Clone>(
    event: Event<DeserializeGuard<K>>,
    objects: &Store<K>,
    metrics: &Metrics,
) -> Option<Event<K>> {
    let open = |guard: DeserializeGuard<K>| {
        guard.0.map_err(|invalid| {
            metrics.invalid_object(&K::kind(&()));
            let name = invalid.metadata.name.unwrap_or_default();
            let namespace = invalid.metadata.namespace.unwrap_or_default();
            tracing::warn!(kind = %K::kind(&()), namespace, name, "an object cannot be decoded and is left alone");
            objects.get(&ObjectRef::new(&name).within(&namespace)).map(|known| (*known).clone())
        })
    };
    match event {
        Event::Init => Some(Event::Init),
        Event::InitDone => Some(Event::InitDone),
        Event::InitApply(guard) => open(guard).ok().map(Event::InitApply),
        Event::Apply(guard) => match open(guard) {
            Ok(object) => Some(Event::Apply(object)),
            Err(known) => known.map(Event::Delete),
        },
        Event::Delete(guard) => match open(guard) {
            Ok(object) => Some(Event::Delete(object)),
            Err(known) => known.map(Event::Delete),
        },
    }
}

/// Drops metadata that nobody here reads; with many objects it would be most of the memory.
fn prune(object: &mut impl ResourceExt) {
    object.managed_fields_mut().clear();
    object.annotations_mut().remove("kubectl.kubernetes.io/last-applied-configuration");
}

/// What was last seen of each object, to tell changes from repetitions and to find what vanished.
#[derive(Default)]
struct Seen {
    objects: HashMap<Key, (u64, Option<String>)>,
    round: u64,
}

impl Seen {
    fn digest<K: ResourceExt>(&mut self, event: &Event<K>, report: &mut impl FnMut(Change<'_, K>)) {
        match event {
            Event::Init => self.round += 1,
            Event::InitApply(object) | Event::Apply(object) => {
                let version = object.resource_version();
                let old = self.objects.insert(Key::of(object), (self.round, version.clone()));
                if old.is_none_or(|(_, old)| old != version) {
                    report(Change::Applied(object));
                }
            }
            Event::Delete(object) => {
                let key = Key::of(object);
                self.objects.remove(&key);
                report(Change::Deleted(&key));
            }
            Event::InitDone => {
                let round = self.round;
                self.objects.retain(|key, (seen, _)| {
                    let there = *seen == round;
                    if !there {
                        report(Change::Deleted(key));
                    }
                    there
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::core::ObjectMeta;

    use super::*;

    fn object(name: &str, version: &str) -> ConfigMap {
        let metadata = ObjectMeta {
            name: Some(name.into()),
            namespace: Some("a".into()),
            resource_version: Some(version.into()),
            ..ObjectMeta::default()
        };
        ConfigMap { metadata, ..ConfigMap::default() }
    }

    fn reports(events: Vec<Event<ConfigMap>>) -> Vec<String> {
        let mut seen = Seen::default();
        let mut reports = Vec::new();
        for event in &events {
            seen.digest(event, &mut |change| {
                reports.push(match change {
                    Change::Applied(object) => format!("applied {}", object.name_any()),
                    Change::Deleted(key) => format!("deleted {}", key.name),
                });
            });
        }
        reports
    }

    #[test]
    fn an_object_that_vanished_during_an_interruption_is_reported_as_deleted() {
        let first =
            [Event::Init, Event::InitApply(object("x", "1")), Event::InitApply(object("y", "2")), Event::InitDone];
        let again = [Event::Init, Event::InitApply(object("y", "2")), Event::InitDone];
        let all = first.into_iter().chain(again).collect();
        assert_eq!(reports(all), ["applied x", "applied y", "deleted x"]);
    }

    #[test]
    fn an_object_that_did_not_change_is_not_reported_again() {
        let events =
            vec![Event::Apply(object("x", "1")), Event::Apply(object("x", "1")), Event::Apply(object("x", "2"))];
        assert_eq!(reports(events), ["applied x", "applied x"]);
    }
}
