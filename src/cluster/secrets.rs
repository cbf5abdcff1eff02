//! Secrets labeled for us with their purpose.
//!
//! They are watched as metadata and read one by one when their version changed; contents are kept in memory and wiped when
//! dropped. A pass over unchanged objects therefore reads no Secret.
//!
//! # Secrets
//!
//! Secrets are watched as metadata, selected by the label `metachannels.io/purpose`, and read one by one when their version
//! changed (`cluster/secrets.rs`). What is kept is wiped when it is dropped. Copies in buffers of libraries are not, so core
//! dumps and attaching are forbidden (`core_dumps.rs`). Tokens are types without a printable form (`graph/token.rs`). All
//! foreign text passes through one redactor (`base/redact.rs`). Logs of libraries never go below INFO (`telemetry.rs`), because
//! their finer levels print headers and bodies.
//!
//! Secrets that the operator creates and rewrites (`controller/managed_secrets.rs`) are not read again: an annotation says what
//! the content was made of, and the version shows whether someone changed it since. Both come with the watch.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kube::core::{ObjectMeta, PartialObjectMeta};
use kube::{Api, Client, ResourceExt};
use parking_lot::Mutex;

use super::error;
use super::error::{Failure, kubernetes};
use super::metadata::prune;
use super::secret_content::Content;
use super::stores::Objects;
use super::surplus::Surplus;
use super::write_refused::{Verb, Write};
use crate::api::references::Purpose;
use crate::api::{GROUP, PURPOSE_LABEL};
use crate::base::key::{Key, SECRET};
use crate::metrics::Metrics;

/// Kind of what is read and written here.
pub const KIND: &str = SECRET;

/// A Secret that was released for the purpose it was asked for.
pub struct Released {
    /// Version of the object that the contents are from.
    resource_version: String,
    /// Whether we wrote it ourselves, so that the watch may still show what was there before.
    written: bool,
    purpose: String,
    type_: String,
    /// Ours alone.
    annotations: BTreeMap<String, String>,
    content: Content,
}

impl fmt::Debug for Released {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Released").field("resource_version", &self.resource_version).finish_non_exhaustive()
    }
}

impl Released {
    /// The bytes under a key, unless they are too many.
    pub fn value(&self, key: &str) -> Option<&[u8]> {
        self.content.value(key)
    }

    /// Why there is no value under a key because something is too large, in words; `None` if it is not that.
    pub fn too_large(&self, key: &str) -> Option<String> {
        self.content.too_large(key)
    }

    /// Why there is no value under a key, in words.
    pub fn why_missing(&self, key: &str) -> String {
        self.too_large(key).unwrap_or_else(|| format!("it has no key {key}"))
    }

    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get(name).map(String::as_str)
    }

    /// The type of the Secret.
    pub fn type_(&self) -> &str {
        &self.type_
    }

    /// Version of the object, to be written over and nothing else.
    pub fn resource_version(&self) -> &str {
        &self.resource_version
    }

    /// What was read of a Secret; `None` if it is not released.
    #[cfg(test)]
    pub(crate) fn read(secret: Secret) -> Option<Self> {
        Self::of(secret, false)
    }

    /// Takes a Secret as the API server gave it; `None` if it is not released.
    fn of(mut secret: Secret, written: bool) -> Option<Self> {
        // The label counts as it is now, not as the watch saw it.
        let purpose = secret.labels_mut().remove(PURPOSE_LABEL)?;
        let content = Content::of(&purpose, secret.data.take().unwrap_or_default());
        prune(&mut secret);
        Some(Self {
            resource_version: secret.resource_version().unwrap_or_default(),
            written,
            purpose,
            annotations: std::mem::take(secret.annotations_mut()),
            type_: secret.type_.unwrap_or_default(),
            content,
        })
    }

    /// Whether this is what we wrote, and the watch shows an older version or nothing yet.
    fn is_ahead_of(&self, shown: Option<&str>) -> bool {
        let number = |version: &str| version.parse::<u64>().unwrap_or_default();
        self.written && shown.is_none_or(|shown| number(shown) < number(&self.resource_version))
    }
}

