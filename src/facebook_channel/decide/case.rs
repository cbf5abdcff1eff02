//! What the parts of a decision share.

use jiff::Timestamp;

use super::evidence;
use crate::api::conditions::{ConditionType, Finding, Status, find};
use crate::api::{FacebookChannel, FacebookChannelStatus, ManagementPolicy, Reason};
use crate::facebook_channel::model::{Observed, TokenSeen};
use crate::facebook_channel::policy::token;
use crate::graph::TokenInfo;
use crate::limits::answer::{Answer, Kept, Refusal, keep, look_again};

/// Everything a decision is made of.
pub(super) struct Case<'a> {
    pub(super) channel: &'a FacebookChannel,
    pub(super) previous: &'a FacebookChannelStatus,
    pub(super) seen: &'a Observed,
    pub(super) now: Timestamp,
    pub(super) generation: i64,
    /// What debug_token says; a refusal if it leaves the state of the token open.
    pub(super) debugged: Option<Answer<&'a TokenInfo>>,
    /// What the answers of this pass count for.
    pub(super) weighed: evidence::Weighed<'a>,
}

/// What was found about each part of a channel.
pub(super) struct Findings {
    pub(super) authorized: Finding,
    pub(super) claimed: Finding,
    pub(super) page_usable: Finding,
    pub(super) subscribed: Finding,
    /// What was newly declared of the subscription and is not to be had. What stands is not touched by it.
    pub(super) wish: Option<Finding>,
    /// What is known of the primary receiver.
    pub(super) receiver: Finding,
    /// Whether that is what the channel demands.
    pub(super) receiving: Finding,
    pub(super) endpoint: Finding,
    /// Whether the page token is published, where that is declared.
    pub(super) published: Option<Finding>,
    /// What the API server refuses to write, where no condition is about it.
    pub(super) refused: Vec<Finding>,
    /// That our claim gives the page away, which cannot be withdrawn.
    pub(super) given_away: Option<Finding>,
    /// Of a channel that is to be disconnected or gives its page away: whether that is reached.
    pub(super) parting: Option<Finding>,
}

impl Case<'_> {
    pub(super) fn found(
        &self,
        status: Status,
        reason: Reason,
        seen: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Finding {
        Finding::new(status, reason, seen, next_step, self.generation)
    }

    /// That the API server refuses to write the object of this kind.
    pub(super) fn refused(&self, kind: &str) -> Option<Finding> {
        self.seen.asked.writes.refusal(kind).map(|refused| refused.finding(self.generation))
    }

    pub(super) fn namespace(&self) -> &str {
        self.channel.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// The command that has the channel checked now.
    pub(super) fn look_again(&self) -> String {
        look_again("fbc", &self.channel.metadata)
    }

    /// Whether the page is to be disconnected.
    pub(super) fn parts(&self) -> bool {
        self.channel.spec.parts()
    }

    /// Whether nothing may be written at Meta.
    pub(super) fn observes(&self) -> bool {
        self.channel.spec.management_policy == ManagementPolicy::Observe
    }

    pub(super) fn keep(&self, type_: ConditionType, refusal: &Refusal) -> Finding {
        // While it is not known what the grant gives there is no other token, also of a page that it gave none for.
        let unknown = matches!(self.seen.token, TokenSeen::NotListed);
        let another_token = type_ == ConditionType::Authorized && !unknown && self.same_token().is_none();
        let previous = find(&self.previous.conditions, type_).filter(|_| !another_token);
        let next_step = self.previous.next_step.as_deref();
        let (stale, generation, said) = (self.seen.stale, self.generation, &self.previous.conditions);
        keep(Kept { previous, said, next_step, stale, generation, what: "the channel", now: self.now }, refusal)
    }

    /// Whether the credential was proven in this very pass; what is remembered of it is no ground to write anything.
    pub(super) fn proven(&self, authorized: &Finding) -> bool {
        let doubted = self.weighed.token != evidence::TokenSays::Nothing;
        authorized.status == Status::True && self.proves() && !doubted
    }

    pub(super) fn proves(&self) -> bool {
        token::is_proven(self.channel, self.seen, self.now)
    }

    /// Reads about the page that were refused.
    pub(super) fn refused_reads(&self) -> impl Iterator<Item = &Refusal> {
        let asked = &self.seen.asked;
        let page = asked.page.as_ref().and_then(|it| it.as_ref().err());
        page.into_iter().chain(asked.subscriptions.as_ref().and_then(|it| it.as_ref().err()))
    }

    /// The subscription of the page, if it was refused.
    pub(super) fn refused_write(&self) -> Option<&Refusal> {
        self.seen.asked.subscribed.as_ref()?.as_ref().err()
    }
}

impl Findings {
    /// The parts in the order in which they explain why a channel is not ready.
    pub(super) fn blocking(&self) -> Vec<&Finding> {
        let page = Some(&self.page_usable).filter(|page| page.reason != Reason::ReadNotPermitted);
        let before = [&self.authorized, &self.claimed].into_iter().chain(page).chain([&self.subscribed]);
        let after = [&self.receiving, &self.endpoint].into_iter().chain(&self.published);
        let parts = || before.chain(&self.wish).chain(after).collect();
        let mut parts: Vec<_> = self.parting.as_ref().map_or_else(parts, |parting| vec![parting]);
        parts.extend(&self.refused);
        // Nothing of the rest is done before.
        parts.splice(0..0, &self.given_away);
        parts
    }

    /// The parting, if it is declared and reached.
    pub(super) fn parted(&self) -> Option<&Finding> {
        self.parting.as_ref().filter(|parting| parting.status == Status::True)
    }
}
