//! MetaGrant: one authorization that covers many pages.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conditions::{conditions_schema, time_schema};
use super::references::{MetaAppReference, SecretReference};

/// An authorization that one person or system user gave to an application, for many pages at once.
#[derive(Clone, CustomResource, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[kube(
    group = "metachannels.io",
    version = "v1alpha1",
    kind = "MetaGrant",
    plural = "metagrants",
    shortname = "mgrant",
    category = "metachannels-all",
    namespaced,
    status = "MetaGrantStatus",
    derive = "PartialEq",
    doc = "An authorization that one person or system user gave to an application, for many pages at once.",
    validation = Rule::new("self.metadata.name.size() <= 63").message("the name must have at most 63 characters"),
    printcolumn(name = "Type", type_ = "string", json_path = ".status.tokenType", description = "Kind of the token: USER or SYSTEM_USER"),
    printcolumn(name = "Pages", type_ = "integer", json_path = ".status.pageCount", description = "Pages that the grant covers"),
    printcolumn(name = "Channels", type_ = "integer", json_path = ".status.channels", description = "Channels that rely on the grant", priority = 1),
    printcolumn(name = "Expires", type_ = "string", json_path = ".status.expires", description = "When the authorization ends; empty when it has no end"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status", description = "True when the declared state is reached and was verified"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", description = "Why Ready is what it is"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Time since creation"),
    printcolumn(name = "App", type_ = "string", json_path = ".spec.appRef.name", description = "MetaApp that was authorized", priority = 1),
    printcolumn(name = "Grantor", type_ = "string", json_path = ".status.grantorId", description = "Id of the person or system user who granted it", priority = 1)
)]
#[serde(rename_all = "camelCase")]
pub struct MetaGrantSpec {
    /// MetaApp that was authorized. Cannot be changed.
    #[x_kube(validation = Rule::new("self == oldSelf").message("appRef cannot be changed; create another MetaGrant for another application"))]
    pub app_ref: MetaAppReference,
    /// Secret with the token of the person or system user: purpose grant-token, key token. This is the source token: the operator never writes or revokes it, and keeps the token in use in its own Secret, metagrant-NAME-token.
    pub token_secret_ref: SecretReference,
    /// How a token that can be renewed without a person is renewed.
    #[serde(default)]
    pub renewal: Renewal,
    /// Who may authorize in the browser: ids of people or system users at Meta, as in status.grantorId and status.waitingGrantors. Empty: only the first person to authorize. Anyone else waits until their id is added here, which needs the verb accept. Tokens in the Secret are accepted regardless of whose they are: anyone who may write the Secret decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 20), regex(pattern = r"^[1-9][0-9]{4,19}$")))]
    #[x_kube(validation = Rule::new("self.all(one, self.exists_one(other, one == other))").message("grantors must not name anyone twice"))]
    pub grantors: Vec<String>,
}

/// How a token is renewed. Only tokens of system users that end after 60 days can be.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Renewal {
    /// Auto: the operator renews the token in time. Never: the token runs until it ends.
    #[serde(default)]
    pub policy: RenewalPolicy,
    /// Days before its end at which a token is renewed.
    #[serde(default = "default_before")]
    #[schemars(regex(pattern = r"^([1-9]|[1-4][0-9]|5[0-9])d$"))]
    pub before: String,
    /// Age in days at which a token that ends is renewed even if its end is far away.
    #[serde(default = "default_max_age")]
    #[schemars(regex(pattern = r"^[1-9][0-9]{0,2}d$"))]
    pub max_age: String,
    /// Whether the operator revokes a token that it obtained 24 hours after another one replaced it. The source token is never revoked.
    #[serde(default)]
    pub revoke_old: bool,
}

impl Default for Renewal {
    fn default() -> Self {
        let policy = RenewalPolicy::default();
        Self { policy, before: default_before(), max_age: default_max_age(), revoke_old: false }
    }
}

impl Renewal {
    /// [`Renewal::before`] as a span.
    pub fn before(&self) -> SignedDuration {
        days(&self.before).unwrap_or_else(|| SignedDuration::from_hours(20 * 24))
    }

    /// [`Renewal::max_age`] as a span.
    pub fn max_age(&self) -> SignedDuration {
        days(&self.max_age).unwrap_or_else(|| SignedDuration::from_hours(60 * 24))
    }
}

/// A number of days such as `20d`.
fn days(text: &str) -> Option<SignedDuration> {
    let days: i64 = text.strip_suffix('d')?.parse().ok()?;
    Some(SignedDuration::from_hours(days.checked_mul(24)?))
}

fn default_before() -> String {
    "20d".to_owned()
}

fn default_max_age() -> String {
    "60d".to_owned()
}

/// Whether a token is renewed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum RenewalPolicy {
    /// In time, if it can be.
    #[default]
    Auto,
    /// It is left to end.
    Never,
}

/// What was observed about a grant.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MetaGrantStatus {
    /// Generation that this status is about; -1 before the first pass.
    #[serde(default)]
    pub observed_generation: i64,
    /// Ready, Expired, Valid, Renewed, SourceTokenAccepted; Reconciling and Stalled only while True.
    #[serde(default)]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// Kind of the token in use: USER or SYSTEM_USER.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_type: Option<String>,
    /// Id of the person or system user who granted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grantor_id: Option<String>,
    /// Ids of people who authorized in the browser but are not among the grant's people. They wait for a day to be accepted by being added to spec.grantors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub waiting_grantors: Vec<String>,
    /// When the token in use was issued; Meta reports it only for long-lived tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub issued_at: Option<Timestamp>,
    /// When the token in use ends; absent when it has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub expires_at: Option<Timestamp>,
    /// When access to the person's data ends; absent when it has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub data_access_expires_at: Option<Timestamp>,
    /// The earlier of the two end times, for people to read; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Permissions that were granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub scopes: Vec<String>,
    /// Pages that the grant covers, at most 100, those that channels use first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub pages: Vec<GrantedPageStatus>,
    /// Pages that channels use but the grant does not cover, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub missing_pages: Vec<MissingPageStatus>,
    /// Pages that channels use and for which it is not yet known whether the grant covers them, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub unchecked_pages: Vec<String>,
    /// How many pages the grant covers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_count: Option<i64>,
    /// Whether the grant covers more pages than are listed here.
    #[serde(default)]
    pub pages_truncated: bool,
    /// How many channels rely on the grant, counted at most once a minute; absent until they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<i64>,
    /// Name of the Secret with the token in use, once it was created. It outlives this object on purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub living_secret_name: Option<String>,
    /// Fingerprint of the source token that the token in use comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_token_fingerprint: Option<String>,
    /// Fingerprint of the token in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_fingerprint: Option<String>,
    /// Where a person authorizes again, in a browser; absent when no gateway is installed. The address changes whenever another token comes into use or someone waits to be accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reauthorize_url: Option<String>,
    /// Who must do what next; empty when no action is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
    /// Fingerprint of everything on which the last complete check at Meta depended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<String>,
    /// Value of the annotation metachannels.io/requested-at for which the last check was made, copied unchanged. While the annotation has another value, a requested check is still pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub last_handled_requested_at: Option<String>,
}

/// A page that a grant covers.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantedPageStatus {
    /// Id of the page.
    pub id: String,
    /// Name of the page at Meta.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the grantor may do on the page.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub tasks: Vec<String>,
    /// Whether a channel relies on it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_use: bool,
}

/// A page that channels use but a grant does not cover.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct MissingPageStatus {
    /// Id of the page.
    pub id: String,
    /// Name of the page, if the grant ever covered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}
