//! AssetClaim: which namespace owns a page or the callback of an application.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conditions::{conditions_schema, time_schema};
use super::references::NamespacedName;

/// States which namespace owns an asset at Meta. The operator writes it, after proof and before its first write at Meta.
#[derive(Clone, CustomResource, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[kube(
    group = "metachannels.io",
    version = "v1alpha1",
    kind = "AssetClaim",
    plural = "assetclaims",
    shortname = "mclaim",
    category = "metachannels-all",
    namespaced,
    status = "AssetClaimStatus",
    derive = "PartialEq",
    doc = "States which namespace owns an asset at Meta. The operator writes it, after proof and before its first write at Meta.",
    validation = Rule::new("self.metadata.name.size() <= 63").message("the name must have at most 63 characters"),
    printcolumn(name = "Asset ID", type_ = "string", json_path = ".spec.assetId", description = "Id of the asset at Meta"),
    printcolumn(name = "Claimed by", type_ = "string", json_path = ".spec.holder.namespace", description = "Namespace that owns the asset"),
    printcolumn(name = "Holder", type_ = "string", json_path = ".spec.holder.name", description = "Object that uses the asset"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state", description = "Held, AwaitingHolder, CleanupPending, Tombstone or LeftBehind"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Time since creation"),
    printcolumn(name = "Transfer to", type_ = "string", json_path = ".spec.transferTo", description = "Namespace that may take the asset over", priority = 1),
    printcolumn(name = "App", type_ = "string", json_path = ".spec.appRef.name", description = "MetaApp through which the asset is used", priority = 1),
    printcolumn(name = "On deletion", type_ = "string", json_path = ".spec.deletionPolicy", description = "What becomes of the page's subscription when the channel is gone", priority = 1),
    selectable = ".spec.assetId",
    selectable = ".status.state"
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
    /// MetaApp through which the asset is used; absent in a claim that an older version created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_ref: Option<NamespacedName>,
    /// Webhook fields that the page is subscribed to through the application.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 60), inner(regex(pattern = r"^[a-z_]{1,64}$")))]
    pub subscribed_fields: Vec<String>,
    /// What becomes of the page's subscription when the holder is gone. It follows the deletionPolicy of the channel as long as the channel exists.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// The namespace that owns the asset, and the object in it that uses it.
    pub holder: ClaimHolder,
    /// How the holder proved ownership of the asset.
    pub proof: ClaimProof,
    /// The namespace to which the holder gives the asset. Only a holder there may take it over. Absent unless the asset is being given away; removed once it was taken over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub transfer_to: Option<String>,
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
    /// How it was proved.
    pub method: ProofMethod,
    /// When it was verified.
    #[schemars(schema_with = "time_schema")]
    pub proven_at: Timestamp,
}

/// What proved that a holder may claim an asset.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum ProofMethod {
    /// debug_token showed a valid page token of the application for this page.
    DebugToken,
    /// A grant of the application lists the page, with a token and the tasks that are needed.
    GrantListing,
    /// A call with the app token succeeded.
    AppToken,
}

/// What becomes of a page's subscription to the application when its channel is deleted.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
pub enum DeletionPolicy {
    /// The application is unsubscribed from the page.
    #[default]
    Disconnect,
    /// Nothing is written at Meta; the page stays subscribed.
    Orphan,
}

impl DeletionPolicy {
    /// The word as it stands in a spec.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disconnect => "Disconnect",
            Self::Orphan => "Orphan",
        }
    }
}

/// State of a claim. Until anything happens to the claim, the state is Held and nothing else is set.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssetClaimStatus {
    /// Generation that this status is about; absent until a pass first has something to report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The state in one word.
    #[serde(default)]
    pub state: ClaimState,
    /// UID of the holder that the state is about. A holder with another UID has taken the claim over since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder_uid: Option<String>,
    /// UID of the claim that the state is about. A claim that was restored from a backup has another UID, and its restored status does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_uid: Option<String>,
    /// Since when the holder has been missing without an observed deletion, for example after a restore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub awaited_since: Option<Timestamp>,
    /// When the holder was first found to be gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub gone_since: Option<Timestamp>,
    /// When the request that unsubscribes the page was started, until its answer is recorded. Until then, nobody can take the claim over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub releasing_since: Option<Timestamp>,
    /// What remains at Meta without being managed by any object here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_at_meta: Option<LeftAtMeta>,
    /// Ready; Reconciling and Stalled only while True.
    #[serde(default)]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
}

/// The state of a claim in one word.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
pub enum ClaimState {
    /// A living object uses the asset.
    #[default]
    Held,
    /// The object is not there, and nobody saw it go: it may be on its way back from a backup, and is waited for.
    AwaitingHolder,
    /// The object is gone; what it left at Meta is being cleaned up.
    CleanupPending,
    /// The object is gone and cleaned up after. The asset stays reserved for the namespace.
    Tombstone,
    /// The object is gone, and what it left at Meta cannot be cleaned up before a person does something.
    LeftBehind,
}

impl ClaimState {
    /// The word as it stands in a status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "Held",
            Self::AwaitingHolder => "AwaitingHolder",
            Self::CleanupPending => "CleanupPending",
            Self::Tombstone => "Tombstone",
            Self::LeftBehind => "LeftBehind",
        }
    }
}

/// Annotation of a claim with which an administrator says what becomes of it: `now` or `never`.
pub const CLEANUP: &str = "metachannels.io/cleanup";

/// What an administrator says about cleaning up after the holder of a claim.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cleanup {
    /// A holder that nobody saw go does not come back: it is not waited for.
    Now,
    /// Nothing is cleaned up, whatever becomes of the holder.
    Never,
}

/// A page's subscription that stays at Meta after its channel.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftAtMeta {
    /// Id of the page.
    pub page_id: String,
    /// Id of the application that stays subscribed to the page.
    pub app_id: String,
    /// Webhook fields to which it was subscribed, as far as known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
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

    /// The state, as far as it is about the present holder.
    pub fn state(&self) -> ClaimState {
        self.current().map(|status| status.state).unwrap_or_default()
    }

    /// Whether the page is being unsubscribed for the present holder at this moment.
    pub fn is_being_released(&self) -> bool {
        self.current().is_some_and(|status| status.releasing_since.is_some())
    }

    /// The status, if it is about the present holder and was written about this very claim. Any other is as good as none;
    /// but one that was cleaned up after stays so, wherever it is restored.
    pub fn current(&self) -> Option<&AssetClaimStatus> {
        let status = self.status.as_ref().filter(|it| it.holder_uid.as_ref() == Some(&self.spec.holder.uid))?;
        let own = status.claim_uid == self.metadata.uid || status.state == ClaimState::Tombstone;
        own.then_some(status)
    }

    /// What an administrator says about cleaning up after a holder that nobody saw go.
    ///
    /// # Errors
    /// The value of the annotation, if it is none that is known.
    pub fn cleanup(&self) -> Result<Option<Cleanup>, &str> {
        let value = self.metadata.annotations.as_ref().and_then(|all| all.get(CLEANUP)).map(String::as_str);
        match value {
            None => Ok(None),
            Some("now") => Ok(Some(Cleanup::Now)),
            Some("never") => Ok(Some(Cleanup::Never)),
            Some(other) => Err(other),
        }
    }
}
