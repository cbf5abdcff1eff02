//! References from one object to another, and the purposes a Secret can be released for.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A Secret in the namespace of the object that names it. The purpose fixes the key.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, KubeSchema, PartialEq, Serialize)]
pub struct SecretReference {
    /// Name of the Secret. It must carry the label metachannels.io/purpose with the purpose that this field stands for.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
}

/// One key of a Secret in the namespace of the object that names it.
#[derive(Clone, Debug, Deserialize, Eq, Hash, KubeSchema, PartialEq, Serialize)]
pub struct SecretKeyReference {
    /// Name of the Secret. It must carry the label metachannels.io/purpose with the purpose that this field stands for.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Key inside the Secret.
    #[serde(default = "default_token_key")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

fn default_token_key() -> String {
    "token".to_owned()
}

/// A MetaApp, in this namespace unless another one is named.
#[derive(Clone, Debug, Deserialize, Eq, Hash, KubeSchema, PartialEq, Serialize)]
pub struct MetaAppReference {
    /// Name of the MetaApp.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Namespace of the MetaApp, which must permit this namespace in its allowedNamespaces. Default: the namespace of this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
}

/// A MetaGrant in the namespace of the object that names it.
#[derive(Clone, Debug, Deserialize, Eq, Hash, KubeSchema, PartialEq, Serialize)]
pub struct MetaGrantReference {
    /// Name of the MetaGrant.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
}

/// An object in a namespace that is always named.
#[derive(Clone, Debug, Deserialize, Eq, Hash, KubeSchema, PartialEq, Serialize)]
pub struct NamespacedName {
    /// Namespace of the object.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// Name of the object.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
}

/// What a Secret was released for, as its purpose label says.
///
/// A Secret is used for its own purpose only, so that someone who may write channels but not read Secrets cannot
/// have a stranger's Secret used.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Purpose {
    /// The secret of a Meta application: key `app-secret`, during a rotation also `previous-app-secret`.
    AppSecret,
    /// A page access token; the key is named where the Secret is referenced.
    PageToken,
    /// The token of a person or system user, from which a MetaGrant begins: key `token`. Never written by the operator.
    GrantToken,
    /// The token that a MetaGrant uses now, kept by the operator: key `token`.
    LivingToken,
    /// The generated verify token of a MetaApp's webhook: key `verify-token`.
    VerifyToken,
    /// A page token that the operator publishes for a bot. It is of no use as a channel's own credential.
    PublishedPageToken,
    /// What the gateway signs requests to the endpoint of a channel with.
    EndpointKey,
    /// A message of the gateway for the operator, see [`super::inbox`].
    GrantInbox,
    /// What the gateway knows of MetaApps, see [`super::keyring`].
    GatewayKeyring,
}

impl Purpose {
    /// The value of the purpose label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AppSecret => "app-secret",
            Self::PageToken => "page-token",
            Self::GrantToken => "grant-token",
            Self::LivingToken => "living-token",
            Self::VerifyToken => "verify-token",
            Self::PublishedPageToken => "published-page-token",
            Self::EndpointKey => "endpoint-key",
            Self::GrantInbox => "grant-inbox",
            Self::GatewayKeyring => "gateway-keyring",
        }
    }
}

/// Key of the app secret in a Secret of purpose `app-secret`.
pub const APP_SECRET_KEY: &str = "app-secret";

/// Key of the former app secret in a Secret of purpose `app-secret`, present during a rotation.
pub const PREVIOUS_APP_SECRET_KEY: &str = "previous-app-secret";

/// Key of the token in Secrets of the purposes `grant-token` and `living-token`.
pub const GRANT_TOKEN_KEY: &str = "token";

/// Key of the verify token in a Secret of purpose `verify-token`.
pub const VERIFY_TOKEN_KEY: &str = "verify-token";

/// Keys of a Secret of purpose `published-page-token`: the token, and what else a call to Graph needs.
pub mod published {
    /// The page token.
    pub const TOKEN_KEY: &str = "token";
    /// Id of the page.
    pub const PAGE_ID_KEY: &str = "page-id";
    /// Id of the application.
    pub const APP_ID_KEY: &str = "app-id";
    /// Version of the Graph API that the application is managed with.
    pub const GRAPH_VERSION_KEY: &str = "graph-version";
}

/// Keys of a Secret of purpose `endpoint-key`: one key, in the two forms that those who check signatures expect.
pub mod endpoint {
    /// For who checks Meta's signatures: it takes the place of the app secret.
    pub const APP_SECRET_KEY: &str = "app-secret";
    /// For who checks Standard Webhooks.
    pub const STANDARD_WEBHOOKS_KEY: &str = "standard-webhooks-secret";
}
