//! Watches that feed the stores and say what changed.
//!
//! They run on their own, apart from the controllers, so that no reconcile starts before every store is filled.

use std::collections::HashMap;
use std::fmt::Debug;
use std::pin::pin;

use futures::StreamExt;
use k8s_openapi::serde::de::DeserializeOwned;
use kube::core::DeserializeGuard;
use kube::{Api, Resource, ResourceExt};
use kube_runtime::reflector::store::Writer;
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
pub async fn run<K>(
    api: Api<DeserializeGuard<K>>,
    config: Config,
    mut store: Writer<K>,
    metrics: &Metrics,
    mut report: impl FnMut(Change<'_, K>),
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let mut seen = Seen::default();
    let mut events = pin!(watcher(api, config).default_backoff());
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                metrics.watch_error(&K::kind(&()));
                tracing::warn!(kind = %K::kind(&()), cause = cause(&error), "the watch was interrupted; it is resumed");
                continue;
            }
        };
        let Some(event) = valid(event, metrics) else { continue };
        store.apply_watcher_event(&event);
        seen.digest(&event, &mut report);
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

/// Takes an event apart: one object that cannot be decoded must not stop the others. Its error text quotes values, so
/// it goes nowhere.
fn valid<K: Resource<DynamicType = ()>>(event: Event<DeserializeGuard<K>>, metrics: &Metrics) -> Option<Event<K>> {
    let open = |guard: DeserializeGuard<K>| match guard.0 {
        Ok(mut object) => {
            prune(&mut object);
            Some(object)
        }
        Err(invalid) => {
            metrics.invalid_object(&K::kind(&()));
            let name = invalid.metadata.name.unwrap_or_default();
            let namespace = invalid.metadata.namespace.unwrap_or_default();
            tracing::warn!(kind = %K::kind(&()), namespace, name, "an object cannot be decoded and is left alone");
            None
        }
    };
    Some(match event {
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
        Event::InitApply(guard) => Event::InitApply(open(guard)?),
        Event::Apply(guard) => Event::Apply(open(guard)?),
        Event::Delete(guard) => Event::Delete(open(guard)?),
    })
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
