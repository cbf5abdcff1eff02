//! Whether the token in use works.

use super::case::Case;
use super::token::{self, TokenVerdict};
use crate::api::conditions::{ConditionType, Finding, Status};
use crate::api::{PURPOSE_LABEL, Reason};
use crate::base::key::Key;
use crate::graph::{TokenKind, Verdict};
use crate::limits::answer::Refusal;
use crate::meta_app::seen;
use crate::meta_app::token_check;
use crate::meta_app::token_check::Flaw;
use crate::meta_grant::address;
use crate::meta_grant::model::{AppSeen, SourceTokenSeen, TokenSecretSeen};

/// The condition Valid.
pub(super) fn valid(case: &Case<'_>) -> Finding {
    dependencies(case).unwrap_or_else(|| match token::in_use(case.seen, case.now) {
        TokenVerdict::Unasked => app_unverified(case, "its app secret cannot be read"),
        TokenVerdict::Refused(refusal) => debug_refused(case, &refusal),
        TokenVerdict::Flawed(info, flaw) => {
            let told = told(case, "The token of the grant", &known_before(case, flaw));
            told.quoting(info.and_then(token_check::quote))
        }
        TokenVerdict::Good(_) => listed(case),
    })
}

/// The condition Expired: whether it ended in a way that only a person can mend.
pub(super) fn expired(valid: &Finding) -> Finding {
    match valid.status {
        Status::False if valid.reason.ends_authorization() => valid.with_status(Status::True),
        Status::Unknown => valid.clone(),
        Status::True | Status::False => Finding {
            status: Status::False,
            reason: Reason::NotExpired,
            seen: "The authorization has not ended.".to_owned(),
            next_step: String::new(),
            ..valid.clone()
        },
    }
}

/// What is missing before the token can be asked about.
fn dependencies(case: &Case<'_>) -> Option<Finding> {
    let (app, generation) = (&case.seen.app, case.generation);
    let missing = app.missing(&app_key(case), case.namespace()).map(|it| it.finding(generation));
    missing.or_else(|| no_token(case)).or_else(|| Some(app.broken(&app_key(case))?.finding(generation)))
}

/// That there is neither a token in use nor a source token to begin with.
fn no_token(case: &Case<'_>) -> Option<Finding> {
    if matches!(case.seen.token_secret, TokenSecretSeen::Present { .. }) {
        return None;
    }
    unusable_source_token(case)
}

/// That the source token's Secret holds nothing to be used.
pub(super) fn unusable_source_token(case: &Case<'_>) -> Option<Finding> {
    let (secret, namespace) = (&case.grant.spec.token_secret_ref.name, case.namespace());
    match &case.seen.source_token {
        SourceTokenSeen::NotReleased => Some(case.found(
            Status::False,
            Reason::SecretUnavailable,
            format!(
                "There is no Secret {secret} in namespace {namespace}, or it lacks the label {PURPOSE_LABEL}=grant-token."
            ),
            begin(case),
        )),
        SourceTokenSeen::Malformed(why) => Some(case.found(
            Status::False,
            Reason::SecretMalformed,
            format!("Secret {secret} cannot be used as a grant's token: {why}."),
            "Put only the token, without quotes or line breaks, into the key token.",
        )),
        SourceTokenSeen::Present { .. } => None,
    }
}

/// The step that gives a grant its first token.
fn begin(case: &Case<'_>) -> String {
    let (secret, namespace) = (&case.grant.spec.token_secret_ref.name, case.namespace());
    let create = format!(
        "Someone who may write Secrets there must create it with the key token, or label it: kubectl -n {namespace} label secret {secret} {PURPOSE_LABEL}=grant-token"
    );
    match &case.seen.reauthorize_url {
        Some(_) => format!("Start in a browser {}; or without one: {create}", address::told(&case.key())),
        None => create,
    }
}

