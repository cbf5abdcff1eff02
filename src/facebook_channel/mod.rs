//! FacebookChannel: its whole life, as a table of contents.

pub mod act;
pub mod credentials;
pub mod decide;
pub mod due;
pub mod former;
pub mod model;
pub mod observe;
pub mod parted;
pub mod policy;
pub mod preflight;
pub mod publication;
pub mod restraint;
pub mod sweep;
pub mod threads;
pub mod witness;

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::{FacebookChannel, FacebookChannelStatus, ManagementPolicy};
use crate::engine::memory::Memories;
use crate::engine::pass::Pass;
use crate::engine::rounds::{self, InRounds, Round};
use crate::engine::run::{Kind, Next};
use crate::engine::{Context, Failure, Key, KindName};

/// The kind FacebookChannel.
pub struct FacebookChannelKind;

impl Kind for FacebookChannelKind {
    type Object = FacebookChannel;
    type Status = FacebookChannelStatus;
    const NAME: KindName = KindName::FacebookChannel;
    const SWEPT: bool = true;

    async fn reconcile(ctx: &Context, channel: &FacebookChannel) -> Result<Next, Failure> {
        rounds::pass::<Self>(ctx, channel).await
    }

    fn stored(ctx: &Context, key: &Key) -> Option<Arc<FacebookChannel>> {
        ctx.channel(key)
    }

    fn status(channel: &FacebookChannel) -> Option<&FacebookChannelStatus> {
        channel.status.as_ref()
    }

    fn with_status(object: &FacebookChannel, status: FacebookChannelStatus) -> FacebookChannel {
        FacebookChannel { status: Some(status), ..object.clone() }
    }

    fn conditions(status: &FacebookChannelStatus) -> &[Condition] {
        &status.conditions
    }

    fn inputs(status: &FacebookChannelStatus) -> Option<&str> {
        status.inputs.as_deref()
    }

    fn handled(status: &FacebookChannelStatus) -> Option<&str> {
        status.last_handled_requested_at.as_deref()
    }

    fn memories(ctx: &Context) -> &Memories<FacebookChannelStatus> {
        &ctx.channel_memories
    }

    fn forget(ctx: &Context, key: &Key) -> Option<String> {
        ctx.evidence_looks.forget(key);
        ctx.evidence_requests.forget(key);
        ctx.channel_memories.forget(key)
    }
}

impl InRounds for FacebookChannelKind {
    type Asked = observe::Asked;

    async fn round(
        ctx: &Context,
        channel: &FacebookChannel,
        pass: &Pass<FacebookChannelStatus>,
        asked: observe::Asked,
    ) -> Result<Round<FacebookChannelStatus, observe::Asked>, Failure> {
        let seen = observe::observe(ctx, channel, pass, asked).await?;
        let looked = seen.look || channel.spec.management_policy == ManagementPolicy::Pause;
        let Some(plan) = decide::decide(channel, &pass.previous, &seen, pass.now) else { return Ok(Round::Unchanged) };
        Ok(match plan.mutation {
            Some(mutation) => Round::Again(act::act(ctx, channel, pass, mutation, seen).await?),
            None if !looked => Round::Amend(plan.report.status),
            None => Round::Report(plan.report),
        })
    }
}
