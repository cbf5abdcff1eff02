//! Versions of objects as the API server stored them.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use futures::TryStreamExt;
use kube::{Api, Resource};
use kube_runtime::{WatchStreamExt, watcher};
use meta_channel_operator::api::{FacebookChannel, MetaApp};
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;

use crate::support::env::Env;

impl Env {
    /// Records every version of the channels of a namespace that the API server stores from now on.
    pub fn record(&self, namespace: &str) -> Record<FacebookChannel> {
        Record::of(self.channels(namespace))
    }

    /// The same of the MetaApps.
    pub fn record_apps(&self) -> Record<MetaApp> {
        Record::of(self.apps())
    }
}

/// Versions as they were stored.
pub struct Record<K> {
    seen: Arc<Mutex<Vec<K>>>,
    task: JoinHandle<()>,
}

impl<K> Record<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    fn of(all: Api<K>) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let stream = watcher(all, watcher::Config::default()).default_backoff().touched_objects();
            let _ = stream
                .try_for_each(|object| {
                    into.lock().unwrap().push(object);
                    std::future::ready(Ok(()))
                })
                .await;
        });
        Self { seen, task }
    }

    pub fn versions(&self) -> Vec<K> {
        self.seen.lock().unwrap().clone()
    }
}

impl<K> Drop for Record<K> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
