//! Whether the channel is authorised: right application, right page, a page token, with what it needs.

use jiff::Timestamp;

use super::{Case, grant};
use crate::api::conditions::{ConditionType, Finding, Status};
use crate::api::{CredentialSource, FacebookChannel, PURPOSE_LABEL, Reason};
use crate::engine::answer::{Answer, Refusal};
use crate::engine::token_check::{self, Flaw};
use crate::facebook_channel::observe::{AppSeen, Asked, Observed, TokenSeen};
use crate::graph::{CutReason, TokenInfo, TokenKind, Verdict};
use crate::meta_app::seen;

/// Whether what Meta said about the page casts doubt on a token that was found good before.
pub fn is_doubted(asked: &Asked) -> bool {
    let page = asked.page.as_ref().and_then(|it| it.as_ref().err());
    let rows = asked.subscriptions.as_ref().and_then(|it| it.as_ref().err());
    let write = asked.subscribed.as_ref().and_then(|it| it.as_ref().err());
    page.into_iter().chain(rows).chain(write).any(doubts)
}

/// Whether the refusal of a call with a page token casts doubt on the token.
pub fn doubts(refusal: &Refusal) -> bool {
    matches!(
        refusal.verdict,
        Verdict::TokenEnded(_) | Verdict::AccessCut(_) | Verdict::AppSuspect | Verdict::AppBroken(_)
    )
}

/// Whether the credential has proven that it may be used for the page.
pub fn is_proven(channel: &FacebookChannel, seen: &Observed, now: Timestamp) -> bool {
    matches!(debugged(seen), Some(Ok(info)) if flaw(channel, &seen.app, &seen.token, info, now).is_none())
}

/// What debug_token says.
pub(super) fn debugged(seen: &Observed) -> Option<Answer<&TokenInfo>> {
    token_check::debugged(seen.asked.token.as_ref())
}

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
                Reason::SecretNotReleased,
                format!("There is no Secret {secret} in namespace {namespace} that is released as a page token."),
                format!(
                    "Somebody who may write Secrets there must create it with the key {key} and release it: kubectl -n {namespace} label secret {secret} {PURPOSE_LABEL}=page-token"
                ),
            ))
        }
        (TokenSeen::Malformed(why), Some(CredentialSource::PageToken(declared))) => {
            let (secret, key) = (&declared.secret_ref.name, &declared.secret_ref.key);
            Some(case.found(
                Status::False,
                Reason::SecretMalformed,
                format!("Secret {secret} cannot be used as a page token: {why}."),
                format!("Put the page token alone, without quotes or line breaks inside, into the key {key}."),
            ))
        }
        (TokenSeen::GrantNotFound, Some(CredentialSource::Grant(declared))) => {
            let seen = format!("There is no MetaGrant {namespace}/{}.", declared.name);
            let step = "Create it; nothing has to be done here then.";
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
        return case.found(Status::Unknown, Reason::AppUnverified, "Which MetaApp it is is not known.", "");
    };
    seen::unverified(app_key, why).finding(case.generation)
}

