//! Whether the channel is authorized: the right application, the right page, a page token, and everything that it needs.

use super::super::policy::token;
use super::case::Case;
use super::evidence;
use super::evidence::TokenSays;
use super::grant;
use crate::api::conditions::{ConditionType, Finding, Status};
use crate::api::{CredentialSource, PURPOSE_LABEL, Reason};
use crate::base::ids::{AppId, PageId};
use crate::base::key::Key;
use crate::facebook_channel::model::{AppSeen, TokenSeen};
use crate::graph::{CutReason, TokenInfo, TokenKind, Verdict};
use crate::limits::answer::Refusal;
use crate::meta_app::token_check::Flaw;
use crate::meta_app::{seen, token_check};
use crate::meta_grant::address;

/// The condition Authorized.
pub(super) fn authorized(case: &Case<'_>) -> Finding {
    dependencies(case).unwrap_or_else(|| match &case.debugged {
        None => app_unverified(case, "its app secret cannot be read"),
        Some(Err(refusal)) => debug_refused(case, refusal),
        Some(Ok(info)) => judge(case, info),
    })
}

/// What is missing before the token can be asked about. An application that is broken explains a grant that is.
fn dependencies(case: &Case<'_>) -> Option<Finding> {
    let found = app_missing(case).or_else(|| token_missing(case));
    found.or_else(|| app_broken(case)).or_else(|| grant::trouble(case))
}

/// What keeps calls with the application's own token from being made.
pub(super) fn app_unusable(case: &Case<'_>) -> Option<Finding> {
    app_missing(case).or_else(|| app_broken(case))
}

fn app_missing(case: &Case<'_>) -> Option<Finding> {
    // Which one it is follows from the credential.
    let Some(app_key) = &case.seen.app_key else { return token_missing(case) };
    let obstacle = case.seen.app.missing(app_key, case.namespace())?;
    Some(obstacle.finding(case.generation))
}

fn token_missing(case: &Case<'_>) -> Option<Finding> {
    let namespace = case.namespace();
    match (&case.seen.token, case.channel.spec.credentials.source()) {
        (TokenSeen::NotReleased, Some(CredentialSource::PageToken(declared))) => {
            let (secret, key) = (&declared.secret_ref.name, &declared.secret_ref.key);
            Some(case.found(
                Status::False,
                Reason::SecretUnavailable,
                format!(
                    "There is no Secret {secret} in namespace {namespace}, or it lacks the label {PURPOSE_LABEL}=page-token."
                ),
                format!(
                    "Someone who may write Secrets there must create it with the key {key}, or label it: kubectl -n {namespace} label secret {secret} {PURPOSE_LABEL}=page-token"
                ),
            ))
        }
        (TokenSeen::Malformed(why), Some(CredentialSource::PageToken(declared))) => {
            let (secret, key) = (&declared.secret_ref.name, &declared.secret_ref.key);
            Some(case.found(
                Status::False,
                Reason::SecretMalformed,
                format!("Secret {secret} cannot be used as a page token: {why}."),
                format!("Put only the page token, without quotes or line breaks, into the key {key}."),
            ))
        }
        (TokenSeen::GrantNotFound, Some(CredentialSource::Grant(declared))) => {
            let seen = format!("There is no MetaGrant {namespace}/{}.", declared.name);
            let step = "Create it; nothing else is needed here.";
            Some(case.found(Status::Unknown, Reason::GrantNotFound, seen, step))
        }
        (_, None) => Some(case.found(
            Status::False,
            Reason::InvalidSpec,
            "Not exactly one credential is set.",
            "Set exactly one of credentials.grantRef and credentials.pageToken.",
        )),
        _ => None,
    }
}

fn app_broken(case: &Case<'_>) -> Option<Finding> {
    Some(case.seen.app.broken(case.seen.app_key.as_ref()?)?.finding(case.generation))
}

pub(super) fn app_unverified(case: &Case<'_>, why: &str) -> Finding {
    let Some(app_key) = &case.seen.app_key else {
        return case.found(Status::Unknown, Reason::AppUnverified, "It is not known which MetaApp this is.", "");
    };
    seen::unverified(app_key, why).finding(case.generation)
}

/// debug_token itself was refused; it is called with the app token, so that only few refusals are about the token.
fn debug_refused(case: &Case<'_>, refusal: &Refusal) -> Finding {
    match &refusal.verdict {
        // Another answer casts doubt on the token, and its witness says nothing: what was known is not known any more.
        _ if matches!(case.weighed.token, TokenSays::Unwitnessed(_)) => unwitnessed(case, refusal),
        Verdict::AccessCut(CutReason::WrongApp) => cut(case, Reason::WrongApp, refusal),
        _ if refusal.says_nothing() || evidence::is_received(refusal) && refusal.verdict != Verdict::VersionRetired => {
            case.keep(ConditionType::Authorized, refusal)
        }
        // Said of the application; its own check, which was asked for, decides whether it is so. Until then what was known
        // stays.
        _ => {
            let kept = case.keep(ConditionType::Authorized, refusal);
            let why = format!("Meta refused a call with these credentials ({}).", refusal.fact);
            if kept.status == Status::Unknown { app_unverified(case, &why) } else { kept }
        }
    }
}

