//! The labels of namespaces, for MetaApps that choose by labels who may use them. They are read one by one, because that can be
//! allowed for single namespaces, and kept in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use parking_lot::Mutex;

use super::error::{Failure, permitted};

/// The labels of a namespace.
pub type Labels = BTreeMap<String, String>;

/// The labels of namespaces, as they were read last.
pub struct NamespaceLabels {
    api: Api<Namespace>,
    known: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Known>>>>,
}

#[derive(Default)]
struct Known {
    labels: Option<Arc<Labels>>,
    read_at: Option<Timestamp>,
}

/// What came of a look.
#[derive(Clone, Debug, Default)]
pub struct Looked {
    /// What was known before it.
    pub before: Option<Arc<Labels>>,
    /// What is known now; `None` if the namespace may not be read, or is not there, and never was.
    pub now: Option<Arc<Labels>>,
}

impl NamespaceLabels {
    /// Reads through `client`.
    pub fn new(client: Client) -> Self {
        Self { api: Api::all(client), known: Mutex::default() }
    }

    /// The namespaces that were asked for.
    pub fn asked_for(&self) -> Vec<String> {
        self.known.lock().keys().cloned().collect()
    }

    /// Forgets a namespace that was not read within `age`.
    pub fn forget(&self, namespace: &str, now: Timestamp, age: SignedDuration) {
        let mut all = self.known.lock();
        let is_old = |known: &Known| known.read_at.is_some_and(|at| now.duration_since(at) >= age);
        if all.get(namespace).is_some_and(|known| known.try_lock().is_ok_and(|known| is_old(&known))) {
            all.remove(namespace);
        }
    }

    /// What is known of a namespace, if it is not being read just now.
    pub fn known(&self, namespace: &str) -> Option<Arc<Labels>> {
        let known = self.known.lock();
        known.get(namespace)?.try_lock().ok()?.labels.clone()
    }

    /// What is known of a namespace. It is read if that was not done within `age`; without an answer, what was known stays.
    /// Whoever asks meanwhile waits for the same answer.
    ///
    /// # Errors
    /// When the Kubernetes API does not answer, and nothing was known.
    pub async fn look(&self, namespace: &str, now: Timestamp, age: SignedDuration) -> Result<Looked, Failure> {
        let known = Arc::clone(self.known.lock().entry(namespace.to_owned()).or_default());
        let mut known = known.lock().await;
        let before = known.labels.clone();
        if known.read_at.is_some_and(|at| now.duration_since(at) < age) {
            return Ok(Looked { now: before.clone(), before });
        }
        match self.read(namespace).await {
            Ok(Some(labels)) => known.labels = Some(Arc::new(labels)),
            Ok(None) => tracing::warn!(namespace, "the namespace is missing, or its labels may not be read"),
            Err(failure) if before.is_none() => return Err(failure),
            Err(failure) => {
                tracing::info!(namespace, %failure, "the labels of the namespace could not be read; the last known ones stay in use")
            }
        }
        known.read_at = Some(now);
        Ok(Looked { now: known.labels.clone(), before })
    }

    async fn read(&self, namespace: &str) -> Result<Option<Labels>, Failure> {
        let found = permitted("reading the labels of a namespace", self.api.get_metadata_opt(namespace)).await?;
        Ok(found.flatten().map(|it| it.metadata.labels.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_namespace_that_matters_to_nobody_is_forgotten_once_it_was_not_read_for_a_while() {
        crate::install_crypto_provider();
        let client = Client::try_from(kube::Config::new("http://127.0.0.1:1".parse().unwrap())).unwrap();
        let (labels, at) = (NamespaceLabels::new(client), |second| Timestamp::from_second(second).unwrap());
        let known = Known { labels: Some(Arc::default()), read_at: Some(at(100)) };
        let known = Arc::new(tokio::sync::Mutex::new(known));
        labels.known.lock().insert("a".to_owned(), Arc::clone(&known));
        let forget = |second| {
            labels.forget("a", at(second), SignedDuration::from_secs(60));
            labels.asked_for().len()
        };
        assert_eq!(forget(159), 1);
        let reading = known.lock().await;
        assert_eq!(forget(160), 1, "it is being read");
        drop(reading);
        assert_eq!(forget(160), 0);
    }
}
