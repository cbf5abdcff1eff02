//! Whether the channel is authorised: right application, right page, a page token, with what it needs.

use jiff::Timestamp;

use super::Case;
use crate::api::conditions::{ConditionType, Finding, Status};
use crate::api::{FacebookChannel, PURPOSE_LABEL, Reason};
use crate::engine::answer::{Answer, Refusal, fault_fact};
use crate::facebook_channel::observe::{AppSeen, Asked, Observed, TokenSeen};
use crate::graph::{Caller, CutReason, TokenInfo, TokenKind, Verdict, classify_fault};
use crate::meta_app::Trouble;

/// Whether debug_token, a call with the app token alone, was refused in a way that says more about the application
/// than about the token.
pub fn blames_the_app<T>(answer: &Answer<T>) -> bool {
    matches!(
        answer,
        Err(Refusal { verdict: Verdict::AppBroken(_) | Verdict::AppSuspect | Verdict::VersionRetired, .. })
    )
}

/// Whether what Meta said about the page casts doubt on a token that was found good before.
pub fn is_doubted(asked: &Asked) -> bool {
    let page = asked.page.as_ref().and_then(|it| it.as_ref().err());
    let rows = asked.subscriptions.as_ref().and_then(|it| it.as_ref().err());
    page.into_iter().chain(rows).any(|refusal| {
        matches!(
            refusal.verdict,
            Verdict::TokenEnded(_) | Verdict::AccessCut(_) | Verdict::AppSuspect | Verdict::AppBroken(_)
        )
    })
}

/// Whether the credential has proven that it may be used for the page.
pub fn is_proven(channel: &FacebookChannel, seen: &Observed, now: Timestamp) -> bool {
    let AppSeen::Found { app_id, required, .. } = &seen.app else { return false };
    matches!(debugged(seen), Some(Ok(info)) if flaw(channel, app_id, required, info, now).is_none())
}

/// What debug_token says. An answer that leaves open why the token is not valid is none: the cause is one that passes.
pub(super) fn debugged(seen: &Observed) -> Option<Answer<&TokenInfo>> {
    Some(match seen.asked.token.as_ref()? {
        Err(refusal) => Err(refusal.clone()),
        Ok(info) => match info.error.as_ref().filter(|_| !info.is_valid) {
            Some(fault) => Some(Refusal {
                verdict: classify_fault(fault, Caller::DebuggedToken),
                fact: fault_fact(fault),
                held: None,
            })
            .filter(Refusal::says_nothing)
            .map_or(Ok(info), Err),
            None => Ok(info),
        },
    })
}

/// The condition Authorized.
pub(super) fn authorized(case: &Case<'_>) -> Finding {
    dependencies(case).unwrap_or_else(|| match &case.debugged {
        None => app_unverified(case, "its app secret cannot be read"),
        Some(Err(refusal)) => debug_refused(case, refusal),
        Some(Ok(info)) => judge(case, info),
    })
}

/// What is missing before the token can be asked about.
fn dependencies(case: &Case<'_>) -> Option<Finding> {
    app_missing(case).or_else(|| token_missing(case)).or_else(|| app_broken(case))
}

/// What keeps calls with the application's own token from being made.
pub(super) fn app_unusable(case: &Case<'_>) -> Option<Finding> {
    app_missing(case).or_else(|| app_broken(case))
}

fn app_missing(case: &Case<'_>) -> Option<Finding> {
    let namespace = case.channel.metadata.namespace.as_deref().unwrap_or_default();
    match &case.seen.app {
        AppSeen::NotFound => Some(case.found(
            Status::Unknown,
            Reason::AppNotFound,
            format!("There is no MetaApp {}.", app_name(case)),
            "Create it; nothing has to be done here then.",
        )),
        AppSeen::NotAllowed => Some(case.found(
            Status::False,
            Reason::AppNotAllowed,
            format!("MetaApp {} does not allow channels of namespace {namespace}.", app_name(case)),
            "Whoever maintains the MetaApp must set spec.allowedNamespaces.from to All, or the channel needs another MetaApp.",
        )),
        AppSeen::Found { .. } => None,
    }
}

