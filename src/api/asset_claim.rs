//! AssetClaim: which namespace owns a page or the callback of an application.

use k8s_openapi::jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conditions::time_schema;

/// Which namespace owns an asset at Meta. Written by the operator, after proof and before its first write at Meta.
#[derive(Clone, CustomResource, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[kube(
    group = "metachannels.io",
    version = "v1alpha1",
    kind = "AssetClaim",
    plural = "assetclaims",
    shortname = "mclaim",
    namespaced,
    derive = "PartialEq",
    doc = "Which namespace owns an asset at Meta. Written by the operator, after proof and before its first write at Meta.",
    validation = Rule::new("self.metadata.name.size() <= 63").message("the name must have at most 63 characters"),
    printcolumn(name = "Asset", type_ = "string", json_path = ".spec.assetKind", description = "Kind of the asset"),
    printcolumn(name = "Asset ID", type_ = "string", json_path = ".spec.assetId", description = "Id of the asset at Meta"),
    printcolumn(name = "Namespace", type_ = "string", json_path = ".spec.holder.namespace", description = "Namespace that owns the asset"),
    printcolumn(name = "Holder", type_ = "string", json_path = ".spec.holder.name", description = "Object that uses the asset"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Time since creation"),
    selectable = ".spec.assetId"
)]
#[serde(rename_all = "camelCase")]
pub struct AssetClaimSpec {
    /// Kind of the asset. Cannot be changed.
    #[x_kube(validation = Rule::new("self == oldSelf").message("assetKind cannot be changed"))]
    pub asset_kind: AssetKind,
    /// Id of the asset at Meta. Cannot be changed.
    #[schemars(regex(pattern = r"^[1-9][0-9]{4,19}$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("assetId cannot be changed"))]
    pub asset_id: String,
    /// Id of the application through which the asset is used.
    #[schemars(regex(pattern = r"^[1-9][0-9]{4,19}$"))]
    pub app_id: String,
    /// The namespace that owns the asset, and the object in it that uses it.
    pub holder: ClaimHolder,
    /// How the holder proved that the asset is theirs.
    pub proof: ClaimProof,
}

/// Kind of a claimed asset.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum AssetKind {
    /// A Facebook page, claimed by a FacebookChannel.
    FacebookPage,
    /// The webhook callback of an application, claimed by a MetaApp.
    MetaApp,
}

/// Who holds a claim. The claim belongs to the namespace; the object may be replaced by another one there.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
pub struct ClaimHolder {
    /// Namespace that owns the asset.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// Name of the object that uses the asset.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// UID of that object.
    #[schemars(length(min = 1, max = 63))]
    pub uid: String,
}

/// The proof that preceded a claim.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimProof {
    /// What proved it.
    pub method: ProofMethod,
    /// When it was proven.
    #[schemars(schema_with = "time_schema")]
    pub proven_at: Timestamp,
}

/// What proved that a holder may claim an asset.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum ProofMethod {
    /// debug_token showed a valid page token of the application for this page.
    DebugToken,
    /// A call with the app token succeeded.
    AppToken,
}

impl AssetClaim {
    /// Name of the claim for a page.
    pub fn page_name(page_id: &str) -> String {
        format!("facebook-page-{page_id}")
    }

    /// Name of the claim for the callback of an application.
    pub fn app_name(app_id: &str) -> String {
        format!("meta-app-{app_id}")
    }
}
