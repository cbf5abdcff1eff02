//! Whether the page can be used, and whether it is subscribed to our application.

use super::super::act::Mutation;
use super::{Case, former, restriction};
use crate::api::Reason;
use crate::api::conditions::{ConditionType, Finding, Status};
use crate::engine::answer::{Refusal, drift_observed, listed, repair_fight, without_effect};
use crate::engine::repairs::Standing;
use crate::facebook_channel::observe::AppSeen;
use crate::graph::{PageReason, PageSubscription, Verdict};
use crate::meta_app::WebhookVerdict;

/// The condition PageUsable.
pub(super) fn usable(case: &Case<'_>, authorized: &Finding, claimed: &Finding) -> Finding {
    let page = &case.channel.spec.page_id;
    if let Some(finding) = case.refused_reads().chain(case.refused_write()).find_map(|it| page_fault(case, it)) {
        return restriction::lasting(case, finding);
    }
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
        Some(Err(refusal)) => read_refused(case, ConditionType::PageUsable, authorized, claimed, refusal),
    }
}

/// What the refusal of a call about the page, whichever it was, says about the page itself.
fn page_fault(case: &Case<'_>, refusal: &Refusal) -> Option<Finding> {
    let (page, fact) = (&case.channel.spec.page_id, &refusal.fact);
    let Verdict::PageFault(reason) = &refusal.verdict else { return None };
    let (what, step) = match reason {
        PageReason::NotVisible => (
            "does not exist or cannot be seen with this token",
            "Somebody with full control of the page must check that it exists and that the person behind the token has access to it.",
        ),
        PageReason::SendBlocked => {
            ("may not send messages for now", "Somebody who manages the page must look at its Page Quality tab.")
        }
        PageReason::Migrated => {
            let new = refusal.subject.as_deref().unwrap_or("another one");
            let step = format!("Whoever maintains this channel must declare a channel for page {new} in its place.");
            let seen = format!("Page {page} has another id now: {new} ({fact}).");
            return Some(case.found(Status::False, Reason::PageMigrated, seen, step).quoting(refusal.words.as_deref()));
        }
        PageReason::Restricted => (
            "is restricted by Meta",
            "Somebody who manages the page must look at its Page Quality tab and ask for a review there.",
        ),
    };
    Some(case.found(Status::False, Reason::from(*reason), format!("Page {page} {what} ({fact})."), step))
}

/// The condition Subscribed, and what to do about it.
pub(super) fn subscribed(case: &Case<'_>, authorized: &Finding, claimed: &Finding) -> (Finding, Option<Mutation>) {
    let (asked, type_) = (&case.seen.asked, ConditionType::Subscribed);
    let (Some(Ok(rows)), AppSeen::Found { app_id, .. }) = (&asked.subscriptions, &case.seen.app) else {
        // What the application does not deliver is known without an answer about the page.
        let linked = authorized.status == Status::True && claimed.status == Status::True;
        let undelivered = undelivered(case).filter(|_| linked);
        let finding = undelivered.unwrap_or_else(|| match &asked.subscriptions {
            Some(Err(refusal)) => read_refused(case, type_, authorized, claimed, refusal),
            _ => unread(case, type_, authorized, claimed),
        });
        return (finding, None);
    };
    if let Some(finding) = undelivered(case) {
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
            let seen = format!("The page's subscription lacks the fields {}.", listed(&lacking));
            case.found(Status::False, Reason::FieldsMissing, seen, "")
        }
    };
    match &asked.subscribed {
        None if case.seen.standing == Standing::Fought => {
            let held = row.map(|row| row.subscribed_fields.as_slice()).unwrap_or_default();
            (repair_fight(defect, held, &case.look_again()), None)
        }
        None if let Some(waiting) = former::in_the_way(case) => (waiting, None),
        None if claimed.status == Status::True && case.proven(authorized) => {
            let fields = declared(case);
            if case.observes() && !case.parts() {
                let plan = format!("subscribes the page to the fields {}", fields.join(", "));
                return (drift_observed(defect, &plan), None);
            }
            (defect, Some(Mutation::Subscribe { fields }))
        }
        Some(Err(refusal)) => (write_refused(case, refusal).unwrap_or(defect), None),
        Some(Ok(())) => (without_effect(defect), None),
        None => (defect, None),
    }
}

