//! MetaApp: one Meta application.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conditions::{conditions_schema, time_schema};
use super::references::SecretReference;
use super::{AllowedNamespaces, ManagementPolicy};

/// One Meta application: its credentials, its webhook and what Meta approved it for.
#[derive(Clone, CustomResource, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[kube(
    group = "metachannels.io",
    version = "v1alpha1",
    kind = "MetaApp",
    plural = "metaapps",
    shortname = "mapp",
    category = "metachannels-all",
    namespaced,
    status = "MetaAppStatus",
    derive = "PartialEq",
    doc = "One Meta application: its credentials, its webhook and what Meta approved it for.",
    validation = Rule::new("self.metadata.name.size() <= 63").message("the name must have at most 63 characters"),
    printcolumn(name = "App", type_ = "string", json_path = ".status.appName", description = "Name of the application at Meta"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status", description = "True when the declared state is reached and was verified"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", description = "Why Ready is what it is"),
    printcolumn(name = "Channels", type_ = "integer", json_path = ".status.channels.total", description = "Channels that name the application"),
    printcolumn(name = "Connected", type_ = "integer", json_path = ".status.channels.connected", description = "Connected channels"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Time since creation"),
    printcolumn(name = "Expired", type_ = "integer", json_path = ".status.channels.expired", description = "Channels whose authorization ended", priority = 1),
    printcolumn(name = "Disconnected", type_ = "integer", json_path = ".status.channels.disconnected", description = "Channels without a working link", priority = 1),
    printcolumn(name = "App ID", type_ = "string", json_path = ".spec.appId", description = "Id of the application at Meta", priority = 1)
)]
#[serde(rename_all = "camelCase")]
pub struct MetaAppSpec {
    /// Id of the application at Meta. Cannot be changed.
    #[schemars(regex(pattern = r"^[1-9][0-9]{4,19}$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("appId cannot be changed; create another MetaApp for another application"))]
    pub app_id: String,
    /// Secret with the app secret: purpose app-secret, key app-secret. During a rotation, the key previous-app-secret may hold the former app secret.
    pub app_secret_ref: SecretReference,
    /// Version of the Graph API, such as v25.0. Default: the newest version that this operator is tested with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^v[1-9][0-9]?\.[0-9]$"))]
    pub graph_version: Option<String>,
    /// Webhook of the application. Absent: the application's subscription at Meta is not managed. Empty: everything is derived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// How people log in to the application to authorize it again in a browser. Absent: the login dialog asks for the required permissions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
    /// Permissions that must be approved for the application.
    #[serde(default = "default_permissions")]
    #[schemars(length(max = 50), inner(regex(pattern = r"^[a-z_]{1,100}$")))]
    pub required_permissions: Vec<String>,
    /// Whom the application serves: Everyone needs approved permissions; Testers are people with a role in the application.
    #[serde(default)]
    pub audience: Audience,
    /// Namespaces whose channels and grants may use this application.
    #[serde(default)]
    pub allowed_namespaces: AllowedNamespaces,
    /// Manage: the operator repairs differences at Meta. Observe: it reports them and writes nothing at Meta. Pause: it leaves Meta alone altogether, and channels continue with what was known.
    #[serde(default)]
    pub management_policy: ManagementPolicy,
}

fn default_permissions() -> Vec<String> {
    ["pages_show_list", "pages_manage_metadata", "pages_messaging"].map(str::to_owned).to_vec()
}

/// The application's webhook for the object `page`.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// Callback URL, only for a receiver of your own. Default: derived from the public URL of the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    #[x_kube(validation = Rule::new("self.startsWith('https://')").message("callbackUrl must start with https:// because Meta calls no other URLs"))]
    pub callback_url: Option<String>,
    /// Webhook fields to subscribe the application to. Default: those of a support channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 60), inner(regex(pattern = r"^[a-z_]{1,64}$")))]
    pub fields: Option<Vec<String>>,
    /// A callback URL found at Meta that may be replaced. Needed once if the application already has a callback that this MetaApp never wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub take_over_from: Option<String>,
}

/// How people log in to the application.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    /// Id of a configuration of Facebook Login for Business, as the App Dashboard shows it (config_id). The configuration defines what the login dialog asks for and must hold every required permission. It may give the token of a person or of a system user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20))]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{4,19}$')").message("configId must be a number from the App Dashboard, as a string: \"8800000000000001\""))]
    pub config_id: Option<String>,
}

/// Whom an application serves.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Audience {
    /// The public: every required permission must be approved by Meta.
    #[default]
    Everyone,
    /// People with a role in the application: approval is reported but not required.
    Testers,
}

