//! FacebookChannel: its whole life, as a table of contents.

pub mod act;
pub mod batched_reads;
mod channel_secret;
pub mod credentials;
pub mod decide;
mod declared;
pub mod disconnected;
pub mod endpoint_key;
mod endpoint_service;
pub mod inbound;
mod lenders;
pub mod model;
pub mod observe;
pub mod policy;
pub mod prefetched;
pub mod previous_app;
pub mod publication;
pub mod rate_limits;
mod state;
pub mod threads;
pub mod token_check_schedule;
pub mod token_witness;

use std::borrow::Cow;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

pub use state::FacebookChannels;

use crate::api::{FacebookChannel, FacebookChannelStatus, ManagementPolicy};
use crate::base::ids::Uid;
use crate::base::key::{Key, KindName};
use crate::cluster::error::Failure;
use crate::controller::context::{Context, Policy};
use crate::controller::object_state::ObjectStates;
use crate::controller::pass::Pass;
use crate::controller::reconciler::{Next, Periods, Reconciler};
use crate::controller::rounds;
use crate::controller::rounds::{InRounds, Round};

impl Reconciler for FacebookChannels {
    type Object = FacebookChannel;
    type Status = FacebookChannelStatus;
    const NAME: KindName = KindName::FACEBOOK_CHANNEL;
    const BATCHED: bool = true;

    fn periods(policy: &Policy) -> Periods {
        Periods::of(policy.channel_period, policy)
    }

    fn ctx(&self) -> &Arc<Context> {
        &self.ctx
    }

    async fn reconcile(&self, channel: &FacebookChannel) -> Result<Next, Failure> {
        rounds::pass(self, channel).await
    }

    fn stored(&self, key: &Key) -> Option<Arc<FacebookChannel>> {
        self.ctx.cluster.stores.channels.get(key)
    }

    fn status(channel: &FacebookChannel) -> Option<&FacebookChannelStatus> {
        channel.status.as_ref()
    }

    fn with_status(object: &FacebookChannel, status: FacebookChannelStatus) -> FacebookChannel {
        FacebookChannel { status: Some(status), ..object.clone() }
    }

    fn own_part(status: &FacebookChannelStatus) -> Cow<'_, FacebookChannelStatus> {
        match status.inbound {
            None => Cow::Borrowed(status),
            Some(_) => Cow::Owned(FacebookChannelStatus { inbound: None, ..status.clone() }),
        }
    }

    fn with_other_part<'a>(
        channel: &FacebookChannel,
        status: &'a FacebookChannelStatus,
    ) -> Cow<'a, FacebookChannelStatus> {
        let inbound = inbound::kept(channel, status.claim_name.as_ref());
        match status.inbound == inbound {
            true => Cow::Borrowed(status),
            false => Cow::Owned(FacebookChannelStatus { inbound, ..status.clone() }),
        }
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

    fn states(&self) -> &ObjectStates<FacebookChannelStatus> {
        &self.states
    }

    fn forget(&self, key: &Key) -> Option<Uid> {
        self.evidence_looks.forget(key);
        self.evidence_requests.forget(key);
        self.states.forget(key)
    }
}

impl InRounds for FacebookChannels {
    type Asked = model::Asked;

    async fn round(
        &self,
        channel: &FacebookChannel,
        pass: &Pass<FacebookChannelStatus>,
        asked: model::Asked,
    ) -> Result<Round<Self>, Failure> {
        let seen = observe::observe(self, channel, pass, asked).await?;
        let looked = seen.look || channel.spec.management_policy == ManagementPolicy::Pause;
        let Some(plan) = decide::decide(channel, &pass.previous, &seen, pass.now) else { return Ok(Round::Unchanged) };
        Ok(match plan.mutation {
            Some(mutation) => Round::Again(act::act(self, channel, pass, mutation, seen).await?),
            None if !looked => Round::Amend(plan.report.status),
            None => Round::Report(plan.report),
        })
    }
}
