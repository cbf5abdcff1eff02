//! Secrets that the operator creates: typed, labeled with their purpose, and owned by the object they are created for, so that
//! they are deleted with it.
//!
//! Secrets that are rewritten are recognized by their metadata, which the watch brings: an annotation says what the content was
//! made of, and a version other than the one that was written shows that someone changed it. So nothing is read while nothing
//! changes.

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ListParams, ObjectMeta};
use kube::{Api, Resource, ResourceExt};
use parking_lot::Mutex;

use super::context::Context;
use crate::api::references::Purpose;
use crate::api::{GROUP, PURPOSE_LABEL};
use crate::base::ids::Uid;
use crate::base::key::{Key, version};
use crate::cluster::error::{Failure, kubernetes};

/// Annotation with the fingerprint of what the content was made of.
pub const CONTENT: &str = "metachannels.io/content";

/// Annotation with kind, namespace and name of the object that a Secret was made for.
pub const MADE_FOR: &str = "metachannels.io/made-for";

/// A Secret for an object, beside it. It is to be created, never to be applied over one that exists.
pub fn own_secret<K: Resource<DynamicType = ()>>(
    owner: &K,
    name: String,
    purpose: Purpose,
    data: impl IntoIterator<Item = (&'static str, String)>,
) -> Secret {
    // No blockOwnerDeletion: it would need the right to update finalizers of the owner.
    let controller = owner.controller_owner_ref(&());
    let controller = controller.map(|it| OwnerReference { block_owner_deletion: None, ..it });
    Secret {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: owner.namespace(),
            labels: Some(BTreeMap::from([(PURPOSE_LABEL.to_owned(), purpose.as_str().to_owned())])),
            annotations: Some(BTreeMap::from([(MADE_FOR.to_owned(), made_for::<K>(&Key::of(owner)))])),
            owner_references: controller.map(|it| vec![it]),
            ..ObjectMeta::default()
        },
        type_: Some(type_of(purpose)),
        string_data: Some(data.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ..Secret::default()
    }
}

/// Whether a Secret was made by the operator for an earlier object of this name, of which there is one at a time, as it is found
/// after a restore or after `--cascade=orphan`. It is of the type that only the operator makes and that cannot be changed, and
/// nothing in it names anybody else.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn is_of_predecessor<K: Resource<DynamicType = ()>>(
    ctx: &Context,
    secret: &ObjectMeta,
    purpose: Purpose,
    key: &Key,
    uid: &Uid,
) -> Result<bool, Failure> {
    let name = secret.name.as_deref().unwrap_or_default();
    Ok(may_be_left_over::<K>(secret, key, uid) && has_type(ctx, &Key::new(&key.namespace, name), purpose).await?)
}

/// Whether a Secret is of the type for this purpose. What it holds is not read: it may be someone's.
async fn has_type(ctx: &Context, key: &Key, purpose: Purpose) -> Result<bool, Failure> {
    let api: Api<Secret> = Api::namespaced(ctx.cluster.client.clone(), &key.namespace);
    let fields = format!("metadata.name={},type={}", key.name, type_of(purpose));
    let named = ListParams::default().fields(&fields);
    let found = ctx.read(kubernetes("looking for the type of a Secret", api.list_metadata(&named))).await??;
    Ok(!found.items.is_empty())
}

/// The type of the Secrets that the operator makes for a purpose.
fn type_of(purpose: Purpose) -> String {
    format!("{GROUP}/{}", purpose.as_str())
}

/// Whether a Secret holds exactly this. It is read, so that it has to be one of ours.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn holds(ctx: &Context, key: &Key, content: &[(&'static str, String)]) -> Result<bool, Failure> {
    ctx.metrics.secret_read();
    let api: Api<Secret> = Api::namespaced(ctx.cluster.client.clone(), &key.namespace);
    let found = ctx.read(kubernetes("comparing a Secret", api.get_opt(&key.name))).await??;
    let data = found.and_then(|secret| secret.data).unwrap_or_default();
    let same = |(name, value): &(&str, String)| data.get(*name).is_some_and(|it| it.0 == value.as_bytes());
    Ok(data.len() == content.len() && content.iter().all(same))
}

