//! What to do about a channel: a function of values and a time, with no client in sight.

mod approval;
pub mod authorization;
pub(super) mod case;
mod claim;
mod connection;
mod disconnect;
mod endpoint;
mod evidence;
pub mod grant;
mod idle;
mod page;
mod previous_app;
mod publication;
mod receiver;
mod repair_fight;
mod report;
mod restriction;
mod token_status;
mod wish;

use jiff::Timestamp;

use self::case::{Case, Findings};
use super::model::Mutation;
use super::policy::token;
use crate::api::outcome::Class;
use crate::api::{FacebookChannel, FacebookChannelStatus, ManagementPolicy};
use crate::controller::pass::Report;
use crate::facebook_channel::model::Observed;

/// What to do: at most one mutation, and the report if there is none.
pub struct Plan {
    /// The mutation to perform before looking again.
    pub mutation: Option<Mutation>,
    pub report: Report<FacebookChannelStatus>,
}

/// Decides about a channel; `None` if nothing has changed since it was checked.
pub fn decide(
    channel: &FacebookChannel,
    previous: &FacebookChannelStatus,
    seen: &Observed,
    now: Timestamp,
) -> Option<Plan> {
    let generation = channel.metadata.generation.unwrap_or_default();
    let debugged = token::debugged(seen);
    let weighed = evidence::weigh(channel, previous, seen, debugged.as_ref(), now);
    let case = Case { channel, previous, seen, now, generation, debugged, weighed };
    if channel.spec.management_policy == ManagementPolicy::Pause {
        // What becomes of the page once the channel is gone is no matter of Meta's yet.
        return Some(Plan { mutation: claim::restoration(&case), report: idle::paused(&case) });
    }
    if !seen.look {
        let restored = claim::restoration(&case).or_else(|| publication::restoration(&case));
        let mutation = restored.or_else(|| endpoint::mutation(&case));
        let known = FacebookChannelStatus {
            endpoint: previous.endpoint.as_ref().and_then(|_| endpoint::status(&case)),
            ..case.amended().unwrap_or_else(|| previous.clone())
        };
        let status = approval::retold(&case, known);
        let idle = mutation.is_none() && status == *previous;
        return (!idle).then(|| Plan {
            mutation,
            report: idle::unchanged(&case, status, Class::Settled, seen.suspicions.clone()),
        });
    }
    let authorized = authorization::authorized(&case);
    let (claimed, claim_mutation) = claim::claimed(&case, &authorized);
    let page::Subscription { subscribed, wish, mutation: page_mutation } =
        page::subscription(&case, &authorized, &claimed);
    let page_usable = page::usable(&case, &authorized, &claimed);
    let (parting, page_mutation) = match disconnect::parting(&case, &claimed) {
        Some((parting, mutation)) => (Some(parting), mutation),
        None => (None, page_mutation),
    };
    let evidence = receiver::evidence(&case);
    let receiver = receiver::receiver(&case, evidence.as_ref());
    let receiving = receiver::link(&case, &receiver);
    let endpoint = endpoint::endpoint(&case);
    let (published, publication) = publication::publication(&case, &authorized, &claimed);
    let refused = [claim::unrecorded(&case), publication::left(&case, &authorized)];
    let given_away = claim::given_away(&case);
    let page_mutation = page_mutation.filter(|_| given_away.is_none());
    let mutation = claim_mutation.or(page_mutation).or(publication).or_else(|| endpoint::mutation(&case));
    let findings = Findings {
        authorized,
        claimed,
        page_usable,
        subscribed,
        wish,
        receiver,
        receiving,
        endpoint,
        published,
        refused: refused.into_iter().flatten().collect(),
        given_away,
        parting,
    };
    Some(Plan { mutation, report: case.report(&findings, evidence) })
}

#[cfg(test)]
mod tests;
