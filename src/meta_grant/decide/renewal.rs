//! Whether the token is kept from ending, as far as that needs no person.

use super::case::Case;
use super::token::{self, TokenVerdict};
use super::valid;
use crate::api::conditions::{ConditionType, Finding, Status};
use crate::api::{Reason, RenewalPolicy};
use crate::graph::{TokenInfo, TokenKind};
use crate::limits::answer::Refusal;
use crate::meta_grant::model::{Exchanged, TokenSecretSeen};
use crate::meta_grant::token_secret;

/// The condition Renewed.
pub(super) fn renewed(case: &Case<'_>, valid: &Finding) -> Finding {
    if case.seen.token_secret == TokenSecretSeen::Taken {
        return taken(case);
    }
    if let Some(refused) = case.seen.asked.writes.refusal(token_secret::KIND) {
        return refused.finding(case.generation);
    }
    let info = match token::in_use(case.seen, case.now) {
        TokenVerdict::Good(info) => info,
        TokenVerdict::Refused(refusal) if valid.status == Status::True => {
            return case.keep(ConditionType::Renewed, &refusal);
        }
        _ => {
            let seen = "The operator does not renew a token unless it is known to work.";
            return case.found(Status::Unknown, Reason::AwaitingAuthorization, seen, "");
        }
    };
    match &case.seen.asked.exchanged {
        Some(Err(refusal)) if is_due(case, info) => refused(case, info, refusal),
        Some(Ok(Exchanged::Same)) if is_due(case, info) => same_again(case, info),
        _ => planned(case, info),
    }
}

/// Whether the token in use is one that should have been exchanged by now.
fn is_due(case: &Case<'_>, info: &TokenInfo) -> bool {
    let due = token::renewal_due(case.grant, info).is_some_and(|due| due <= case.now);
    due || token::is_short(info, case.now)
}

fn refused(case: &Case<'_>, info: &TokenInfo, refusal: &Refusal) -> Finding {
    if refusal.says_nothing() {
        return case.keep(ConditionType::Renewed, refusal);
    }
    let end = info.expires_at.map(|at| format!("; the one in use ends at {at}")).unwrap_or_default();
    let seen = format!("Meta refuses to issue another token ({}){end}.", refusal.fact);
    let step = format!("The operator tries again every 2 hours. If this persists: {}", valid::authorize_again(case));
    case.found(Status::False, Reason::RenewalRefused, seen, step)
}

/// Meta gave the same token back: it ends when it ends, unless Meta thinks better of it.
fn same_again(case: &Case<'_>, info: &TokenInfo) -> Finding {
    let end = info.expires_at.map(|at| format!(", which ends at {at}")).unwrap_or_default();
    let seen = format!("Meta returns the same token when asked for one that lives longer{end}.");
    let step = match token::renewal_due(case.grant, info) {
        Some(_) => {
            format!("The operator tries again every 2 hours. If this persists: {}", valid::authorize_again(case))
        }
        None => valid::authorize_again(case),
    };
    case.found(Status::False, Reason::NotRenewable, seen, step)
}

fn planned(case: &Case<'_>, info: &TokenInfo) -> Finding {
    if is_due(case, info)
        && let Some(known) = case.previous_refusal()
    {
        return known;
    }
    let Some(end) = info.expires_at else {
        return case.found(Status::True, Reason::UpToDate, "The token does not end, so it needs no renewal.", "");
    };
    if case.grant.spec.renewal.policy == RenewalPolicy::Never {
        let seen = format!("The token ends at {end}; it is not renewed, as declared.");
        return case.found(Status::Unknown, Reason::NotRequired, seen, "");
    }
    match token::renewal_due(case.grant, info) {
        Some(due) if case.seen.clock_doubted && due <= case.now => {
            let seen = "The clock of the operator's machine and Meta's are too far apart, so it is not known whether the token must be renewed.";
            let step = "The maintainer of the cluster must correct the clock of that machine; the operator continues on its own.";
            case.found(Status::Unknown, Reason::Pending, seen, step)
        }
        Some(due) => {
            let seen = format!("The token ends at {end} and is renewed from {due} on.");
            case.found(Status::True, Reason::UpToDate, seen, "")
        }
        None if token::is_short(info, case.now) => {
            let seen = format!("The token ends at {end}: Meta issued none that lives for weeks.");
            case.found(Status::False, Reason::NotRenewable, seen, valid::authorize_again(case))
        }
        None if info.kind == Some(TokenKind::User) => {
            let seen = format!("The token ends at {end}; a person's token cannot be renewed without the person.");
            case.found(Status::Unknown, Reason::NotRenewable, seen, "")
        }
        None => case.found(Status::Unknown, Reason::NotRenewable, format!("The token ends at {end}."), ""),
    }
}

fn taken(case: &Case<'_>) -> Finding {
    let (namespace, name) = (case.namespace(), token_secret::name(case.name()));
    case.found(
        Status::False,
        Reason::SecretNameTaken,
        format!("A Secret {name} exists in namespace {namespace} and does not belong to the operator, so the token in use cannot be stored."),
        format!("Someone who may write Secrets there must make room: kubectl -n {namespace} delete secret {name}"),
    )
}

impl Case<'_> {
    /// That a renewal was refused before, if it was not tried again in this pass.
    fn previous_refusal(&self) -> Option<Finding> {
        let known = self.keep(ConditionType::Renewed, &Refusal::nothing());
        (known.status == Status::False && self.is_same_token()).then_some(known)
    }
}