/// debug_token itself was refused; it is called with the app token, so that only few refusals are about the token.
fn debug_refused(case: &Case<'_>, refusal: &Refusal) -> Finding {
    match &refusal.verdict {
        Verdict::NoAnswer | Verdict::Throttled { .. } | Verdict::Refused => {
            case.keep(ConditionType::Authorized, refusal)
        }
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
    if !matches!(case.seen.app, AppSeen::Found { .. }) {
        return app_unverified(case, "it is gone");
    }
    if let Some(flaw) = flaw(case.channel, &case.seen.app, &case.seen.token, info, case.now) {
        return told(case, &flaw);
    }
    // A write is made of what was declared: that it is rejected says nothing about the authorisation.
    let write = case.refused_write().filter(|refusal| refusal.verdict != Verdict::RequestRejected);
    let found = case.refused_reads().chain(write).find_map(|refusal| page_call_refused(case, refusal));
    let well = match &case.seen.token {
        TokenSeen::Granted(_) => "Meta lists the page in the grant, with a token, every required permission and task.",
        _ => "Meta confirms the page token: right application, right page, every required permission.",
    };
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

/// What is wrong with a token by what debug_token says of it, and of one that a grant gives by what was listed.
pub(super) fn flaw(
    channel: &FacebookChannel,
    app: &AppSeen,
    token: &TokenSeen,
    info: &TokenInfo,
    now: Timestamp,
) -> Option<Flaw> {
    let AppSeen::Found { app_id, required, .. } = app else {
        return Some(Flaw::Cut(Reason::AppUnverified, "its application is not known".to_owned()));
    };
    let page_id = &channel.spec.page_id;
    let wrong_page = || {
        let fact = "debug_token names another page".to_owned();
        (info.profile_id.as_ref() != Some(page_id)).then_some(Flaw::Cut(Reason::WrongPage, fact))
    };
    let not_granted = || {
        let outside = required.iter().find(|scope| !info.grants(scope, page_id));
        outside.map(|scope| Flaw::Cut(Reason::NotInGrant, format!("{scope} was granted for other pages only")))
    };
    token_check::not_usable(info, app_id, &[TokenKind::Page])
        .or_else(wrong_page)
        .or_else(|| grant::flaw(token))
        .or_else(|| token_check::not_sufficient(info, required, now))
        .or_else(not_granted)
}

fn told(case: &Case<'_>, flaw: &Flaw) -> Finding {
    match flaw {
        Flaw::Ended(reason, fact) => ended(case, *reason, fact),
        Flaw::Cut(reason, fact) => cut(case, *reason, fact),
        Flaw::ScopesMissing(scopes) => scope_missing(case, scopes, "debug_token does not list them"),
    }
}

fn ended(case: &Case<'_>, reason: Reason, fact: &str) -> Finding {
    let what = token_check::told_end("The page token", reason);
    let before = token_check::before_authorizing(reason);
    let seen = format!("{what} ({fact}){}.", granted_by(case));
    case.found(Status::False, reason, seen, format!("{before}{}", authorize_again(case)))
}

fn cut(case: &Case<'_>, reason: Reason, fact: &str) -> Finding {
    let page = &case.channel.spec.page_id;
    let (what, step) = match reason {
        Reason::WrongApp => {
            let app = case.seen.app_key.as_ref().map(|app| format!(" than MetaApp {app}")).unwrap_or_default();
            (format!("The page token belongs to another application{app}"), authorize_again(case))
        }
        Reason::WrongPage => (format!("The page token is not for page {page}"), authorize_again(case)),
        Reason::WrongTokenType => ("The token in the Secret is not a page token".to_owned(), authorize_again(case)),
        Reason::RoleLost => (
            format!("The person behind the token has no fitting role on page {page} any more"),
            "Somebody with full control of the page must give the role back, or a person who has it must authorise again."
                .to_owned(),
        ),
        Reason::BusinessManagementMissing => (
            format!("Page {page} is reached through a business only"),
            format!("{} The permission business_management must be granted too.", authorize_again(case)),
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
    let (page, namespace) = (&case.channel.spec.page_id, case.namespace());
    let app = case.seen.app.id().unwrap_or("of this channel");
    let person =
        format!("A person with the tasks MESSAGING and MODERATE on page {page} must authorise app {app} again");
    match case.channel.spec.credentials.source() {
        Some(CredentialSource::PageToken(declared)) => {
            let (secret, key) = (&declared.secret_ref.name, &declared.secret_ref.key);
            format!("{person} and have the new page token put into key {key} of Secret {namespace}/{secret}.")
        }
        Some(CredentialSource::Grant(declared)) => {
            format!("{person} for MetaGrant {namespace}/{}, and have the new token put into its Secret.", declared.name)
        }
        None => format!("{person}."),
    }
}
