//! Whether this namespace holds the page, and what to do about it.

use super::super::act::Mutation;
use super::Case;
use crate::api::Reason;
use crate::api::conditions::{Finding, Status};
use crate::claims::{ClaimSeen, Record};

/// The condition Claimed, and what to do about it.
pub(super) fn claimed(case: &Case<'_>, authorized: &Finding) -> (Finding, Option<Mutation>) {
    let (page, tried) = (&case.channel.spec.page_id, case.seen.asked.claimed);
    let pending = |mutation: Mutation| {
        // What the namespace proved before it may part from without a proof: that takes nothing from anybody.
        let parts = matches!(mutation, Mutation::AdoptClaim { .. }) && case.parts();
        if !case.proven(authorized) && !parts {
            let seen = "The page is claimed once a credential has proven it.";
            return (case.found(Status::Unknown, Reason::NotProven, seen, ""), None);
        }
        let seen = "The page is being claimed.";
        (case.found(Status::Unknown, Reason::Pending, seen, ""), (!tried).then_some(mutation))
    };
    match &case.seen.claim {
        ClaimSeen::Free => pending(Mutation::AcquireClaim),
        ClaimSeen::Orphaned { of } => pending(Mutation::AdoptClaim { of: of.clone(), proven: case.proven(authorized) }),
        ClaimSeen::Ours { .. } => {
            let outdated = match case.seen.record {
                Record::Current => false,
                Record::Outdated => true,
                Record::OtherApp => case.proven(authorized),
            };
            let mutation = (outdated && !tried).then(|| Mutation::RecordClaim { proven: case.proven(authorized) });
            (case.found(Status::True, Reason::Held, "This namespace holds the page.", ""), mutation)
        }
        ClaimSeen::Releasing => {
            let seen = "The page is being unsubscribed for a channel that is gone; it can be claimed after that.";
            (case.found(Status::Unknown, Reason::Pending, seen, ""), None)
        }
        ClaimSeen::Unavailable(why) => (case.found(Status::Unknown, why.reason(), why.seen(), why.next_step()), None),
        ClaimSeen::Duplicate { name } => {
            let seen = format!("FacebookChannel {name} of this namespace holds page {page}.");
            let step = "Delete one of the two.";
            (case.found(Status::False, Reason::DuplicateInNamespace, seen, step), None)
        }
        ClaimSeen::Elsewhere { namespace } => {
            let seen = format!("Namespace {namespace} holds page {page}.");
            let step = "Delete this channel; or have the channel there deleted and its AssetClaim too, by a cluster administrator.";
            (case.found(Status::False, Reason::ClaimedElsewhere, seen, step), None)
        }
    }
}