/// Keeps in a new version what others wrote beside us, such as the labels of a backup.
fn leave_to_others(mut there: ObjectMeta, secret: &mut Secret) {
    let others = |all: Option<BTreeMap<String, String>>| {
        all.unwrap_or_default().into_iter().filter(|(name, _)| name.split('/').next() != Some(GROUP))
    };
    secret.labels_mut().extend(others(there.labels.take()));
    secret.annotations_mut().extend(others(there.annotations.take()));
}

/// The Secret is missing, unlabeled or released for something else: one answer for all three, since anything else
/// would tell which Secrets exist.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotReleased;

/// Reads released Secrets, at most once per version.
pub struct Secrets {
    client: Client,
    shown: Objects<PartialObjectMeta<Secret>>,
    surplus: Arc<Surplus>,
    cache: Mutex<HashMap<Key, Arc<Released>>>,
    metrics: Metrics,
}

impl Secrets {
    /// Reads through `client` what the watches show.
    pub fn new(
        client: Client,
        shown: Objects<PartialObjectMeta<Secret>>,
        surplus: &Arc<Surplus>,
        metrics: Metrics,
    ) -> Self {
        Self { client, shown, surplus: Arc::clone(surplus), cache: Mutex::default(), metrics }
    }

    /// The Secret, if it is released for this purpose. One that is more than a namespace may have is read whenever it is asked for,
    /// since it is not known whether it changed.
    ///
    /// # Errors
    /// When the Kubernetes API does not answer; absence is not an error.
    pub async fn get(&self, key: &Key, purpose: Purpose) -> Result<Result<Arc<Released>, NotReleased>, Failure> {
        let shown = self.find(key).and_then(|secret| secret.resource_version());
        let ahead = self.kept(key, |released| released.is_ahead_of(shown.as_deref()));
        let Some(version) = shown.or_else(|| ahead.as_ref().map(|written| written.resource_version.clone())) else {
            self.forget(key);
            let is_there = self.shown.is_ours(&key.namespace) && self.surplus.holds(KIND, key);
            let released = if is_there { self.read(key).await? } else { None };
            return Ok(released.filter(|released| released.purpose == purpose.as_str()).ok_or(NotReleased));
        };
        let released = match ahead.or_else(|| self.kept(key, |released| released.resource_version == version)) {
            Some(released) => released,
            None => match self.read(key).await? {
                Some(released) => released,
                None => return Ok(Err(NotReleased)),
            },
        };
        Ok(if released.purpose == purpose.as_str() { Ok(released) } else { Err(NotReleased) })
    }

    /// The metadata of the Secret of this name, released or not; `None` if there is none. Its content is not read. What others
    /// wrote in it may be missing.
    ///
    /// # Errors
    /// When the Kubernetes API does not answer.
    pub async fn metadata(&self, key: &Key) -> Result<Option<ObjectMeta>, Failure> {
        if let Some(metadata) = self.watched(key) {
            return Ok(Some(metadata));
        }
        // The watch may not have brought what was just created, and does not show what is not labeled.
        self.full_metadata(key).await
    }

    /// The same with what others wrote in it, which is not kept in memory.
    ///
    /// # Errors
    /// When the Kubernetes API does not answer.
    pub async fn full_metadata(&self, key: &Key) -> Result<Option<ObjectMeta>, Failure> {
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
        self.cache.lock().remove(key);
    }

    /// The Secrets that the watches show in a namespace, be it ours or not; "" is all of them.
    pub fn shown_in(&self, namespace: &str) -> Vec<Key> {
        self.shown.shown_in(namespace).iter().map(|secret| Key::of(&**secret)).collect()
    }

    fn find(&self, key: &Key) -> Option<Arc<PartialObjectMeta<Secret>>> {
        self.shown.get(key)
    }

