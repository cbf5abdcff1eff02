//! Secrets released for us by their purpose label.
//!
//! They are watched as metadata and read one by one when their version changed; contents are kept in memory, wiped when
//! dropped. A pass over unchanged objects therefore reads no Secret.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::Secret;
use kube::core::{ObjectMeta, PartialObjectMeta};
use kube::{Api, Client, ResourceExt};
use kube_runtime::reflector::Store;
use secrecy::{ExposeSecret, SecretSlice};

use super::failure::{Failure, kubernetes};
use super::key::Key;
use crate::api::PURPOSE_LABEL;
use crate::api::references::Purpose;
use crate::metrics::Metrics;

/// A Secret that was released for the purpose it was asked for.
pub struct Released {
    /// Version of the object that the contents are from.
    resource_version: String,
    purpose: String,
    data: BTreeMap<String, SecretSlice<u8>>,
}

impl Released {
    /// The bytes under a key.
    pub fn value(&self, key: &str) -> Option<&[u8]> {
        self.data.get(key).map(|value| value.expose_secret())
    }
}

/// The Secret is missing, unlabelled or released for something else: one answer for all three, since anything else
/// would tell which Secrets exist.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotReleased;

/// Reads released Secrets, at most once per version.
pub struct Secrets {
    client: Client,
    stores: Vec<Store<PartialObjectMeta<Secret>>>,
    cache: Mutex<HashMap<Key, Arc<Released>>>,
    metrics: Metrics,
}

impl Secrets {
    /// Reads through `client` what the stores, one for each watched namespace, say is there.
    pub fn new(client: Client, stores: Vec<Store<PartialObjectMeta<Secret>>>, metrics: Metrics) -> Self {
        Self { client, stores, cache: Mutex::default(), metrics }
    }

    /// Waits until it is known which Secrets are released.
    pub async fn wait_until_ready(&self) {
        // Fails only when a watch is gone, at shutdown.
        let _ = futures::future::try_join_all(self.stores.iter().map(Store::wait_until_ready)).await;
    }

    /// The Secret, if it is released for this purpose.
    ///
    /// # Errors
    /// When the Kubernetes API does not answer; absence is not an error.
    pub async fn get(&self, key: &Key, purpose: Purpose) -> Result<Result<Arc<Released>, NotReleased>, Failure> {
        let Some(version) = self.find(key).and_then(|secret| secret.resource_version()) else {
            self.forget(key);
            return Ok(Err(NotReleased));
        };
        let released = match self.cached(key, &version) {
            Some(released) => released,
            None => match self.read(key).await? {
                Some(released) => released,
                None => return Ok(Err(NotReleased)),
            },
        };
        Ok(if released.purpose == purpose.as_str() { Ok(released) } else { Err(NotReleased) })
    }

    /// The Secret as it was read last, if it was released for this purpose. Reads nothing.
    pub fn loaded(&self, key: &Key, purpose: Purpose) -> Option<Arc<Released>> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(key).filter(|released| released.purpose == purpose.as_str()).cloned()
    }

    /// Whether every Secret that is there was read.
    pub fn is_loaded(&self) -> bool {
        let there = self.stores.iter().map(|store| store.len()).sum::<usize>();
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).len() >= there
    }

    /// The metadata of the Secret of this name, released or not; `None` if there is none. Its content is not read.
    ///
    /// # Errors
    /// When the Kubernetes API does not answer.
    pub async fn metadata(&self, key: &Key) -> Result<Option<ObjectMeta>, Failure> {
        if let Some(metadata) = self.watched(key) {
            return Ok(Some(metadata));
        }
        // The watch may not have brought what was just created, and does not show what is not labelled.
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &key.namespace);
        let found = kubernetes("looking for a Secret", api.get_metadata_opt(&key.name)).await?;
        Ok(found.map(|secret| secret.metadata))
    }

    /// The metadata of the Secret of this name, if it is released for anything, as the watch shows it.
    pub fn watched(&self, key: &Key) -> Option<ObjectMeta> {
        self.find(key).map(|secret| secret.metadata.clone())
    }

    /// Wipes the contents of a Secret that is gone.
    pub fn forget(&self, key: &Key) {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    fn find(&self, key: &Key) -> Option<Arc<PartialObjectMeta<Secret>>> {
        let reference = key.to_ref();
        self.stores.iter().find_map(|store| store.get(&reference))
    }

    fn cached(&self, key: &Key, version: &str) -> Option<Arc<Released>> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(key).filter(|released| released.resource_version == version).cloned()
    }

    async fn read(&self, key: &Key) -> Result<Option<Arc<Released>>, Failure> {
        self.metrics.secret_read();
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &key.namespace);
        let Some(mut secret) = kubernetes("reading a Secret", api.get_opt(&key.name)).await? else {
            self.forget(key);
            return Ok(None);
        };
        // The label counts as it is now, not as the watch saw it.
        let Some(purpose) = secret.labels_mut().remove(PURPOSE_LABEL) else { return Ok(None) };
        let data = secret.data.take().unwrap_or_default();
        let released = Arc::new(Released {
            resource_version: secret.resource_version().unwrap_or_default(),
            purpose,
            data: data.into_iter().map(|(key, value)| (key, SecretSlice::from(value.0))).collect(),
        });
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), Arc::clone(&released));
        Ok(Some(released))
    }
}
