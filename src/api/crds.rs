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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::api::{CATEGORY, CATEGORY_OF_ALL};

    /// What stands in a column, none of it short; an application is shown by its name at Meta, and elsewhere by that of its MetaApp.
    fn shown(kind: &str, column: &str) -> &'static str {
        match (kind, column) {
            ("AssetClaim", "Namespace") => "meta-channels",
            ("AssetClaim", "Name") => "facebook-page-2200000000000001",
            ("MetaApp", "App") => "Acme Messaging",
            (_, "Namespace" | "Claimed by" | "Transfer to") => "team-support",
            (_, "Name" | "Holder") => "support-emea",
            (_, "App" | "Grant") => "acme",
            (_, "Page") => "Acme Support",
            (_, "Connection") => "Disconnected",
            (_, "Ready") => "Unknown",
            (_, "Reason") => "AwaitingAuthorization",
            (_, "Expires") => "2027-02-20T10:12:04Z",
            (_, "Type") => "SYSTEM_USER",
            (_, "State") => "CleanupPending",
            (_, "On deletion") => "Disconnect",
            (_, "Age") => "364d",
            (_, "Pages" | "Channels" | "Connected" | "Expired" | "Disconnected") => "1000",
            (_, "Page ID" | "App ID" | "Asset ID" | "Grantor") => "2200000000000001",
            other => panic!("{other:?} is not known"),
        }
    }

    #[test]
    fn a_wide_table_of_any_kind_fits_160_columns_and_no_two_of_its_columns_have_one_name() {
        for crd in crds() {
            let kind = &crd.spec.names.kind;
            let columns = crd.spec.versions[0].additional_printer_columns.as_ref().unwrap();
            let names = ["Namespace", "Name"].into_iter().chain(columns.iter().map(|column| column.name.as_str()));
            let names: Vec<_> = names.collect();
            let mut different = names.clone();
            different.sort_unstable();
            different.dedup();
            assert_eq!(different.len(), names.len(), "{kind}: {names:?}");
            // kubectl leaves three blanks between columns.
            let width: usize = names.iter().map(|name| name.len().max(shown(kind, name).len()) + 3).sum::<usize>() - 3;
            assert!(width <= 160, "{kind} takes {width}: {names:?}");
        }
    }

    #[test]
    fn channels_are_of_the_category_of_channels_and_everything_is_of_that_of_all() {
        for crd in crds() {
            let names = crd.spec.names;
            let mut expected = vec![CATEGORY_OF_ALL.to_owned()];
            expected.extend(names.kind.ends_with("Channel").then(|| CATEGORY.to_owned()));
            expected.sort();
            assert_eq!(names.categories, Some(expected), "{}", names.kind);
        }
    }
}
