//! Seeds: the world a sandbox starts with.
//!
//! A seed is YAML, or these types filled in by hand. Unknown keys are refused, so that a typing
//! error does not silently make a different world.

mod crowd;
mod messaging;
mod presets;
mod tokens;

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

pub use crowd::SeedCrowd;
pub use messaging::{ProfileAccess, Reach, SeedConversation, SeedRouting};
pub(crate) use messaging::{default_name, id_or_none};
pub(crate) use presets::Given;
pub use presets::SeedPreset;
pub use tokens::{GranularScope, Invalidation, SeedToken, TokenKind};

use crate::faults::Fault;
use crate::id::Id;
use crate::switches::Switches;
use crate::usage::Limits;

/// The world a sandbox starts with.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seed {
    /// Positions of the switches that are not at their default.
    pub switches: Switches,
    /// Meta applications.
    pub apps: Vec<SeedApp>,
    /// People who may hold tokens.
    pub people: Vec<SeedActor>,
    /// Business portfolios.
    pub businesses: Vec<SeedBusiness>,
    /// System users of businesses, who may hold tokens.
    pub system_users: Vec<SeedSystemUser>,
    /// Facebook pages.
    pub pages: Vec<SeedPage>,
    /// User, page and system-user tokens; app tokens need no entry.
    pub tokens: Vec<SeedToken>,
    /// Thousands of pages with a token each, for measurements.
    pub crowd: Option<SeedCrowd>,
    /// Public host of a callback → base URL that stands in for it.
    pub resolve: BTreeMap<String, String>,
    /// How many calls are allowed.
    pub limits: Limits,
    /// Faults in force from the start.
    pub faults: Vec<Fault>,
    /// Presets played at the start.
    pub presets: Vec<SeedPreset>,
}

/// A Meta application. Its app token is `<id>|<secret>`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedApp {
    /// App id.
    pub id: Id,
    /// Display name.
    pub name: String,
    /// App secret.
    pub secret: SecretString,
    /// Category, `Business` by default.
    #[serde(default = "default_app_category")]
    pub category: String,
    /// Other fields of the app node: `namespace`, `app_type`, `business`, `privacy_policy_url` …
    #[serde(default)]
    pub fields: BTreeMap<String, serde_json::Value>,
    /// Whether every call needs a valid `appsecret_proof`.
    #[serde(default)]
    pub require_proof: bool,
    /// Whether Meta has shut the app out.
    #[serde(default)]
    pub blocked: Block,
    /// Login review: permission → status.
    #[serde(default)]
    pub permissions: BTreeMap<String, PermissionStatus>,
    /// People with a role on the app.
    #[serde(default)]
    pub roles: BTreeMap<Id, AppRole>,
    /// Webhook subscriptions of the app.
    #[serde(default)]
    pub subscriptions: Vec<SeedAppSubscription>,
    /// Where Meta says that a person has removed the app.
    #[serde(default)]
    pub deauthorize_url: Option<String>,
    /// Where the login dialog may send a person back to.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// Configurations of Facebook Login for Business, by id.
    #[serde(default)]
    pub login_configurations: BTreeMap<Id, SeedLoginConfiguration>,
    /// Whether it was deleted.
    #[serde(default)]
    pub deleted: bool,
}

fn default_app_category() -> String {
    "Business".to_owned()
}

/// A configuration of Facebook Login for Business: a list of scopes, or what else it says.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum SeedLoginConfiguration {
    /// It asks for these scopes; its code gives a person's token.
    Scopes(Vec<String>),
    /// Its code gives a token of a system user.
    SystemUser {
        /// The scopes it asks for.
        scopes: Vec<String>,
        /// The system user.
        system_user: Id,
    },
}

/// Whether Meta has shut an app out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// No.
    #[default]
    None,
    /// Restricted or disabled: "API access blocked."
    Blocked,
    /// The developer must act in the dashboard: "API access deactivated. …"
    Deactivated,
}

/// Result of the login review of a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermissionStatus {
    /// Approved.
    Live,
    /// Not approved.
    Unapproved,
}

/// A person's role on an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppRole {
    /// Owner; may inspect tokens.
    Administrator,
    /// Developer; may inspect tokens.
    Developer,
    /// Tester.
    Tester,
}

