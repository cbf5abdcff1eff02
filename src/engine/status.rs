//! Writes a status if it differs from what is there.

use std::fmt::Debug;

use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::failure::{Failure, kubernetes};

/// Field manager of everything the operator writes.
pub const FIELD_MANAGER: &str = "meta-channel-operator";

/// Applies a status to an object, and only to the very object that was looked at. Returns the object as it is then.
///
/// # Errors
/// When the Kubernetes API refuses or does not answer.
pub async fn write<K, S>(api: &Api<K>, object: &K, status: &S) -> Result<K, Failure>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    S: Serialize,
{
    let body = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        // The UID is a precondition: an object that was re-created under the same name is another one.
        "metadata": { "name": object.name_any(), "uid": object.uid() },
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    kubernetes("writing a status", api.patch_status(&object.name_any(), &params, &Patch::Apply(&body))).await
}
