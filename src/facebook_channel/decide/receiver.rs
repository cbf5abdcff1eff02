//! Whether our application is the primary receiver: by what the threads show, by what the gateway heard, by a person's word, and by
//! the requirement of the channel.

use jiff::{SignedDuration, Timestamp, Unit};

use super::case::Case;
use super::page::not_read;
use crate::api::conditions::{ConditionType, Finding, Status, find, has_reason};
use crate::api::{
    Attestation, InboundEvidence, InboundStatus, PrimaryReceiverStatus, Reason, ReceiverEvidence, ReceiverRequirement,
};
use crate::base::ids::AppId;
use crate::facebook_channel::model::AppSeen;
use crate::facebook_channel::threads::ACTIVE;
use crate::graph::{PAGE_INBOX, Thread};
use crate::meta_app::token_check::blames_the_app;
use crate::ownership::ClaimSeen;

/// How long evidence counts.
const EVIDENCE_LIVES: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How often the time of evidence is refreshed that stays the same.
const REFRESHED: SignedDuration = SignedDuration::from_hours(24);
/// What the threads tell, if anything.
pub(super) fn measure(threads: &[Thread], app_id: &AppId, now: Timestamp) -> Option<ReceiverEvidence> {
    let active = |at: Timestamp| now.duration_since(at) < ACTIVE;
    let recent: Vec<_> = threads.iter().filter(|thread| thread.updated_at.is_some_and(active)).collect();
    if recent.is_empty() {
        return None;
    }
    // Graph says who owns a conversation only while routing is on, on every row alike.
    if !recent.iter().any(|thread| thread.routed) {
        return Some(ReceiverEvidence::RoutingOff);
    }
    let owners: Vec<_> = recent.iter().filter_map(|thread| thread.owner.as_ref()).collect();
    let count =
        |wanted: &dyn Fn(Option<&AppId>) -> bool| owners.iter().filter(|owner| wanted(owner.app_id.as_ref())).count();
    let most = |number: usize| number * 2 > owners.len();
    let foreign = |app: Option<&AppId>| app.is_some_and(|app| app != app_id);
    if owners.is_empty() {
        None
    } else if most(count(&|app| app.is_none())) {
        Some(ReceiverEvidence::OwnersHidden)
    } else if most(count(&|app| app.is_some_and(|app| app.as_str() == PAGE_INBOX))) {
        Some(ReceiverEvidence::InboxOwnsThreads)
    } else if count(&foreign) > 0 {
        Some(ReceiverEvidence::ForeignOwnerVisible)
    } else if most(count(&|app| app == Some(app_id))) {
        Some(ReceiverEvidence::ThreadsOwned)
    } else {
        None
    }
}

/// What is known: of what was read in this pass or before, and of what the gateway heard, the newest that still counts.
pub(super) fn evidence(case: &Case<'_>) -> Option<PrimaryReceiverStatus> {
    if requirement(case) == ReceiverRequirement::Ignored {
        return None;
    }
    let before = case.previous.primary_receiver.clone().filter(|it| counts(case, it.observed_at));
    let AppSeen::Found { app_id, .. } = &case.seen.app else { return before };
    let heard = heard(case, app_id, before.as_ref());
    // What was heard before is in what the gateway wrote, or was corrected there.
    let read = before.filter(|it| !it.evidence.is_of_events());
    let known = heard.into_iter().chain(read).max_by_key(|it| it.observed_at);
    let threads = case.seen.asked.threads.as_ref().and_then(|it| it.as_ref().ok());
    let Some(evidence) = threads.and_then(|threads| measure(threads, app_id, case.now)) else { return known };
    match known {
        // A status that differs in its times only is not written, but once a day.
        Some(known) if known.evidence == evidence && !is_old(case, &known) => Some(known),
        _ => Some(PrimaryReceiverStatus { evidence, observed_at: case.now.round(Unit::Second).unwrap_or(case.now) }),
    }
}

fn counts(case: &Case<'_>, observed_at: Timestamp) -> bool {
    case.now.duration_since(observed_at) < EVIDENCE_LIVES
}

/// What the gateway heard about this application.
fn heard(case: &Case<'_>, app_id: &AppId, before: Option<&PrimaryReceiverStatus>) -> Option<PrimaryReceiverStatus> {
    let inbound = case.channel.status.as_ref()?.inbound.as_ref()?;
    let claimed = matches!(case.seen.claim, ClaimSeen::Ours { .. } | ClaimSeen::Unavailable(_));
    let tells = inbound.evidence != InboundEvidence::MessagesReceived || is_routed(case, before, inbound);
    let valid = claimed && inbound.app_id == app_id.as_str() && counts(case, inbound.observed_at) && tells;
    valid.then(|| PrimaryReceiverStatus { evidence: inbound.evidence.into(), observed_at: inbound.observed_at })
}

/// Whether conversation routing is known to be on. While it is off, every connected application gets all messages.
fn is_routed(case: &Case<'_>, before: Option<&PrimaryReceiverStatus>, inbound: &InboundStatus) -> bool {
    let standby = inbound.last_standby_time.filter(|at| counts(case, *at));
    match before {
        Some(PrimaryReceiverStatus { evidence: ReceiverEvidence::RoutingOff, observed_at }) => {
            standby.is_some_and(|at| at > *observed_at)
        }
        before => before.is_some() || standby.is_some(),
    }
}

