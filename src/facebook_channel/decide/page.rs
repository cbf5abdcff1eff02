//! Whether the page can be used, and whether it is subscribed to our application.

use super::super::model::Mutation;
use super::case::Case;
use super::evidence::PageSays;
use super::{previous_app, restriction, wish};
use crate::api::Reason;
use crate::api::conditions::{ConditionType, Finding, Status, find};
use crate::controller::being_deleted::being_deleted;
use crate::controller::repair_fight;
use crate::facebook_channel::model::AppSeen;
use crate::graph::{PageReason, PageSubscription, Verdict};
use crate::limits::answer::{Refusal, drift_observed, listed, without_effect};
use crate::limits::repair_limiter::DriftState;
use crate::meta_app::facts::WebhookVerdict;

/// The condition PageUsable. Its witness is the page itself: what is said of a subscription says nothing about it.
pub(super) fn usable(case: &Case<'_>, authorized: &Finding, claimed: &Finding) -> Finding {
    let (page, type_) = (&case.channel.spec.page_id, ConditionType::PageUsable);
    match &case.weighed.page {
        PageSays::Unasked => unread(case, type_, authorized, claimed),
        PageSays::Node(node) if node.is_published == Some(false) => case.found(
            Status::False,
            Reason::PageUnpublished,
            format!("Page {page} is not published."),
            "Someone with full control of the page must publish it in its settings.",
        ),
        PageSays::Node(_) => {
            case.found(Status::True, Reason::PageReachable, "The page is visible, published and not restricted.", "")
        }
        PageSays::Fault(refusal) => match page_fault(case, refusal) {
            Some(finding) => restriction::lasting(case, finding),
            None => read_open(case, type_, authorized, claimed, refusal),
        },
        PageSays::NotReadable(refusal) => match case.keep(type_, refusal) {
            // That the page is unpublished or restricted is not over because it cannot be read any more.
            known if known.status == Status::False => known,
            _ => not_readable(case, refusal),
        },
        PageSays::RefusedForLong(refusal) => refused_for_long(case, type_, refusal),
        PageSays::RefusedAgain(refusal) => still_refused(read_open(case, type_, authorized, claimed, refusal), refusal),
        PageSays::Open(refusal) => read_open(case, type_, authorized, claimed, refusal),
    }
}

/// Meta shows the page only to who has a permission that the application does not require. Whether it delivers is not
/// touched by that.
fn not_readable(case: &Case<'_>, refusal: &Refusal) -> Finding {
    let name = refusal.subject().map(|scope| format!(" {scope}")).unwrap_or_default();
    let seen = format!(
        "Meta shows page {} only with the permission{name}, which is not required ({}), so it is not known whether the page is published.",
        case.channel.spec.page_id, refusal.fact
    );
    case.found(Status::Unknown, Reason::ReadNotPermitted, seen, "").quoting(refusal.quote())
}

/// Stands in the message of a value that is kept while Meta refuses to tell it again.
const STILL_REFUSED: &str = " Since then Meta has refused to show it";

/// A value that is kept though Meta refuses, for a reason that is not known: the refusal is told beside it.
fn still_refused(kept: Finding, refusal: &Refusal) -> Finding {
    if kept.status == Status::Unknown {
        return kept;
    }
    let known = kept.seen.split(STILL_REFUSED).next().unwrap_or_default();
    let seen = format!("{known}{STILL_REFUSED} ({}), for a reason unknown to the operator.", refusal.fact);
    Finding { seen, ..kept }.quoting(refusal.quote())
}

/// Meta has refused a read for a day, for a reason that is not known. What was verified before stays.
fn refused_for_long(case: &Case<'_>, type_: ConditionType, refusal: &Refusal) -> Finding {
    let kept = case.keep(type_, refusal);
    if kept.status != Status::Unknown {
        return kept;
    }
    let seen =
        format!("Meta has refused to show it for a day ({}), for a reason unknown to the operator.", refusal.fact);
    let step = "An administrator of the app must ask Meta's developer support, quoting the words that follow.";
    case.found(Status::Unknown, Reason::RefusedByMeta, seen, step).quoting(refusal.quote())
}

