//! What a pass over a MetaApp observes, and what it may do.

use std::sync::Arc;

use super::secrets::Flaw;
use crate::api::conditions::Quote;
use crate::api::{ChannelCounts, MetaAppStatus, SecretInUse, UsageStatus};
use crate::controller::evidence::Suspicions;
use crate::controller::pass::Report;
use crate::controller::writes::Writes;
use crate::graph::{AppCredentials, AppNode, AppPermission, AppSubscription, Operation, Version};
use crate::limits::answer::{Answer, Refusal};
use crate::limits::calls::Calls;
use crate::limits::repair_limiter::DriftState;
use crate::ownership::{ClaimSeen, ClaimsBlocked};

/// What was seen of an application.
#[derive(Debug)]
pub struct Observed {
    /// The app secret.
    pub secret: SecretSeen,
    /// The claim on the callback, if the webhook is managed.
    pub claim: ClaimSeen,
    /// The Secret with the verify token.
    pub verify_token: VerifyTokenSeen,
    /// What the gateway knows.
    pub keyring: KeyringSeen,
    /// Callback URL that Meta is to be given; `None` if there is nowhere to derive it from.
    pub callback_url: Option<String>,
    /// Where the login dialog sends people back to; `None` if no gateway is there to receive them.
    pub redirect_uri: Option<String>,
    /// Base URL of the Graph API.
    pub graph_url: String,
    /// Fingerprint of everything the answers depend on.
    pub inputs: String,
    /// Whether Meta has to be asked in this pass.
    pub look: bool,
    /// The look that someone asked for and that was not taken yet.
    pub requested: Option<String>,
    /// What subscribing the webhook would be.
    pub standing: DriftState,
    /// Whether values may not be kept any longer.
    pub stale: bool,
    /// The declared version of the Graph API.
    pub version: Version,
    /// The entries of the Secret that can be used. Of two, Meta accepts one or the other.
    pub entries: Vec<SecretInUse>,
    /// What is wrong with another one.
    pub flaw: Option<Flaw>,
    /// The version that answered last where the one in use was asked, as its answer says.
    pub served: Option<Version>,
    /// Fingerprint of the verify token that the gateway has.
    pub verify_token_fingerprint: Option<String>,
    /// What was heard before and waits for its confirmation.
    pub suspicions: Suspicions,
    /// How much of what Meta allows is used, if it is much.
    pub usage: Option<UsageStatus>,
    /// Its channels, if they were counted.
    pub channels: Option<ChannelCounts>,
    /// What Meta answered in this pass.
    pub asked: Asked,
}

/// The app secret, as a decision may see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SecretSeen {
    /// There is no Secret that was released for it.
    NotReleased,
    /// It cannot be an app secret, for this reason.
    Malformed(String),
    /// It is there.
    Present,
}

/// The Secret with the verify token.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum VerifyTokenSeen {
    /// There is none of that name.
    Missing,
    /// We made it.
    Ours,
    /// We made it for an earlier MetaApp of this name, which is gone.
    LeftOver,
    /// Someone else made a Secret of that name.
    Taken,
}