/// Whether evidence that stays the same is worth a new time: once a day, and when a person's word lies between.
fn is_old(case: &Case<'_>, known: &PrimaryReceiverStatus) -> bool {
    let word = attested(case).is_some_and(|word| known.observed_at < word.at);
    word || case.now.duration_since(known.observed_at) >= REFRESHED
}

/// The word of a person, unless it is of a time to come.
fn attested<'a>(case: &Case<'a>) -> Option<&'a Attestation> {
    case.channel.spec.primary_receiver.as_ref()?.attested.as_ref().filter(|word| word.at <= case.now)
}

/// The condition PrimaryReceiver.
pub(super) fn receiver(case: &Case<'_>, evidence: Option<&PrimaryReceiverStatus>) -> Finding {
    if requirement(case) == ReceiverRequirement::Ignored {
        return case.found(Status::Unknown, Reason::NotRequired, "It is not checked, as declared.", "");
    }
    let attested = attested(case).filter(|word| evidence.is_none_or(|evidence| evidence.observed_at < word.at));
    match (attested, evidence) {
        (Some(word), _) => {
            let seen = format!(
                "{} attests that our application is the default app of the page; the operator did not measure it.",
                word.by
            );
            case.found(Status::True, Reason::Attested, seen, "")
        }
        (None, Some(evidence)) => measured(case, evidence.evidence),
        (None, None) if !is_readable(case) => not_read(case),
        (None, None) => case.found(
            Status::Unknown,
            Reason::NotVerifiable,
            "No recently active conversation shows which application is the default app of the page.",
            SETTINGS,
        ),
    }
}

/// Whether conversations may be asked for. While it is not known whether the token serves, it counts as it did.
fn is_readable(case: &Case<'_>) -> bool {
    match &case.debugged {
        Some(answer @ Err(refusal)) if refusal.says_nothing() || blames_the_app(answer) => {
            let before = find(&case.previous.conditions, ConditionType::PrimaryReceiver);
            before.is_none_or(|it| !has_reason(it, Reason::AwaitingAuthorization))
        }
        _ => case.proves() && matches!(case.seen.claim, ClaimSeen::Ours { .. }),
    }
}

/// Where a person sees and sets the default app; no call can.
const SETTINGS: &str = "Someone with full control of the page can check facebook.com/settings?tab=msgr_conversation_routing and attest the default app in spec.primaryReceiver.attested.";

fn measured(case: &Case<'_>, evidence: ReceiverEvidence) -> Finding {
    let set = "Someone with full control of the page must make our application the default app at facebook.com/settings?tab=msgr_conversation_routing.";
    match evidence {
        ReceiverEvidence::ForeignOwnerVisible => {
            let seen = "Meta shows us threads of other applications, as it does to the default app.";
            case.found(Status::True, Reason::DefaultApp, seen, "")
        }
        ReceiverEvidence::ThreadsOwned => {
            let seen = "Our application owns the recently active threads.";
            case.found(Status::True, Reason::DefaultApp, seen, "")
        }
        ReceiverEvidence::MessagesReceived => {
            let seen = "Messages of people come to our application while conversation routing is on.";
            case.found(Status::True, Reason::DefaultApp, seen, "")
        }
        ReceiverEvidence::PrimaryReceiverRole => {
            let seen = "Meta told that our application was made the primary receiver of the page.";
            case.found(Status::True, Reason::DefaultApp, seen, "")
        }
        ReceiverEvidence::StandbyOnly => case.found(
            Status::False,
            Reason::AnotherAppControls,
            "Messages of people come to our application on standby only: another application owns their threads.",
            set,
        ),
        ReceiverEvidence::SecondaryReceiverRole => case.found(
            Status::False,
            Reason::AnotherAppControls,
            "Meta told that our application was made a secondary receiver of the page.",
            set,
        ),
        ReceiverEvidence::InboxAnswers => case.found(
            Status::False,
            Reason::HandedToInbox,
            "Messages of people come to our application on standby only, and staff members answer in the page's inbox.",
            "",
        ),
        ReceiverEvidence::OwnersHidden => case.found(
            Status::False,
            Reason::AnotherAppControls,
            "Another application controls most of the recently active threads.",
            set,
        ),
        ReceiverEvidence::InboxOwnsThreads => case.found(
            Status::False,
            Reason::HandedToInbox,
            "Staff members answer most of the recently active threads in the page's inbox.",
            "",
        ),
        ReceiverEvidence::RoutingOff => case.found(
            Status::False,
            Reason::NoDefaultApp,
            "The page has no default app: every connected application gets its messages.",
            set,
        ),
    }
}

/// What the primary receiver means for the link: `True` if the demand is met.
pub(super) fn link(case: &Case<'_>, receiver: &Finding) -> Finding {
    let meets = match (requirement(case), receiver.status) {
        (ReceiverRequirement::Ignored, _) | (_, Status::True) => true,
        _ if receiver.reason == Reason::HandedToInbox => true,
        (ReceiverRequirement::NotContradicted, _) => receiver.reason != Reason::AnotherAppControls,
        (ReceiverRequirement::Verified, _) => false,
    };
    match receiver.status {
        _ if meets => Finding { status: Status::True, ..receiver.clone() },
        Status::False => Finding { reason: Reason::NotPrimaryReceiver, ..receiver.clone() },
        _ => receiver.clone(),
    }
}

fn requirement(case: &Case<'_>) -> ReceiverRequirement {
    case.channel.spec.primary_receiver.as_ref().map(|it| it.requirement).unwrap_or_default()
}
