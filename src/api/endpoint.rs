//! Who handles the traffic of a channel, as it is declared and as it was found.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who handles the traffic of a channel: exactly one of the four. To all but direct the gateway forwards the events, once its
/// administrator has enabled that; until then EndpointReady is False with ForwardingUnavailable.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[x_kube(validation = Rule::new("[has(self.direct), has(self.external), has(self.bot), has(self.chat)].filter(set, set).size() == 1")
    .message("set exactly one of endpoint.direct, endpoint.external, endpoint.bot and endpoint.chat"))]
pub struct Endpoint {
    /// The application's own callback handles the traffic; nothing is forwarded. Written as direct: {}.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct: Option<DirectEndpoint>,
    /// A URL outside the cluster gets the traffic. The gateway has to forward it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalEndpoint>,
    /// A rule-based bot in the cluster gets the traffic. The gateway has to forward it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot: Option<ServiceEndpoint>,
    /// A chat inbox in the cluster gets the traffic. The gateway has to forward it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<ServiceEndpoint>,
    /// What the gateway sends to external, bot or chat, and how. Default: the events of conversations that this application handles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
}

/// What the gateway sends to an endpoint, and how.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Also events of conversations that another application handles. Bots that do not expect them answer them, or fail.
    #[serde(default)]
    pub standby: bool,
    /// Also events that belong to no conversation, such as posts on the page.
    #[serde(default)]
    pub changes: bool,
    /// Also the headers of CloudEvents. A request carries one event then.
    #[serde(default)]
    pub cloud_events: bool,
    /// The most events that one request carries while there is a backlog.
    #[serde(default = "default_max_events")]
    #[schemars(range(min = 1, max = 16))]
    pub max_events: i32,
}

fn default_max_events() -> i32 {
    16
}

impl Default for Delivery {
    fn default() -> Self {
        Self { standby: false, changes: false, cloud_events: false, max_events: default_max_events() }
    }
}

/// The application's own callback; there is nothing to set.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
pub struct DirectEndpoint {}

/// A URL outside the cluster.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
pub struct ExternalEndpoint {
    /// URL to which events are sent.
    #[schemars(length(max = 1000))]
    #[x_kube(validation = Rule::new("self.startsWith('https://')").message("endpoint.external.url must start with https://"))]
    pub url: String,
}

/// A Service in the namespace of the channel.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceEndpoint {
    /// The Service that gets the traffic, with port and path.
    pub service_ref: ServiceReference,
}

/// A Service, its port and a path.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
pub struct ServiceReference {
    /// Name of the Service.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Port of the Service.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// Path of the HTTP endpoint.
    #[serde(default = "default_path")]
    #[schemars(length(max = 500), regex(pattern = r"^/"))]
    pub path: String,
}

fn default_path() -> String {
    "/".to_owned()
}

/// Who handles the traffic of a channel.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointStatus {
    /// Kind of the endpoint.
    pub kind: EndpointKind,
    /// Secret of this namespace with the key that the gateway signs its requests with, while it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// Generation of that key: it grows when the Secret is deleted, and the operator writes another key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_generation: Option<i64>,
}

/// Kind of an endpoint.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum EndpointKind {
    /// The application's own callback.
    Direct,
    /// A URL outside the cluster.
    External,
    /// A rule-based bot in the cluster.
    Bot,
    /// A chat inbox in the cluster.
    Chat,
}

impl EndpointKind {
    /// Whether the gateway forwards the events.
    pub const fn is_forwarded(self) -> bool {
        match self {
            Self::Direct => false,
            Self::External | Self::Bot | Self::Chat => true,
        }
    }
}

impl Endpoint {
    /// The Service that is declared, if one is.
    pub fn service(&self) -> Option<&ServiceReference> {
        self.bot.as_ref().or(self.chat.as_ref()).map(|endpoint| &endpoint.service_ref)
    }

    /// Which endpoint is set; `None` for an object that predates the rule of exactly one.
    pub fn kind(&self) -> Option<EndpointKind> {
        match (&self.direct, &self.external, &self.bot, &self.chat) {
            (Some(_), None, None, None) => Some(EndpointKind::Direct),
            (None, Some(_), None, None) => Some(EndpointKind::External),
            (None, None, Some(_), None) => Some(EndpointKind::Bot),
            (None, None, None, Some(_)) => Some(EndpointKind::Chat),
            _ => None,
        }
    }
}