/// What was asked and done in one pass.
#[derive(Debug, Default)]
pub struct Asked {
    /// Every call that was made.
    pub calls: Calls,
    /// The application itself.
    pub node: Option<Answer<AppNode>>,
    /// The version of the Graph API in which it was answered for, or was to be.
    pub version: Option<Version>,
    /// The refusal of the declared version, if Meta does not serve it.
    pub version_refused: Option<Refusal>,
    /// What is in the way of the declared version, though it may answer for the application itself.
    pub trial: Option<Trial>,
    /// The credentials that Meta accepts, and the entry of the Secret that they are from.
    pub credentials: Option<Arc<AppCredentials>>,
    /// The name and fingerprint of that entry.
    pub secret_in_use: Option<SecretInUse>,
    /// Those of the other one, and whether Meta accepts it too.
    pub other_secret: Option<(SecretInUse, bool)>,
    pub permissions: Option<Answer<Vec<AppPermission>>>,
    pub subscriptions: Option<Answer<Vec<AppSubscription>>>,
    /// Its subscriptions before they were written.
    pub before: Option<Vec<AppSubscription>>,
    /// The outcome of subscribing.
    pub subscribed: Option<Answer<()>>,
    /// Whether that was to give Meta the verify token.
    pub introduced: bool,
    /// Webhook fields that Meta does not know.
    pub refused: Vec<String>,
    /// What it said of the last of them.
    pub refused_words: Option<Quote>,
    /// Whether the claim was tried for.
    pub claimed: bool,
    /// Why the claim could not be made, if claims are out of reach.
    pub claims_unavailable: Option<ClaimsBlocked>,
    /// Whether the verify token was created.
    pub verify_token_made: bool,
    /// What came of the writes in the cluster.
    pub writes: Writes,
}

/// One change, at Meta or in the cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum Mutation {
    /// Create the claim on the callback.
    AcquireClaim,
    /// Take the claim over from a MetaApp of this namespace that is gone.
    AdoptClaim {
        /// UID of that one.
        of: String,
    },
    /// Create the Secret with the verify token.
    CreateVerifyToken,
    /// Take up the one of an earlier MetaApp of this name, which is gone.
    AdoptVerifyToken,
    /// Write into the keyring what the gateway has to know.
    TellGateway,
    /// Subscribe the application's webhook.
    Subscribe {
        callback_url: String,
        /// Webhook fields.
        fields: Vec<String>,
    },
    /// Subscribe it once more as it is, so that Meta knows the verify token that the gateway has now.
    Introduce {
        callback_url: String,
        /// Webhook fields.
        fields: Vec<String>,
    },
}

impl Mutation {
    /// What is done, for the log: every write leaves a line there, also one that repairs before anybody notices.
    pub(super) const fn told(&self) -> &'static str {
        match self {
            Self::AcquireClaim => "claiming the webhook of the app",
            Self::AdoptClaim { .. } => "adopting the claim on the webhook of the app",
            Self::CreateVerifyToken => "creating the verify token",
            Self::AdoptVerifyToken => "adopting the verify token of an earlier MetaApp of this name",
            Self::TellGateway => "giving the gateway the app's secrets and its verify token",
            Self::Subscribe { .. } => "subscribing the webhook of the app at Meta",
            Self::Introduce { .. } => "giving Meta the new verify token",
        }
    }
}

/// Why a declared version that answers for the application is not used yet.
#[derive(Clone, Debug, PartialEq)]
pub enum Trial {
    /// Meta refuses this read in it, and answers it in the version in use.
    Refused(Operation, Refusal),
    /// Meta serves another version in its place.
    ServedAs(Version),
    /// Something about the application was not answered.
    Unanswered(Refusal),
    /// No page that was asked about answered everything. Of the application itself all was answered.
    PageUnanswered(Refusal),
}

impl Trial {
    /// What was not answered, so that it is worth trying again soon.
    pub fn silence(&self) -> Option<&Refusal> {
        match self {
            Self::Unanswered(refusal) | Self::PageUnanswered(refusal) => Some(refusal),
            Self::Refused(..) | Self::ServedAs(_) => None,
        }
    }
}

/// The two versions that are compared.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// The version in use.
    pub from: Version,
    /// The one that is declared.
    pub to: Version,
}

/// What a refused write of it is known by among those of an application.
pub const KEYRING: &str = "keyring";

/// What the gateway knows of an application.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyringSeen {
    /// It need not know anything: there is none, or Meta never accepted the app secret.
    Unneeded,
    /// What there is.
    Current,
    /// Something else than there is.
    Outdated,
}

/// What to do: at most one mutation, and the report if there is none.
pub struct Plan {
    /// The mutation to perform before looking again.
    pub mutation: Option<Mutation>,
    pub report: Report<MetaAppStatus>,
}
