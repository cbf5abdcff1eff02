//! Writes a status if it differs from what is there.

use std::fmt::Debug;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::error;
use super::error::Failure;
use super::write_refused::Write;
use crate::api::conditions::{ConditionType, Finding, assemble};
use crate::api::readiness::readiness;
use crate::base::key::Key;
use crate::metrics::Metrics;

/// Field manager of the statuses.
const FIELD_MANAGER: &str = "meta-channel-operator";

/// The status of an object that was checked, as it is written: of that very object, and of no other one of its name.
pub struct StatusOf<'a, K: Resource> {
    /// Where refusals are counted.
    pub metrics: &'a Metrics,
    /// Name of the kind.
    pub kind: &'static str,
    /// Where the object is.
    pub api: Api<K>,
    pub object: &'a K,
}

impl<K: Resource + Clone + Debug + DeserializeOwned> StatusOf<'_, K> {
    /// Puts a status in the place of all that is stored, whoever wrote it. Returns the object as it is then.
    ///
    /// It is not applied: of what others wrote into it, as a restore does, that takes over only what ours says too, and leaves the
    /// rest beside it.
    ///
    /// # Errors
    /// When the Kubernetes API refuses or does not answer.
    pub async fn write(&self, status: &impl Serialize) -> Result<K, Failure> {
        let body = json!([
            // An object that was re-created under the same name is another one.
            { "op": "test", "path": "/metadata/uid", "value": self.object.uid() },
            { "op": "add", "path": "/status", "value": status },
        ]);
        let patch: Patch<()> = Patch::Json(serde_json::from_value(body).unwrap_or_default());
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let write = Write::status(self.kind, &Key::of(self.object));
        error::write(self.metrics, write, self.api.patch_status(&self.object.name_any(), &params, &patch)).await
    }
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
