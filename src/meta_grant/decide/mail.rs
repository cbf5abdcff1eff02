//! What to do with a token that a person brought in the browser: it is a candidate as a new seed is, by the same rule. But
//! it does not stay where it lies: whatever comes of it, it is thrown away then.

use super::Case;
use super::token::{self, Candidate, Word};
use super::valid;
use crate::engine::answer::{Refusal, listed};
use crate::graph::TokenKind;
use crate::meta_grant::act::{Mutation, Which};
use crate::meta_grant::observe::{LivingSeen, SeedSeen};

/// The next change that mail asks for; none while there is none, or while Meta does not say enough.
pub(super) fn mutation(case: &Case<'_>) -> Option<Mutation> {
    let mail = case.seen.mail.as_ref();
    if mail.is_none() {
        // Mail that holds no token was not left by the gateway.
        let unreadable = !case.seen.tokens.envelopes.is_empty();
        return unreadable.then(|| refused("it holds no usable token"));
    }
    if case.seen.in_use.as_ref() == mail {
        return in_use(case);
    }
    match token::candidate(Candidate::Mail, case.seen, case.now) {
        Word::Unasked => None,
        Word::Refused(refusal) if refusal.says_nothing() || !case.heard.mail => None,
        Word::Refused(refusal) => Some(refused(&format!("Meta does not say what it is ({})", refusal.fact))),
        Word::Flawed(_, flaw) => Some(refused(&valid::told(case, "its token", &flaw).seen)),
        Word::Good(info) if stands_for_a_business(case) && info.kind != Some(TokenKind::SystemUser) => {
            Some(refused("the token in use is a system user's, and no person's may take its place"))
        }
        Word::Good(_) if case.accepts(Candidate::Mail) => Some(keep(case)),
        Word::Good(_) => why_not(case),
    }
}

/// Whether the token in use serves and is a system user's, which outlives people and is renewed without them.
fn stands_for_a_business(case: &Case<'_>) -> bool {
    matches!(token::in_use(case.seen, case.now), Word::Good(info) if info.kind == Some(TokenKind::SystemUser))
}

/// What came by mail is in use: it was kept just now, or there was nothing else to begin with.
fn in_use(case: &Case<'_>) -> Option<Mutation> {
    let kept = matches!(case.seen.living, LivingSeen::Present { .. });
    match token::in_use(case.seen, case.now) {
        _ if kept => Some(Mutation::Discard { refused: None }),
        Word::Good(_) => Some(keep(case)),
        Word::Flawed(_, flaw) => Some(refused(&valid::told(case, "its token", &flaw).seen)),
        Word::Unasked | Word::Refused(_) => None,
    }
}

/// Whichever seed was in use stays the known one, so that it does not come back as a new one.
fn keep(case: &Case<'_>) -> Mutation {
    let seed = match (&case.seen.living, &case.seen.seed) {
        (LivingSeen::Present { seed, .. }, _) => seed.clone(),
        (_, SeedSeen::Present { fingerprint }) => fingerprint.clone(),
        _ => String::new(),
    };
    Mutation::Keep { which: Which::Mail, seed }
}

/// Why a token that serves does not take the place of the one in use, if that is known.
fn why_not(case: &Case<'_>) -> Option<Mutation> {
    if !matches!(token::in_use(case.seen, case.now), Word::Good(_)) {
        return None;
    }
    if !token::is_newer(Candidate::Mail, case.seen, case.now) {
        return Some(refused("its token was issued before the one in use"));
    }
    match &case.seen.asked.mail_pages {
        Some(Err(refusal)) if !Refusal::says_nothing(refusal) && case.heard.mail => {
            return Some(refused(&format!("Meta does not list its pages ({})", refusal.fact)));
        }
        _ => {}
    }
    let lost = case.lost_with(Candidate::Mail).filter(|lost| case.heard.mail && !lost.is_empty())?;
    Some(refused(&format!("it does not cover pages that channels use: {}", listed(&lost))))
}

fn refused(why: &str) -> Mutation {
    let why = why.trim_end_matches('.');
    let text = format!(
        "What a person authorised in the browser was refused: {why}. The token that is in use stays. The person must authorise again with all pages in use selected."
    );
    Mutation::Discard { refused: Some(text) }
}
