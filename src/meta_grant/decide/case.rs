//! What all parts of a decision are made of.

use jiff::Timestamp;

use super::token::{self, Candidate, TokenVerdict};
use crate::api::conditions::{ConditionType, Finding, Status, find};
use crate::api::{MetaGrant, MetaGrantStatus, Reason};
use crate::base::key::Key;
use crate::controller::evidence::Suspicions;
use crate::limits::answer::{Kept, Refusal, keep};
use crate::meta_grant::grantors;
use crate::meta_grant::model::Observed;
use crate::meta_grant::page_tokens::Pages;

/// Everything a decision is made of.
pub(super) struct Case<'a> {
    pub(super) grant: &'a MetaGrant,
    pub(super) previous: &'a MetaGrantStatus,
    pub(super) seen: &'a Observed,
    pub(super) now: Timestamp,
    pub(super) generation: i64,
    /// What the token in use gives for each page, if that was listed in this pass.
    pub(super) pages: Option<Pages>,
    /// What was heard and waits for its confirmation, or has it now.
    pub(super) heard: Heard,
}

/// What was found about each part of a grant.
pub(super) struct Findings {
    pub(super) valid: Finding,
    pub(super) source_token: Finding,
    pub(super) renewed: Finding,
}

/// What was heard, and how far it counts.
#[derive(Default)]
pub(super) struct Heard {
    /// Whether the list was refused in this pass with a code that speaks of the token for itself, and that counts.
    pub(super) token: bool,
    /// Whether that counted before, and nothing was said since.
    pub(super) refuted: bool,
    /// Whether the list was refused again in a way that says nothing of the token.
    pub(super) refused: bool,
    /// Whether it, or debug_token, has been refused for a day.
    pub(super) refused_for_long: bool,
    /// Whether Meta left open what a token is or covers that may take the place of the one in use.
    pub(super) open: bool,
    /// Whether what was said against the source token counts.
    pub(super) source_token: bool,
    /// Whether what was said against a token that came through the inbox counts.
    pub(super) message: bool,
    /// What waits for its confirmation.
    pub(super) suspicions: Suspicions,
}

impl Case<'_> {
    pub(super) fn found(
        &self,
        status: Status,
        reason: Reason,
        seen: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Finding {
        Finding::new(status, reason, seen, next_step, self.generation)
    }

    pub(super) fn keep(&self, type_: ConditionType, refusal: &Refusal) -> Finding {
        let previous = find(&self.previous.conditions, type_);
        let next_step = self.previous.next_step.as_deref();
        let (stale, generation, said) = (self.seen.stale, self.generation, &self.previous.conditions);
        keep(Kept { previous, said, next_step, stale, generation, what: "the grant", now: self.now }, refusal)
    }

    pub(super) fn namespace(&self) -> &str {
        self.grant.metadata.namespace.as_deref().unwrap_or_default()
    }

    pub(super) fn name(&self) -> &str {
        self.grant.metadata.name.as_deref().unwrap_or_default()
    }

    pub(super) fn key(&self) -> Key {
        Key::new(self.namespace(), self.name())
    }

    /// Whether someone is one of the grant's people. Who was the first is known from before, or by the token in use.
    pub(super) fn admits(&self, grantor: Option<&str>) -> bool {
        let of_token = match token::in_use(self.seen, self.now) {
            TokenVerdict::Good(info) | TokenVerdict::Flawed(Some(info), _) if self.seen.in_use != self.seen.message => {
                info.user_id.as_deref()
            }
            _ => None,
        };
        let first = self.previous.grantor_id.as_deref().or(of_token);
        grantors::admits(&self.grant.spec.grantors, first, grantor)
    }

    /// The earlier one of the ends of the token in use and of the access to the person's data.
    pub(super) fn expires(&self) -> Option<Timestamp> {
        let ends = match token::in_use(self.seen, self.now) {
            TokenVerdict::Good(info) | TokenVerdict::Flawed(Some(info), _) if info.is_valid => {
                [info.expires_at, info.data_access_expires_at]
            }
            _ if self.is_same_token() => [self.previous.expires_at, self.previous.data_access_expires_at],
            _ => return None,
        };
        ends.into_iter().flatten().min()
    }

    /// Whether the token in use is the one that the status is about.
    pub(super) fn is_same_token(&self) -> bool {
        self.seen.in_use.is_some() && self.seen.in_use == self.previous.token_fingerprint
    }

    /// Whether Meta told something of the token in use before.
    pub(super) fn was_known(&self) -> bool {
        self.is_same_token() && self.previous.token_type.is_some()
    }

    /// Whether another token may take the place of the one in use.
    pub(super) fn accepts(&self, which: Candidate) -> bool {
        token::is_accepted(which, self.seen, self.given(), self.now)
    }

    /// What the token in use gives for each page, as it was listed last.
    pub(super) fn given(&self) -> Option<&Pages> {
        self.pages.as_ref().or_else(|| self.seen.before.as_ref().map(|before| &before.pages))
    }

    /// Pages in use that another token does not cover, if that is known.
    pub(super) fn lost_with(&self, which: Candidate) -> Option<Vec<String>> {
        token::lost_with(which, self.seen, self.given(), self.now)
    }
}
