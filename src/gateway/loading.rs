//! Reading Secrets when they changed, so that no request has to. One that cannot be read keeps no other one waiting.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};

use crate::api::references::Purpose;
use crate::engine::Key;
use crate::engine::failure::Failure;
use crate::engine::secrets::Secrets;

/// Pauses before a Secret that could not be read is tried again: the first, and the longest.
const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(60);

/// Secrets that are read at once, of each namespace one: each may be larger than a megabyte.
const AT_ONCE: usize = 8;
const OF_ONE: usize = 1;

/// Reads what changed.
pub(super) struct Loading {
    secrets: Arc<Secrets>,
    at_once: Semaphore,
    namespaces: Mutex<HashMap<String, Arc<Semaphore>>>,
    /// Those that were tried in vain.
    unread: Mutex<HashSet<Key>>,
}

impl Loading {
    pub(super) fn new(secrets: Arc<Secrets>) -> Self {
        let (namespaces, unread) = Default::default();
        Self { secrets, at_once: Semaphore::new(AT_ONCE), namespaces, unread }
    }

    /// Whether each Secret that is there was read, or at least tried.
    pub(super) fn was_tried(&self) -> bool {
        let unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        self.secrets.shown_in("").iter().all(|key| self.secrets.is_current(key) || unread.contains(key))
    }

    /// Reads until the process ends. Unless they are kept apart, one Secret after the other: only tests want that.
    pub(super) async fn run(self: Arc<Self>, mut changes: mpsc::UnboundedReceiver<Key>, apart: bool) {
        let mut loads = JoinSet::new();
        let mut running: HashMap<Key, AbortHandle> = HashMap::new();
        loop {
            tokio::select! {
                changed = changes.recv() => {
                    let Some(key) = changed else { return };
                    if !apart {
                        self.load(&key).await;
                        continue;
                    }
                    let (this, of) = (Arc::clone(&self), key.clone());
                    let load = loads.spawn(async move {
                        this.load(&of).await;
                        of
                    });
                    // What was read, or waited for its next try, is out of date.
                    if let Some(former) = running.insert(key, load) {
                        former.abort();
                    }
                }
                Some(done) = loads.join_next_with_id() => {
                    if let Ok((id, key)) = done && running.get(&key).is_some_and(|load| load.id() == id) {
                        running.remove(&key);
                    }
                }
            }
        }
    }

    /// Reads one Secret, however long that takes.
    async fn load(&self, key: &Key) {
        let mut pause = FIRST;
        while let Err(failure) = self.read(key).await {
            tracing::warn!(secret = %key, %failure, "a Secret could not be read; trying again");
            self.note(key, false);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
        self.note(key, true);
    }

    fn note(&self, key: &Key, is_read: bool) {
        let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        if is_read {
            unread.remove(key);
        } else {
            unread.insert(key.clone());
        }
    }

    async fn read(&self, key: &Key) -> Result<(), Failure> {
        let namespace = {
            let mut all = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(key.namespace.clone()).or_insert_with(|| Arc::new(Semaphore::new(OF_ONE))))
        };
        // Neither is ever closed.
        let _turn = namespace.acquire().await;
        let _slot = self.at_once.acquire().await;
        // Which purpose is asked for does not matter for loading.
        self.secrets.get(key, Purpose::AppSecret).await.map(drop)
    }
}
