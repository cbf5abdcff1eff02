//! Whether the page can be used, and whether it is subscribed to our application.

use super::super::act::Mutation;
use super::Case;
use crate::api::Reason;
use crate::api::conditions::{ConditionType, Finding, Status};
use crate::engine::answer::Refusal;
use crate::facebook_channel::observe::AppSeen;
use crate::graph::{PageReason, PageSubscription, Verdict};
use crate::meta_app::Standing;

/// The condition PageUsable.
pub(super) fn usable(case: &Case<'_>, authorized: &Finding, claimed: &Finding) -> Finding {
    let page = &case.channel.spec.page_id;
    match &case.seen.asked.page {
        None => unread(case, ConditionType::PageUsable, authorized, claimed),
        Some(Ok(node)) if node.is_published == Some(false) => case.found(
            Status::False,
            Reason::Unpublished,
            format!("Page {page} is not published."),
            "Somebody with full control of the page must publish it in its settings.",
        ),
        Some(Ok(_)) => {
            case.found(Status::True, Reason::Usable, "The page is visible, published and not restricted.", "")
        }
        Some(Err(refusal)) => page_refused(case, authorized, claimed, refusal),
    }
}

fn page_refused(case: &Case<'_>, authorized: &Finding, claimed: &Finding, refusal: &Refusal) -> Finding {
    let (page, fact) = (&case.channel.spec.page_id, &refusal.fact);
    match &refusal.verdict {
        Verdict::PageFault(reason) => {
            let (what, step) = match reason {
                PageReason::NotVisible => (
                    "does not exist or cannot be seen with this token",
                    "Somebody with full control of the page must check that it exists and that the person behind the token has access to it.",
                ),
                PageReason::SendBlocked => (
                    "may not send messages for now",
                    "Somebody who manages the page must look at its Page Quality tab.",
                ),
                PageReason::Restricted => (
                    "is restricted by Meta",
                    "Somebody who manages the page must look at its Page Quality tab and ask for a review there.",
                ),
            };
            case.found(Status::False, Reason::from(*reason), format!("Page {page} {what} ({fact})."), step)
        }
        Verdict::NoAnswer | Verdict::Throttled { .. } => case.keep(ConditionType::PageUsable, refusal),
        _ => unread(case, ConditionType::PageUsable, authorized, claimed),
    }
}

/// The condition Subscribed, and what to do about it.
pub(super) fn subscribed(case: &Case<'_>, authorized: &Finding, claimed: &Finding) -> (Finding, Option<Mutation>) {
    let rows = match &case.seen.asked.subscriptions {
        None => return (unread(case, ConditionType::Subscribed, authorized, claimed), None),
        Some(Err(refusal)) if refusal.says_nothing() => return (case.keep(ConditionType::Subscribed, refusal), None),
        Some(Err(_)) => return (unread(case, ConditionType::Subscribed, authorized, claimed), None),
        Some(Ok(rows)) => rows,
    };
    let AppSeen::Found { app_id, verdict, .. } = &case.seen.app else {
        return (unread(case, ConditionType::Subscribed, authorized, claimed), None);
    };
    if let Some(finding) = verdict.webhook.as_ref().and_then(|webhook| not_delivered_by_app(case, webhook)) {
        return (finding, None);
    }
    // Only our own row counts; another application's row says nothing about us.
    let row = rows.iter().find(|row| &row.id == app_id);
    let lacking = missing(case, row);
    if lacking.is_empty() && row.is_some() {
        let seen = "Our application's row holds every declared field.";
        return (case.found(Status::True, Reason::FieldsMatch, seen, ""), None);
    }
    let defect = match row {
        None => case.found(Status::False, Reason::NotSubscribed, "The page is not subscribed to the app.", ""),
        Some(_) => {
            let seen = format!("The page's subscription lacks the fields {}.", lacking.join(", "));
            case.found(Status::False, Reason::FieldsMissing, seen, "")
        }
    };
    match &case.seen.asked.subscribed {
        None if authorized.status == Status::True => {
            let mutation = Mutation::Subscribe { fields: declared(case) };
            (defect, Some(mutation))
        }
        Some(Err(refusal)) if refusal.says_nothing() => (case.keep(ConditionType::Subscribed, refusal), None),
        _ => (defect, None),
    }
}

/// What the application does not deliver: Meta sends only what both the application and the page are subscribed to.
fn not_delivered_by_app(case: &Case<'_>, webhook: &Standing<Vec<String>>) -> Option<Finding> {
    let delivered = match webhook {
        Standing::Works(fields) => fields,
        Standing::Broken(why) => {
            let seen = format!("The webhook of the MetaApp does not deliver: {why}");
            return Some(case.found(Status::False, Reason::AppNotReady, seen, ""));
        }
        Standing::Unverified => {
            let seen = "Whether the webhook of the MetaApp delivers is not known.";
            return Some(case.found(Status::Unknown, Reason::AppUnverified, seen, ""));
        }
    };
    let lacking: Vec<_> = declared(case).into_iter().filter(|field| !delivered.contains(field)).collect();
    (!lacking.is_empty()).then(|| {
        case.found(
            Status::False,
            Reason::AppFieldsMissing,
            format!("The webhook of the MetaApp does not deliver the declared fields {}.", lacking.join(", ")),
            "Whoever maintains the MetaApp must add them to spec.webhook.fields, or this channel must not declare them.",
        )
    })
}

/// The declared fields that a row does not hold.
pub(super) fn missing(case: &Case<'_>, row: Option<&PageSubscription>) -> Vec<String> {
    let held = row.map(|row| row.subscribed_fields.as_slice()).unwrap_or_default();
    declared(case).into_iter().filter(|field| !held.contains(field)).collect()
}

fn declared(case: &Case<'_>) -> Vec<String> {
    let of_app = match &case.seen.app {
        AppSeen::Found { fields, .. } => fields.clone(),
        _ => Vec::new(),
    };
    case.channel.spec.subscribed_fields.clone().unwrap_or(of_app)
}

/// Nothing is asked about a page without a proven credential and the claim. When that is so because Meta did not
/// answer, the last known value stays.
fn unread(case: &Case<'_>, type_: ConditionType, authorized: &Finding, claimed: &Finding) -> Finding {
    if authorized.status == Status::True
        && claimed.status == Status::True
        && let Some(refusal) = super::authorization::unclear(case)
    {
        return case.keep(type_, &refusal);
    }
    let seen = "It is read once the credential is proven and the page is claimed.";
    case.found(Status::Unknown, Reason::Unreadable, seen, "")
}
