//! What the gateway writes into the status of a channel: how long it stays there, and which change of it is worth a pass.

use crate::api::{FacebookChannel, InboundEvidence, InboundStatus};
use crate::facebook_channel::threads;

/// What stays of it in a status that names this claim. Only who holds the page and is linked to it gets its events.
pub fn kept(channel: &FacebookChannel, claim_name: Option<&String>) -> Option<InboundStatus> {
    claim_name.filter(|_| !channel.spec.parts())?;
    channel.status.as_ref()?.inbound.clone()
}

/// What of it a decision depends on, whenever it was heard.
pub fn input(channel: &FacebookChannel) -> Option<(&str, InboundEvidence)> {
    let inbound = channel.status.as_ref()?.inbound.as_ref().filter(|_| threads::is_wanted(channel))?;
    Some((&inbound.app_id, inbound.evidence))
}
