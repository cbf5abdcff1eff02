//! FacebookChannel: one page connected for messaging.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conditions::{conditions_schema, time_schema};
use super::endpoint::{Endpoint, EndpointStatus};
use super::inbound::InboundStatus;
use super::primary_receiver::{PrimaryReceiver, PrimaryReceiverStatus};
use super::references::{MetaAppReference, MetaGrantReference, SecretKeyReference};
use super::{DeletionPolicy, ManagementPolicy};

/// One Facebook page connected for messaging.
#[derive(Clone, CustomResource, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[kube(
    group = "metachannels.io",
    version = "v1alpha1",
    kind = "FacebookChannel",
    plural = "facebookchannels",
    shortname = "fbc",
    category = "metachannels",
    category = "metachannels-all",
    namespaced,
    status = "FacebookChannelStatus",
    derive = "PartialEq",
    doc = "One Facebook page connected for messaging.",
    validation = Rule::new("self.metadata.name.size() <= 63").message("the name must have at most 63 characters"),
    printcolumn(name = "Page", type_ = "string", json_path = ".status.pageName", description = "Name of the page at Meta"),
    printcolumn(name = "Connection", type_ = "string", json_path = ".status.connection", description = "Connected, Expired, Disconnected or Pending"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status", description = "True when the declared state is reached and was verified"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", description = "Why Ready is what it is"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".status.expires", description = "When the authorization ends; empty when it has no end"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Time since creation"),
    printcolumn(name = "Page ID", type_ = "string", json_path = ".spec.pageId", description = "Id of the page at Meta", priority = 1),
    printcolumn(name = "App", type_ = "string", json_path = ".spec.credentials.pageToken.appRef.name", description = "MetaApp that the page token belongs to", priority = 1),
    printcolumn(name = "Grant", type_ = "string", json_path = ".spec.credentials.grantRef.name", description = "MetaGrant that covers the page", priority = 1),
    selectable = ".spec.pageId",
    selectable = ".status.connection"
)]
#[serde(rename_all = "camelCase")]
pub struct FacebookChannelSpec {
    /// Id of the page at Meta. Cannot be changed.
    #[schemars(regex(pattern = r"^[1-9][0-9]{4,19}$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("pageId cannot be changed; create another FacebookChannel for another page"))]
    pub page_id: String,
    /// What authorizes the channel.
    pub credentials: Credentials,
    /// Whether the operator publishes the page token for a bot that calls Graph itself: in the Secret facebookchannel-NAME-page-token
    /// of this namespace, with the keys token, page-id, app-id and graph-version.
    #[serde(default)]
    pub publish_token: bool,
    /// Whether the page should be connected. Disconnected: the operator ends its subscription at Meta and keeps claim and history.
    #[serde(default)]
    pub connection: DeclaredConnection,
    /// Webhook fields to subscribe the page to. Default: those of the MetaApp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 60), inner(regex(pattern = r"^[a-z_]{1,64}$")))]
    pub subscribed_fields: Option<Vec<String>>,
    /// Requirement for the primary receiver, which is Meta's default app of conversation routing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_receiver: Option<PrimaryReceiver>,
    /// Who handles the traffic: exactly one of direct, external, bot and chat. This version forwards nothing: only direct becomes Ready.
    pub endpoint: Endpoint,
    /// The namespace to which the page is given. The operator unsubscribes the page as for connection Disconnected and then offers it to that namespace, where a FacebookChannel takes it over with its own credential. If the field is removed before that, the operator connects the page again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub transfer_to: Option<String>,
    /// Manage: the operator repairs differences at Meta. Observe: it reports them and writes nothing at Meta. Pause: it leaves Meta alone altogether.
    #[serde(default)]
    pub management_policy: ManagementPolicy,
    /// What becomes of the page's subscription when this channel is deleted: Disconnect (default) unsubscribes the
    /// application from the page, Orphan leaves it as it is. The claim stays with the namespace either way.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

impl FacebookChannelSpec {
    /// Whether the page is not to be linked, be it that it is disconnected or given away.
    pub fn parts(&self) -> bool {
        self.connection == DeclaredConnection::Disconnected || self.transfer_to.is_some()
    }
}

/// Whether a page is to be connected.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum DeclaredConnection {
    /// The page is subscribed to the application.
    #[default]
    Connected,
    /// The page is not subscribed; the channel keeps its claim and what is known of the page.
    Disconnected,
}