fn token_missing(case: &Case<'_>) -> Option<Finding> {
    let page_token = &case.channel.spec.credentials.page_token;
    let namespace = case.channel.metadata.namespace.as_deref().unwrap_or_default();
    let (secret, key) = (&page_token.secret_ref.name, &page_token.secret_ref.key);
    match &case.seen.token {
        TokenSeen::NotReleased => Some(case.found(
            Status::False,
            Reason::SecretNotReleased,
            format!("There is no Secret {secret} in namespace {namespace} that is released as a page token."),
            format!(
                "Somebody who may write Secrets there must create it with the key {key} and release it: kubectl -n {namespace} label secret {secret} {PURPOSE_LABEL}=page-token"
            ),
        )),
        TokenSeen::Malformed(why) => Some(case.found(
            Status::False,
            Reason::SecretMalformed,
            format!("Secret {secret} cannot be used as a page token: {why}."),
            format!("Put the page token alone, without quotes or line breaks inside, into the key {key}."),
        )),
        TokenSeen::Present { .. } => None,
    }
}

fn app_broken(case: &Case<'_>) -> Option<Finding> {
    let AppSeen::Found { verdict, .. } = &case.seen.app else { return None };
    match &verdict.credentials {
        Ok(()) => None,
        Err(Trouble::Broken(why)) => Some(app_not_ready(case, why)),
        Err(Trouble::Unknown(why)) => Some(app_unverified(case, why)),
    }
}

fn app_not_ready(case: &Case<'_>, why: &str) -> Finding {
    let seen = format!("MetaApp {} is not usable: {why}", app_name(case));
    case.found(Status::Unknown, Reason::AppNotReady, seen, "")
}

pub(super) fn app_unverified(case: &Case<'_>, why: &str) -> Finding {
    let seen = format!("Whether the credentials of MetaApp {} work is not known: {why}", app_name(case));
    case.found(Status::Unknown, Reason::AppUnverified, seen, "")
}

fn app_name(case: &Case<'_>) -> String {
    let app_ref = &case.channel.spec.credentials.page_token.app_ref;
    let own = case.channel.metadata.namespace.as_deref().unwrap_or_default();
    format!("{}/{}", app_ref.namespace.as_deref().unwrap_or(own), app_ref.name)
}

/// debug_token itself was refused; it is called with the app token, so that only few refusals are about the token.
fn debug_refused(case: &Case<'_>, refusal: &Refusal) -> Finding {
    match &refusal.verdict {
        Verdict::NoAnswer | Verdict::Throttled { .. } => case.keep(ConditionType::Authorized, refusal),
        Verdict::AccessCut(CutReason::WrongApp) => cut(case, Reason::WrongApp, &refusal.fact),
        Verdict::RequestRejected => rejected(case, &refusal.fact),
        // Said of the application; its own check, which was asked for, decides whether it is so. Until then what was known
        // stays.
        _ => {
            let kept = case.keep(ConditionType::Authorized, refusal);
            let why = format!("Meta refused a call with them ({}).", refusal.fact);
            if kept.status == Status::Unknown { app_unverified(case, &why) } else { kept }
        }
    }
}

/// What debug_token says, and what the page's own calls add to it.
fn judge(case: &Case<'_>, info: &TokenInfo) -> Finding {
    let AppSeen::Found { app_id, required, .. } = &case.seen.app else {
        return app_unverified(case, "it is gone");
    };
    if let Some(flaw) = flaw(case.channel, app_id, required, info, case.now) {
        return flaw.finding(case);
    }
    // A write is made of what was declared: that it is rejected says nothing about the authorisation.
    let write = case.refused_write().filter(|refusal| refusal.verdict != Verdict::RequestRejected);
    let found = case.refused_reads().chain(write).find_map(|refusal| page_call_refused(case, refusal));
    let well = "Meta confirms the page token: right application, right page, every required permission.";
    found.unwrap_or_else(|| case.found(Status::True, Reason::TokenValid, well, ""))
}

