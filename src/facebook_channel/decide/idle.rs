//! The reports of passes in which nothing is checked.

use super::case::Case;
use super::connection;
use crate::api::FacebookChannelStatus;
use crate::api::conditions::assemble;
use crate::api::outcome::Class;
use crate::controller::evidence::Suspicions;
use crate::controller::pass::Report;
use crate::limits::repair_limiter::RepairOutcome;

/// The report on a channel that is to be left alone: everything as it was.
pub(super) fn paused(case: &Case<'_>) -> Report<FacebookChannelStatus> {
    let (channel, previous) = (case.channel, case.previous);
    let state = connection::paused(&previous.conditions, channel.spec.publish_token, case.generation);
    let status = FacebookChannelStatus {
        observed_generation: case.generation,
        conditions: assemble(&previous.conditions, &state.findings, case.now),
        connection: state.connection,
        next_step: state.next_step,
        ..previous.clone()
    };
    unchanged(case, status, Class::Paused, Suspicions::default())
}

/// The report of a pass in which nothing was learned.
pub(super) fn unchanged(
    case: &Case<'_>,
    status: FacebookChannelStatus,
    class: Class,
    suspicions: Suspicions,
) -> Report<FacebookChannelStatus> {
    let (effect, notes, refused) = (RepairOutcome::None, Vec::new(), case.seen.asked.writes.refused());
    Report { status, class, answered: true, until: None, effect, notes, suspicions, refused }
}