/// debug_token itself was refused, which is no verdict on the token: what was known stays. What is said of the application its
/// own check decides, which was asked for.
fn debug_refused(case: &Case<'_>, refusal: &Refusal) -> Finding {
    let kept = kept(case, refusal);
    let of_app = matches!(refusal.verdict, Verdict::AppBroken(_) | Verdict::AppSuspect | Verdict::VersionRetired);
    if of_app && kept.status == Status::Unknown {
        return app_unverified(case, &format!("Meta refused a call with these credentials ({}).", refusal.fact));
    }
    let for_long = kept.status == Status::Unknown && case.heard.refused_for_long;
    if for_long { refused_for_long(case, "to say anything about the token", refusal) } else { kept }
}

/// What was known stays, also of a token that was renewed since: it was handed out for one that serves. It does not of a
/// source token that took the place of another one.
fn kept(case: &Case<'_>, refusal: &Refusal) -> Finding {
    if case.is_same_token() || matches!(case.seen.token_secret, TokenSecretSeen::Present { .. }) {
        return case.keep(ConditionType::Valid, refusal);
    }
    if matches!(refusal.verdict, Verdict::NoAnswer | Verdict::Throttled { .. }) {
        let seen = "Meta gives no usable answer about the token.";
        return case.found(Status::Unknown, Reason::GraphUnavailable, seen, "The operator tries again on its own.");
    }
    let seen = format!("Meta refuses to say anything about the token ({}); the cause is not known yet.", refusal.fact);
    let step = "The operator asks again every few minutes.";
    case.found(Status::Unknown, Reason::UnrecognizedError, seen, step).quoting(refusal.quote())
}

/// The token is good; what listing its pages came to may still say otherwise.
fn listed(case: &Case<'_>) -> Finding {
    let well = "Meta confirms the token: right application, right kind, every required permission.";
    let well = case.found(Status::True, Reason::TokenValid, well, "");
    let Some(Err(refusal)) = &case.seen.asked.pages else { return well };
    let flaw = match &refusal.verdict {
        Verdict::TokenEnded(reason) => Some(Flaw::Ended(Reason::from(*reason), refusal.fact.clone())),
        Verdict::AccessCut(reason) => Some(Flaw::Cut(Reason::from(reason), refusal.fact.clone())),
        _ => None,
    };
    match flaw.filter(|_| case.heard.token) {
        Some(flaw) => told(case, "The token of the grant", &flaw).quoting(refusal.quote()),
        None => unlisted(case, refusal, well),
    }
}

/// A token that serves is well, also while its pages cannot be listed: debug_token is the witness. But one whose pages never were
/// listed is not known to be, and neither is one that was refused for long enough before.
fn unlisted(case: &Case<'_>, refusal: &Refusal, well: Finding) -> Finding {
    if case.seen.before.is_some() && !case.heard.refuted {
        return well;
    }
    let kept = case.keep(ConditionType::Valid, refusal);
    let for_long = kept.reason == Reason::RefusedByMeta;
    let silent = for_long && refusal.may_pass() || matches!(refusal.verdict, Verdict::Throttled { .. });
    if kept.status != Status::Unknown || silent {
        return kept;
    }
    if for_long || case.heard.refused_for_long {
        return refused_for_long(case, "to list the pages of the token", refusal);
    }
    let fact = &refusal.fact;
    let found = if refusal.verdict == Verdict::NoAnswer {
        let seen =
            format!("Meta confirms the token, but gives no usable answer to the request for its pages ({fact}).");
        case.found(Status::Unknown, Reason::GraphUnavailable, seen, "The operator tries again on its own.")
    } else {
        let seen = format!("Meta confirms the token, but refuses to list its pages ({fact}).");
        let step = format!(
            "The operator asks again every few minutes. If this persists, check what Meta says about the grant ({fact}): {}",
            authorize_again(case)
        );
        case.found(Status::Unknown, Reason::UnrecognizedError, seen, step)
    };
    found.quoting(refusal.quote())
}

/// Meta has refused something for a day, for a reason that is not known.
fn refused_for_long(case: &Case<'_>, what: &str, refusal: &Refusal) -> Finding {
    let seen = format!("Meta has refused {what} for a day ({}), for a reason unknown to the operator.", refusal.fact);
    let step = format!(
        "An administrator of the app must look up that code, and ask Meta's developer support if it is not explained. If the grant is the cause: {}",
        authorize_again(case)
    );
    case.found(Status::Unknown, Reason::RefusedByMeta, seen, step).quoting(refusal.quote())
}