/// What debug_token says, and what the page's own calls add to it.
fn judge(case: &Case<'_>, info: &TokenInfo) -> Finding {
    if !matches!(case.seen.app, AppSeen::Found { .. }) {
        return app_unverified(case, "it is gone");
    }
    let now = case.seen.reckoned(case.now);
    if let Some(flaw) = token::flaw(case.channel, &case.seen.app, &case.seen.token, info, now) {
        return told(case, &flaw).quoting(token_check::quote(info));
    }
    let well = match &case.seen.token {
        TokenSeen::Granted(_) => "Meta lists the page in the grant, with a token, every required permission and task.",
        _ => "Meta confirms the page token: right application, right page, every required permission.",
    };
    match case.weighed.token {
        // The last word was the witness's; what another call said once does not count.
        TokenSays::Nothing | TokenSays::Doubted => case.found(Status::True, Reason::TokenValid, well, ""),
        TokenSays::Refused(refusal) => refused(case, refusal),
        TokenSays::Unwitnessed(refusal) => unwitnessed(case, refusal),
        TokenSays::Disputed(refusal) => disputed(case, refusal),
    }
}

/// Calls with the token were refused with a code that is about the token, more than once.
fn refused(case: &Case<'_>, refusal: &Refusal) -> Finding {
    match &refusal.verdict {
        Verdict::TokenEnded(reason) => ended(case, Reason::from(*reason), &refusal.fact).quoting(refusal.quote()),
        Verdict::AccessCut(reason) => cut(case, Reason::from(reason), refusal),
        _ => disputed(case, refusal),
    }
}

/// Calls with the token are refused, and whether it serves cannot be asked.
fn unwitnessed(case: &Case<'_>, refusal: &Refusal) -> Finding {
    let seen = format!(
        "Meta refused a call with the page token and does not say whether the token is valid ({}).",
        refusal.fact
    );
    case.found(Status::Unknown, Reason::GraphUnavailable, seen, "The operator tries again on its own.")
}

/// Calls with the token have been refused for long, though Meta calls it valid.
fn disputed(case: &Case<'_>, refusal: &Refusal) -> Finding {
    let page = &case.channel.spec.page_id;
    let seen = format!("Meta calls the token valid in debug_token, but refuses it for page {page} ({}).", refusal.fact);
    let step = format!(
        "Someone with full control of the page must check in the page's settings whether the person behind the token still has access to the page. If so: {}",
        authorize_again(case)
    );
    case.found(Status::Unknown, Reason::TokenRefused, seen, step).quoting(refusal.quote())
}

fn told(case: &Case<'_>, flaw: &Flaw) -> Finding {
    match flaw {
        Flaw::Ended(reason, fact) => ended(case, *reason, fact),
        // What Meta knew once it does not know any more.
        Flaw::Cut(Reason::TokenUnknown, fact) if case.same_token().is_some_and(|it| it.token_type.is_some()) => {
            ended(case, Reason::SessionInvalidated, fact)
        }
        Flaw::Cut(reason, fact) => cut(case, *reason, &Refusal::new(Verdict::NoAnswer, fact)),
        Flaw::ScopesMissing(scopes) => scope_missing(case, scopes, "debug_token does not list them"),
    }
}

fn ended(case: &Case<'_>, reason: Reason, fact: &str) -> Finding {
    let what = token_check::told_end("The page token", reason);
    let before = token_check::before_authorizing(reason);
    let seen = format!("{what} ({fact}){}.", granted_by(case));
    case.found(Status::False, reason, seen, format!("{before}{}", authorize_again(case)))
}

fn cut(case: &Case<'_>, reason: Reason, refusal: &Refusal) -> Finding {
    let fact = &refusal.fact;
    let page = &case.channel.spec.page_id;
    let (what, step) = match reason {
        Reason::WrongApp => {
            let app = case.seen.app_key.as_ref().map(|app| format!(", not to MetaApp {app}")).unwrap_or_default();
            (format!("The page token belongs to another application{app}"), authorize_again(case))
        }
        Reason::WrongPage => wrong_page(case),
        Reason::WrongTokenType => ("The token in the Secret is not a page token".to_owned(), take_page_token(case)),
        Reason::TokenUnknown => (
            "Meta does not know the token in the Secret".to_owned(),
            format!(
                "The token may have been copied incompletely. {} again, with nothing left out, added or encoded; nobody has to log in for that.",
                put_page_token(case)
            ),
        ),
        Reason::RoleLost => (
            format!("{} no longer has a sufficient role on page {page}", grantor(case)),
            format!(
                "Someone with full control of page {page} must restore the tasks MESSAGING and MODERATE, which the operator notices within two hours. Otherwise: {}",
                authorize_again(case)
            ),
        ),
        Reason::BusinessManagementMissing => (
            format!("Page {page} is reached only through a business"),
            format!("{} The permission business_management must be granted as well.", authorize_again(case)),
        ),
        _ => (format!("Page {page} is not part of what was granted"), select_page(case)),
    };
    let by = if reason == Reason::RoleLost { String::new() } else { granted_by(case) };
    let found = case.found(Status::False, reason, format!("{what} ({fact}){by}."), step);
    found.quoting(refusal.quote())
}

