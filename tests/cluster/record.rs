//! Status versions as the API server stored them.

use std::sync::{Arc, Mutex};

use futures::TryStreamExt;
use kube_runtime::{WatchStreamExt, watcher};
use meta_channel_operator::api::FacebookChannel;
use tokio::task::JoinHandle;

use crate::world::World;

impl World {
    /// Records every status version of the channels of a namespace that the API server stores from now on.
    pub fn record(&self, namespace: &str) -> Record {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (all, into) = (self.channels(namespace), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            let stream = watcher(all, watcher::Config::default()).default_backoff().touched_objects();
            let _ = stream
                .try_for_each(|channel| {
                    into.lock().unwrap().push(channel);
                    std::future::ready(Ok(()))
                })
                .await;
        });
        Record { seen, task }
    }
}

/// Status versions as they were stored.
pub struct Record {
    seen: Arc<Mutex<Vec<FacebookChannel>>>,
    task: JoinHandle<()>,
}

impl Record {
    pub fn versions(&self) -> Vec<FacebookChannel> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.task.abort();
    }
}