/// What is wrong with the token in use: one that Meta knew once was copied as it is.
fn known_before(case: &Case<'_>, flaw: Flaw) -> Flaw {
    match flaw {
        Flaw::Cut(Reason::TokenUnknown, fact) if case.was_known() => Flaw::Ended(Reason::SessionInvalidated, fact),
        flaw => flaw,
    }
}

/// What is wrong with a token, such as "The token of the grant".
pub(super) fn told(case: &Case<'_>, token: &str, flaw: &Flaw) -> Finding {
    let again = authorize_again(case);
    let (reason, seen, step) = match flaw {
        Flaw::Ended(reason, fact) => {
            let seen = format!("{} ({fact})", token_check::told_end(token, *reason));
            (*reason, seen, format!("{}{again}", token_check::before_authorizing(*reason)))
        }
        Flaw::Cut(reason @ Reason::WrongApp, fact) => (
            *reason,
            format!("{token} belongs to another application, not to MetaApp {} ({fact})", app_key(case)),
            again,
        ),
        Flaw::Cut(reason @ Reason::WrongTokenType, fact) => {
            (*reason, format!("{token} belongs neither to a person nor to a system user ({fact})"), again)
        }
        Flaw::Cut(Reason::TokenUnknown, fact) => {
            let (secret, namespace) = (&case.grant.spec.token_secret_ref.name, case.namespace());
            let step = format!(
                "The token may have been copied incompletely. Put it into key token of Secret {namespace}/{secret} again, with nothing left out, added or encoded; nobody has to log in for that. Otherwise: {again}"
            );
            (Reason::TokenUnknown, format!("{token} is not known to Meta ({fact})"), step)
        }
        Flaw::Cut(reason, fact) => (*reason, format!("{token} no longer reaches anything ({fact})"), again),
        Flaw::ScopesMissing(scopes) => {
            let names = if scopes.is_empty() { "a permission".to_owned() } else { scopes.join(", ") };
            (Reason::ScopeMissing, format!("{token} lacks {names}"), again)
        }
    };
    case.found(Status::False, reason, format!("{seen}{}.", granted_by(case)), step)
}

fn app_unverified(case: &Case<'_>, why: &str) -> Finding {
    seen::unverified(&app_key(case), why).finding(case.generation)
}

fn app_key(case: &Case<'_>) -> Key {
    seen::key_of(&case.grant.spec.app_ref, case.namespace())
}

fn granted_by(case: &Case<'_>) -> String {
    let now = match token::in_use(case.seen, case.now) {
        TokenVerdict::Good(info) | TokenVerdict::Flawed(Some(info), _) => info.user_id.clone(),
        _ => None,
    };
    let by = now.or_else(|| case.previous.grantor_id.clone());
    by.map(|id| format!("; it was granted by {id}")).unwrap_or_default()
}

/// The step that brings a new token.
pub(super) fn authorize_again(case: &Case<'_>) -> String {
    let app = if let AppSeen::Found { app_id, .. } = &case.seen.app { app_id.as_str() } else { "of this grant" };
    let (secret, namespace) = (&case.grant.spec.token_secret_ref.name, case.namespace());
    let put = format!("have the new token put into key token of Secret {namespace}/{secret}");
    if case.previous.token_type.as_deref() == Some(TokenKind::SystemUser.as_str()) {
        return format!(
            "An administrator of the business must generate a new token of the system user for app {app}, with all pages in use assigned, and {put}."
        );
    }
    let person = "A person with the tasks MESSAGING and MODERATE on all pages in use";
    match &case.seen.reauthorize_url {
        Some(_) => {
            let at = address::told(&case.key());
            format!("{person} must authorize app {app} again, with all of them selected: {at}, or elsewhere and {put}.")
        }
        None => format!("{person} must authorize app {app} again, with all of them selected, and {put}."),
    }
}
