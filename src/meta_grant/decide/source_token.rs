//! Whether the token in use comes from the declared source token, and if not, why the source token is refused.

use super::case::Case;
use super::token::{self, Candidate, TokenVerdict};
use super::valid;
use crate::api::Reason;
use crate::api::conditions::{ConditionType, Finding, Status};
use crate::limits::answer::{Refusal, listed};
use crate::meta_grant::model::{SourceTokenSeen, TokenSecretSeen};

/// The condition SourceTokenAccepted.
pub(super) fn accepted(case: &Case<'_>, valid: &Finding) -> Finding {
    let TokenSecretSeen::Present { source_token: of, .. } = &case.seen.token_secret else { return first(case, valid) };
    let SourceTokenSeen::Present { fingerprint } = &case.seen.source_token else {
        return refused_for(valid::unusable_source_token(case).unwrap_or_else(|| pending(case)));
    };
    if of == fingerprint || case.seen.in_use.as_ref() == Some(fingerprint) {
        let seen = "The token in use comes from the source token.";
        return case.found(Status::True, Reason::SourceTokenInUse, seen, "");
    }
    rival(case)
}

/// Of a grant that keeps no token yet: the source token itself is in use.
fn first(case: &Case<'_>, valid: &Finding) -> Finding {
    match valid.status {
        Status::True => case.found(Status::True, Reason::SourceTokenInUse, "The source token itself is in use.", ""),
        Status::False | Status::Unknown => valid.clone(),
    }
}

/// A source token that is another one than that of the token in use, and was not adopted.
fn rival(case: &Case<'_>) -> Finding {
    match token::source_token(case.seen, case.now) {
        TokenVerdict::Unasked => kept_or_pending(case),
        TokenVerdict::Refused(refusal) => left_open(case, &refusal),
        TokenVerdict::Flawed(_, flaw) => refused_for(valid::told(case, "The source token", &flaw)),
        TokenVerdict::Good(_) => match refusal(case) {
            Some(finding) => refused_for(finding),
            None if matches!(&case.seen.asked.exchanged, Some(Err(_))) => not_exchanged(case),
            None => match &case.seen.asked.source_token_pages {
                Some(Err(refusal)) => left_open(case, refusal),
                _ => pending(case),
            },
        },
    }
}

/// Why a source token that serves does not take the place of the token in use.
fn refusal(case: &Case<'_>) -> Option<Finding> {
    let (secret, namespace) = (&case.grant.spec.token_secret_ref.name, case.namespace());
    if !matches!(token::in_use(case.seen, case.now), TokenVerdict::Good(_)) {
        return None;
    }
    if !token::is_newer(Candidate::SourceToken, case.seen, case.now) {
        let step = format!(
            "The writer of Secret {namespace}/{secret} must put a token that was issued later into it, or restore the source token that the token in use comes from."
        );
        let seen = "The source token was issued before the token in use.";
        return Some(case.found(Status::False, Reason::SourceTokenOlder, seen, step));
    }
    let lost = case.lost_with(Candidate::SourceToken).filter(|lost| case.heard.source_token && !lost.is_empty())?;
    let step = format!(
        "Authorize again with these pages selected and put that token into Secret {namespace}/{secret}; or delete the channels of pages that you give up."
    );
    let seen = format!("The source token does not cover pages that channels use: {}.", listed(&lost));
    Some(case.found(Status::False, Reason::SourceTokenNarrower, seen, step))
}

/// A source token of some hours that Meta exchanges for nothing longer.
fn not_exchanged(case: &Case<'_>) -> Finding {
    let seen =
        "The source token lives only for some hours, and Meta does not exchange it for a token that lives longer.";
    refused_for(case.found(Status::False, Reason::RenewalRefused, seen, valid::authorize_again(case)))
}

fn left_open(case: &Case<'_>, refusal: &Refusal) -> Finding {
    if refusal.says_nothing() {
        return kept_or_pending(case);
    }
    let seen = format!("Meta does not say what the source token is ({}).", refusal.fact);
    case.found(Status::Unknown, Reason::AwaitingAuthorization, seen, "")
}

/// What was said of this very source token stays; of another one it is no matter.
fn kept_or_pending(case: &Case<'_>) -> Finding {
    let held = Refusal::nothing();
    let kept = case.keep(ConditionType::SourceTokenAccepted, &held);
    let about_it = case.previous.inputs.as_ref() == Some(&case.seen.inputs) && kept.status == Status::False;
    if about_it { kept } else { pending(case) }
}

fn pending(case: &Case<'_>) -> Finding {
    case.found(Status::Unknown, Reason::Pending, "The source token has changed and is being verified.", "")
}

fn refused_for(finding: Finding) -> Finding {
    Finding { seen: format!("{} The token in use stays.", finding.seen), ..finding }
}