/// Whether the metadata of a Secret lets it be one that was made for an earlier object of this name. It names that one as its owner,
/// or nobody; and where it says what it was made for, it was made for that one.
pub fn may_be_left_over<K: Resource<DynamicType = ()>>(secret: &ObjectMeta, key: &Key, uid: &Uid) -> bool {
    let (group, kind) = (format!("{GROUP}/"), K::kind(&()));
    let is_former = |it: &OwnerReference| {
        it.api_version.starts_with(&group) && it.kind == kind && it.name == key.name && it.uid != uid.as_str()
    };
    let said = secret.annotations.as_ref().and_then(|all| all.get(MADE_FOR));
    secret.owner_references.iter().flatten().all(is_former) && said.is_none_or(|said| *said == made_for::<K>(key))
}

fn made_for<K: Resource<DynamicType = ()>>(key: &Key) -> String {
    format!("{}/{}/{}", K::kind(&()), key.namespace, key.name)
}

/// The Secrets as they were written, or as they were seen first.
#[derive(Debug, Default)]
pub struct Written(Mutex<HashMap<Key, State>>);

/// What is known of a Secret.
#[derive(Clone, Debug, PartialEq)]
struct State {
    /// Its version, which is a number that grows.
    version: u64,
    /// What its content was made of.
    content: Option<String>,
    /// Whether it holds what was made of that: `None` of one that another process wrote, until it was looked into.
    holds: Option<bool>,
}

impl Written {
    /// Remembers a Secret that was written.
    pub fn note(&self, key: &Key, secret: &ObjectMeta) {
        self.0.lock().insert(key.clone(), state(secret, Some(true)));
    }

    /// Whether a Secret holds what its metadata says, if that is known.
    pub fn is_sound(&self, key: &Key) -> Option<bool> {
        self.0.lock().get(key)?.holds
    }

    /// Notes what was found when a Secret was looked into.
    pub fn looked_into(&self, key: &Key, holds: bool) {
        if let Some(known) = self.0.lock().get_mut(key) {
            known.holds = Some(holds);
        }
    }

    /// Whether a Secret was written or seen, and is there as far as is known.
    pub fn holds(&self, key: &Key) -> bool {
        self.0.lock().contains_key(key)
    }

    /// Forgets a Secret.
    pub fn forget(&self, key: &Key) {
        self.0.lock().remove(key);
    }

    /// What the content of a Secret was made of, and whether someone changed the Secret since it was written. What is
    /// shown of it may be older than our own write.
    pub fn compare(&self, key: &Key, secret: &ObjectMeta) -> (Option<String>, bool) {
        let mut all = self.0.lock();
        let shown = state(secret, None);
        let known = all.entry(key.clone()).or_insert_with(|| shown.clone());
        match shown.version < known.version {
            true => (known.content.clone(), false),
            false => (shown.content, shown.version > known.version),
        }
    }
}

