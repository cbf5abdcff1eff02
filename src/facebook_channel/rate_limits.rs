//! What may keep the operator from asking Meta about a channel: limits, as far as they are used, and an outage.

use jiff::Timestamp;

use super::model::{Observed, TokenSeen};
use super::state::FacebookChannels;
use super::token_check_schedule;
use crate::api::conditions::{ConditionType, Status, status_of};
use crate::api::{FacebookChannel, FacebookChannelStatus, ManagementPolicy};
use crate::base::ids::{PageId, Uid};
use crate::base::priority::{Occasion, Priority};
use crate::controller::pass::Pass;
use crate::limits::answer::Refusal;
use crate::limits::app_usage::{Ask, Budget};

/// What may keep Meta from being asked about a channel.
pub struct Restraint {
    /// UID of the MetaApp.
    pub app: Uid,
    pub page: PageId,
    /// Whether the application's own check finds out when an outage is over; that of a paused one never takes place.
    pub probed: bool,
    /// What is limited.
    pub budgets: Vec<Budget>,
}

impl Restraint {
    /// What applies to a channel.
    pub fn of(channels: &FacebookChannels, channel: &FacebookChannel, seen: &Observed) -> Self {
        let usable = seen.app_key.as_ref().filter(|_| seen.app.id().is_some());
        let found = usable.and_then(|key| channels.apps.get(key));
        let probed = found.as_ref().is_none_or(|app| app.spec.management_policy != ManagementPolicy::Pause);
        let app = found.as_deref().map(Uid::of).unwrap_or_default();
        let token = seen.token.fingerprint().map(|fingerprint| Budget::token(&app, fingerprint));
        let page = PageId::new(&channel.spec.page_id);
        let budgets = [Budget::app(&app), Budget::page(&app, &page)].into_iter().chain(token).collect();
        Self { app, page, probed, budgets }
    }

    /// What stands for Meta's answers in a pass that may not ask.
    pub fn held(
        &self,
        channels: &FacebookChannels,
        seen: &Observed,
        pass: &Pass<FacebookChannelStatus>,
    ) -> Option<Refusal> {
        if let Some(until) = self.outage(channels, &pass.uid, pass.now) {
            // The application's own check is the one call that finds out whether Meta is back.
            seen.app_key.clone().into_iter().for_each(|app| channels.apps.look_at(app));
            return Some(channels.ctx.limits.circuit_breakers.held(&self.app, until));
        }
        let limited = || channels.ctx.limits.usage.brake(&self.budgets, pass.now);
        pass.held::<FacebookChannels>(&channels.ctx, &seen.inputs, limited, || {
            let priority = occasion(channels, seen, pass).into();
            let ask = Ask { app: &self.app, budgets: &self.budgets, key: &pass.key, uid: &pass.uid, priority };
            channels.ctx.limits.usage.admit(&ask, pass.now).err().inspect(|_| channels.ctx.metrics.held_back(priority))
        })
    }

    /// Whether a look between passes may not be taken now.
    pub fn holds(&self, channels: &FacebookChannels, pass: &Pass<FacebookChannelStatus>, priority: Priority) -> bool {
        self.outage(channels, &pass.uid, pass.now).is_some() || self.is_limited(channels, pass, priority)
    }

    /// Whether Meta's limits hold back a look between passes. That it comes half as often is no reason to call it held.
    pub fn is_limited(
        &self,
        channels: &FacebookChannels,
        pass: &Pass<FacebookChannelStatus>,
        priority: Priority,
    ) -> bool {
        // A round may have begun some time before.
        let now = channels.ctx.clock.now();
        let held = channels.ctx.limits.usage.held_until(&self.budgets, priority, &pass.uid, now).is_some();
        if held {
            channels.ctx.metrics.held_back(priority);
        }
        held
    }

    /// Whether a slot is one of those that are left out while much of a limit is used.
    pub fn leaves_out(
        &self,
        channels: &FacebookChannels,
        pass: &Pass<FacebookChannelStatus>,
        priority: Priority,
    ) -> bool {
        let left_out = priority == Priority::Sweep
            && !pass.is_second_slot(&channels.ctx)
            && channels.ctx.limits.usage.are_tight(&self.budgets, pass.now);
        if left_out {
            channels.ctx.metrics.held_back(priority);
        }
        left_out
    }

    /// Until when Meta is not asked about a channel because of an outage.
    fn outage(&self, channels: &FacebookChannels, uid: &Uid, now: Timestamp) -> Option<Timestamp> {
        channels.ctx.limits.circuit_breakers.open_until(&self.app, uid, now).filter(|_| self.probed)
    }
}

/// How pressing a look between passes is: it is only time for it, unless that runs out.
pub fn priority_of_visit(pass: &Pass<FacebookChannelStatus>) -> Priority {
    Occasion { ending: token_check_schedule::is_ending(&pass.previous, pass.now), ..Occasion::default() }.into()
}

/// What a pass looks for.
fn occasion(channels: &FacebookChannels, seen: &Observed, pass: &Pass<FacebookChannelStatus>) -> Occasion {
    Occasion {
        edited: pass.is_edited() || is_token_new(&pass.previous, &seen.token),
        ending: token_check_schedule::is_ending(&pass.previous, pass.now),
        mending: pass.is_mended() || channels.prefetched.has(&pass.key, &seen.inputs, pass.now),
        changed: pass.is_changed::<FacebookChannels>(&seen.inputs),
    }
}

/// Whether someone put another token into the Secret: in place of the one that is known, or of what could not be one.
fn is_token_new(previous: &FacebookChannelStatus, token: &TokenSeen) -> bool {
    let TokenSeen::Present { fingerprint } = token else { return false };
    match previous.authorization.as_ref().and_then(|known| known.fingerprint.as_ref()) {
        Some(known) => known != fingerprint,
        None => status_of(&previous.conditions, ConditionType::Authorized) == Some(Status::False),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::conditions::{Finding, assemble};
    use crate::api::{AuthorizationStatus, Reason};

    fn status(authorized: Status, fingerprint: Option<&str>) -> FacebookChannelStatus {
        let finding = Finding {
            status: authorized,
            reason: Reason::Pending,
            seen: String::new(),
            next_step: String::new(),
            words: None,
            observed_generation: 1,
        };
        let known =
            |it: &str| AuthorizationStatus { fingerprint: Some(it.to_owned()), ..AuthorizationStatus::default() };
        FacebookChannelStatus {
            conditions: assemble(&[], &[(ConditionType::Authorized, finding)], Timestamp::UNIX_EPOCH),
            authorization: fingerprint.map(known),
            ..FacebookChannelStatus::default()
        }
    }

    #[test]
    fn a_token_is_new_that_takes_the_place_of_another_or_of_none() {
        let present = TokenSeen::Present { fingerprint: "f1".to_owned() };
        let rows = [
            (status(Status::True, Some("f1")), &present, false),
            (status(Status::False, Some("f1")), &present, false),
            (status(Status::True, Some("f0")), &present, true),
            (status(Status::False, Some("f0")), &present, true),
            (status(Status::False, None), &present, true),
            (status(Status::Unknown, None), &present, false),
            (status(Status::True, Some("f0")), &TokenSeen::NotReleased, false),
            (status(Status::False, None), &TokenSeen::Malformed("it is empty".to_owned()), false),
        ];
        for (previous, token, expected) in rows {
            assert_eq!(is_token_new(&previous, token), expected, "{token:?} after {:?}", previous.authorization);
        }
    }
}