/// What has to change before the page can be subscribed, if it is neither the authorisation nor the page. A write that
/// was not answered says nothing: the rows that were read after it do.
fn write_refused(case: &Case<'_>, refusal: &Refusal) -> Option<Finding> {
    let fact = &refusal.fact;
    match refusal.verdict {
        Verdict::RequestRejected => Some(case.found(
            Status::False,
            Reason::RequestRejected,
            format!("Meta refused the subscription of the page ({fact})."),
            "Whoever maintains this channel must compare spec.subscribedFields, or the fields of the MetaApp, with what Meta accepts.",
        )),
        Verdict::ApprovalMissing(_) => Some(case.found(
            Status::False,
            Reason::NotApproved,
            format!("Meta does not let the app subscribe to this page yet ({fact})."),
            "An administrator of the app must request advanced access in the App Dashboard, App Review, or the person behind the token needs a role in the app.",
        )),
        _ => None,
    }
}

/// What keeps the application itself from delivering what the channel declares.
fn undelivered(case: &Case<'_>) -> Option<Finding> {
    let AppSeen::Found { verdict, .. } = &case.seen.app else { return None };
    match &verdict.webhook {
        WebhookVerdict::NotManaged => None,
        WebhookVerdict::NotSubscribed(why) => {
            let seen = format!("The webhook of the MetaApp does not deliver: {why}");
            Some(case.found(Status::False, Reason::AppNotReady, seen, ""))
        }
        WebhookVerdict::Unknown(why) => {
            let seen = format!("Whether the webhook of the MetaApp delivers is not known: {why}");
            Some(case.found(Status::Unknown, Reason::AppUnverified, seen, ""))
        }
        WebhookVerdict::Subscribed(delivered) => not_delivered_by_app(case, delivered),
    }
}

/// Declared fields that the application itself is not subscribed to: Meta delivers only what both levels hold.
fn not_delivered_by_app(case: &Case<'_>, delivered: &[String]) -> Option<Finding> {
    let lacking: Vec<_> = declared(case).into_iter().filter(|field| !delivered.contains(field)).collect();
    if lacking.is_empty() {
        return None;
    }
    let seen = format!("The webhook of the MetaApp does not deliver the declared fields {}.", listed(&lacking));
    // What the MetaApp declares too, it is about to subscribe to.
    let AppSeen::Found { awaited, .. } = &case.seen.app else { return None };
    if lacking.iter().all(|field| awaited.contains(field)) {
        return Some(case.found(
            Status::Unknown,
            Reason::AppUnverified,
            format!("{seen} It declares them as well."),
            "",
        ));
    }
    let step =
        "Whoever maintains the MetaApp must add them to spec.webhook.fields, or this channel must not declare them.";
    Some(case.found(Status::False, Reason::AppFieldsMissing, seen, step))
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

/// A read about the page was refused: without an answer the last known value stays.
fn read_refused(
    case: &Case<'_>,
    type_: ConditionType,
    authorized: &Finding,
    claimed: &Finding,
    refusal: &Refusal,
) -> Finding {
    if refusal.says_nothing() {
        return case.keep(type_, refusal);
    }
    if authorized.status != Status::True {
        return unread(case, type_, authorized, claimed);
    }
    case.found(Status::Unknown, Reason::Unreadable, format!("Meta refuses to show it ({}).", refusal.fact), "")
}

/// Nothing is asked about a page without a proven credential and the claim. When that is so because Meta did not
/// answer about the credential, the last known value stays.
fn unread(case: &Case<'_>, type_: ConditionType, authorized: &Finding, claimed: &Finding) -> Finding {
    if let (Some(answer @ Err(refusal)), Status::True) = (&case.debugged, claimed.status)
        && (refusal.says_nothing() || crate::engine::token_check::blames_the_app(answer))
    {
        let kept = case.keep(type_, refusal);
        // What was not known before is not known for the same reason as before.
        if kept.status != Status::Unknown || authorized.status == Status::True {
            return kept;
        }
    }
    not_read(case)
}

/// Nothing is known of what only a proven credential and the claim let the operator read.
pub(super) fn not_read(case: &Case<'_>) -> Finding {
    let seen = "It is read once the credential is proven and the page is claimed.";
    case.found(Status::Unknown, Reason::Unreadable, seen, "")
}