fn state(secret: &ObjectMeta, holds: Option<bool>) -> State {
    let content = secret.annotations.as_ref().and_then(|annotations| annotations.get(CONTENT).cloned());
    State { version: version(secret).unwrap_or_default(), content, holds }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::api::MetaApp;

    #[test]
    fn a_secret_of_ours_is_typed_labelled_and_owned_by_uid() {
        let app: MetaApp = serde_json::from_value(json!({
            "metadata": {"name": "acme", "namespace": "platform", "uid": "u1"},
            "spec": {"appId": "1111000011110000", "appSecretRef": {"name": "x"}},
        }))
        .unwrap();
        let secret = own_secret(&app, "made".to_owned(), Purpose::VerifyToken, [("key", "value".to_owned())]);
        let expected = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "metachannels.io/verify-token", "stringData": {"key": "value"},
            "metadata": {
                "name": "made", "namespace": "platform", "labels": {"metachannels.io/purpose": "verify-token"},
                "annotations": {"metachannels.io/made-for": "MetaApp/platform/acme"},
                "ownerReferences": [{
                    "apiVersion": "metachannels.io/v1alpha1", "kind": "MetaApp", "name": "acme", "uid": "u1", "controller": true,
                }],
            },
        });
        assert_eq!(serde_json::to_value(secret).unwrap(), expected);
    }

    #[test]
    fn what_names_nobody_but_an_earlier_object_of_the_name_may_be_left_over() {
        let owner = |version: &str, kind: &str, name: &str, uid: &str| json!({"apiVersion": version, "kind": kind, "name": name, "uid": uid});
        let former = || owner("metachannels.io/v1alpha1", "MetaApp", "acme", "u1");
        let rows = [
            (json!([former()]), json!(null), true),
            (json!([owner("metachannels.io/v1beta1", "MetaApp", "acme", "u1")]), json!(null), true),
            (json!(null), json!({"metachannels.io/made-for": "MetaApp/platform/acme"}), true),
            (json!([]), json!({"metachannels.io/made-for": "MetaApp/platform/acme"}), true),
            (json!([]), json!({"metachannels.io/made-for": "MetaApp/platform/other"}), false),
            (json!([]), json!({"metachannels.io/made-for": "MetaApp/elsewhere/acme"}), false),
            (json!([]), json!({"metachannels.io/content": "x"}), true),
            (json!(null), json!(null), true),
            (json!([former()]), json!({"metachannels.io/made-for": "MetaApp/platform/other"}), false),
            (json!([owner("metachannels.io/v1alpha1", "MetaApp", "acme", "u2")]), json!(null), false),
            (json!([owner("metachannels.io/v1alpha1", "MetaApp", "other", "u1")]), json!(null), false),
            (json!([owner("metachannels.io/v1alpha1", "MetaGrant", "acme", "u1")]), json!(null), false),
            (json!([owner("example.com/v1", "MetaApp", "acme", "u1")]), json!(null), false),
            (
                json!([former(), owner("apps/v1", "Deployment", "acme", "u3")]),
                json!({"metachannels.io/made-for": "MetaApp/platform/acme"}),
                false,
            ),
        ];
        for (owners, annotations, expected) in rows {
            let metadata = json!({ "ownerReferences": owners, "annotations": annotations });
            let secret: ObjectMeta = serde_json::from_value(metadata.clone()).unwrap();
            let left_over = may_be_left_over::<MetaApp>(&secret, &Key::new("platform", "acme"), &"u2".into());
            assert_eq!(left_over, expected, "{metadata}");
        }
    }

    #[test]
    fn a_secret_was_changed_by_somebody_if_it_is_newer_than_what_was_written() {
        let shown = |version: u64, content: &str| ObjectMeta {
            resource_version: Some(version.to_string()),
            annotations: Some([(CONTENT.to_owned(), content.to_owned())].into()),
            ..ObjectMeta::default()
        };
        let (written, key) = (Written::default(), Key::new("a", "x"));
        let compare = |version, content| {
            let (content, changed) = written.compare(&key, &shown(version, content));
            (content.unwrap(), changed)
        };
        assert_eq!(compare(7, "one"), ("one".to_owned(), false), "after a restart it counts as it is");
        assert_eq!(compare(9, "one"), ("one".to_owned(), true));
        written.note(&key, &shown(12, "two"));
        assert_eq!(compare(9, "one"), ("two".to_owned(), false), "the watch lags behind the write");
        assert_eq!(compare(12, "two"), ("two".to_owned(), false));
        assert_eq!(compare(13, "one"), ("one".to_owned(), true));
        written.forget(&key);
        assert_eq!(compare(14, "one"), ("one".to_owned(), false));
    }
}
