//! Meta, the cluster and an operator, as values: what decisions lead to over months, and when the operator is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::super::mutation::GRACE;
use super::super::{decide, token};
use super::scene::*;
use crate::api::conditions::ConditionType::Ready;
use crate::api::conditions::{Status, find, status_of};
use crate::api::{MetaGrant, MetaGrantStatus};
use crate::graph::{Token, TokenInfo};
use crate::meta_grant::fetch::is_rival;
use crate::meta_grant::model::{Asked, Exchanged, Observed, PreviousSeen, SourceTokenSeen, TokenSecretSeen};
use crate::meta_grant::model::{Mutation, Which};
use crate::testing::invariants;

/// What lies in the Secret of ours: names of tokens, not tokens.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) token: String,
    minted: bool,
    source_token: String,
    previous: Option<PreviousSeen>,
}

pub(super) struct Model {
    pub(super) now: Timestamp,
    pub(super) grant: MetaGrant,
    /// What Meta knows, by the names of the tokens.
    pub(super) tokens: BTreeMap<String, TokenInfo>,
    pub(super) revoked: BTreeSet<String>,
    pub(super) source_token: String,
    /// What a person brought in the browser.
    pub(super) message: Option<String>,
    pub(super) kept: Option<Kept>,
    pub(super) status: MetaGrantStatus,
    /// A token that was handed out, in the memory of the operator.
    obtained: Option<(String, String)>,
    /// Whether the operator knows what the grant gives.
    listed: bool,
    /// How many tokens were handed out.
    pub(super) minted: usize,
}

impl Model {
    /// A new grant with this token as its source token.
    pub(super) fn new(renewal: Value, source_token: TokenInfo) -> Self {
        Self {
            now: now(),
            grant: meta_grant(renewal),
            tokens: [("seed".to_owned(), source_token)].into(),
            revoked: BTreeSet::new(),
            source_token: "seed".to_owned(),
            message: None,
            kept: None,
            status: MetaGrantStatus::default(),
            obtained: None,
            listed: false,
            minted: 0,
        }
    }

    /// The token that a new process would use.
    pub(super) fn in_use(&self) -> &str {
        self.kept.as_ref().map_or(&self.source_token, |kept| &kept.token)
    }

    /// Whether Meta accepts a token now.
    pub(super) fn lives(&self, name: &str) -> bool {
        let info = self.debug(name);
        info.is_valid && info.expires_at.is_none_or(|end| end > self.now)
    }

    fn debug(&self, name: &str) -> TokenInfo {
        let info = self.tokens[name].clone();
        if self.revoked.contains(name) { TokenInfo { is_valid: false, ..info } } else { info }
    }

    /// A pass of the operator, which is killed before the change of this number if one is given. When it checks again.
    pub(super) fn pass(&mut self, killed_before: Option<usize>) -> Timestamp {
        let mut asked = Asked::default();
        for change in 0.. {
            let seen = self.observe(asked);
            let plan = decide(&self.grant, &self.status, &seen, self.now).unwrap();
            let Some(mutation) = plan.mutation else {
                let status = &plan.report.status;
                invariants::check(
                    &self.status.conditions,
                    &status.conditions,
                    status.next_step.as_deref(),
                    1,
                    self.now,
                );
                self.status = plan.report.status;
                self.listed = true;
                let tomorrow = self.now + days(1);
                return plan.report.until.map_or(tomorrow, |until| until.min(tomorrow));
            };
            if killed_before == Some(change) {
                (self.obtained, self.listed) = (None, false);
                return self.now + SignedDuration::from_secs(5);
            }
            assert!(change < 6, "it goes round in circles: {mutation:?}");
            asked = self.perform(&mutation, seen);
        }
        unreachable!()
    }

