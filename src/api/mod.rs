//! The kinds of `metachannels.io/v1alpha1`, one file each, and the values they share.
//!
//! This module knows neither controllers nor HTTP: it is what a client of the API would import.

#![deny(missing_docs)]

mod allowed_namespaces;
mod asset_claim;
pub mod conditions;
mod crds;
mod endpoint;
mod facebook_channel;
mod inbound;
pub mod inbox;
pub mod keyring;
mod kinds;
mod management_policy;
mod meta_app;
mod meta_grant;
pub mod outcome;
mod primary_receiver;
pub mod readiness;
pub mod reasons;
pub mod references;
pub mod webhook_fields;

pub use allowed_namespaces::{AllowedNamespaces, LabelOperator, LabelRequirement, NamespaceSelector, NamespacesFrom};
pub use asset_claim::{
    AssetClaim, AssetClaimSpec, AssetClaimStatus, AssetKind, CLEANUP, ClaimHolder, ClaimProof, ClaimState, Cleanup,
    DeletionPolicy, LeftAtMeta, ProofMethod,
};
pub use crds::{crds, yaml};
pub use endpoint::{
    Delivery, DirectEndpoint, Endpoint, EndpointKind, EndpointStatus, ExternalEndpoint, ServiceEndpoint,
    ServiceReference,
};
pub use facebook_channel::{
    AuthorizationStatus, ChannelSubscriptionStatus, Connection, CredentialSource, Credentials, DeclaredConnection,
    FacebookChannel, FacebookChannelSpec, FacebookChannelStatus, PageTokenCredentials,
};
pub use inbound::{InboundEvidence, InboundStatus};
pub use management_policy::ManagementPolicy;
pub use meta_app::{
    AppPermissionStatus, AppSubscriptionStatus, Audience, ChannelCounts, MetaApp, MetaAppSpec, MetaAppStatus,
    OtherSecret, SecretInUse, UsageLevel, UsageShare, UsageStatus, Webhook,
};
pub use meta_grant::{
    GrantedPageStatus, MetaGrant, MetaGrantSpec, MetaGrantStatus, MissingPageStatus, Renewal, RenewalPolicy,
};
pub use primary_receiver::{
    Attestation, PrimaryReceiver, PrimaryReceiverStatus, ReceiverEvidence, ReceiverRequirement,
};
pub use reasons::Reason;
pub use webhook_fields::WebhookObject;

/// The API group of all kinds.
pub const GROUP: &str = "metachannels.io";

/// The category that `kubectl get metachannels` expands to: the channel kinds.
pub const CATEGORY: &str = "metachannels";

/// The category that `kubectl get metachannels-all` expands to: all kinds.
pub const CATEGORY_OF_ALL: &str = "metachannels-all";

/// Annotation that asks for a fresh check at Meta now; any new value counts, a timestamp is customary. The status repeats it in
/// `lastHandledRequestedAt` once the check is done, as Flux does with `reconcile.fluxcd.io/requestedAt`.
pub const REQUESTED_AT: &str = "metachannels.io/requested-at";

/// Name of the ConfigMap in each watched namespace that says which release the namespace belongs to.
pub const RELEASE_BINDING: &str = "metachannels-release";

/// Its key with the name of the release: namespace and name of its Lease, with a slash between them.
pub const RELEASE_KEY: &str = "release";

/// Label that releases a Secret to the operator for exactly one purpose.
pub const PURPOSE_LABEL: &str = "metachannels.io/purpose";

/// Webhook fields a support channel needs, subscribed unless others are declared.
pub const DEFAULT_FIELDS: &[&str] = &[
    "messages",
    "messaging_postbacks",
    "messaging_referrals",
    "messaging_optins",
    "message_deliveries",
    "message_reads",
    "message_echoes",
    "message_reactions",
    "message_edits",
    "messaging_handovers",
    "standby",
    "messaging_policy_enforcement",
];
