//! Performs the one mutation that was decided. Its result is seen when the grant is checked again.
//!
//! The order keeps a working token in the Secret whenever the process may be killed: a token is obtained, then stored next to
//! the previous one, then checked, then its pages are listed. Nothing is ever revoked before that.

use super::decide::token::{self, TokenVerdict};
use super::messages;
use super::model::{Asked, Exchanged, Mutation, Observed, PreviousToken, TokenSecret, Which};
use super::state::MetaGrants;
use super::token_secret;
use crate::api::MetaGrantStatus;
use crate::base::key::KindName;
use crate::cluster::error::Failure;
use crate::controller::lease_fence::leading;
use crate::controller::pass::Pass;
use crate::graph::{Exchange, Operation, Token};
use crate::limits::answer::{Answer, Refusal, answer};

/// Performs a mutation; says in what was asked that it was tried.
///
/// # Errors
/// When the Kubernetes API refuses or does not answer.
pub async fn act(
    grants: &MetaGrants,
    pass: &Pass<MetaGrantStatus>,
    mutation: Mutation,
    seen: Observed,
) -> Result<Asked, Failure> {
    tracing::info!(kind = "MetaGrant", object = %pass.key, "{}", mutation.told());
    let acts = Acts { grants, pass, seen: &seen };
    let changes = seen.asked.changes + 1;
    match mutation {
        Mutation::Exchange { of, exchange } => {
            // A token that Meta gives and that cannot be kept would be valid for weeks, and nobody's.
            let (token_secret, over) = (seen.tokens.token_secret.as_ref(), seen.tokens.over.as_deref());
            let let_in = token_secret::try_out(grants, &pass.key, token_secret, over).await;
            let exchanged = match &let_in {
                Ok(()) => {
                    Some(leading(&grants.ctx, KindName::META_GRANT, &pass.key, acts.exchange(of, exchange)).await?)
                }
                Err(_) => None,
            };
            let mut asked = seen.asked;
            asked.writes.note(token_secret::KIND, let_in)?;
            let Some(exchanged) = exchanged else { return Ok(Asked { changes, ..asked }) };
            asked.calls.note(Operation::ExchangeToken, &exchanged);
            Ok(Asked { exchanged: Some(exchanged), changes, ..asked })
        }
        Mutation::Keep { which, source_token } => {
            let same = acts.is_in_use(which);
            let kept = acts.keep(which, source_token).await;
            let mut asked = seen.asked;
            match asked.writes.note(token_secret::KIND, kept)? {
                None => Ok(Asked { changes, ..asked }),
                Some(()) if same => Ok(Asked { changes, ..asked }),
                // What was known is about another token now.
                Some(()) => {
                    let Asked { exchanged, calls, writes, .. } = asked;
                    Ok(Asked { exchanged, calls, writes, changes, ..Asked::default() })
                }
            }
        }
        Mutation::Discard { refused } => {
            let mut asked = seen.asked;
            for envelope in &seen.tokens.envelopes {
                let discarded = grants.inbox.discard(envelope, false).await;
                if asked.writes.note(messages::KIND, discarded)?.is_none() {
                    return Ok(Asked { changes, ..asked });
                }
            }
            Ok(Asked { message_refused: refused.or(asked.message_refused), changes, ..asked })
        }
        Mutation::Revoke => {
            let revoked = leading(&grants.ctx, KindName::META_GRANT, &pass.key, acts.revoke()).await?;
            let mut asked = seen.asked;
            asked.calls.note(Operation::RevokeToken, &revoked);
            Ok(Asked { revoked: Some(revoked), changes, ..asked })
        }
        Mutation::ForgetPrevious => {
            let forgotten = acts.forget_previous().await;
            let mut asked = seen.asked;
            asked.writes.note(token_secret::KIND, forgotten)?;
            Ok(Asked { changes, ..asked })
        }
    }
}

