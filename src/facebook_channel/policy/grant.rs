//! Evaluates what a grant gives for the page of a channel. This is known without asking Meta: the grant's own check is the
//! proof.

use jiff::Timestamp;

use super::token;
use crate::api::conditions::{ConditionType, Status, find, status_of};
use crate::api::reasons::Actor;
use crate::api::{FacebookChannel, FacebookChannelStatus, Reason};
use crate::facebook_channel::model::{AppSeen, TokenSeen};
use crate::graph::{TokenInfo, missing_tasks};
use crate::meta_app::token_check::{Flaw, SOON};
use crate::meta_grant::page_gap::Absence;

/// What is wrong with what a grant lists for the page.
pub fn flaw(token: &TokenSeen) -> Option<Flaw> {
    let TokenSeen::Granted(grant) = token else { return None };
    let missing = grant.tasks.as_deref().map(missing_tasks).unwrap_or_default();
    Some(match grant.absence? {
        Absence::NotInGrant => Flaw::Cut(Reason::NotInGrant, "the grant does not list it".to_owned()),
        Absence::RoleLost if missing.is_empty() => {
            Flaw::Cut(Reason::RoleLost, "the grant does not list it, and the page refuses the grantor".to_owned())
        }
        Absence::RoleLost => {
            let fact = format!("the grant lists the page without the task {}", missing.join(" and "));
            Flaw::Cut(Reason::RoleLost, fact)
        }
        Absence::BusinessManagementMissing => {
            Flaw::Cut(Reason::BusinessManagementMissing, "the grant covers it but gives no token for it".to_owned())
        }
    })
}

/// Whether what a grant gives makes another condition than the status shows, so that it has to be checked. That a token
/// was renewed is none. `now` is `None` while our clock is in doubt.
pub fn is_news(
    channel: &FacebookChannel,
    app: &AppSeen,
    token: &TokenSeen,
    previous: &FacebookChannelStatus,
    now: Option<Timestamp>,
) -> bool {
    let TokenSeen::Granted(grant) = token else { return false };
    let AppSeen::Found { verdict, .. } = app else { return false };
    if verdict.credentials.is_err() || channel.spec.parts() {
        return false;
    }
    let authorized = find(&previous.conditions, ConditionType::Authorized);
    let (status, reason) = match authorized {
        Some(condition) => (condition.status.as_str(), Reason::parse(&condition.reason)),
        None => return true,
    };
    let flaw = token::flaw(channel, app, token, &grant.info, now);
    match flaw.map(|flaw| flaw.reason()) {
        Some(flaw) => (status, reason) != (Status::False.as_str(), Some(flaw)),
        None if status == Status::True.as_str() => ends_otherwise(&grant.info, previous, now),
        // What a page call told stays until there is another token to try.
        None => !reason.is_some_and(is_told_by_calls) || is_another(token, previous),
    }
}

/// Reasons that calls with the page token tell, and what a grant gives does not.
fn is_told_by_calls(reason: Reason) -> bool {
    let listed = [Reason::NotInGrant, Reason::RoleLost, Reason::BusinessManagementMissing, Reason::ScopeMissing];
    reason.actor() == Actor::Person && !listed.contains(&reason)
}

fn is_another(token: &TokenSeen, previous: &FacebookChannelStatus) -> bool {
    let known = previous.authorization.as_ref().and_then(|it| it.fingerprint.as_deref());
    known != token.fingerprint()
}

/// Whether the end of the authorization makes Ready another one.
fn ends_otherwise(info: &TokenInfo, previous: &FacebookChannelStatus, now: Option<Timestamp>) -> bool {
    if status_of(&previous.conditions, ConditionType::Ready) != Some(Status::True) {
        return false;
    }
    let end = [info.expires_at, info.data_access_expires_at].into_iter().flatten().min();
    let soon = end.filter(|end| now.is_some_and(|now| end.duration_since(now) <= SOON));
    let warned = find(&previous.conditions, ConditionType::Ready)
        .is_some_and(|ready| ready.reason == Reason::ExpiresSoon.as_str());
    match soon {
        Some(end) => !warned || previous.expires != Some(end.to_string()),
        None => warned,
    }
}