/// What the refusal of the page says about it.
fn page_fault(case: &Case<'_>, refusal: &Refusal) -> Option<Finding> {
    let (page, fact) = (&case.channel.spec.page_id, &refusal.fact);
    let Verdict::PageFault(reason) = &refusal.verdict else { return None };
    let (what, step) = match reason {
        PageReason::NotVisible => (
            "does not exist, is restricted by Meta, or cannot be seen with this token",
            "Someone with full control of the page must check that it exists, whether Meta restricts it (its Page Quality tab), and that the person behind the token has access to it.",
        ),
        PageReason::SendBlocked => {
            ("may not send messages for now", "Someone who manages the page must check its Page Quality tab.")
        }
        PageReason::Migrated => {
            let new = refusal.subject().unwrap_or("another one");
            let step = format!("The maintainer of this channel must declare a channel for page {new} instead.");
            let seen = format!("Page {page} now has another id: {new} ({fact}).");
            return Some(case.found(Status::False, Reason::PageMigrated, seen, step).quoting(refusal.quote()));
        }
        PageReason::Restricted => (
            "is restricted by Meta",
            "Someone who manages the page must check its Page Quality tab and ask for a review there.",
        ),
    };
    let found = case.found(Status::False, Reason::from(*reason), format!("Page {page} {what} ({fact})."), step);
    Some(found.quoting(refusal.quote()))
}

/// What is found about the subscription of the page.
pub(super) struct Subscription {
    /// The condition Subscribed.
    pub(super) subscribed: Finding,
    /// What was newly declared and is not to be had, beside a subscription that stands.
    pub(super) wish: Option<Finding>,
    /// What to do about it.
    pub(super) mutation: Option<Mutation>,
}

impl Subscription {
    fn only(subscribed: Finding) -> Self {
        Self { subscribed, wish: None, mutation: None }
    }
}

/// The condition Subscribed, what else was declared, and what to do about it.
pub(super) fn subscription(case: &Case<'_>, authorized: &Finding, claimed: &Finding) -> Subscription {
    let (asked, type_) = (&case.seen.asked, ConditionType::Subscribed);
    let (Some(Ok(rows)), AppSeen::Found { app_id, .. }) = (&asked.subscriptions, &case.seen.app) else {
        // What the application does not deliver is known without an answer about the page.
        let linked = authorized.status == Status::True && claimed.status == Status::True;
        let undelivered = undelivered(case).filter(|_| linked);
        return Subscription::only(undelivered.unwrap_or_else(|| match &asked.subscriptions {
            Some(Err(refusal)) => match case.weighed.rows_refused {
                Some((refusal, true)) => refused_for_long(case, type_, refusal),
                Some((refusal, false)) => still_refused(read_open(case, type_, authorized, claimed, refusal), refusal),
                None => read_open(case, type_, authorized, claimed, refusal),
            },
            _ => unread(case, type_, authorized, claimed),
        }));
    };
    if let Some(finding) = undelivered(case) {
        return Subscription::only(finding);
    }
    // Only our own row counts; another application's row says nothing about us.
    let row = rows.iter().find(|row| &row.id == app_id);
    let lacking = missing(case, row);
    if lacking.is_empty() && row.is_some() {
        let seen = "Our application's row holds every declared field.";
        let subscribed = case.found(Status::True, Reason::FieldsMatch, seen, "");
        return Subscription { subscribed, wish: wish::refused_fields(case), mutation: None };
    }
    let defect = match row {
        None => case.found(Status::False, Reason::NotSubscribed, "The page is not subscribed to the app.", ""),
        Some(_) => {
            let seen = format!("The page's subscription lacks the fields {}.", listed(&lacking));
            case.found(Status::False, Reason::FieldsMissing, seen, "")
        }
    };
    let (found, mutation) = repair(case, authorized, claimed, row, defect);
    let written = mutation.is_some() || asked.subscribed.is_some();
    if let Some(known) = known_row(case).filter(|_| !written && case.weighed.row_lost == Some(false)) {
        return Subscription::only(known);
    }
    match wish::standing(case, row) {
        // Only what is newly declared is lacking: Meta delivers as before.
        Some(subscribed) if mutation.is_none() => Subscription { subscribed, wish: Some(found), mutation },
        _ => Subscription { subscribed: found, wish: wish::refused_fields(case), mutation },
    }
}

/// The subscription as it was known to be: one answer in which it is missing, after which nothing is written, is not the
/// last word.
fn known_row(case: &Case<'_>) -> Option<Finding> {
    let known = find(&case.previous.conditions, ConditionType::Subscribed)?;
    (known.status == Status::True.as_str()).then(|| Finding::from_condition(known, None)).flatten()
}