/// A webhook subscription of an app to one kind of object.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedAppSubscription {
    /// Kind of object, `page` by default.
    #[serde(default = "default_object")]
    pub object: String,
    /// Where events go.
    pub callback_url: String,
    /// Whether Meta delivers; true by default.
    #[serde(default = "yes")]
    pub active: bool,
    /// Names of the subscribed fields.
    pub fields: Vec<String>,
    /// Version the fields were subscribed with.
    #[serde(default = "default_version")]
    pub version: String,
}

pub(crate) fn default_object() -> String {
    "page".to_owned()
}

pub(crate) fn default_version() -> String {
    "v25.0".to_owned()
}

fn yes() -> bool {
    true
}

/// A person.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedActor {
    /// Id, as seen by the apps.
    pub id: Id,
    /// Name.
    pub name: String,
}

/// A business portfolio.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedBusiness {
    /// Business id.
    pub id: Id,
    /// Name.
    pub name: String,
    /// State of Meta's verification of the business; verified by default.
    #[serde(default)]
    pub verification_status: VerificationStatus,
}

/// State of Meta's verification of a business.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "Meta documents the names only")]
pub enum VerificationStatus {
    Expired,
    Failed,
    Ineligible,
    NotVerified,
    Pending,
    PendingNeedMoreInfo,
    PendingSubmission,
    Rejected,
    Revoked,
    #[default]
    Verified,
}

/// A system user of a business.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedSystemUser {
    /// Id, as seen by the apps.
    pub id: Id,
    /// Name.
    pub name: String,
    /// The business it belongs to.
    #[serde(default)]
    pub business: Option<Id>,
}

/// A Facebook page.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedPage {
    /// Page id.
    pub id: Id,
    /// Display name.
    pub name: String,
    /// Whether the public sees it; true by default.
    #[serde(default = "yes")]
    pub published: bool,
    /// Whether Meta hides it, as it does with restricted and deleted pages.
    #[serde(default)]
    pub restricted: bool,
    /// Whether it was deleted.
    #[serde(default)]
    pub deleted: bool,
    /// The business that owns it.
    #[serde(default)]
    pub owner: Option<Id>,
    /// Who may do what; without it, everyone who holds a token for the page may do everything.
    #[serde(default)]
    pub tasks: Option<BTreeMap<Id, Vec<Task>>>,
    /// Other fields of the page node: `username`, `category`, `messaging_feature_status` …
    #[serde(default)]
    pub fields: BTreeMap<String, serde_json::Value>,
    /// Apps subscribed to the page's events.
    #[serde(default)]
    pub subscriptions: Vec<SeedPageSubscription>,
    /// Conversation routing.
    #[serde(default)]
    pub routing: SeedRouting,
    /// Conversations with people.
    #[serde(default)]
    pub conversations: Vec<SeedConversation>,
    /// Whether Meta bars the page from sending.
    #[serde(default)]
    pub barred_from_sending: bool,
}

/// A task a person may hold on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Task {
    /// Advertise.
    Advertise,
    /// Read insights.
    Analyze,
    /// Publish.
    CreateContent,
    /// Full control.
    Manage,
    /// Manage leads.
    ManageLeads,
    /// Read and answer messages.
    Messaging,
    /// Moderate comments; needed for webhook subscriptions.
    Moderate,
    /// See monetization insights.
    ViewMonetizationInsights,
}

/// An app's row among a page's subscriptions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedPageSubscription {
    /// The subscribed app; it need not be among the seed's apps.
    pub app: Id,
    /// Name to show for an app that is not among the seed's apps.
    #[serde(default)]
    pub name: Option<String>,
    /// Names of the subscribed fields.
    pub fields: Vec<String>,
}

/// A seed cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The YAML does not have the shape of a seed; the text names line and column.
    #[error("the seed cannot be read: {0}")]
    Yaml(#[from] serde_yaml_ng::Error),
    /// It has the shape, but contradicts itself; the text names the entry.
    #[error("{place}: {problem}")]
    Content {
        /// The entry, for example `tokens[2] (page-a)`.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl SeedError {
    pub(crate) fn content(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Content { place: place.into(), problem: problem.into() }
    }
}

impl Seed {
    /// Reads a seed from YAML. References are checked when a sandbox starts with it.
    pub fn from_yaml(text: &str) -> Result<Self, SeedError> {
        Ok(serde_yaml_ng::from_str(text)?)
    }

    /// The built-in demonstration seed.
    pub fn demo() -> Result<Self, SeedError> {
        Self::from_yaml(DEMO_SEED)
    }
}

/// The built-in demonstration seed, as YAML.
pub const DEMO_SEED: &str = include_str!("../seeds/demo.yaml");
