//! What to do with a token that a person brought in the browser: like a new source token, it is a candidate, under the same
//! rule. But it does not stay in the inbox: whatever the result, it is discarded afterwards.

use super::case::Case;
use super::token::{self, Candidate, TokenVerdict};
use super::valid;
use crate::graph::{TokenInfo, TokenKind};
use crate::limits::answer::{Refusal, listed};
use crate::meta_grant::model::{Mutation, Which};
use crate::meta_grant::model::{SourceTokenSeen, TokenSecretSeen};

/// The next change that messages ask for; none while there is none, or while Meta does not say enough.
pub(super) fn mutation(case: &Case<'_>) -> Option<Mutation> {
    let message = case.seen.message.as_ref();
    if message.is_none() {
        // A message that holds no token was not left by the gateway.
        let unreadable = !case.seen.tokens.envelopes.is_empty();
        return unreadable.then(|| refused("it holds no usable token"));
    }
    if case.seen.in_use.as_ref() == message {
        return in_use(case);
    }
    match token::candidate(Candidate::Message, case.seen, case.now) {
        TokenVerdict::Unasked => None,
        TokenVerdict::Refused(refusal) if refusal.says_nothing() || !case.heard.message => None,
        TokenVerdict::Refused(refusal) => {
            Some(refused(&format!("Meta does not say what the token is ({})", refusal.fact)))
        }
        TokenVerdict::Flawed(_, flaw) => Some(refused(&valid::told(case, "its token", &flaw).seen)),
        TokenVerdict::Good(info) if !case.admits(info.user_id.as_deref()) => Some(of_a_stranger(case, info)),
        TokenVerdict::Good(info) if stands_for_a_business(case) && info.kind != Some(TokenKind::SystemUser) => {
            Some(refused("the token in use is a system user's, and a person's token may not replace it"))
        }
        TokenVerdict::Good(_) if case.accepts(Candidate::Message) => Some(keep(case)),
        TokenVerdict::Good(_) => why_not(case),
    }
}

/// Whether the token in use serves and is a system user's, which outlives people and is renewed without them.
fn stands_for_a_business(case: &Case<'_>) -> bool {
    matches!(token::in_use(case.seen, case.now), TokenVerdict::Good(info) if info.kind == Some(TokenKind::SystemUser))
}

/// What came through the inbox is in use: it was kept just now, or there was nothing else to begin with.
fn in_use(case: &Case<'_>) -> Option<Mutation> {
    let kept = matches!(case.seen.token_secret, TokenSecretSeen::Present { .. });
    match token::in_use(case.seen, case.now) {
        _ if kept => Some(Mutation::Discard { refused: None }),
        TokenVerdict::Good(info) if !case.admits(info.user_id.as_deref()) => Some(of_a_stranger(case, info)),
        TokenVerdict::Good(_) => Some(keep(case)),
        TokenVerdict::Flawed(_, flaw) => Some(refused(&valid::told(case, "its token", &flaw).seen)),
        TokenVerdict::Unasked | TokenVerdict::Refused(_) => None,
    }
}

/// Whichever source token was in use stays the known one, so that it does not come back as a new one.
fn keep(case: &Case<'_>) -> Mutation {
    let source_token = match (&case.seen.token_secret, &case.seen.source_token) {
        (TokenSecretSeen::Present { source_token, .. }, _) => source_token.clone(),
        (_, SourceTokenSeen::Present { fingerprint }) => fingerprint.clone(),
        _ => String::new(),
    };
    Mutation::Keep { which: Which::Message, source_token }
}

/// Why a token that serves does not take the place of the one in use, if that is known.
fn why_not(case: &Case<'_>) -> Option<Mutation> {
    if !matches!(token::in_use(case.seen, case.now), TokenVerdict::Good(_)) {
        return None;
    }
    if !token::is_newer(Candidate::Message, case.seen, case.now) {
        return Some(refused("its token was issued before the one in use"));
    }
    match &case.seen.asked.message_pages {
        Some(Err(refusal)) if !Refusal::says_nothing(refusal) && case.heard.message => {
            return Some(refused(&format!("Meta does not list its pages ({})", refusal.fact)));
        }
        _ => {}
    }
    let lost = case.lost_with(Candidate::Message).filter(|lost| case.heard.message && !lost.is_empty())?;
    Some(refused(&format!("it does not cover all pages that the token in use covers: {}", listed(&lost))))
}

fn refused(why: &str) -> Mutation {
    refused_until(why, "The person must authorize again with all pages in use selected.")
}

fn refused_until(why: &str, step: &str) -> Mutation {
    let why = why.trim_end_matches('.');
    let text =
        format!("The operator refused what a person authorized in the browser: {why}. The token in use stays. {step}");
    Mutation::Discard { refused: Some(text) }
}

/// It is not what the gateway said that it is, or the gateway did not say whose it is. Who is known waits unasked.
fn of_a_stranger(case: &Case<'_>, info: &TokenInfo) -> Mutation {
    let Some(id) = &info.user_id else {
        return refused("Meta does not say whose token it is");
    };
    let step = to_accept(case, std::slice::from_ref(id)).unwrap_or_default();
    refused_until(&format!("{id} is not one of the grant's people"), &format!("{step} Then {id} must authorize again."))
}

/// What someone has to do if these are to be among the grant's people; none if there are none.
pub(super) fn to_accept(case: &Case<'_>, ids: &[String]) -> Option<String> {
    if ids.is_empty() {
        return None;
    }
    let stay = match case.grant.spec.grantors.as_slice() {
        [] => case.previous.grantor_id.as_slice(),
        declared => declared,
    };
    let all: Vec<_> = stay.iter().chain(ids).map(|id| format!("\"{id}\"")).collect();
    let (namespace, name) = (case.namespace(), case.name());
    Some(format!(
        "If {} may authorize this grant, someone with the verb accept on metagrants must accept them; otherwise, no action is needed: kubectl -n {namespace} patch mgrant {name} --type=merge -p '{{\"spec\":{{\"grantors\":[{}]}}}}'",
        listed(ids),
        all.join(",")
    ))
}
