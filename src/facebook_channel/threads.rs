//! What a page's latest threads show about its primary receiver: checked once an hour, and after every change.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::state::FacebookChannels;
use crate::api::{FacebookChannel, FacebookChannelStatus, ReceiverRequirement};
use crate::base::ids::PageId;
use crate::cluster::error::Failure;
use crate::controller::pass::Pass;
use crate::facebook_channel::model::Observed;
use crate::graph::{AppCredentials, Conversation, GraphError, Operation, OwnerRead, PageRead, Thread, Token, Version};
use crate::limits::answer::{Answer, Refusal, answer};

/// How often evidence is looked for.
const PERIOD: Duration = Duration::from_secs(60 * 60);
/// The latest conversations that are checked, and of how many of them the owner is asked for.
const CONVERSATIONS: u8 = 10;
const OWNERS: usize = 3;
/// After a day without a word from the person a thread is idle, and has no owner.
pub const ACTIVE: SignedDuration = SignedDuration::from_hours(24);

/// Whether evidence has to be looked for because time passed.
pub fn are_due(channels: &FacebookChannels, channel: &FacebookChannel, pass: &Pass<FacebookChannelStatus>) -> bool {
    is_wanted(channel) && channels.evidence_looks.is_due(&pass.key, &pass.uid, pass.now, PERIOD)
}

/// Whether evidence has to be looked for in a pass: also when what it depends on has changed.
pub fn are_due_in_pass(
    channels: &FacebookChannels,
    channel: &FacebookChannel,
    seen: &Observed,
    pass: &Pass<FacebookChannelStatus>,
) -> bool {
    let changed = pass.previous.inputs.as_ref() != Some(&seen.inputs);
    // While other questions stay unanswered the inputs count as changed in every try.
    let lately = channels.evidence_looks.was_within(&pass.key, &pass.uid, pass.now, SignedDuration::from_mins(1));
    // Whoever asks for a check gets one, however lately there was another.
    let requested = |it: &String| channels.evidence_requests.is_due(&pass.key, &pass.uid, it, pass.now);
    let asked_for = seen.requested.as_ref().is_some_and(requested);
    is_wanted(channel) && (asked_for || changed && !lately || are_due(channels, channel, pass))
}

/// Notes what came of a check that was asked for.
pub fn note(channels: &FacebookChannels, pass: &Pass<FacebookChannelStatus>, found: &Answer<Vec<Thread>>) {
    let answered = !found.as_ref().is_err_and(Refusal::may_pass);
    if let Some(request) = &pass.requested {
        channels.evidence_requests.note(&pass.key, &pass.uid, request, answered, pass.now);
    }
}

/// When evidence is looked for once more that was asked for and not answered.
pub fn owed(
    channels: &FacebookChannels,
    channel: &FacebookChannel,
    seen: &Observed,
    pass: &Pass<FacebookChannelStatus>,
) -> Option<Timestamp> {
    let request = seen.requested.as_ref().filter(|_| is_wanted(channel))?;
    channels.evidence_requests.again(&pass.key, &pass.uid, request)
}

/// Whether conversations of a channel are checked.
pub fn is_wanted(channel: &FacebookChannel) -> bool {
    let demanded = channel.spec.primary_receiver.as_ref().map(|it| it.requirement).unwrap_or_default();
    !channel.spec.parts() && demanded != ReceiverRequirement::Ignored
}

/// A page whose threads are to be checked.
pub struct Look<'a> {
    pub channel: &'a FacebookChannel,
    pub page_id: &'a PageId,
    /// The page token.
    pub token: &'a Token,
    /// The pass or visit in which it is checked.
    pub pass: &'a Pass<FacebookChannelStatus>,
}

/// Looks for evidence about pages of one application, at all of them at once.
///
/// # Errors
/// When the process shuts down.
pub async fn read(
    channels: &FacebookChannels,
    version: &Version,
    credentials: &AppCredentials,
    looks: &[Look<'_>],
) -> Result<Vec<Answer<Vec<Thread>>>, Failure> {
    for Look { pass, .. } in looks {
        channels.evidence_looks.mark(&pass.key, &pass.uid, pass.now);
    }
    let threads = channels.ctx.read(threads(channels, version, credentials, looks)).await?;
    Ok(threads.into_iter().map(|threads| answer(Operation::ReadConversations, threads)).collect())
}

type Conversations = Result<Vec<Conversation>, GraphError>;

async fn threads(
    channels: &FacebookChannels,
    version: &Version,
    credentials: &AppCredentials,
    looks: &[Look<'_>],
) -> Vec<Result<Vec<Thread>, GraphError>> {
    let pages: Vec<_> = looks.iter().map(|look| PageRead { page_id: look.page_id, token: look.token }).collect();
    let found = channels.ctx.graph.conversations(version, credentials, &pages, CONVERSATIONS).await;
    let active = |(rows, look): (Conversations, &Look<'_>)| -> Conversations {
        Ok(rows?.into_iter().filter(|row| is_active(row, look.pass.now)).collect())
    };
    let found: Vec<_> = found.into_iter().zip(looks).map(active).collect();
    let owned = found.iter().zip(&pages).flat_map(|(rows, page)| {
        let persons = rows.iter().flatten().take(OWNERS).filter_map(asked_about);
        persons.map(|person| OwnerRead { page_id: page.page_id, token: page.token, person })
    });
    let owned: Vec<_> = owned.collect();
    let mut owners = channels.ctx.graph.thread_owners(version, credentials, &owned).await.into_iter();
    let mut with_owner = |(index, row): (usize, &Conversation)| {
        let asked = index < OWNERS && asked_about(row).is_some();
        let owner = if asked { owners.next().unwrap_or(Ok(None)) } else { Ok(None) };
        owner.map(|owner| Thread { updated_at: row.updated_at, routed: row.routed, owner })
    };
    let page = |rows: Conversations| -> Result<Vec<Thread>, GraphError> {
        // All before the first error is checked: the owners come in the order in which they were asked for.
        let threads: Vec<_> = rows?.iter().enumerate().map(&mut with_owner).collect();
        threads.into_iter().collect()
    };
    found.into_iter().map(page).collect()
}

/// The person whose thread's owner is asked for; Graph tells it only while routing is on.
fn asked_about(row: &Conversation) -> Option<&str> {
    row.person.as_deref().filter(|_| row.routed)
}

fn is_active(row: &Conversation, now: Timestamp) -> bool {
    row.updated_at.is_some_and(|at| now.duration_since(at) < ACTIVE)
}