    fn kept(&self, key: &Key, is_good: impl Fn(&Released) -> bool) -> Option<Arc<Released>> {
        let cache = self.cache.lock();
        cache.get(key).filter(|released| is_good(released)).cloned()
    }

    async fn read(&self, key: &Key) -> Result<Option<Arc<Released>>, Failure> {
        self.metrics.secret_read();
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &key.namespace);
        let Some(secret) = kubernetes("reading a Secret", api.get_opt(&key.name)).await? else {
            self.forget(key);
            return Ok(None);
        };
        Ok(Released::of(secret, false).map(|released| self.keep(key, released)))
    }

    fn keep(&self, key: &Key, released: Released) -> Arc<Released> {
        let released = Arc::new(released);
        self.cache.lock().insert(key.clone(), Arc::clone(&released));
        released
    }

    /// Creates a Secret of ours, or writes over the very version of it that was read. What was written counts from now on,
    /// also while the watch still shows what was there before. As a `trial` it is only asked whether that would be let in.
    ///
    /// # Errors
    /// When someone else was faster, or the Kubernetes API refuses or does not answer.
    pub async fn write(&self, key: &Key, secret: &Secret, over: Option<&Released>, trial: bool) -> Result<(), Failure> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &key.namespace);
        let mut secret = secret.clone();
        if let Some(over) = over {
            secret.metadata.resource_version = Some(over.resource_version.clone());
            if let Some(there) = self.full_metadata(key).await? {
                leave_to_others(there, &mut secret);
            }
        }
        let verb = if over.is_some() { Verb::Update } else { Verb::Create };
        let params = PostParams { dry_run: trial, ..PostParams::default() };
        let request = async {
            match verb {
                Verb::Update => api.replace(&key.name, &params, &secret).await,
                _ => api.create(&params, &secret).await,
            }
        };
        let written = error::write(&self.metrics, Write::new(verb, KIND, key), request).await?;
        if let Some(released) = Released::of(written, true).filter(|_| !trial) {
            self.keep(key, released);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn released(version: &str, written: bool) -> Released {
        let secret = json!({"metadata": {"resourceVersion": version, "labels": {PURPOSE_LABEL: "living-token"}}});
        Released::of(serde_json::from_value(secret).unwrap(), written).unwrap()
    }

    #[test]
    fn what_was_written_counts_until_the_watch_shows_it_or_something_newer() {
        let rows = [(None, true), (Some("99"), true), (Some("100"), false), (Some("101"), false)];
        for (shown, ahead) in rows {
            assert_eq!(released("100", true).is_ahead_of(shown), ahead, "{shown:?}");
            assert!(!released("100", false).is_ahead_of(shown), "what was read is as old as the watch: {shown:?}");
        }
    }

    #[test]
    fn what_others_wrote_stays_and_what_we_wrote_before_does_not() {
        let text = |text: &str| text.to_owned();
        let read = json!({"metadata": {
            "labels": {PURPOSE_LABEL: "living-token", "backup": "daily"},
            "annotations": {"metachannels.io/previous-token-minted": "true", "note": "keep", "metachannels.io.example": "x"}
        }});
        let there: Secret = serde_json::from_value(read).unwrap();
        let mut secret = Secret::default();
        secret.labels_mut().insert(text(PURPOSE_LABEL), text("living-token"));
        leave_to_others(there.metadata, &mut secret);
        let labels = [(text("backup"), text("daily")), (text(PURPOSE_LABEL), text("living-token"))];
        assert_eq!(*secret.labels(), BTreeMap::from(labels));
        let annotations = [(text("metachannels.io.example"), text("x")), (text("note"), text("keep"))];
        assert_eq!(*secret.annotations(), BTreeMap::from(annotations));
    }

    #[test]
    fn a_secret_without_the_label_is_not_released() {
        assert!(Released::of(Secret::default(), true).is_none());
    }
}
