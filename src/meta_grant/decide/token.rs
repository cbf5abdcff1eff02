//! What debug_token says about the tokens of a grant, and whether one may replace another.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::api::{MetaGrant, MetaGrantStatus, Reason, RenewalPolicy};
use crate::base::clock::Moment;
use crate::base::ids::{AppId, PageId};
use crate::graph::{CutReason, TokenInfo, TokenKind, Verdict};
use crate::limits::answer::{Answer, Refusal};
use crate::meta_app::token_check;
use crate::meta_app::token_check::Flaw;
use crate::meta_grant::model::{AppSeen, Covered, Observed, TokenSecretSeen};
use crate::meta_grant::page_tokens::{GrantedPage, Pages};

/// Permissions that a status lists.
pub const SCOPES: usize = 200;

/// The time by which ends and waits are evaluated; none while our clock is in doubt.
pub fn reckoned(seen: &Observed, now: Timestamp) -> Option<Timestamp> {
    (!seen.clock_doubted).then_some(now)
}

/// What is known of a token.
#[derive(Debug)]
pub enum TokenVerdict<'a> {
    /// Nothing: it was not asked about.
    Unasked,
    /// Nothing was said of it.
    Refused(Refusal),
    /// It serves.
    Good(&'a TokenInfo),
    /// It does not serve, for this reason. Of another application's token nothing else is said.
    Flawed(Option<&'a TokenInfo>, Flaw),
}

/// What is known of the token in use.
pub fn in_use(seen: &Observed, now: Timestamp) -> TokenVerdict<'_> {
    verdict(seen, seen.asked.token.as_ref(), now)
}

/// What is known of a source token that is another token than the one in use.
pub fn source_token(seen: &Observed, now: Timestamp) -> TokenVerdict<'_> {
    candidate(Candidate::SourceToken, seen, now)
}

/// A token that may take the place of the one in use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Candidate {
    /// The source token, if it is another token than before.
    SourceToken,
    /// The one that a person brought in the browser.
    Message,
}

/// What is known of a token that may take the place of the one in use.
pub fn candidate(which: Candidate, seen: &Observed, now: Timestamp) -> TokenVerdict<'_> {
    let answer = match which {
        Candidate::SourceToken => &seen.asked.source_token,
        Candidate::Message => &seen.asked.message,
    };
    verdict(seen, answer.as_ref(), now)
}

/// What is known of the token that was in use before.
pub fn previous(seen: &Observed, now: Timestamp) -> TokenVerdict<'_> {
    verdict(seen, seen.asked.previous.as_ref(), now)
}

fn verdict<'a>(seen: &Observed, answer: Option<&'a Answer<TokenInfo>>, now: Timestamp) -> TokenVerdict<'a> {
    let AppSeen::Found { app_id, required, .. } = &seen.app else { return TokenVerdict::Unasked };
    match token_check::debugged(answer) {
        None => TokenVerdict::Unasked,
        Some(Err(Refusal { verdict: Verdict::AccessCut(CutReason::WrongApp), fact, .. })) => {
            TokenVerdict::Flawed(None, Flaw::Cut(Reason::WrongApp, fact))
        }
        Some(Err(refusal)) => TokenVerdict::Refused(refusal),
        Some(Ok(info)) => match flaw(app_id, required, info, reckoned(seen, now)) {
            Some(flaw) => TokenVerdict::Flawed(Some(info), flaw),
            None => TokenVerdict::Good(info),
        },
    }
}

fn flaw(app_id: &AppId, required: &[String], info: &TokenInfo, now: Option<Timestamp>) -> Option<Flaw> {
    let kinds = [TokenKind::User, TokenKind::SystemUser];
    token_check::not_usable(info, app_id, &kinds).or_else(|| token_check::not_sufficient(info, required, now))
}

/// The shortest life of what Meta calls long-lived.
const LONG: SignedDuration = SignedDuration::from_hours(24);

/// Whether it is a person's token of some hours. Of those Meta does not tell when they were issued.
pub fn is_short(info: &TokenInfo, now: Timestamp) -> bool {
    let ends = info.expires_at.is_some_and(|end| end.duration_since(now) <= LONG);
    !matches!(info.kind, Some(TokenKind::SystemUser)) && info.issued_at.is_none() && ends
}

/// Whether a candidate that serves is not older than the token in use. What Meta tells no time of is taken for new: short-lived
/// tokens are.
pub fn is_newer(which: Candidate, seen: &Observed, now: Timestamp) -> bool {
    let verdicts = (candidate(which, seen, now), in_use(seen, now));
    let (TokenVerdict::Good(other), TokenVerdict::Good(in_use)) = verdicts else { return false };
    other.issued_at.zip(in_use.issued_at).is_none_or(|(other, in_use)| other >= in_use)
}

