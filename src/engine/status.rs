//! Writes a status if it differs from what is there.

use std::fmt::Debug;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::failure::{self, Failure};
use super::key::Key;
use super::refused::Write;
use crate::api::conditions::{ConditionType, Finding, assemble};
use crate::api::readiness::readiness;
use crate::metrics::Metrics;

/// Field manager of everything the operator writes.
pub const FIELD_MANAGER: &str = "meta-channel-operator";

/// Puts a status in the place of all that is stored, whoever wrote it: of what others wrote, applying ours takes over only what it
/// says too.
///
/// # Errors
/// When the Kubernetes API refuses or does not answer.
pub async fn replace<K, S>(
    metrics: &Metrics,
    kind: &'static str,
    api: &Api<K>,
    object: &K,
    status: &S,
) -> Result<K, Failure>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    S: Serialize,
{
    let body = json!([
        { "op": "test", "path": "/metadata/uid", "value": object.uid() },
        { "op": "add", "path": "/status", "value": status },
    ]);
    let patch: Patch<()> = Patch::Json(serde_json::from_value(body).unwrap_or_default());
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let write = Write::status(kind, &Key::of(object));
    failure::write(metrics, write, api.patch_status(&object.name_any(), &params, &patch)).await
}

/// Applies a status to an object, and only to the very object that was looked at. Returns the object as it is then.
///
/// # Errors
/// When the Kubernetes API refuses or does not answer.
pub async fn write<K, S>(
    metrics: &Metrics,
    kind: &'static str,
    api: &Api<K>,
    object: &K,
    status: &S,
) -> Result<K, Failure>
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
    let write = Write::status(kind, &Key::of(object));
    failure::write(metrics, write, api.patch_status(&object.name_any(), &params, &Patch::Apply(&body))).await
}

/// What a status that is not decoded said before, with Ready as it is now. An object that its kind cannot judge is left so.
pub fn with_ready(before: &Value, finding: &Finding, now: Timestamp) -> Value {
    let previous = conditions(before);
    let ready = readiness(&[finding], finding.observed_generation, finding.clone());
    let mut told = assemble(&previous, &ready.findings, now);
    let outcome = told.split_off(1);
    let judged = [ConditionType::Ready, ConditionType::Stalled, ConditionType::Reconciling].map(ConditionType::as_str);
    told.extend(previous.into_iter().filter(|it| !judged.contains(&it.type_.as_str())));
    told.extend(outcome);
    let mut status = before.clone();
    status["conditions"] = json!(told);
    status["nextStep"] = json!(ready.next_step);
    status["observedGeneration"] = json!(finding.observed_generation);
    status
}

/// The conditions in a status that is not decoded.
pub fn conditions(status: &Value) -> Vec<Condition> {
    let listed = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    listed.iter().filter_map(|it| serde_json::from_value(it.clone()).ok()).collect()
}
