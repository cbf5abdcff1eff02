//! The values that a pass over a channel hands on: what was seen, what was asked, and the one change that is decided. This file
//! neither reads nor decides anything.

use std::sync::Arc;

use jiff::Timestamp;

use crate::api::{EndpointKind, FacebookChannel, ManagementPolicy, Reason};
use crate::base::key::Key;
use crate::controller::dependency::DependencyError;
use crate::controller::evidence::Suspicions;
use crate::controller::writes::Writes;
use crate::graph::{AppCredentials, PageNode, PageSubscription, Thread, Token, TokenInfo, Version};
use crate::limits::answer::{Answer, Refusal};
use crate::limits::calls::Calls;
use crate::limits::repair_limiter::DriftState;
use crate::meta_app::by_id::AppState;
use crate::meta_grant::page_gap::Absence;
use crate::ownership::{ClaimSeen, ClaimsBlocked, FormerApp, Record};

pub use crate::meta_app::seen::AppSeen;

/// What was seen of a channel.
#[derive(Debug)]
pub struct Observed {
    /// The MetaApp that the channel is connected through; `None` if that is not known.
    pub app_key: Option<Key>,
    /// The application.
    pub app: AppSeen,
    /// Permissions that the application needs for everyone and Meta has not approved. No look depends on them.
    pub unapproved: Vec<String>,
    /// The credential.
    pub token: TokenSeen,
    /// The claim on the page.
    pub claim: ClaimSeen,
    /// Whether the claim, if it is ours, says what it should.
    pub record: Record,
    /// Another application that the page is still subscribed to for us, as our claim remembers it.
    pub former: Option<Former>,
    /// The Secret with the published page token.
    pub publication: SecretSeen,
    /// What forwarding the events needs.
    pub endpoint: EndpointSeen,
    /// The gateway, as the operator was told of it.
    pub gateway: GatewaySeen,
    /// Whether a person authorizes the grant of the channel again in a browser.
    pub in_browser: bool,
    /// Fingerprint of everything the answers depend on.
    pub inputs: String,
    /// Whether Meta has to be asked in this pass.
    pub look: bool,
    /// The look that someone asked for and that was not taken yet.
    pub requested: Option<String>,
    /// The last time at which the token had to be checked.
    pub token_slot: Timestamp,
    /// What subscribing the page would be, or ending its subscription.
    pub standing: DriftState,
    /// Whether values may not be kept any longer.
    pub stale: bool,
    /// Whether our clock and Meta's are apart, so that nothing ends by ours alone.
    pub clock_doubted: bool,
    /// What was heard before and waits for its confirmation.
    pub suspicions: Suspicions,
    /// What Meta answered in this pass.
    pub asked: Asked,
    /// What calls on behalf of the channel need, if it is all there.
    pub access: Option<Access>,
}

impl Observed {
    /// The time by which the ends of a token are judged; none while our clock is in doubt.
    pub fn reckoned(&self, now: Timestamp) -> Option<Timestamp> {
        (!self.clock_doubted).then_some(now)
    }
}

/// What was asked and done in one pass.
#[derive(Debug, Default)]
pub struct Asked {
    /// Every call that was made.
    pub calls: Calls,
    /// Whether the witness of the token was asked in this pass: what is remembered of it bears witness to nothing new.
    pub witnessed: bool,
    /// What debug_token says.
    pub token: Option<Answer<TokenInfo>>,
    pub page: Option<Answer<PageNode>>,
    /// The applications that the page is subscribed to.
    pub subscriptions: Option<Answer<Vec<PageSubscription>>>,
    /// Those applications before the subscription was written or ended.
    pub before: Option<Vec<PageSubscription>>,
    /// The page's latest threads.
    pub threads: Option<Answer<Vec<Thread>>>,
    /// When they can be checked, where that was asked for and cannot be done yet.
    pub threads_owed: Option<Timestamp>,
    /// The outcome of subscribing.
    pub subscribed: Option<Answer<()>>,
    /// Fields that Meta refused in this pass.
    pub refused_fields: Vec<String>,
    /// The outcome of unsubscribing.
    pub unsubscribed: Option<Answer<()>>,
    /// What came of ending the subscription to the application before.
    pub former: Option<FormerEnd>,
    /// Whether the claim was tried for.
    pub claimed: bool,
    /// Whether our claim was brought up to date, after what was done at Meta since.
    pub recorded: bool,
    /// Why it could not be, if claims are out of reach.
    pub unrecorded: Option<ClaimsBlocked>,
    /// Whether the Secret with the published token was written or deleted.
    pub published: bool,
    /// Whether the Secret with the key of the endpoint was written or deleted.
    pub endpoint_key: bool,
    /// Why the claim could not be made, if claims are out of reach.
    pub claims_unavailable: Option<ClaimsBlocked>,
    /// What came of the writes in the cluster.
    pub writes: Writes,
}

