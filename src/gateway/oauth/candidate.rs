//! What a person brought back from Meta, and whether it is sufficient.

use std::time::Duration;

use jiff::SignedDuration;
use secrecy::SecretString;
use tokio::sync::SemaphorePermit;

use super::app::LoginApp;
use super::flow::{AppFailure, Offer, Refusal};
use super::grants::{Grant, Page};
use super::pkce::CodeVerifier;
use super::redeem::redeem;
use super::state::OAuth;
use crate::api::inbox::AppTrouble;
use crate::base::clock::Moment;
use crate::graph::{
    AppReason, CutReason, EndReason, Exchange, GraphError, Operation, Token, TokenInfo, TokenKind, Verdict, classify,
};
use crate::meta_app::token_check;
use crate::meta_grant::coverage::{self, Caller};
use crate::meta_grant::model::Covered;

/// Longest time that a person waits for Meta, whatever it takes.
const LONGEST: Duration = Duration::from_secs(25);

/// Longest time that a person waits for a turn before that.
const TURN: Duration = Duration::from_secs(10);

/// Codes bring tokens of an hour or two; whatever lives longer than this is none of them.
const SHORT: SignedDuration = SignedDuration::from_hours(24);

/// The most that is told of what is missing; the rest is counted. It is kept in a cookie.
const TOLD: usize = 10;

/// The most bytes of names of other pages that are told, for the same cookie.
const TOLD_BYTES: usize = 300;

/// Exchanges the code and looks at what it stands for.
pub(super) async fn candidate(
    oauth: &OAuth,
    grant: &Grant,
    app: &LoginApp,
    code: &SecretString,
    verifier: Option<&CodeVerifier>,
) -> Result<Offer, Refusal> {
    in_time(async {
        let LoginApp { credentials, version, .. } = app;
        let redeemed = redeem(oauth, app, code, verifier).await;
        let token = redeemed.map_err(|error| refusal(&error, Operation::RedeemCode))?;
        let info = oauth.graph.debug_token(version, credentials, &token).await;
        let info = info.map_err(|error| refusal(&error, Operation::DebugToken))?;
        is_sufficient(&info, app)?;
        if grant.is_kept_by_a_system_user() && info.kind == Some(TokenKind::User) {
            return Err(Refusal::NotOfSystemUser);
        }
        let pages = oauth.graph.accounts(version, credentials, &token, false).await;
        let pages = pages.map_err(|error| refusal(&error, Operation::ListAccounts))?;
        let in_use = grant.pages_in_use().map(|page| page.id.as_str()).chain(grant.unchecked_pages());
        let caller = Caller { graph: &oauth.graph, version, credentials, token: &token };
        let known = coverage::of_another(caller, &pages, in_use, (&info, &app.required)).await;
        let covered: Vec<_> = pages.into_iter().map(|page| (page.id, page.name)).collect();
        let wished: Vec<_> = grant.wished_pages().collect();
        let (others, more) = compared(grant.pages_in_use(), &wished, &covered, &known)?;
        let (regained, uncovered) = came_true(&wished, &covered, &known);
        let person = oauth.graph.person(version, credentials, &token).await;
        let person = person.map_err(|error| refusal(&error, Operation::ReadMe))?;
        let (grantor, person) = (info.user_id.clone().unwrap_or(person.id), person.name);
        let ends_soon = info.expires_at.is_some_and(|at| at < oauth.clock.now().later(SHORT));
        // What lives for an hour or two is a person's; a system user's token is none that has to be made longer.
        let is_short = ends_soon && info.kind != Some(TokenKind::SystemUser);
        Ok(Offer { token, is_short, grantor, person, uncovered, regained, others, more })
    })
    .await
}

/// Of the pages that are wished for, those that are covered, and how many more are; and those that are not.
fn came_true(
    wished: &[&str],
    covered: &[(String, Option<String>)],
    known: &Covered,
) -> ((Vec<String>, usize), Vec<String>) {
    let is_covered = |id: &&str| covered.iter().any(|(other, _)| other == id) || known.pages.contains(*id);
    let (regained, uncovered): (Vec<&str>, Vec<&str>) = wished.iter().copied().partition(is_covered);
    let few = |ids: &[&str]| ids.iter().take(TOLD).map(|id| (*id).to_owned()).collect();
    ((few(&regained), regained.len().saturating_sub(TOLD)), few(&uncovered))
}

/// The token that lives for weeks, for one that lives for an hour; or the same once more, if Meta gives that.
pub(super) async fn long_lived(oauth: &OAuth, app: &LoginApp, offer: &Offer) -> Result<Token, Refusal> {
    if !offer.is_short {
        return Ok(offer.token.clone());
    }
    let _turn = turn(oauth).await?;
    in_time(async {
        let extended =
            oauth.graph.exchange_token(&app.version, &app.credentials, &offer.token, Exchange::ShortUser).await;
        extended.map_err(|error| refusal(&error, Operation::ExchangeToken))
    })
    .await
}

