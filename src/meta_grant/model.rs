//! What is seen of a grant, what is asked about it, and what may be done: values that all parts of its life share.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::inbox::Envelope;
use super::page_tokens::{Granted, Pages};
use crate::api::{MetaGrant, MetaGrantStatus};
use crate::base::ids::PageId;
use crate::base::key::Key;
use crate::cluster::secrets::Released;
use crate::controller::evidence::Suspicions;
use crate::controller::pass::Report;
use crate::controller::writes::Writes;
use crate::graph::{Account, AppCredentials, Exchange, PageToken, Token, TokenInfo, Version};
use crate::limits::answer::Answer;
use crate::limits::calls::Calls;
use crate::meta_app::seen;
pub use crate::meta_app::seen::AppSeen;

/// What was seen of a grant.
#[derive(Debug)]
pub struct Observed {
    /// The application.
    pub app: AppSeen,
    pub source_token: SourceTokenSeen,
    /// The Secret with the token in use.
    pub token_secret: TokenSecretSeen,
    /// Fingerprint of the token in use, if there is one.
    pub in_use: Option<String>,
    /// Fingerprint of the token that a person brought in the browser, if there is one to be evaluated.
    pub message: Option<String>,
    /// Ids of those who brought one, are not among the grant's people and wait.
    pub waiting: Vec<String>,
    /// Who relies on the grant.
    pub dependents: GrantDependents,
    /// Where a person authorizes again.
    pub reauthorize_url: Option<String>,
    /// Fingerprint of everything the answers depend on.
    pub inputs: String,
    /// Whether anything of that changed since the last complete look.
    pub changed: bool,
    /// Pages in use whose tokens are doubted.
    pub doubted: BTreeSet<PageId>,
    /// Whether Meta has to be asked in this pass.
    pub look: bool,
    /// The look that someone asked for and that was not taken yet.
    pub requested: Option<String>,
    /// Whether values may not be kept any longer.
    pub stale: bool,
    /// Whether our clock and Meta's are apart, so that nothing ends or is due by ours alone.
    pub clock_doubted: bool,
    /// What was heard before and waits for its confirmation.
    pub suspicions: Suspicions,
    /// Whether it is time to say again that the grant ends soon.
    pub remind: bool,
    /// Whether Meta was not asked again, since what it said holds for some time.
    pub recalled: bool,
    /// What the grant gave before this pass, if that is known.
    pub before: Option<Arc<Granted>>,
    /// The times at which more is to be done than at the regular times.
    pub times: Times,
    /// What Meta answered in this pass, and what was done.
    pub asked: Asked,
    /// What calls on behalf of the grant need, if it is all there.
    pub access: Option<Access>,
    /// The tokens, for those who send or keep them.
    pub tokens: Tokens,
}

/// The source token, as a decision may see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SourceTokenSeen {
    /// There is no Secret that was released for it.
    NotReleased,
    /// It cannot be a token, for this reason.
    Malformed(String),
    /// It is there.
    Present { fingerprint: String },
}

impl SourceTokenSeen {
    /// Its fingerprint, if it is there.
    pub fn fingerprint(&self) -> Option<&str> {
        if let Self::Present { fingerprint } = self { Some(fingerprint) } else { None }
    }
}

/// The Secret with the token in use, as a decision may see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TokenSecretSeen {
    /// There is none yet.
    Missing,
    /// Someone else made a Secret of that name.
    Taken,
    /// It cannot be used, for this reason.
    Malformed(String),
    /// It holds the token in use.
    Present {
        /// Fingerprint of the source token that the token comes from.
        source_token: String,
        /// Whether we obtained the token from Meta.
        minted: bool,
        /// The token that was in use before.
        previous: Option<PreviousSeen>,
    },
}

/// A token that was in use before, as a decision may see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PreviousSeen {
    pub fingerprint: String,
    /// Whether we obtained it from Meta.
    pub minted: bool,
    /// When another one took its place.
    pub replaced_at: Timestamp,
}

/// The slots of a grant, besides the regular ones.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// The last time at which the token had to be checked.
    pub token_slot: Timestamp,
    /// The last time at which what is broken had to be checked.
    pub broken_slot: Timestamp,
    /// When something that Meta did not answer, though it answered the rest, is tried again.
    pub soon: Timestamp,
    /// When something that Meta refused is tried again, and what is broken is checked.
    pub later: Timestamp,
    /// When someone is reminded again.
    pub tomorrow: Timestamp,
    /// When a token is checked again that is near its end.
    pub near_the_end: Option<Timestamp>,
}

/// What Meta gave for a token that it was asked to exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exchanged {
    /// Another token.
    Another,
    /// The same token: it is as good as it gets.
    Same,
}