impl Asked {
    /// The calls with the page's token that were refused.
    pub fn page_calls(&self) -> impl Iterator<Item = &Refusal> {
        let page = self.page.as_ref().and_then(|it| it.as_ref().err());
        let rows = self.subscriptions.as_ref().and_then(|it| it.as_ref().err());
        let write = self.subscribed.as_ref().and_then(|it| it.as_ref().err());
        page.into_iter().chain(rows).chain(write)
    }
}

/// One change, at Meta or in the cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum Mutation {
    /// Create the claim on the page.
    AcquireClaim,
    /// Take the claim over from a channel of this namespace that is gone.
    AdoptClaim {
        /// UID of that one.
        of: String,
        /// Whether the credential was proven in this pass. To end what that one left needs no proof.
        proven: bool,
    },
    /// Take the claim over from another namespace, which gives the page to this one.
    TakeClaim {
        /// That namespace.
        from: String,
    },
    /// Write into our claim how the page is used now.
    RecordClaim {
        /// Whether the credential was proven in this pass.
        proven: bool,
    },
    /// Subscribe the page to our application.
    Subscribe {
        /// Webhook fields: the full set, since whether Meta replaces or adds is not documented.
        fields: Vec<String>,
    },
    /// End the page's subscription to our application, with the application's own token.
    Unsubscribe,
    /// End its subscription to the application that it was used through before, with that one's own token.
    UnsubscribeFormer,
    /// Leave that subscription as it is, since it cannot be ended, and tell about it.
    LeaveFormer {
        /// Why it cannot be ended.
        why: String,
    },
    /// Write the page token into the Secret that is meant for it.
    Publish,
    /// Delete that Secret.
    Withdraw,
    /// Write the key that events are signed with into the Secret that is meant for it.
    WriteEndpointKey,
    /// Delete that Secret.
    DeleteEndpointKey,
}

impl Mutation {
    /// What is done, for the log: every write leaves a line there, also one that repairs before anybody notices.
    pub const fn told(&self) -> &'static str {
        match self {
            Self::AcquireClaim => "claiming the page",
            Self::AdoptClaim { .. } => "adopting the claim on the page",
            Self::TakeClaim { .. } => "taking the claim on the page over from the namespace that gives it away",
            Self::RecordClaim { .. } => "updating the claim on the page",
            Self::Subscribe { .. } => "subscribing the page at Meta",
            Self::Unsubscribe => "unsubscribing the page at Meta",
            Self::UnsubscribeFormer => "unsubscribing the page at Meta from its former app",
            Self::LeaveFormer { .. } => "leaving the page subscribed to its former app",
            Self::Publish => "publishing the page token",
            Self::Withdraw => "deleting the published page token",
            Self::WriteEndpointKey => "writing the key of the endpoint",
            Self::DeleteEndpointKey => "deleting the key of the endpoint",
        }
    }
}

/// The credential of a channel, as a decision may see it.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenSeen {
    /// Not exactly one credential is declared.
    NotDeclared,
    /// There is no Secret that was released for it.
    NotReleased,
    /// It cannot be a token, for this reason.
    Malformed(String),
    /// It is there.
    Present { fingerprint: String },
    /// There is no such MetaGrant.
    GrantNotFound,
    /// The grant cannot be used.
    GrantTrouble {
        /// In the words of its own conditions.
        trouble: DependencyError,
        /// Why its authorization ended, if it did.
        ended: Option<Reason>,
    },
    /// The grant works, but what it gives is not known: it was not listed since the operator started.
    NotListed,
    /// What the grant gives was listed.
    Granted(Box<PageGrant>),
}

/// What a grant gives for the page of a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct PageGrant {
    /// What debug_token said of the grant's own token, as if it had been asked about the token of the page.
    pub info: TokenInfo,
    /// Whether it is a system user's, so that no person can authorize it.
    pub of_system_user: bool,
    /// What is missing for the page, once that is certain.
    pub absence: Option<Absence>,
    /// What the grantor may do on the page; `None` if Meta does not tell.
    pub tasks: Option<Vec<String>>,
    /// Fingerprint of the page's token; `None` if there is none.
    pub fingerprint: Option<String>,
    /// When the pages were listed.
    pub at: Timestamp,
}

