//! The one change that comes next, if there is any.

use jiff::{SignedDuration, Timestamp};

use super::case::Case;
use super::message;
use super::token::{self, Candidate, TokenVerdict};
use crate::base::clock::Moment;
use crate::controller::being_deleted;
use crate::graph::Exchange;
use crate::meta_grant::model::{Exchanged, Mutation, SourceTokenSeen, TokenSecretSeen, Which};
use crate::meta_grant::token_secret;

/// So many changes are made in one pass at most: more would be a circle.
const CHANGES: u8 = 6;

/// How long after another one took its place a token is revoked, so that whoever still holds it gets the new one.
pub(super) const GRACE: SignedDuration = SignedDuration::from_hours(24);

impl Case<'_> {
    pub(super) fn mutation(&self) -> Option<Mutation> {
        // A grant that is being deleted keeps what it has.
        let ends = being_deleted::is_begun(&self.grant.metadata);
        if ends || self.seen.asked.changes >= CHANGES || self.seen.token_secret == TokenSecretSeen::Taken {
            return None;
        }
        let open = |mutation: &Mutation| !self.was_refused(mutation);
        let of_token = self.adoption().filter(open).or_else(|| message::mutation(self).filter(open));
        of_token.or_else(|| self.renewal().filter(open)).or_else(|| self.revocation().filter(open))
    }

    /// Whether the API server refused in this pass what a change would write.
    fn was_refused(&self, mutation: &Mutation) -> bool {
        let kind = match mutation {
            // What Meta would give in exchange has to be kept too.
            Mutation::Keep { .. } | Mutation::ForgetPrevious | Mutation::Exchange { .. } => token_secret::KIND,
            Mutation::Discard { .. } => crate::meta_grant::messages::KIND,
            Mutation::Revoke => return false,
        };
        self.seen.asked.writes.refusal(kind).is_some()
    }

    /// The token in use gives way to another one that is there, or is kept for the first time.
    fn adoption(&self) -> Option<Mutation> {
        let SourceTokenSeen::Present { fingerprint } = &self.seen.source_token else { return self.fallback() };
        match &self.seen.token_secret {
            TokenSecretSeen::Missing | TokenSecretSeen::Malformed(_) => match token::in_use(self.seen, self.now) {
                TokenVerdict::Good(info) => self.take_source_token(fingerprint, token::is_short(info, self.now)),
                _ => None,
            },
            TokenSecretSeen::Present { .. } if self.accepts(Candidate::SourceToken) => {
                match token::source_token(self.seen, self.now) {
                    TokenVerdict::Good(info) => self.take_source_token(fingerprint, token::is_short(info, self.now)),
                    _ => None,
                }
            }
            _ => self.fallback(),
        }
    }

    /// Keeps the source token, or, if it lives for some hours only, what it is exchanged for.
    fn take_source_token(&self, fingerprint: &str, short: bool) -> Option<Mutation> {
        let source_token = fingerprint.to_owned();
        if self.has_obtained(fingerprint) {
            return Some(Mutation::Keep { which: Which::Obtained, source_token });
        }
        match (short, &self.seen.asked.exchanged) {
            // Whether it lives for hours or for weeks only the clock says.
            (true, None) if self.seen.clock_doubted => None,
            (false, _) | (true, Some(Ok(Exchanged::Same))) => {
                Some(Mutation::Keep { which: Which::SourceToken, source_token })
            }
            (true, None) => Some(Mutation::Exchange { of: Which::SourceToken, exchange: Exchange::ShortUser }),
            (true, Some(_)) => None,
        }
    }

    /// The token that was in use before is taken up again if the one in use does not serve and it does.
    fn fallback(&self) -> Option<Mutation> {
        let TokenSecretSeen::Present { source_token, previous: Some(_), .. } = &self.seen.token_secret else {
            return None;
        };
        let dead = matches!(token::in_use(self.seen, self.now), TokenVerdict::Flawed(..));
        let serves = matches!(token::previous(self.seen, self.now), TokenVerdict::Good(_));
        (dead && serves).then(|| Mutation::Keep { which: Which::Previous, source_token: source_token.clone() })
    }

    fn renewal(&self) -> Option<Mutation> {
        let (TokenSecretSeen::Present { source_token, .. }, TokenVerdict::Good(info)) =
            (&self.seen.token_secret, token::in_use(self.seen, self.now))
        else {
            return None;
        };
        if self.seen.in_use.as_deref().is_some_and(|in_use| self.has_obtained(in_use)) {
            return Some(Mutation::Keep { which: Which::Obtained, source_token: source_token.clone() });
        }
        let due = self.is_due(token::renewal_due(self.grant, info));
        let tried = self.seen.asked.exchanged.is_some();
        (due && !tried).then_some(Mutation::Exchange { of: Which::InUse, exchange: Exchange::SystemUser })
    }

    /// Whether this time has come; by a clock that is in doubt it has not.
    fn is_due(&self, at: Option<Timestamp>) -> bool {
        at.zip(token::reckoned(self.seen, self.now)).is_some_and(|(at, now)| at <= now)
    }

    /// Whether Meta handed out a token for the one of this fingerprint that is not kept yet.
    fn has_obtained(&self, of: &str) -> bool {
        self.seen.tokens.obtained.as_ref().is_some_and(|(from, _)| from == of)
    }

    fn revocation(&self) -> Option<Mutation> {
        self.is_due(self.revokes_at()).then_some(())?;
        let serves = matches!(token::in_use(self.seen, self.now), TokenVerdict::Good(_));
        match &self.seen.asked.revoked {
            _ if !serves => None,
            None => Some(Mutation::Revoke),
            Some(Ok(())) => Some(Mutation::ForgetPrevious),
            Some(Err(_)) => None,
        }
    }

    /// When the token that was in use before is revoked, if that is declared: only one that we obtained, and never the source token.
    pub(super) fn revokes_at(&self) -> Option<Timestamp> {
        let TokenSecretSeen::Present { previous: Some(previous), .. } = &self.seen.token_secret else { return None };
        let is_source_token = matches!(&self.seen.source_token, SourceTokenSeen::Present { fingerprint } if *fingerprint == previous.fingerprint);
        let in_use = self.seen.in_use.as_ref() == Some(&previous.fingerprint);
        let may = self.grant.spec.renewal.revoke_old && previous.minted && !is_source_token && !in_use;
        may.then(|| previous.replaced_at.later(GRACE))
    }
}