    fn perform(&mut self, mutation: &Mutation, seen: Observed) -> Asked {
        let mut asked = seen.asked;
        asked.changes += 1;
        match mutation {
            Mutation::Exchange { of, .. } => {
                let of = if *of == Which::SourceToken { self.source_token.clone() } else { self.in_use().to_owned() };
                assert!(self.lives(&of), "Meta exchanges what lives");
                self.minted += 1;
                let (new, now) = (format!("minted-{}", self.minted), self.now);
                let old = self.tokens[&of].clone();
                let info = TokenInfo { issued_at: Some(now), expires_at: Some(now + days(60)), ..old };
                self.tokens.insert(new.clone(), info);
                self.obtained = Some((of, new));
                asked.exchanged = Some(Ok(Exchanged::Another));
            }
            Mutation::Keep { which, source_token } => {
                self.keep(*which, source_token);
                return Asked { exchanged: asked.exchanged, changes: asked.changes, ..Asked::default() };
            }
            Mutation::Revoke => {
                let previous = self.kept.as_ref().unwrap().previous.clone().unwrap();
                assert!(
                    previous.fingerprint != self.source_token && previous.minted,
                    "the source token is never revoked"
                );
                assert!(self.now >= previous.replaced_at + GRACE);
                self.revoked.insert(previous.fingerprint);
                asked.revoked = Some(Ok(()));
            }
            Mutation::Discard { .. } => self.message = None,
            Mutation::ForgetPrevious => self.kept.as_mut().unwrap().previous = None,
        }
        asked
    }

    fn keep(&mut self, which: Which, source_token: &str) {
        let former = self.kept.clone();
        let previous = former.clone().filter(|kept| self.lives(&kept.token)).map(|kept| PreviousSeen {
            fingerprint: kept.token,
            minted: kept.minted,
            replaced_at: self.now,
        });
        let (token, minted) = match which {
            Which::SourceToken => (self.source_token.clone(), false),
            Which::Message => (self.message.clone().unwrap(), false),
            Which::Obtained => (self.obtained.take().unwrap().1, true),
            Which::InUse => (self.in_use().to_owned(), former.unwrap().minted),
            Which::Previous => {
                let previous = former.unwrap().previous.unwrap();
                (previous.fingerprint, previous.minted)
            }
        };
        self.kept = Some(Kept { token, minted, source_token: source_token.to_owned(), previous });
    }

    /// What an operator sees that asks what ours asks.
    fn observe(&self, asked: Asked) -> Observed {
        let mut seen = Scene::healthy().seen;
        seen.source_token = SourceTokenSeen::Present { fingerprint: self.source_token.clone() };
        seen.token_secret = match &self.kept {
            None => TokenSecretSeen::Missing,
            Some(kept) => token_secret(&kept.source_token, kept.minted, kept.previous.clone()),
        };
        seen.in_use = Some(self.in_use().to_owned());
        seen.times = times(self.now);
        seen.before = self.listed.then(|| Arc::new(granted(&[PAGE_A, PAGE_B])));
        let dummy = || Token::parse(b"EAA0000000000000000000").unwrap();
        seen.tokens.obtained = self.obtained.as_ref().map(|(of, _)| (of.clone(), dummy()));
        seen.message = self.message.clone();
        seen.asked = asked;
        let about = |name: &str| Some(Ok(self.debug(name)));
        seen.asked.token = seen.asked.token.or_else(|| about(self.in_use()));
        let good = matches!(token::in_use(&seen, self.now), token::TokenVerdict::Good(_));
        if good {
            seen.asked.pages = seen.asked.pages.or_else(|| Some(Ok(accounts(&[PAGE_A, PAGE_B]))));
        }
        if is_rival(&seen, good) {
            seen.asked.source_token = seen.asked.source_token.or_else(|| about(&self.source_token));
            seen.asked.source_token_pages = Some(Ok(covered(&[PAGE_A, PAGE_B])));
        }
        if let Some(message) = self.message.as_ref().filter(|message| *message != self.in_use()) {
            seen.asked.message = seen.asked.message.or_else(|| about(message));
            seen.asked.message_pages = Some(Ok(covered(&[PAGE_A, PAGE_B])));
        }
        if let Some(previous) = self.kept.as_ref().and_then(|kept| kept.previous.as_ref()).filter(|_| !good) {
            seen.asked.previous = about(&previous.fingerprint);
        }
        seen
    }

    pub(super) fn ready(&self) -> bool {
        status_of(&self.status.conditions, Ready) == Some(Status::True)
    }

    pub(super) fn told(&self) -> String {
        find(&self.status.conditions, Ready).map(|it| format!("{}: {}", it.reason, it.message)).unwrap_or_default()
    }
}