/// What was observed about an application.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MetaAppStatus {
    /// Generation that this status is about; -1 before the first pass.
    #[serde(default)]
    pub observed_generation: i64,
    /// Ready, CredentialsValid, WebhookSubscribed, PermissionsApproved, VersionSupported; Reconciling and Stalled only while True.
    #[serde(default)]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// Name of the application at Meta.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_name: Option<String>,
    /// Version of the Graph API that answered last. It is in use. If another version is declared, it takes over once Meta has answered every read in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph_version: Option<String>,
    /// The entry of the Secret that Meta accepted last. It is in use; during a rotation, the other entry replaces it once Meta refuses it. If Meta accepts both, it is app-secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_in_use: Option<SecretInUse>,
    /// The other entry of the Secret, while it holds two and Meta's answer about the other one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_secret: Option<OtherSecret>,
    /// Callback URL that Meta is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    /// Address to which the login dialog sends people back after they authorized again. List it among the Valid OAuth Redirect URIs of the application at Meta; absent when no gateway is installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth_redirect_uri: Option<String>,
    /// Name of the Secret with the generated verify token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_token_secret_name: Option<String>,
    /// The application's subscription as Meta reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<AppSubscriptionStatus>,
    /// The required permissions as Meta reported them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub permissions: Vec<AppPermissionStatus>,
    /// How much of Meta's hourly limits is used; absent while it is little.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageStatus>,
    /// Its channels, counted at most once a minute; absent until they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<ChannelCounts>,
    /// Base URL of the Graph API that this application is managed through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph_url: Option<String>,
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

/// The application's subscription to the object `page`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AppSubscriptionStatus {
    /// Whether Meta delivers events.
    pub active: bool,
    /// Callback URL at Meta, written by this MetaApp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    /// Subscribed webhook fields.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Declared webhook fields that Meta does not know. They are left out until the declaration changes or a check is requested.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 60))]
    pub refused: Vec<String>,
    /// Fingerprint of the verify token that Meta was given last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_token_fingerprint: Option<String>,
}

/// The entry of the Secret with the app secret that Meta accepted last.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SecretInUse {
    /// Key of the entry: app-secret or previous-app-secret.
    pub key: String,
    /// Fingerprint of its content, to recognize it under another key.
    pub fingerprint: String,
}

/// The entry of the Secret with the app secret that is not in use, while there are two.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OtherSecret {
    /// Key of the entry: app-secret or previous-app-secret.
    pub key: String,
    /// Fingerprint of its content.
    pub fingerprint: String,
    /// Whether Meta also accepts it.
    pub accepted: bool,
    /// Since when Meta has given this answer.
    #[schemars(schema_with = "time_schema")]
    pub since: Timestamp,
    /// Time from which it can be removed because Meta no longer repeats events that it signed with it; absent while it is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub removable_from: Option<Timestamp>,
}

/// How much of what Meta allows in an hour is used. Written when a level changes, not when a number does: a metric has that.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageStatus {
    /// Use of the application's own limit; absent while its level is Normal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<UsageShare>,
    /// Use of the limit of the page that is closest to its limit; absent while its level is Normal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest_page: Option<UsageShare>,
}

impl UsageStatus {
    /// The levels, which are all that is acted on.
    pub fn levels(&self) -> [UsageLevel; 2] {
        [&self.app, &self.highest_page].map(|share| share.as_ref().map(|share| share.level).unwrap_or_default())
    }
}

/// How much of a limit is used.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct UsageShare {
    /// Level of use, which decides how often the operator asks Meta.
    pub level: UsageLevel,
    /// Percent of the limit that was used when this level was reached.
    pub percent: u32,
}

/// What the usage of a limit means for how often Meta is asked.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum UsageLevel {
    /// Below 80 percent: as often as usual.
    #[default]
    Normal,
    /// From 80 percent on: regular checks come half as often, the others one by one.
    Tight,
    /// From 95 percent on: only about what was changed, is about to end or is repaired.
    Sparse,
    /// Meta throttles: not at all until that is over.
    Silent,
}

/// One required permission.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct AppPermissionStatus {
    /// Name of the permission.
    pub name: String,
    /// What Meta reports for it: live, unapproved, or missing when Meta does not list it.
    pub status: String,
}

/// How many channels name an application, and in what state they are. What is left over is pending.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ChannelCounts {
    /// All channels.
    #[schemars(range(min = 0))]
    pub total: i32,
    /// Connected channels.
    #[schemars(range(min = 0))]
    pub connected: i32,
    /// Channels whose authorization ended.
    #[schemars(range(min = 0))]
    pub expired: i32,
    /// Channels without a working link.
    #[schemars(range(min = 0))]
    pub disconnected: i32,
}
