//! What it means for a connected channel that Meta has not approved what its application needs: the link works, but serves few
//! people. The message adds this to the good news. The fix is up to the MetaApp, and the Event is on the MetaApp.

use super::case::Case;
use crate::api::conditions::{ConditionType, Finding, Status, find};
use crate::api::{FacebookChannelStatus, Reason};
use crate::limits::answer::listed;

/// Begins what is said of it, so that it is found again in a message.
const SEEN: &str = " Meta has not approved ";
const STEP: &str = "Do what MetaApp ";

/// The same with what is missing of the approvals now, if anything is.
pub(super) fn beside(case: &Case<'_>, found: Finding) -> Finding {
    let without = |text: &str, begin: &str| text.split(begin).next().unwrap_or_default().to_owned();
    let (seen, step) = (without(&found.seen, SEEN), without(&found.next_step, STEP).trim_end().to_owned());
    let Some(app) = case.seen.app_key.as_ref().filter(|_| !case.seen.unapproved.is_empty()) else {
        return Finding { seen, next_step: step, ..found };
    };
    let names = listed(&case.seen.unapproved);
    let told =
        format!("{seen}{SEEN}{names} for its app: until it does, only people with a role in the app are served.");
    let asked_for = format!("{STEP}{app} asks for.");
    let next_step = if step.is_empty() { asked_for } else { format!("{step} {asked_for}") };
    Finding { seen: told, next_step, ..found }
}

/// A status that says what is missing of the approvals now, where nothing else is to be checked.
pub(super) fn retold(case: &Case<'_>, status: FacebookChannelStatus) -> FacebookChannelStatus {
    let ready = find(&status.conditions, ConditionType::Ready);
    let found = ready.and_then(|it| Finding::from_condition(it, status.next_step.as_deref()));
    let told = |it: &Finding| {
        it.status == Status::True && matches!(it.reason, Reason::ReconcileSucceeded | Reason::ExpiresSoon)
    };
    let Some(found) = found.filter(|it| told(it) && !case.parts()) else { return status };
    let now = beside(case, found.clone());
    if now == found {
        return status;
    }
    let mut status = status;
    for condition in status.conditions.iter_mut().filter(|it| it.type_ == ConditionType::Ready.as_str()) {
        condition.message = now.message();
    }
    status.next_step = Some(now.next_step).filter(|step| !step.is_empty());
    status
}
