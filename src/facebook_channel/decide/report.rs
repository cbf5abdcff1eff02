//! What a pass reports: the status, Events, and when to check again.

use jiff::Timestamp;

use super::case::{Case, Findings};
use super::{approval, authorization, connection, endpoint, grant, page, previous_app, publication, restriction, wish};
use crate::api::conditions::{Finding, Status, assemble};
use crate::api::outcome::Class;
use crate::api::{
    AssetClaim, AuthorizationStatus, ChannelSubscriptionStatus, Connection, FacebookChannelStatus,
    PrimaryReceiverStatus, Reason,
};
use crate::base::clock::Moment;
use crate::cluster::events::{Note, on_transition};
use crate::controller::pass::Report;
use crate::controller::requests;
use crate::facebook_channel::inbound;
use crate::facebook_channel::model::AppSeen;
use crate::limits::answer::{Refusal, class};
use crate::limits::circuit_breaker::Reachability;
use crate::limits::reasons_to_wait;
use crate::limits::repair_limiter::RepairOutcome;
use crate::meta_app::token_check::SOON;
use crate::ownership::ClaimSeen;

impl Case<'_> {
    pub(super) fn report(
        &self,
        findings: &Findings,
        primary_receiver: Option<PrimaryReceiverStatus>,
    ) -> Report<FacebookChannelStatus> {
        let info = self.info();
        let authorization = self.authorization(info, findings);
        let clocks = |it: &AuthorizationStatus| [it.expires_at, it.data_access_expires_at];
        let expires = authorization.as_ref().map(clocks).unwrap_or_default();
        // An authorization that ended has no end in the future, whatever its clocks say.
        let ended = findings.authorized.reason.ends_authorization();
        let expires = expires.into_iter().flatten().filter(|at| !ended || *at <= self.now).min();
        // Who is disconnected as declared relies on no authorization.
        let expires = expires.filter(|_| findings.parting.is_none());
        let reached =
            findings.parting.clone().map_or_else(|| approval::beside(self, self.reached(expires)), reached_by_parting);
        let refusals = self.refusals();
        let brake = reasons_to_wait::told(&refusals, &self.previous.conditions, self.now);
        let state = connection::derive(findings, grant::ended(self), self.generation, reached, brake.as_deref());
        let answered = !refusals.iter().any(|refusal| refusal.says_nothing()) && !self.weighed.is_open();
        let class = match class(&findings.blocking(), &refusals, self.now) {
            // A token that is of no use is not asked about more often than any other broken one.
            Class::Settled if findings.parted().is_some() && !self.proves() => Class::Terminal,
            class => class,
        };
        let (effect, done) = self.effect(findings);
        let mut notes = self.notes(&state);
        notes.extend(effect.note(done));
        notes.extend(restriction::note(self, &findings.page_usable));
        notes.extend(previous_app::note(self));
        let restricted_since = restriction::since(self, &findings.page_usable).filter(|_| findings.parting.is_none());
        let inputs = Some(self.seen.inputs.clone());
        let claim_name = match &self.seen.claim {
            // A claim that cannot be read is still held, and who holds one is not deleted by mistake.
            ClaimSeen::Unavailable(_) => self.previous.claim_name.clone(),
            _ => (findings.claimed.status == Status::True).then(|| AssetClaim::page_name(&self.channel.spec.page_id)),
        };
        let status = FacebookChannelStatus {
            observed_generation: self.generation,
            conditions: assemble(&self.previous.conditions, &state.findings, self.now),
            connection: state.connection,
            page_name: self.page_name(),
            expires: expires.map(|at| at.to_string()),
            last_verified_at: self.last_verified_at(info, authorization.as_ref()),
            authorization,
            subscription: self.subscription().filter(|_| findings.parted().is_none()),
            restricted_since,
            primary_receiver,
            endpoint: endpoint::status(self),
            published_secret_name: publication::secret_name(self, findings),
            inbound: inbound::kept(self.channel, claim_name.as_ref()),
            claim_name,
            next_step: state.next_step,
            last_handled_requested_at: self.handled(class, &refusals),
            // Kept while nothing new was learned, so that an outage does not rewrite every status.
            inputs: inputs.filter(|inputs| answered || self.previous.inputs.as_ref() == Some(inputs)),
        };
        let expiry = expires.map(|at| if at.earlier(SOON) > self.now { at.earlier(SOON) } else { at });
        let owed = self.seen.asked.threads_owed;
        let until = [expiry, restriction::end_of_grace(self, restricted_since), owed].into_iter().flatten().min();
        let (suspicions, refused) = (self.weighed.suspicions.clone(), self.seen.asked.writes.refused());
        Report { status, class, answered, until, effect, notes, suspicions, refused }
    }

    /// The request for a check that was handled: it was not while Meta leaves something unanswered, or while nothing can be
    /// asked before something else is there.
    pub(super) fn handled(&self, class: Class, refusals: &[&Refusal]) -> Option<String> {
        let asked = class != Class::Waiting || self.seen.asked.calls.reach() == Reachability::Answered;
        let owed = self.seen.asked.threads_owed.is_some() || refusals.iter().any(|refusal| refusal.may_pass());
        let before = self.previous.last_handled_requested_at.as_ref();
        requests::handled(self.seen.requested.as_ref(), before, asked && !owed)
    }

    /// What the pass came to for the page's subscription, and what someone else had done to it.
    pub(super) fn effect(&self, findings: &Findings) -> (RepairOutcome, &'static str) {
        let (standing, asked) = (self.seen.standing, &self.seen.asked);
        match &findings.parting {
            Some(parting) => {
                let effect = RepairOutcome::of(standing, asked.unsubscribed.is_some(), parting.status == Status::True);
                (effect.given_up(parting.reason == Reason::RepairFight), "The page had been subscribed again")
            }
            None => {
                let well = findings.subscribed.status == Status::True && findings.wish.is_none();
                let effect = RepairOutcome::of(standing, asked.subscribed.is_some(), well);
                (
                    effect.given_up(findings.subscribed.reason == Reason::RepairFight),
                    "The subscription of the page had been changed",
                )
            }
        }
    }

    /// Events on transitions. From one declared connection to the other, Ready may stay True for the same reason.
    pub(super) fn notes(&self, state: &connection::State) -> Vec<Note> {
        let ready = &state.cause;
        let given = state.findings.iter().any(|(_, it)| it.reason == Reason::Transferred);
        let turned = state.connection != self.previous.connection || given && self.previous.claim_name.is_some();
        let turned = turned && ready.status == Status::True;
        let previous = if turned { &[] } else { &self.previous.conditions[..] };
        let well = match state.connection {
            Connection::Disconnected if given => Reason::Transferred.as_str(),
            Connection::Disconnected => "Disconnected",
            _ => "Connected",
        };
        match ready.reason {
            // It is the grant's, and told there.
            Reason::GrantNotReady => Vec::new(),
            _ => on_transition(previous, ready, well),
        }
    }

    pub(super) fn reached(&self, expires: Option<Timestamp>) -> Finding {
        let soon = |at: &Timestamp| self.seen.reckoned(self.now).is_some_and(|now| at.duration_since(now) <= SOON);
        match expires.filter(soon) {
            Some(at) => self.found(
                Status::True,
                Reason::ExpiresSoon,
                format!("The page is connected; its authorization ends at {at}."),
                authorization::authorize_again(self),
            ),
            None => {
                let refused = self.weighed.refused_again().map(|refusal| {
                    format!(
                        "No action is needed now. Meta refuses to say more ({}); if this persists, an administrator of the app must ask Meta's developer support.",
                        refusal.fact
                    )
                });
                let step = refused.unwrap_or_default();
                self.found(Status::True, Reason::ReconcileSucceeded, "The page is connected as declared.", step)
            }
        }
    }

    pub(super) fn refusals(&self) -> Vec<&Refusal> {
        let token = self.debugged.as_ref().and_then(|it| it.as_ref().err());
        let parting = self.seen.asked.unsubscribed.as_ref().and_then(|it| it.as_ref().err());
        let former = previous_app::refusal(self);
        token.into_iter().chain(self.refused_reads()).chain(self.refused_write()).chain(parting).chain(former).collect()
    }

    pub(super) fn page_name(&self) -> Option<String> {
        let name = self.seen.asked.page.as_ref().and_then(|page| page.as_ref().ok()?.name.clone());
        name.or_else(|| self.previous.page_name.clone())
    }

    pub(super) fn subscription(&self) -> Option<ChannelSubscriptionStatus> {
        let AppSeen::Found { app_id, .. } = &self.seen.app else { return self.previous.subscription.clone() };
        let Some(Ok(rows)) = &self.seen.asked.subscriptions else { return self.previous.subscription.clone() };
        if self.weighed.row_lost == Some(false) && self.seen.asked.subscribed.is_none() {
            return self.previous.subscription.clone();
        }
        let row = rows.iter().find(|row| &row.id == app_id)?;
        let mut fields = row.subscribed_fields.clone();
        fields.sort();
        Some(ChannelSubscriptionStatus {
            fields,
            missing: page::missing(self, Some(row)),
            refused: wish::refused(self),
        })
    }
}

/// What Ready says of a channel that is parted from its page.
fn reached_by_parting(parted: Finding) -> Finding {
    Finding { reason: Reason::ReconcileSucceeded, ..parted }
}