/// What the refusal of a call with the page token says about the authorisation.
fn page_call_refused(case: &Case<'_>, refusal: &Refusal) -> Option<Finding> {
    match &refusal.verdict {
        Verdict::TokenEnded(reason) => Some(ended(case, Reason::from(*reason), &refusal.fact)),
        Verdict::AccessCut(CutReason::ScopeMissing { scope }) => {
            let scopes: Vec<_> = scope.iter().cloned().collect();
            Some(scope_missing(case, &scopes, &refusal.fact))
        }
        Verdict::AccessCut(reason) => Some(cut(case, Reason::from(reason), &refusal.fact)),
        // The application's own credentials worked for debug_token a moment ago, so the fault is this token's.
        Verdict::AppSuspect | Verdict::AppBroken(_) => Some(cut(case, Reason::WrongApp, &refusal.fact)),
        Verdict::RequestRejected => Some(rejected(case, &refusal.fact)),
        _ => None,
    }
}

/// What is wrong with a token by what debug_token says of it.
enum Flaw {
    Ended(Reason, String),
    Cut(Reason, String),
    ScopesMissing(Vec<String>),
}

fn flaw(
    channel: &FacebookChannel,
    app_id: &str,
    required: &[String],
    info: &TokenInfo,
    now: Timestamp,
) -> Option<Flaw> {
    if info.app_id.as_deref().is_some_and(|found| found != app_id) {
        return Some(Flaw::Cut(Reason::WrongApp, "debug_token names another application".to_owned()));
    }
    if !info.is_valid {
        return Some(invalid(info));
    }
    if info.kind != TokenKind::Page {
        return Some(Flaw::Cut(Reason::WrongTokenType, format!("debug_token names the kind {}", info.kind.as_str())));
    }
    if info.profile_id.as_ref() != Some(&channel.spec.page_id) {
        return Some(Flaw::Cut(Reason::WrongPage, "debug_token names another page".to_owned()));
    }
    let over = |at: Option<Timestamp>| at.filter(|at| *at <= now);
    if let Some(at) = over(info.expires_at) {
        return Some(Flaw::Ended(Reason::TokenExpired, format!("it ended at {at}")));
    }
    if let Some(at) = over(info.data_access_expires_at) {
        return Some(Flaw::Ended(Reason::DataAccessExpired, format!("access to the data ended at {at}")));
    }
    let missing: Vec<_> = required.iter().filter(|scope| !info.scopes.contains(scope)).cloned().collect();
    if !missing.is_empty() {
        return Some(Flaw::ScopesMissing(missing));
    }
    let outside = required.iter().find(|scope| !info.grants(scope, &channel.spec.page_id));
    outside.map(|scope| Flaw::Cut(Reason::NotInGrant, format!("{scope} was granted for other pages only")))
}

fn invalid(info: &TokenInfo) -> Flaw {
    let Some(fault) = &info.error else {
        return Flaw::Ended(Reason::SessionInvalidated, "debug_token gives no cause".to_owned());
    };
    match classify_fault(fault, Caller::DebuggedToken) {
        Verdict::TokenEnded(reason) => Flaw::Ended(reason.into(), fault_fact(fault)),
        Verdict::AccessCut(reason) => Flaw::Cut(Reason::from(&reason), fault_fact(fault)),
        // `is_valid: false` is a definite statement, whatever its cause is called.
        _ => Flaw::Ended(Reason::SessionInvalidated, fault_fact(fault)),
    }
}