/// The kind that the token in use was known to be of, for when Meta does not tell it.
pub fn known_kind(seen: &Observed, previous: &MetaGrantStatus) -> Option<TokenKind> {
    let same = seen.in_use.is_some() && seen.in_use == previous.token_fingerprint;
    // What was obtained for it is of the same kind.
    let renewed = matches!(&seen.token_secret, TokenSecretSeen::Present { source_token, minted: true, .. } if Some(source_token) == previous.source_token_fingerprint.as_ref());
    let kind = previous.token_type.as_deref().filter(|_| same || renewed).map(TokenKind::parse);
    kind.filter(|kind| matches!(kind, TokenKind::User | TokenKind::SystemUser))
}

/// The permissions that the token in use was known to have, for when Meta does not tell them.
pub fn known_scopes<'a>(seen: &Observed, previous: &'a MetaGrantStatus) -> &'a [String] {
    let same = seen.in_use.is_some() && seen.in_use == previous.token_fingerprint;
    // A list that was cut short may lack what is needed.
    let whole = previous.scopes.len() < SCOPES;
    if same && whole { &previous.scopes } else { &[] }
}

/// Pages that the token in use covers and a candidate does not, of those in use; what came through the inbox must cover the others too,
/// since a token that works gives way to nothing less. `None` if that is not known. `given` is what the token in use gives.
pub fn lost_with(which: Candidate, seen: &Observed, given: Option<&Pages>, now: Timestamp) -> Option<Vec<String>> {
    let verdicts = (&seen.app, candidate(which, seen, now));
    let (AppSeen::Found { required, .. }, TokenVerdict::Good(info)) = verdicts else { return None };
    let pages = match which {
        Candidate::SourceToken => &seen.asked.source_token_pages,
        Candidate::Message => &seen.asked.message_pages,
    };
    let Some(Ok(Covered { pages, open, .. })) = pages else { return None };
    let given = given?;
    let grants = |page: &PageId| required.iter().all(|scope| info.grants(scope, page.as_str()));
    let is_needed = |page: &PageId| which == Candidate::Message || seen.dependents.pages.contains(page);
    let needed = given.iter().filter(|(page, given)| is_covered(given) && is_needed(page)).map(|(page, _)| page);
    let needed: BTreeSet<_> = needed.collect();
    let (unknown, lost): (Vec<_>, Vec<_>) = needed
        .into_iter()
        .filter(|page| !grants(page) || !pages.contains(page.as_str()))
        .partition(|page| grants(page) && open.contains(page.as_str()));
    (unknown.is_empty() || !lost.is_empty()).then(|| lost.into_iter().map(|page| page.as_str().to_owned()).collect())
}

/// Whether a candidate was granted for other pages than these in use: nothing has to be confirmed then.
pub fn excludes(which: Candidate, seen: &Observed, pages: &[String], now: Timestamp) -> bool {
    let verdicts = (&seen.app, candidate(which, seen, now));
    let (AppSeen::Found { required, .. }, TokenVerdict::Good(info)) = verdicts else { return false };
    pages.iter().all(|page| required.iter().any(|scope| !info.grants(scope, page)))
}

/// Whether a grant gives what the page needs, or gave it and nothing else is certain.
pub fn is_covered(page: &GrantedPage) -> bool {
    !page.is_lost() && page.token.is_some()
}

/// Whether a candidate may take the place of the token in use: the one rule for all of them.
pub fn is_accepted(which: Candidate, seen: &Observed, given: Option<&Pages>, now: Timestamp) -> bool {
    if !matches!(candidate(which, seen, now), TokenVerdict::Good(_)) {
        return false;
    }
    match in_use(seen, now) {
        // Whatever serves is better than what does not.
        TokenVerdict::Flawed(..) => true,
        TokenVerdict::Good(_) => {
            is_newer(which, seen, now) && lost_with(which, seen, given, now).is_some_and(|lost| lost.is_empty())
        }
        TokenVerdict::Unasked | TokenVerdict::Refused(_) => false,
    }
}

/// A token that Meta just handed out is not exchanged again at once, whatever is declared.
const REST: SignedDuration = SignedDuration::from_hours(24);

/// When a token is to be renewed, if it can be without a person and that is declared.
pub fn renewal_due(grant: &MetaGrant, info: &TokenInfo) -> Option<Timestamp> {
    let renewal = &grant.spec.renewal;
    if renewal.policy == RenewalPolicy::Never || info.kind != Some(TokenKind::SystemUser) {
        return None;
    }
    let by_end = info.expires_at?.earlier(renewal.before());
    let by_age = info.issued_at.map(|issued| issued.later(renewal.max_age()));
    let due = by_age.map_or(by_end, |by_age| by_end.min(by_age));
    Some(info.issued_at.map_or(due, |issued| due.max(issued.later(REST))))
}