/// A turn to ask Meta. A person waits for it, since a crowd is through in seconds.
pub(super) async fn turn(oauth: &OAuth) -> Result<SemaphorePermit<'_>, Refusal> {
    match tokio::time::timeout(TURN, oauth.logins.acquire()).await {
        Ok(Ok(turn)) => Ok(turn),
        _ => Err(Refusal::Busy),
    }
}

pub(super) async fn in_time<T>(work: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    tokio::time::timeout(LONGEST, work).await.unwrap_or(Err(Refusal::TimedOut))
}

/// What an error of Meta means for the person.
fn refusal(error: &GraphError, operation: Operation) -> Refusal {
    let is_exchange = matches!(operation, Operation::RedeemCode | Operation::ExchangeToken);
    match classify(error, operation) {
        Verdict::NoAnswer if *error == GraphError::Timeout => Refusal::TimedOut,
        Verdict::NoAnswer => Refusal::NoAnswer,
        Verdict::Throttled { .. } => Refusal::Throttled,
        Verdict::RedirectUriRefused => app_failure(AppTrouble::RedirectUriRefused, error),
        Verdict::AppBroken(AppReason::AppBlocked) => app_failure(AppTrouble::AppBlocked, error),
        Verdict::AppBroken(AppReason::AppCredentialsRejected | AppReason::SecretMismatch) => {
            app_failure(AppTrouble::CredentialsRejected, error)
        }
        Verdict::ApprovalMissing(_) => app_failure(AppTrouble::NotLive, error),
        Verdict::AccessCut(CutReason::WrongApp) => Refusal::WrongApp,
        Verdict::AccessCut(CutReason::ScopeMissing { scope: Some(scope) }) => Refusal::ScopesMissing(vec![scope]),
        Verdict::TokenEnded(EndReason::CheckpointRequired | EndReason::UserInvalid) => Refusal::AccountTrouble,
        Verdict::TokenEnded(_) | Verdict::AccessCut(_) => Refusal::NotAccepted,
        // The code, or what it stands for, is no good any more.
        Verdict::RequestRejected if is_exchange => Refusal::NotAccepted,
        _ => app_failure(AppTrouble::RefusedByMeta, error),
    }
}

/// What the maintainer of the application has to know of an error.
fn app_failure(trouble: AppTrouble, error: &GraphError) -> Refusal {
    let (fact, words) = match error {
        GraphError::Fault(fault) => (fault.fact(), fault.words()),
        other => (other.to_string(), String::new()),
    };
    Refusal::App(AppFailure { trouble, fact, words })
}

/// What Meta does not tell is no fault: the operator judges the token once more.
fn is_sufficient(info: &TokenInfo, app: &LoginApp) -> Result<(), Refusal> {
    if info.app_id.as_ref().is_some_and(|found| *found != app.credentials.app_id) {
        return Err(Refusal::WrongApp);
    }
    let kinds = [TokenKind::User, TokenKind::SystemUser];
    if !info.is_valid || info.kind.is_some_and(|kind| !kinds.contains(&kind)) {
        return Err(Refusal::NotAccepted);
    }
    let missing: Vec<_> = token_check::not_granted(info, &app.required).into_iter().take(TOLD).collect();
    match &app.config_id {
        _ if missing.is_empty() => Ok(()),
        // People grant all that it asks for, or nothing.
        Some(_) => {
            let fact = missing.join(", ");
            let trouble = AppTrouble::ConfigurationNarrow;
            Err(Refusal::App(AppFailure { trouble, fact, words: String::new() }))
        }
        None => Err(Refusal::ScopesMissing(missing)),
    }
}

/// Pages that are listed, by id and name, and what is known of those that are not, against those in use: the names of others,
/// and how many more there are. Those that are wished for may stay missing. Of which nothing certain is known the operator judges, which may ask again.
fn compared<'a>(
    in_use: impl Iterator<Item = &'a Page>,
    wished: &[&str],
    covered: &[(String, Option<String>)],
    known: &Covered,
) -> Result<(Vec<String>, usize), Refusal> {
    let in_use: Vec<_> = in_use.map(|page| page.id.as_str()).collect();
    let listed = |id: &str| covered.iter().any(|(other, _)| other == id);
    let is_covered =
        |id: &str| listed(id) || [&known.pages, &known.open, &known.named].iter().any(|ids| ids.contains(id));
    let mut lost: Vec<_> = in_use.iter().filter(|id| !is_covered(id)).map(|id| (*id).to_owned()).collect();
    if !lost.is_empty() {
        let more = lost.len().saturating_sub(TOLD);
        lost.truncate(TOLD);
        return Err(Refusal::PagesMissing(lost, more));
    }
    let relied_on = |id: &str| in_use.contains(&id) || wished.contains(&id);
    let others: Vec<_> = covered.iter().filter(|(id, _)| !relied_on(id)).collect();
    let mut room = TOLD_BYTES;
    let names = others.iter().map(|(id, name)| name.as_ref().unwrap_or(id));
    let told: Vec<_> = names
        .take_while(|name| {
            let fits = name.len() <= room;
            room = room.saturating_sub(name.len());
            fits
        })
        .cloned()
        .collect();
    let more = others.len() - told.len();
    Ok((told, more))
}

#[cfg(test)]
mod tests;
