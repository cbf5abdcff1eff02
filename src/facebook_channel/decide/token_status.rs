//! What the status reports about the token.

use jiff::{Timestamp, Unit};

use super::super::policy::token;
use super::case::{Case, Findings};
use crate::api::conditions::{ConditionType, Status, status_of};
use crate::api::{AuthorizationStatus, FacebookChannelStatus, Reason};
use crate::facebook_channel::model::TokenSeen;
use crate::facebook_channel::token_check_schedule::{ends, is_recent};
use crate::graph::TokenInfo;

impl Case<'_> {
    /// What debug_token says of the token, if it says something.
    pub(super) fn info(&self) -> Option<&TokenInfo> {
        self.debugged.as_ref()?.as_ref().ok().copied()
    }

    /// What is known of the token from before, if it is the same. While it is not known what a grant gives it counts as
    /// the same.
    pub(super) fn same_token(&self) -> Option<&AuthorizationStatus> {
        let known = self.previous.authorization.as_ref()?;
        let unknown = matches!(self.seen.token, TokenSeen::NotListed | TokenSeen::GrantTrouble { .. });
        let same = unknown
            || self
                .seen
                .token
                .fingerprint()
                .is_some_and(|fingerprint| known.fingerprint.as_deref() == Some(fingerprint));
        same.then_some(known)
    }

    /// What is known of the token; what was known of another token is dropped.
    pub(super) fn authorization(&self, info: Option<&TokenInfo>, findings: &Findings) -> Option<AuthorizationStatus> {
        let same = self.same_token().cloned();
        let Some(fingerprint) = self.seen.token.fingerprint() else { return same };
        let unanswered = matches!(&self.debugged, Some(Err(refusal)) if refusal.says_nothing());
        if self.seen.asked.token.is_none() || unanswered {
            return same;
        }
        let Some(info) = info.filter(|_| findings.authorized.reason != Reason::WrongApp) else {
            let nameless = AuthorizationStatus { fingerprint: Some(fingerprint.to_owned()), ..Default::default() };
            return same.or(Some(nameless));
        };
        if !info.is_valid {
            // An ended token tells little; what was known of it before helps whoever has to renew it.
            return same.or_else(|| Some(described(info, fingerprint)));
        }
        Some(described(info, fingerprint))
    }

    pub(super) fn last_verified_at(
        &self,
        info: Option<&TokenInfo>,
        authorization: Option<&AuthorizationStatus>,
    ) -> Option<Timestamp> {
        let fingerprint = |it: Option<&AuthorizationStatus>| it.and_then(|it| it.fingerprint.clone());
        let same = fingerprint(authorization) == fingerprint(self.previous.authorization.as_ref());
        let unknown = matches!(self.seen.token, TokenSeen::NotListed);
        let old = self.previous.last_verified_at.filter(|_| same && (authorization.is_some() || unknown));
        // Of a token that a grant gives it was the grant that asked.
        let confirmed = match &self.seen.token {
            TokenSeen::Granted(grant) => grant.at,
            _ => self.now,
        };
        match old {
            _ if !info.is_some_and(|info| info.is_valid) => old,
            Some(old) if is_recent(old, self.seen.token_slot, self.now) => Some(old),
            _ => confirmed.round(Unit::Second).ok(),
        }
    }

    /// The status with what a grant gives now, where that makes no other condition: Meta need not be asked for it.
    pub(super) fn amended(&self) -> Option<FacebookChannelStatus> {
        let TokenSeen::Granted(grant) = &self.seen.token else { return None };
        let (fingerprint, info) = (grant.fingerprint.as_deref()?, &grant.info);
        let authorized = status_of(&self.previous.conditions, ConditionType::Authorized) == Some(Status::True);
        let now = self.seen.reckoned(self.now);
        let flaw = token::flaw(self.channel, &self.seen.app, &self.seen.token, info, now);
        if !authorized || flaw.is_some() {
            return None;
        }
        let authorization = Some(described(info, fingerprint));
        Some(FacebookChannelStatus {
            expires: authorization.as_ref().and_then(ends).map(|at| at.to_string()),
            last_verified_at: self.last_verified_at(Some(info), authorization.as_ref()),
            authorization,
            ..self.previous.clone()
        })
    }
}

fn described(info: &TokenInfo, fingerprint: &str) -> AuthorizationStatus {
    let mut scopes = info.granted().unwrap_or_default();
    scopes.sort();
    AuthorizationStatus {
        token_type: info.kind.map(|kind| kind.as_str().to_owned()),
        grantor_id: info.user_id.clone(),
        expires_at: info.expires_at,
        data_access_expires_at: info.data_access_expires_at,
        scopes,
        fingerprint: Some(fingerprint.to_owned()),
    }
}
