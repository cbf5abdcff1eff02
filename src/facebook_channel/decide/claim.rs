//! Whether this namespace holds the page, and what to do about it.

use super::super::model::Mutation;
use super::case::Case;
use super::previous_app;
use crate::api::Reason;
use crate::api::conditions::{Finding, Status};
use crate::controller::being_deleted;
use crate::controller::being_deleted::being_deleted;
use crate::facebook_channel::disconnected;
use crate::ownership::{self, ClaimSeen, Record};

impl Case<'_> {
    /// Whether the channel is being deleted, so that it is connected no more.
    pub(super) const fn is_deleted(&self) -> bool {
        being_deleted::is_begun(&self.channel.metadata)
    }
}

/// The condition Claimed, and what to do about it.
pub(super) fn claimed(case: &Case<'_>, authorized: &Finding) -> (Finding, Option<Mutation>) {
    let (page, tried) = (&case.channel.spec.page_id, case.seen.asked.claimed);
    let pending = |mutation: Mutation| {
        if case.is_deleted() {
            let unclaimed = case.found(Status::False, Reason::Pending, "This channel does not hold the page.", "");
            return (being_deleted(unclaimed, &case.channel.metadata), None);
        }
        // What the namespace proved before it may part from without a proof: that takes nothing from anybody.
        let parts = matches!(mutation, Mutation::AdoptClaim { .. }) && case.parts();
        if !case.proven(authorized) && !parts {
            let seen = "The page is claimed once a credential is verified for it.";
            return (case.found(Status::Unknown, Reason::CredentialUnverified, seen, ""), None);
        }
        let pending = || case.found(Status::Unknown, Reason::Pending, "The page is being claimed.", "");
        (case.refused(ownership::KIND).unwrap_or_else(pending), (!tried).then_some(mutation))
    };
    match &case.seen.claim {
        // Who gives a page away begins no possession: it may be the receiver's that is free for a moment.
        ClaimSeen::Free | ClaimSeen::Offered { .. } if case.channel.spec.transfer_to.is_some() => {
            let seen = format!("A channel that gives page {page} away does not claim it.");
            (case.found(Status::Unknown, Reason::CredentialUnverified, seen, ""), None)
        }
        ClaimSeen::Free => pending(Mutation::AcquireClaim),
        ClaimSeen::Offered { namespace } => pending(Mutation::TakeClaim { from: namespace.clone() }),
        ClaimSeen::Orphaned { of } => pending(Mutation::AdoptClaim { of: of.clone(), proven: case.proven(authorized) }),
        ClaimSeen::Ours { .. } => {
            let proven = case.proven(authorized);
            let outdated = match case.seen.record {
                Record::Current => false,
                Record::Outdated | Record::GivenAway => true,
                Record::OtherApp => proven,
            };
            let mutation = (outdated && !case.seen.asked.recorded).then_some(Mutation::RecordClaim { proven });
            let mutation = mutation.or_else(|| previous_app::mutation(case, proven).filter(|_| !is_given_away(case)));
            (held(case), mutation)
        }
        ClaimSeen::Releasing => {
            let seen = "The page is being unsubscribed for a deleted channel; it can be claimed after that.";
            (case.found(Status::Unknown, Reason::Pending, seen, ""), None)
        }
        ClaimSeen::Unavailable(why) => (case.found(Status::Unknown, why.reason(), why.seen(), why.next_step()), None),
        ClaimSeen::Duplicate { name } => {
            let seen = format!("FacebookChannel {name} of this namespace holds page {page}.");
            let step = "Delete one of the two channels.";
            (case.found(Status::False, Reason::DuplicateInNamespace, seen, step), None)
        }
        ClaimSeen::Elsewhere { namespace } if disconnected::receiver(case.channel) == Some(namespace) => {
            let seen = format!("Page {page} was given to namespace {namespace}, which holds it.");
            (case.found(Status::False, Reason::Transferred, seen, ""), None)
        }
        ClaimSeen::Elsewhere { namespace } => {
            let own = case.namespace();
            let seen = format!("Namespace {namespace} holds page {page}.");
            let step = format!(
                "Delete this channel; or have the maintainer of that namespace give the page away with spec.transferTo: {own} in the channel there. A cluster administrator can also move it."
            );
            (case.found(Status::False, Reason::ClaimedElsewhere, seen, step), None)
        }
    }
}

/// This namespace holds the page. Where claims are out of reach, what it says of its use may be what was so before.
fn held(case: &Case<'_>) -> Finding {
    let held = case.found(Status::True, Reason::ClaimHeld, "This namespace holds the page.", "");
    match &case.seen.asked.unrecorded {
        Some(why) if case.seen.record != Record::Current => {
            let seen = format!("{} The claim does not record the current use yet: {}", held.seen, why.seen());
            Finding { seen, ..held }
        }
        _ => held,
    }
}

/// Whether our claim gives the page away, and should not, and that cannot be withdrawn: someone may take the page at any moment, so that
/// nothing is written at Meta.
pub(super) fn is_given_away(case: &Case<'_>) -> bool {
    let ours = matches!(case.seen.claim, ClaimSeen::Ours { .. });
    ours && case.seen.record == Record::GivenAway && case.seen.asked.unrecorded.is_some()
}

/// The same, told.
pub(super) fn given_away(case: &Case<'_>) -> Option<Finding> {
    let why = case.seen.asked.unrecorded.as_ref().filter(|_| is_given_away(case))?;
    let page = &case.channel.spec.page_id;
    let seen = format!(
        "The claim still gives page {page} away. This cannot be withdrawn now, and the operator writes nothing at Meta until it is. {}",
        why.seen()
    );
    Some(case.found(Status::False, why.reason(), seen, why.next_step()))
}

/// That the API server refuses what our claim has to say. The page is held all the same.
pub(super) fn unrecorded(case: &Case<'_>) -> Option<Finding> {
    let outdated = matches!(case.seen.claim, ClaimSeen::Ours { .. }) && case.seen.record != Record::Current;
    case.refused(ownership::KIND).filter(|_| outdated)
}

/// What our claim has to say now though nothing that Meta knows of has changed.
pub(super) fn restoration(case: &Case<'_>) -> Option<Mutation> {
    let outdated = matches!(case.seen.record, Record::Outdated | Record::GivenAway);
    let outdated = outdated && matches!(case.seen.claim, ClaimSeen::Ours { .. });
    (outdated && !case.seen.asked.recorded).then_some(Mutation::RecordClaim { proven: false })
}
