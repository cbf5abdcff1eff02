//! What a page's latest threads tell of its primary receiver: looked at once an hour, and after every change.

use std::time::Duration;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};

use super::observe::{Access, Observed};
use crate::api::{DeclaredConnection, FacebookChannel, FacebookChannelStatus, ReceiverRequirement};
use crate::engine::answer::{Answer, answer};
use crate::engine::pass::Pass;
use crate::engine::{Context, Failure};
use crate::graph::{Caller, Conversation, GraphError, Thread};

/// How often evidence is looked for.
const PERIOD: Duration = Duration::from_secs(60 * 60);
/// The latest conversations that are looked at, and of how many of them the owner is asked for.
const CONVERSATIONS: u8 = 10;
const OWNERS: usize = 3;
/// After a day without a word from the person a thread is idle, and has no owner (graph-api §6.1).
pub const ACTIVE: SignedDuration = SignedDuration::from_hours(24);

/// Whether evidence has to be looked for because time passed.
pub fn are_due(ctx: &Context, channel: &FacebookChannel, pass: &Pass<FacebookChannelStatus>) -> bool {
    is_wanted(channel) && ctx.evidence_looks.is_due(&pass.key, &pass.uid, pass.now, PERIOD)
}

/// Whether evidence has to be looked for in a pass: also when what it depends on has changed.
pub fn are_due_in_pass(
    ctx: &Context,
    channel: &FacebookChannel,
    seen: &Observed,
    pass: &Pass<FacebookChannelStatus>,
) -> bool {
    let changed = pass.previous.inputs.as_ref() != Some(&seen.inputs);
    // While other questions stay unanswered the inputs count as changed in every try.
    let lately = ctx.evidence_looks.was_within(&pass.key, &pass.uid, pass.now, SignedDuration::from_mins(1));
    is_wanted(channel) && (changed && !lately || are_due(ctx, channel, pass))
}

fn is_wanted(channel: &FacebookChannel) -> bool {
    let demanded = channel.spec.primary_receiver.as_ref().map(|it| it.requirement).unwrap_or_default();
    channel.spec.connection == DeclaredConnection::Connected && demanded != ReceiverRequirement::Ignored
}

/// Looks for evidence.
///
/// # Errors
/// When the process shuts down.
pub async fn read(
    ctx: &Context,
    channel: &FacebookChannel,
    access: &Access,
    pass: &Pass<FacebookChannelStatus>,
) -> Result<Answer<Vec<Thread>>, Failure> {
    ctx.evidence_looks.mark(&pass.key, &pass.uid, pass.now);
    let threads = ctx.read(threads(ctx, &channel.spec.page_id, access, pass.now)).await?;
    Ok(answer("conversations", Caller::PageToken, threads))
}

async fn threads(ctx: &Context, page_id: &str, access: &Access, now: Timestamp) -> Result<Vec<Thread>, GraphError> {
    let Access { version, credentials, token } = access;
    let rows = ctx.graph.conversations(version, credentials, token, page_id, CONVERSATIONS).await?;
    let rows: Vec<_> = rows.into_iter().filter(|row| is_active(row, now)).collect();
    let owners = rows.iter().enumerate().map(|(index, row)| async move {
        match row.person.as_ref().filter(|_| row.routed && index < OWNERS) {
            Some(person) => ctx.graph.thread_owner(version, credentials, token, page_id, person).await,
            None => Ok(None),
        }
    });
    let owners = join_all(owners).await;
    let seen = rows
        .iter()
        .zip(owners)
        .map(|(row, owner)| Ok(Thread { updated_at: row.updated_at, routed: row.routed, owner: owner? }));
    seen.collect()
}

fn is_active(row: &Conversation, now: Timestamp) -> bool {
    row.updated_at.is_some_and(|at| now.duration_since(at) < ACTIVE)
}