/// What was asked and done in one pass.
#[derive(Debug, Default)]
pub struct Asked {
    /// Every call that was made.
    pub calls: Calls,
    /// What debug_token says of the token in use.
    pub token: Option<Answer<TokenInfo>>,
    /// The pages that the token in use covers.
    pub pages: Option<Answer<Vec<Account>>>,
    /// What pages in use said themselves that the list left open.
    pub nodes: HashMap<PageId, Answer<PageToken>>,
    /// What debug_token says of the source token, if that is another token.
    pub source_token: Option<Answer<TokenInfo>>,
    /// The pages that the source token covers, if that is another token.
    pub source_token_pages: Option<Answer<Covered>>,
    /// What debug_token says of the token that a person brought in the browser.
    pub message: Option<Answer<TokenInfo>>,
    pub message_pages: Option<Answer<Covered>>,
    /// Why this one was thrown away, if it was refused.
    pub message_refused: Option<String>,
    /// What debug_token says of the token that was in use before.
    pub previous: Option<Answer<TokenInfo>>,
    /// The outcome of exchanging a token for another one.
    pub exchanged: Option<Answer<Exchanged>>,
    /// The outcome of revoking the token that was in use before.
    pub revoked: Option<Answer<()>>,
    /// How many changes were made.
    pub changes: u8,
    /// What came of the writes in the cluster.
    pub writes: Writes,
}

/// What calls on behalf of a grant need.
#[derive(Clone, Debug)]
pub struct Access {
    /// Version of the Graph API.
    pub version: Version,
    /// The application's credentials.
    pub credentials: Arc<AppCredentials>,
}

/// The tokens of a grant.
#[derive(Debug, Default)]
pub struct Tokens {
    pub in_use: Option<Token>,
    pub source_token: Option<Token>,
    /// The one that a person brought in the browser.
    pub message: Option<Token>,
    /// What came through the inbox: that one first, and what came before it.
    pub envelopes: Vec<Arc<Envelope>>,
    /// Those in the Secret of ours.
    pub token_secret: Option<TokenSecret>,
    /// The version of that Secret, to be written over.
    pub over: Option<Over>,
    /// One that Meta handed out and that is not kept yet, with the fingerprint of the one it was handed out for.
    pub obtained: Option<(String, Token)>,
}

/// The channels that rely on a grant.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GrantDependents {
    /// How many there are; `None` if there seems to be none and they were not counted yet.
    pub channels: Option<i64>,
    /// Ids of their pages.
    pub pages: BTreeSet<PageId>,
    /// Those of them that are not connected for want of what a grant gives, though the grant itself works.
    pub broken: BTreeSet<PageId>,
}

impl GrantDependents {
    /// Whether someone is not connected for want of what the grant gives. What is given back is found by the grant's own check, one
    /// for all of them, as often as anything that is broken is checked.
    pub fn lack_something(&self, given: &Pages) -> bool {
        let lacks = |page: &PageId| given.get(page).is_some_and(|page| page.absence().is_some());
        !self.broken.is_empty() || self.pages.iter().any(lacks)
    }
}

/// The version of the Secret that was read.
pub type Over = Arc<Released>;

/// The tokens in the Secret.
#[derive(Clone, Debug)]
pub struct TokenSecret {
    /// The token in use.
    pub token: Token,
    /// Whether we obtained it from Meta; else it is a copy of the source token.
    pub minted: bool,
    /// Fingerprint of the source token that it comes from.
    pub source_token: String,
    /// The token that was in use before.
    pub previous: Option<PreviousToken>,
}

/// A token that was in use before.
#[derive(Clone, Debug)]
pub struct PreviousToken {
    pub token: Token,
    /// Whether we obtained it from Meta.
    pub minted: bool,
    /// When another one took its place.
    pub replaced_at: Timestamp,
}

/// Which pages in use another token covers that may take the place of the one in use.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Covered {
    /// Those that it lists, or that gave a token when they were asked with it.
    pub pages: BTreeSet<String>,
    /// Those of which nothing was said.
    pub open: BTreeSet<String>,
    /// Those that give no token, though the token names them.
    pub named: BTreeSet<String>,
}

/// One change, at Meta or in the cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mutation {
    /// Have Meta hand out another token.
    Exchange {
        /// For which one.
        of: Which,
        /// What kind of exchange it is.
        exchange: Exchange,
    },
    /// Write a token into the Secret of ours, as the one in use.
    Keep {
        /// Which one.
        which: Which,
        /// Fingerprint of the source token that it comes from.
        source_token: String,
    },
    /// Throw away what came through the inbox.
    Discard {
        /// Why, if it was refused.
        refused: Option<String>,
    },
    /// End the token that was in use before.
    Revoke,
    /// Remove that one from the Secret of ours.
    ForgetPrevious,
}

/// One of the tokens of a grant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Which {
    SourceToken,
    InUse,
    /// The one that Meta handed out.
    Obtained,
    /// The one that a person brought in the browser.
    Message,
    /// The one that was in use before.
    Previous,
}

impl Mutation {
    /// What is done, for the log: every write leaves a line there.
    pub(super) const fn told(&self) -> &'static str {
        match self {
            Self::Exchange { .. } => "exchanging the token of the grant at Meta",
            Self::Keep { .. } => "storing the token of the grant",
            Self::Discard { .. } => "discarding what a person authorized in the browser",
            Self::Revoke => "revoking the former token of the grant at Meta",
            Self::ForgetPrevious => "deleting the former token of the grant",
        }
    }
}

/// What to do: at most one mutation, and the report if there is none.
pub struct Plan {
    /// The mutation to perform before looking again.
    pub mutation: Option<Mutation>,
    pub report: Report<MetaGrantStatus>,
    /// What the grant gives for each page, if its pages were listed in this pass.
    pub pages: Option<Pages>,
}

/// The MetaApp that a grant names.
pub fn app_key(grant: &MetaGrant, key: &Key) -> Key {
    seen::key_of(&grant.spec.app_ref, &key.namespace)
}
