//! Whether a channel that should be disconnected or gives its page away is disconnected at Meta, and what to do about it.
//!
//! The application's token alone ends a subscription, so this also works with a page token that ended or is gone. Without a
//! living page token, nobody can check afterwards: then Meta's word counts, and the condition Subscribed remembers it, so that
//! nothing is ended twice.

use super::case::Case;
use super::{authorization, previous_app};
use crate::api::Reason;
use crate::api::conditions::{ConditionType, Finding, Status};
use crate::controller::repair_fight;
use crate::facebook_channel::disconnected;
use crate::facebook_channel::model::Mutation;
use crate::graph::{PageSubscription, Verdict};
use crate::limits::answer::{Kept, Refusal, drift_observed, keep, without_effect};
use crate::limits::repair_limiter::DriftState;
use crate::ownership::ClaimSeen;

/// Whether the declared parting is reached; `None` if the channel is to be connected.
pub(super) fn parting(case: &Case<'_>, claimed: &Finding) -> Option<(Finding, Option<Mutation>)> {
    if !case.parts() {
        return None;
    }
    let gives = case.channel.spec.transfer_to.is_some();
    if gives && disconnected::receiver(case.channel).is_none() {
        return Some((to_itself(case), None));
    }
    match &case.seen.claim {
        ClaimSeen::Ours { .. } => {}
        ClaimSeen::Elsewhere { .. } if claimed.reason == Reason::Transferred => {
            return Some((claimed.with_status(Status::True), None));
        }
        // To be had here all the same, before it is disconnected; who gives pages away does not take this one.
        ClaimSeen::Offered { .. } if !gives && claimed.reason == Reason::Pending => {
            return Some((claimed.clone(), None));
        }
        ClaimSeen::Free | ClaimSeen::Elsewhere { .. } | ClaimSeen::Offered { .. } | ClaimSeen::Duplicate { .. } => {
            let seen = "The page is disconnected as declared: this channel does not hold it, so nothing at Meta belongs to the channel.";
            return Some((case.found(Status::True, Reason::DeclaredDisconnected, seen, ""), None));
        }
        // Of a page that was held before, or may be held, nobody knows whether it is subscribed.
        ClaimSeen::Orphaned { .. } | ClaimSeen::Releasing | ClaimSeen::Unavailable(_) => {
            return Some((claimed.clone(), None));
        }
    }
    if let Some(waiting) = previous_app::in_the_way(case) {
        return Some((waiting, None));
    }
    let (app, asked) = (&case.seen.app, &case.seen.asked);
    let row = disconnected::row(app, asked);
    let (finding, mutation) = match row {
        Some(Some(row)) => part(case, still_subscribed(case), Some(row)),
        _ if disconnected::is_parted(case.channel, case.previous, app, asked) => (parted(case), None),
        _ => part(case, not_seen(case), None),
    };
    let open = finding.status != Status::False || finding.reason == Reason::RepairFight;
    let unseen = row.is_none() && mutation.is_none() && open;
    let stale = silence(case).filter(|_| unseen && case.seen.stale);
    Some((stale.map_or(finding, |refusal| too_old(case, refusal)), mutation))
}

/// The refusal of a read or write that says nothing, if there is one.
fn silence<'a>(case: &'a Case<'_>) -> Option<&'a Refusal> {
    case.refusals().into_iter().find(|refusal| refusal.says_nothing())
}

fn parted(case: &Case<'_>) -> Finding {
    if let Some(to) = disconnected::receiver(case.channel) {
        let page = &case.channel.spec.page_id;
        let seen = format!(
            "The page is no longer subscribed to the app and is given to namespace {to}: a FacebookChannel there for page {page} can take it with its own credential. The maintainer of that namespace must create one."
        );
        return case.found(Status::True, Reason::TransferOffered, seen, "");
    }
    let seen = "The page is disconnected as declared: it is not subscribed to the app.";
    case.found(Status::True, Reason::DeclaredDisconnected, seen, "")
}

fn to_itself(case: &Case<'_>) -> Finding {
    let seen = "spec.transferTo names the channel's own namespace, which the page belongs to.";
    let step = "The maintainer of this channel must name another namespace there, or remove it.";
    case.found(Status::False, Reason::InvalidSpec, seen, step)
}

fn still_subscribed(case: &Case<'_>) -> Finding {
    let seen = match &case.channel.spec.transfer_to {
        None => "The page is subscribed although the channel is declared Disconnected.",
        Some(_) => "The page is subscribed although the channel gives it away.",
    };
    case.found(Status::False, Reason::StillSubscribed, seen, "")
}

fn not_seen(case: &Case<'_>) -> Finding {
    let seen = "It is not known whether the page is still subscribed.";
    case.found(Status::Unknown, Reason::Pending, seen, "")
}

/// Ends the subscription, or says why that is not done; `row` is what was seen of it.
fn part(case: &Case<'_>, defect: Finding, row: Option<&PageSubscription>) -> (Finding, Option<Mutation>) {
    if let Some(trouble) = authorization::app_unusable(case) {
        return (trouble, None);
    }
    match &case.seen.asked.unsubscribed {
        // What was not seen is no drift, and Meta may not be asked to end what may not be asked about.
        _ if case.observes() && defect.status == Status::Unknown => (defect, None),
        _ if case.refusals().into_iter().any(|refusal| refusal.held.is_some()) => (defect, None),
        _ if case.observes() => (drift_observed(defect, "ends the page's subscription"), None),
        None if case.seen.standing == DriftState::Fought => {
            (case.fight(ConditionType::Ready, row, |fight| repair_fight::repair_fight(defect, fight)), None)
        }
        None => (defect, Some(Mutation::Unsubscribe)),
        Some(Ok(())) if row.is_some() && case.is_overwritten(ConditionType::Ready, row, &[]) => {
            (case.fight(ConditionType::Ready, row, |fight| repair_fight::overwritten(defect, fight)), None)
        }
        Some(Ok(())) => (without_effect(defect), None),
        Some(Err(refusal)) if refusal.says_nothing() => (defect, None),
        Some(Err(refusal)) => (refused(case, refusal), None),
    }
}

fn refused(case: &Case<'_>, refusal: &Refusal) -> Finding {
    let fact = &refusal.fact;
    // Said of the application; its own check, which was asked for, decides whether it is so.
    if let Verdict::AppBroken(_) | Verdict::AppSuspect | Verdict::VersionRetired = refusal.verdict {
        return authorization::app_unverified(case, &format!("Meta refused a call with these credentials ({fact})."));
    }
    case.found(
        Status::False,
        Reason::RequestRejected,
        format!("Meta refuses to end the subscription of the page ({fact})."),
        "Someone with full control of the page can remove the app in the page's settings; please report this to the maintainers of the operator.",
    )
}

fn too_old(case: &Case<'_>, refusal: &Refusal) -> Finding {
    let (stale, generation, said) = (true, case.generation, &case.previous.conditions);
    keep(Kept { previous: None, said, next_step: None, stale, generation, what: "the channel", now: case.now }, refusal)
}