struct Acts<'a> {
    grants: &'a MetaGrants,
    pass: &'a Pass<MetaGrantStatus>,
    seen: &'a Observed,
}

impl Acts<'_> {
    fn token(&self, which: Which) -> Option<Token> {
        let tokens = &self.seen.tokens;
        match which {
            Which::SourceToken => tokens.source_token.clone(),
            Which::InUse => tokens.in_use.clone(),
            Which::Message => tokens.message.clone(),
            Which::Obtained => tokens.obtained.as_ref().map(|(_, token)| token.clone()),
            Which::Previous => Some(tokens.token_secret.as_ref()?.previous.as_ref()?.token.clone()),
        }
    }

    /// Whether it is the very token that was asked about as the one in use: the source token is, before anything is kept.
    fn is_in_use(&self, which: Which) -> bool {
        let context = token_secret::context(&self.pass.key);
        self.token(which).map(|token| token.fingerprint(&context)).is_some_and(|it| Some(it) == self.seen.in_use)
    }

    /// The token that was handed out is remembered in memory: should it not be possible to keep it, Meta is not asked for
    /// another one each time.
    async fn exchange(&self, of: Which, exchange: Exchange) -> Answer<Exchanged> {
        let (Some(access), Some(token)) = (&self.seen.access, self.token(of)) else { return Err(Refusal::nothing()) };
        let result = self.grants.ctx.graph.exchange_token(&access.version, &access.credentials, &token, exchange).await;
        let answered = answer(Operation::ExchangeToken, result).map(|new| {
            let context = token_secret::context(&self.pass.key);
            let of = token.fingerprint(&context);
            if new.fingerprint(&context) == of {
                return Exchanged::Same;
            }
            self.grants.tokens.obtain(&self.pass.key, &of, new);
            Exchanged::Another
        });
        self.grants.ctx.metrics.grant_renewed(match &answered {
            Ok(Exchanged::Another) => "renewed",
            Ok(Exchanged::Same) => "same",
            Err(refusal) if refusal.says_nothing() => "unanswered",
            Err(_) => "refused",
        });
        answered
    }

    async fn keep(&self, which: Which, source_token: String) -> Result<(), Failure> {
        let Some(token) = self.token(which) else { return Ok(()) };
        let known = self.seen.tokens.token_secret.as_ref();
        let serves = matches!(token::in_use(self.seen, self.pass.now), TokenVerdict::Good(_))
            && self.grants.ctx.policy.safeguards.former_token;
        let previous = known.filter(|_| serves).map(|token_secret| PreviousToken {
            token: token_secret.token.clone(),
            minted: token_secret.minted,
            replaced_at: self.pass.now,
        });
        let minted = match which {
            Which::SourceToken | Which::Message => false,
            Which::Obtained => true,
            Which::InUse => known.is_some_and(|token_secret| token_secret.minted),
            Which::Previous => {
                known.and_then(|token_secret| token_secret.previous.as_ref()).is_some_and(|it| it.minted)
            }
        };
        self.write(&TokenSecret { token, minted, source_token, previous }).await?;
        self.grants.tokens.settle(&self.pass.key);
        Ok(())
    }

    async fn revoke(&self) -> Answer<()> {
        let (Some(access), Some(token)) = (&self.seen.access, self.token(Which::Previous)) else {
            return Err(Refusal::nothing());
        };
        let result = self.grants.ctx.graph.revoke_token(&access.version, &access.credentials, &token).await;
        answer(Operation::RevokeToken, result)
    }

    async fn forget_previous(&self) -> Result<(), Failure> {
        let Some(token_secret) = &self.seen.tokens.token_secret else { return Ok(()) };
        self.write(&TokenSecret { previous: None, ..token_secret.clone() }).await
    }

    async fn write(&self, token_secret: &TokenSecret) -> Result<(), Failure> {
        token_secret::write(self.grants, &self.pass.key, token_secret, self.seen.tokens.over.as_deref()).await
    }
}