impl Flaw {
    fn finding(&self, case: &Case<'_>) -> Finding {
        match self {
            Self::Ended(reason, fact) => ended(case, *reason, fact),
            Self::Cut(reason, fact) => cut(case, *reason, fact),
            Self::ScopesMissing(scopes) => scope_missing(case, scopes, "debug_token does not list them"),
        }
    }
}

fn ended(case: &Case<'_>, reason: Reason, fact: &str) -> Finding {
    let what = match reason {
        Reason::TokenExpired => "The page token expired",
        Reason::PasswordChanged => {
            "The page token ended because the person changed the password or Facebook closed the session for security"
        }
        Reason::AppRemoved => "The page token ended because the person removed the app",
        Reason::CheckpointRequired => "The page token is blocked until the person clears a checkpoint",
        Reason::UserInvalid => "The page token ended because the person's account is unconfirmed or invalid",
        Reason::DataAccessExpired => "The page token lives, but access to the person's data ended",
        _ => "The page token is no longer valid",
    };
    let before = match reason {
        Reason::CheckpointRequired | Reason::UserInvalid => {
            "The person must first log in at https://www.facebook.com. "
        }
        _ => "",
    };
    let seen = format!("{what} ({fact}){}.", granted_by(case));
    case.found(Status::False, reason, seen, format!("{before}{}", authorize_again(case)))
}

fn cut(case: &Case<'_>, reason: Reason, fact: &str) -> Finding {
    let page = &case.channel.spec.page_id;
    let (what, step) = match reason {
        Reason::WrongApp => (
            format!("The token in the Secret belongs to another application than MetaApp {}", app_name(case)),
            authorize_again(case),
        ),
        Reason::WrongPage => (format!("The token in the Secret is not for page {page}"), authorize_again(case)),
        Reason::WrongTokenType => ("The token in the Secret is not a page token".to_owned(), authorize_again(case)),
        Reason::RoleLost => (
            format!("The person behind the token has no fitting role on page {page} any more"),
            "Somebody with full control of the page must give the role back, or a person who has it must authorise again."
                .to_owned(),
        ),
        _ => (
            format!("Page {page} is not part of what was granted"),
            format!("{} All pages in use must be selected.", authorize_again(case)),
        ),
    };
    case.found(Status::False, reason, format!("{what} ({fact}){}.", granted_by(case)), step)
}

fn scope_missing(case: &Case<'_>, scopes: &[String], fact: &str) -> Finding {
    let names = if scopes.is_empty() { "a permission".to_owned() } else { scopes.join(", ") };
    let seen = format!("The page token lacks {names} ({fact}){}.", granted_by(case));
    case.found(Status::False, Reason::ScopeMissing, seen, authorize_again(case))
}

fn rejected(case: &Case<'_>, fact: &str) -> Finding {
    let step = "Please report this to the maintainers of the operator; it will not go away by itself.";
    case.found(Status::False, Reason::RequestRejected, format!("Meta rejects the operator's request ({fact})."), step)
}

fn granted_by(case: &Case<'_>) -> String {
    let now = case.debugged.as_ref().and_then(|it| it.as_ref().ok()?.user_id.clone());
    let before = case.previous.authorization.as_ref().and_then(|it| it.grantor_id.clone());
    now.or(before).map(|id| format!("; it was granted by person {id}")).unwrap_or_default()
}

/// The step that puts a new token into the Secret.
pub(super) fn authorize_again(case: &Case<'_>) -> String {
    let secret_ref = &case.channel.spec.credentials.page_token.secret_ref;
    let namespace = case.channel.metadata.namespace.as_deref().unwrap_or_default();
    format!(
        "A person with the tasks MESSAGING and MODERATE on page {} must authorise app {} again and have the new page token put into key {} of Secret {namespace}/{}.",
        case.channel.spec.page_id,
        match &case.seen.app {
            AppSeen::Found { app_id, .. } => app_id.as_str(),
            _ => "of this channel",
        },
        secret_ref.key,
        secret_ref.name,
    )
}