/// What to do about a subscription that is not as declared, and what is found if nothing is done.
fn repair(
    case: &Case<'_>,
    authorized: &Finding,
    claimed: &Finding,
    row: Option<&PageSubscription>,
    defect: Finding,
) -> (Finding, Option<Mutation>) {
    match &case.seen.asked.subscribed {
        None if case.seen.standing == DriftState::Fought => {
            (case.fight(ConditionType::Subscribed, row, |fight| repair_fight::repair_fight(defect, fight)), None)
        }
        None if let Some(waiting) = previous_app::in_the_way(case) => (waiting, None),
        None if claimed.status == Status::True && case.proven(authorized) => {
            let fields = declared(case);
            if fields.is_empty() {
                // Nothing of what is declared is to be had.
                return (wish::refused_fields(case).unwrap_or(defect), None);
            }
            if case.is_deleted() && !case.parts() {
                return (being_deleted(defect, &case.channel.metadata), None);
            }
            if case.observes() && !case.parts() {
                let plan = format!("subscribes the page to the fields {}", fields.join(", "));
                return (drift_observed(defect, &plan), None);
            }
            (defect, Some(Mutation::Subscribe { fields }))
        }
        Some(Err(refusal)) => (wish::write_refused(case, refusal).unwrap_or(defect), None),
        Some(Ok(()))
            if case.is_overwritten(ConditionType::Subscribed, row, &declared(case))
                && wish::standing(case, row).is_none() =>
        {
            (case.fight(ConditionType::Subscribed, row, |fight| repair_fight::overwritten(defect, fight)), None)
        }
        Some(Ok(())) => (without_effect(defect), None),
        None => (defect, None),
    }
}

/// What keeps the application itself from delivering what the channel declares.
fn undelivered(case: &Case<'_>) -> Option<Finding> {
    let AppSeen::Found { verdict, .. } = &case.seen.app else { return None };
    match &verdict.webhook {
        WebhookVerdict::NotManaged => None,
        WebhookVerdict::NotSubscribed(told) => {
            let seen = format!("The webhook of the MetaApp does not deliver: {}", told.why);
            let step = told.step_or(|| "Do what the MetaApp asks for; nothing else is needed here.".to_owned());
            Some(case.found(Status::False, Reason::AppNotReady, seen, step))
        }
        WebhookVerdict::Unknown(told) => {
            let seen = format!("It is not known whether the webhook of the MetaApp delivers: {}", told.why);
            Some(case.found(Status::Unknown, Reason::AppUnverified, seen, told.next_step.clone()))
        }
        WebhookVerdict::Subscribed(delivered) => not_delivered_by_app(case, delivered),
    }
}

/// Declared fields that the application is about to be subscribed to: Meta delivers only what both levels hold.
fn not_delivered_by_app(case: &Case<'_>, delivered: &[String]) -> Option<Finding> {
    let AppSeen::Found { awaited, .. } = &case.seen.app else { return None };
    let lacking: Vec<_> =
        declared(case).into_iter().filter(|field| !delivered.contains(field) && awaited.contains(field)).collect();
    if lacking.is_empty() {
        return None;
    }
    let seen = format!("The webhook of the MetaApp does not deliver the declared fields {} yet.", listed(&lacking));
    Some(case.found(Status::Unknown, Reason::AppUnverified, seen, ""))
}

/// The declared fields that a row does not hold.
pub(super) fn missing(case: &Case<'_>, row: Option<&PageSubscription>) -> Vec<String> {
    let held = row.map(|row| row.subscribed_fields.as_slice()).unwrap_or_default();
    declared(case).into_iter().filter(|field| !held.contains(field)).collect()
}

/// The fields that the page is to be subscribed to: what is declared, but for what Meta refused or the application does not
/// deliver.
fn declared(case: &Case<'_>) -> Vec<String> {
    let refused = wish::refused(case);
    let wanted = wish::wanted(case).into_iter();
    wanted.filter(|field| !refused.contains(field) && !wish::is_undelivered(case, field)).collect()
}

/// A read about the page brought nothing that counts: the last known value stays.
fn read_open(
    case: &Case<'_>,
    type_: ConditionType,
    authorized: &Finding,
    claimed: &Finding,
    refusal: &Refusal,
) -> Finding {
    if authorized.status == Status::True || refusal.says_nothing() {
        return case.keep(type_, refusal);
    }
    unread(case, type_, authorized, claimed)
}

/// Nothing is asked about a page without a proven credential and the claim. When that is so because Meta did not
/// answer about the credential, the last known value stays.
fn unread(case: &Case<'_>, type_: ConditionType, authorized: &Finding, claimed: &Finding) -> Finding {
    if let (Some(answer @ Err(refusal)), Status::True) = (&case.debugged, claimed.status)
        && (refusal.says_nothing() || crate::meta_app::token_check::blames_the_app(answer))
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
    case.found(Status::Unknown, Reason::AwaitingAuthorization, "Waits for Authorized and Claimed.", "")
}