fn scope_missing(case: &Case<'_>, scopes: &[String], fact: &str) -> Finding {
    let names = if scopes.is_empty() { "a permission".to_owned() } else { scopes.join(", ") };
    let seen = format!("The page token lacks {names} ({fact}){}.", granted_by(case));
    case.found(Status::False, Reason::ScopeMissing, seen, authorize_again(case))
}

fn grantor_id(case: &Case<'_>) -> Option<String> {
    let now = case.info().and_then(|info| info.user_id.clone());
    now.or_else(|| case.previous.authorization.as_ref()?.grantor_id.clone())
}

fn granted_by(case: &Case<'_>) -> String {
    grantor_id(case).map(|id| format!("; it was granted by person {id}")).unwrap_or_default()
}

fn grantor(case: &Case<'_>) -> String {
    grantor_id(case).map_or_else(|| "The person behind the token".to_owned(), |id| format!("Person {id}"))
}

/// A token of another page: either of the two may be what is meant.
fn wrong_page(case: &Case<'_>) -> (String, String) {
    let page = &case.channel.spec.page_id;
    let put = put_page_token(case);
    let other = case
        .info()
        .and_then(|info| info.profile_id.as_ref().map(PageId::as_str))
        .filter(|id| id.bytes().all(|b| b.is_ascii_digit()));
    let Some(other) = other else { return (format!("The page token is not for page {page}"), format!("{put}.")) };
    let step =
        format!("{put}; or, if page {other} is meant, declare a channel with pageId {other} instead of this one.");
    (format!("The page token is for page {other}, not for page {page}"), step)
}

/// A token of a person or a system user gives the tokens of its pages.
fn take_page_token(case: &Case<'_>) -> String {
    if !matches!(case.info().and_then(|info| info.kind), Some(TokenKind::User | TokenKind::SystemUser)) {
        return authorize_again(case);
    }
    let page = &case.channel.spec.page_id;
    format!(
        "Take the token of page {page} from GET /me/accounts, called with the token that is in the Secret now: {}. Or declare a MetaGrant with that token and name it in credentials.grantRef. Nobody has to log in for either.",
        put_page_token(case)
    )
}

/// The step that puts the page's token where the channel looks for it.
fn put_page_token(case: &Case<'_>) -> String {
    let (page, namespace) = (&case.channel.spec.page_id, case.namespace());
    match case.channel.spec.credentials.source() {
        Some(CredentialSource::PageToken(declared)) => {
            let (secret, key) = (&declared.secret_ref.name, &declared.secret_ref.key);
            format!("Put the token of page {page} into key {key} of Secret {namespace}/{secret}")
        }
        _ => format!("Have a token of page {page} granted"),
    }
}

/// The step that makes the page part of what was granted.
fn select_page(case: &Case<'_>) -> String {
    match &case.seen.token {
        TokenSeen::Granted(grant) if grant.of_system_user => format!(
            "An administrator of the business must assign page {} to the system user, with the tasks MESSAGING and MODERATE.",
            case.channel.spec.page_id
        ),
        _ => format!("{} All pages in use must be selected.", authorize_again(case)),
    }
}

/// The step that puts a new token into the Secret.
pub(super) fn authorize_again(case: &Case<'_>) -> String {
    let (page, namespace) = (&case.channel.spec.page_id, case.namespace());
    let app = case.seen.app.id().map_or("of this channel", AppId::as_str);
    let person =
        format!("A person with the tasks MESSAGING and MODERATE on page {page} must authorize app {app} again");
    match case.channel.spec.credentials.source() {
        Some(CredentialSource::PageToken(declared)) => {
            let (secret, key) = (&declared.secret_ref.name, &declared.secret_ref.key);
            format!("{person} and have the new page token put into key {key} of Secret {namespace}/{secret}.")
        }
        Some(CredentialSource::Grant(declared)) => {
            let grant = format!("MetaGrant {namespace}/{}", declared.name);
            if case.seen.in_browser {
                let at = address::told(&Key::new(namespace, &declared.name));
                return format!("{person} for {grant}: {at}, or elsewhere and have the new token put into its Secret.");
            }
            format!("{person} for {grant}, and have the new token put into its Secret.")
        }
        None => format!("{person}."),
    }
}
