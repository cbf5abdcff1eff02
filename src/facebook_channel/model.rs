//! The values that a pass over a channel hands on: what was seen, what was asked, and the one change that is decided. Neither
//! reads anything nor decides.

use jiff::Timestamp;

pub use super::credentials::{Access, TokenSeen};
pub use super::former::{Former, FormerEnd};
use super::publication::PublicationSeen;
use crate::base::key::Key;
use crate::controller::evidence::Suspicions;
use crate::controller::writes::Writes;
use crate::graph::{PageNode, PageSubscription, Thread, TokenInfo};
use crate::limits::answer::{Answer, Refusal};
use crate::limits::calls::Calls;
use crate::limits::drift_guard::DriftState;
pub use crate::meta_app::seen::AppSeen;
use crate::ownership::{ClaimSeen, Record, Unavailable};

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
    pub publication: PublicationSeen,
    /// Whether the operator knows of a gateway.
    pub gateway: bool,
    /// Whether a person authorises the grant of the channel again in a browser.
    pub in_browser: bool,
    /// Fingerprint of everything the answers depend on.
    pub inputs: String,
    /// Whether Meta has to be asked in this pass.
    pub look: bool,
    /// The look that somebody asked for and that was not taken yet.
    pub requested: Option<String>,
    /// The last time at which the token had to be looked at.
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
    /// The page.
    pub page: Option<Answer<PageNode>>,
    /// The applications that the page is subscribed to.
    pub subscriptions: Option<Answer<Vec<PageSubscription>>>,
    /// Those applications before the subscription was written or ended.
    pub before: Option<Vec<PageSubscription>>,
    /// The page's latest threads.
    pub threads: Option<Answer<Vec<Thread>>>,
    /// When they can be looked at, where that was asked for and cannot be done yet.
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
    pub unrecorded: Option<Unavailable>,
    /// Whether the Secret with the published token was written or deleted.
    pub published: bool,
    /// Why the claim could not be made, if claims are out of reach.
    pub claims_unavailable: Option<Unavailable>,
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
            Self::UnsubscribeFormer => "unsubscribing the page at Meta from the app that it was used through before",
            Self::LeaveFormer { .. } => "leaving the page subscribed to the app that it was used through before",
            Self::Publish => "publishing the page token",
            Self::Withdraw => "deleting the published page token",
        }
    }
}