/// What authorizes a channel: exactly one of the two.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.grantRef) != has(self.pageToken)").message("set exactly one of credentials.grantRef and credentials.pageToken"))]
pub struct Credentials {
    /// A MetaGrant that covers this page. The page token and the application follow from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_ref: Option<MetaGrantReference>,
    /// A page access token of this page, kept in a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_token: Option<PageTokenCredentials>,
}

/// What authorizes a channel, as the one that is set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CredentialSource<'a> {
    /// A MetaGrant.
    Grant(&'a MetaGrantReference),
    /// A page access token.
    PageToken(&'a PageTokenCredentials),
}

impl Credentials {
    /// The one that is set; `None` for an object that predates the rule of exactly one.
    pub fn source(&self) -> Option<CredentialSource<'_>> {
        match (&self.grant_ref, &self.page_token) {
            (Some(grant), None) => Some(CredentialSource::Grant(grant)),
            (None, Some(token)) => Some(CredentialSource::PageToken(token)),
            _ => None,
        }
    }
}

/// A page access token and the application it belongs to.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PageTokenCredentials {
    /// Secret with the page access token: purpose page-token.
    pub secret_ref: SecretKeyReference,
    /// MetaApp that the token belongs to. Cannot be changed.
    #[x_kube(validation = Rule::new("self == oldSelf").message("appRef cannot be changed; create another FacebookChannel for another application"))]
    pub app_ref: MetaAppReference,
}

/// What was observed about a channel.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FacebookChannelStatus {
    /// Generation that this status is about; -1 before the first pass.
    #[serde(default)]
    pub observed_generation: i64,
    /// Ready, Connected, Expired, Disconnected, Claimed, Authorized, PageUsable, Subscribed, PrimaryReceiver, EndpointReady; TokenPublished if publishToken is set; Reconciling and Stalled only while True.
    #[serde(default)]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// State in one word: whichever of Connected, Expired and Disconnected is True, else Pending.
    #[serde(default)]
    pub connection: Connection,
    /// Name of the page at Meta.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_name: Option<String>,
    /// When the authorization ends: the earliest of its end times, in RFC 3339; absent when it has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// What is known of the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<AuthorizationStatus>,
    /// The page's subscription to our application as Meta reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<ChannelSubscriptionStatus>,
    /// Since when Meta has restricted the page or kept it from sending; absent when it does neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub restricted_since: Option<Timestamp>,
    /// What was seen of the primary receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_receiver: Option<PrimaryReceiverStatus>,
    /// What the page's events show of the primary receiver, as the gateway writes it; absent where no gateway receives them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbound: Option<InboundStatus>,
    /// Who is declared to handle the traffic; EndpointReady says whether that works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EndpointStatus>,
    /// Name of the Secret with the published page token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_secret_name: Option<String>,
    /// Name of the AssetClaim that this channel holds, in the claims namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_name: Option<String>,
    /// When Meta last confirmed the token; refreshed about once a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub last_verified_at: Option<Timestamp>,
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

/// The state of a channel in one word.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Connection {
    /// Not known yet, or not known any more.
    #[default]
    Pending,
    /// The page is authorized, usable and subscribed.
    Connected,
    /// The authorization ended; a person must authorize again.
    Expired,
    /// There is no working link, by declaration or because it was cut.
    Disconnected,
}

impl Connection {
    /// The word as it stands in the status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Connected => "Connected",
            Self::Expired => "Expired",
            Self::Disconnected => "Disconnected",
        }
    }
}

/// What debug_token says of a channel's token.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationStatus {
    /// Kind of the token, such as PAGE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_type: Option<String>,
    /// Id of the person or system user who granted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grantor_id: Option<String>,
    /// When the token ends; absent when it has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub expires_at: Option<Timestamp>,
    /// When access to the granted data ends; absent when it has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub data_access_expires_at: Option<Timestamp>,
    /// Granted permissions.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Fingerprint of the token, to distinguish one token from another. The token cannot be derived from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

/// The page's subscription to our application.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ChannelSubscriptionStatus {
    /// Fields that our application's row holds.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Declared fields that our application's row lacks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Declared fields that Meta refused. They are left out until the declaration changes or a check is requested.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 60))]
    pub refused: Vec<String>,
}
