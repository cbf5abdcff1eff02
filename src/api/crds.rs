//! The CustomResourceDefinitions, generated from the Rust types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps,
};
use serde_json::json;

use super::kinds;

/// All CustomResourceDefinitions, ready to be applied.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut crds = kinds::definitions();
    crds.iter_mut().for_each(|crd| {
        // A claim is made by who holds it, so that nothing has to be written to say so.
        let claim = crd.spec.names.kind == "AssetClaim";
        default_status(crd, if claim { json!({ "state": "Held" }) } else { json!({ "observedGeneration": -1 }) });
    });
    crds
}

/// A CustomResourceDefinition as the YAML document that is committed and shipped.
///
/// # Errors
/// When the definition cannot be written as YAML, which a test rules out.
pub fn yaml(crd: &CustomResourceDefinition) -> anyhow::Result<String> {
    // By way of a JSON value, whose maps are sorted: the same types always give the same text.
    let value = serde_json::to_value(crd)?;
    Ok(serde_yaml_ng::to_string(&value)?)
}

/// Gives `status` its default, so that a new object is never taken for a reconciled one. The derive has no attribute
/// for it.
fn default_status(crd: &mut CustomResourceDefinition, value: serde_json::Value) {
    for version in &mut crd.spec.versions {
        let schema = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut());
        let status = schema.and_then(|schema| schema.properties.as_mut()).and_then(|all| all.get_mut("status"));
        if let Some(JSONSchemaProps { default, .. }) = status {
            *default = Some(JSON(value.clone()));
        }
    }
}