impl TokenSeen {
    /// Fingerprint of the page token, if there is one.
    pub fn fingerprint(&self) -> Option<&str> {
        match self {
            Self::Present { fingerprint } => Some(fingerprint),
            Self::Granted(grant) => grant.fingerprint.as_deref(),
            _ => None,
        }
    }

    /// The part of it that a check at Meta depends on. What a grant gives is judged on its own: that it is renewed is no
    /// reason to ask about the pages of 10,000 channels.
    pub fn input(&self) -> String {
        match self {
            Self::NotListed | Self::Granted(_) => "granted".to_owned(),
            other => format!("{other:?}"),
        }
    }
}

/// What calls on behalf of a channel need.
#[derive(Debug)]
pub struct Access {
    /// Version of the Graph API.
    pub version: Version,
    /// The application's credentials.
    pub credentials: Arc<AppCredentials>,
    /// The page token.
    pub token: Token,
}

/// An application that the page is still subscribed to for the channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Former {
    /// What the claim says of it.
    pub claimed: FormerApp,
    /// Its MetaApp, as it is now.
    pub app: AppState,
}

/// What came of its subscription.
#[derive(Clone, Debug, PartialEq)]
pub enum FormerEnd {
    /// Meta was asked to end it, and answered this.
    Asked(Answer<()>),
    /// It stays, and this is told about it.
    Left(String),
}

impl FormerEnd {
    /// Whether nothing more is to be done about it.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Asked(Ok(())) | Self::Left(_))
    }
}

impl Former {
    /// The MetaApp of an application, if it is known.
    pub fn key_of(claimed: &FormerApp) -> Option<Key> {
        claimed.app_ref.as_ref().map(|app| Key::new(&app.namespace, &app.name))
    }

    /// Its MetaApp, for a message.
    pub fn name(&self) -> String {
        Self::key_of(&self.claimed).map_or_else(|| "its MetaApp".to_owned(), |app| format!("MetaApp {app}"))
    }

    /// What is told when its subscription stays.
    pub fn left(&self, page_id: &str, why: &str) -> String {
        let FormerApp { app_id, fields, .. } = &self.claimed;
        format!(
            "App {app_id} stays subscribed to page {page_id} (fields {}): {why}. Someone with full control of the page can remove the app from it at facebook.com.",
            fields.join(", ")
        )
    }
}

/// The gateway, as the operator was told of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GatewaySeen {
    NotInstalled,
    /// It answers Meta, and keeps no events.
    WithoutForwarding,
    Forwarding,
}

/// What was seen of what forwarding the events needs.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointSeen {
    pub key: EndpointKeySeen,
    pub service: ServiceSeen,
}

/// What was seen of the key that events are signed with.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointKeySeen {
    /// The Secret with it.
    pub secret: SecretSeen,
    /// Which one after the first it is, or would be.
    pub generation: i64,
    /// Whether what keys are made of is there.
    pub can_be_made: bool,
}

/// What was seen of the Service that handles the traffic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ServiceSeen {
    /// None is declared, or there is nothing to find out.
    NotAsked,
    Found,
    NotFound,
    /// It does not have the declared port.
    NoSuchPort,
    /// It is only another name for a host, which may be anywhere.
    ExternalName,
}

impl EndpointSeen {
    /// Whether the key is not as declared, and nothing may be done about it.
    pub fn is_in_the_way(&self, channel: &FacebookChannel) -> bool {
        let observed = channel.spec.management_policy == ManagementPolicy::Observe;
        let forwarded = channel.spec.endpoint.kind().is_some_and(EndpointKind::is_forwarded);
        let secret = self.key.secret;
        forwarded && (secret == SecretSeen::Taken || observed && secret != SecretSeen::Ours(Content::Current))
    }
}

/// What was seen of a Secret that the operator fills.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SecretSeen {
    /// There is none of that name.
    Missing,
    /// It was made for this channel.
    Ours(Content),
    /// It was made for an earlier channel of this name, and has not been collected yet.
    Leftover,
    /// Someone else made it.
    Taken,
}

impl SecretSeen {
    /// Whether it is not as declared, and nothing may be done about it.
    pub fn is_in_the_way(self, channel: &FacebookChannel) -> bool {
        let observed = channel.spec.management_policy == ManagementPolicy::Observe;
        channel.spec.publish_token && (self == Self::Taken || observed && self != Self::Ours(Content::Current))
    }
}

/// What the Secret holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Content {
    /// What is to be published.
    Current,
    /// Something else: another token, or none that may be told.
    Outdated,
    /// What is to be published, but someone changed the Secret since it was written.
    Touched,
}
