//! What to do about a channel: a function of values and a time, with no client in sight.

mod approval;
pub mod authorization;
mod claim;
mod connection;
mod endpoint;
mod fight;
mod former;
pub mod grant;
mod idle;
mod page;
mod parting;
mod publication;
mod receiver;
mod restriction;
mod token_status;
mod weigh;
mod wish;

use jiff::Timestamp;

use super::model::Mutation;
use super::observe::{AppSeen, Observed};
use super::policy::token;
use crate::api::conditions::{ConditionType, Finding, Status, assemble, find};
use crate::api::outcome::Class;
use crate::api::{
    AssetClaim, AuthorizationStatus, ChannelSubscriptionStatus, Connection, EndpointStatus, FacebookChannel,
    FacebookChannelStatus, ManagementPolicy, PrimaryReceiverStatus, Reason,
};
use crate::base::clock::Moment;
use crate::cluster::events::{Note, on_transition};
use crate::controller::pass::Report;
use crate::controller::requests;
use crate::graph::TokenInfo;
use crate::limits::answer::{Answer, Kept, Refusal, class, keep, look_again};
use crate::limits::brakes;
use crate::limits::circuit_breaker::Reachability;
use crate::limits::drift_guard::RepairOutcome;
use crate::meta_app::token_check::SOON;
use crate::ownership::ClaimSeen;

/// What to do: at most one mutation, and the report if there is none.
pub struct Plan {
    /// The mutation to perform before looking again.
    pub mutation: Option<Mutation>,
    /// What to report.
    pub report: Report<FacebookChannelStatus>,
}

/// Decides about a channel; `None` if nothing has changed since it was looked at.
pub fn decide(
    channel: &FacebookChannel,
    previous: &FacebookChannelStatus,
    seen: &Observed,
    now: Timestamp,
) -> Option<Plan> {
    let generation = channel.metadata.generation.unwrap_or_default();
    let debugged = token::debugged(seen);
    let weighed = weigh::weigh(channel, previous, seen, debugged.as_ref(), now);
    let case = Case { channel, previous, seen, now, generation, debugged, weighed };
    if channel.spec.management_policy == ManagementPolicy::Pause {
        // What becomes of the page once the channel is gone is no matter of Meta's yet.
        return Some(Plan { mutation: claim::restoration(&case), report: idle::paused(&case) });
    }
    if !seen.look {
        let mutation = claim::restoration(&case).or_else(|| publication::restoration(&case));
        let status = approval::retold(&case, case.amended().unwrap_or_else(|| previous.clone()));
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
    let (parting, page_mutation) = match parting::parting(&case, &claimed) {
        Some((parting, mutation)) => (Some(parting), mutation),
        None => (None, page_mutation),
    };
    let evidence = receiver::evidence(&case);
    let receiver = receiver::receiver(&case, evidence.as_ref());
    let receiving = receiver::link(&case, &receiver);
    let endpoint = case.endpoint();
    let (published, publication) = publication::publication(&case, &authorized, &claimed);
    let refused = [claim::unrecorded(&case), publication::left(&case, &authorized)];
    let given_away = claim::given_away(&case);
    let page_mutation = page_mutation.filter(|_| given_away.is_none());
    let mutation = claim_mutation.or(page_mutation).or(publication);
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

/// Everything a decision is made of.
struct Case<'a> {
    channel: &'a FacebookChannel,
    previous: &'a FacebookChannelStatus,
    seen: &'a Observed,
    now: Timestamp,
    generation: i64,
    /// What debug_token says; a refusal if it leaves the state of the token open.
    debugged: Option<Answer<&'a TokenInfo>>,
    /// What the answers of this pass count for.
    weighed: weigh::Weighed<'a>,
}

/// What was found about each part of a channel.
struct Findings {
    authorized: Finding,
    claimed: Finding,
    page_usable: Finding,
    subscribed: Finding,
    /// What was newly declared of the subscription and is not to be had. What stands is not touched by it.
    wish: Option<Finding>,
    /// What is known of the primary receiver.
    receiver: Finding,
    /// Whether that is what the channel demands.
    receiving: Finding,
    endpoint: Finding,
    /// Whether the page token is published, where that is declared.
    published: Option<Finding>,
    /// What the API server refuses to write, where no condition is about it.
    refused: Vec<Finding>,
    /// That our claim gives the page away, which cannot be withdrawn.
    given_away: Option<Finding>,
    /// Of a channel that is to be disconnected or gives its page away: whether that is reached.
    parting: Option<Finding>,
}

impl Case<'_> {
    fn found(&self, status: Status, reason: Reason, seen: impl Into<String>, next_step: impl Into<String>) -> Finding {
        let observed_generation = self.generation;
        Finding { status, reason, seen: seen.into(), next_step: next_step.into(), words: None, observed_generation }
    }

    /// That the API server refuses to write the object of this kind.
    fn refused(&self, kind: &str) -> Option<Finding> {
        self.seen.asked.writes.refusal(kind).map(|refused| refused.finding(self.generation))
    }

    fn namespace(&self) -> &str {
        self.channel.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// The command that has the channel looked at now.
    fn look_again(&self) -> String {
        look_again("fbc", &self.channel.metadata)
    }

    /// Whether the page is to be disconnected.
    fn parts(&self) -> bool {
        self.channel.spec.parts()
    }

    /// Whether nothing may be written at Meta.
    fn observes(&self) -> bool {
        self.channel.spec.management_policy == ManagementPolicy::Observe
    }

    fn keep(&self, type_: ConditionType, refusal: &Refusal) -> Finding {
        // While it is not known what the grant gives there is no other token, also of a page that it gave none for.
        let unknown = matches!(self.seen.token, super::observe::TokenSeen::NotListed);
        let another_token = type_ == ConditionType::Authorized && !unknown && self.same_token().is_none();
        let previous = find(&self.previous.conditions, type_).filter(|_| !another_token);
        let next_step = self.previous.next_step.as_deref();
        let (stale, generation, said) = (self.seen.stale, self.generation, &self.previous.conditions);
        keep(Kept { previous, said, next_step, stale, generation, what: "the channel", now: self.now }, refusal)
    }

    /// Whether the credential was proven in this very pass; what is remembered of it is no ground to write anything.
    fn proven(&self, authorized: &Finding) -> bool {
        let doubted = self.weighed.token != weigh::TokenSays::Nothing;
        authorized.status == Status::True && self.proves() && !doubted
    }

    fn proves(&self) -> bool {
        token::is_proven(self.channel, self.seen, self.now)
    }

    fn report(
        &self,
        findings: &Findings,
        primary_receiver: Option<PrimaryReceiverStatus>,
    ) -> Report<FacebookChannelStatus> {
        let info = self.info();
        let authorization = self.authorization(info, findings);
        let clocks = |it: &AuthorizationStatus| [it.expires_at, it.data_access_expires_at];
        let expires = authorization.as_ref().map(clocks).unwrap_or_default();
        // An authorisation that ended has no end in the future, whatever its clocks say.
        let ended = findings.authorized.reason.ends_authorization();
        let expires = expires.into_iter().flatten().filter(|at| !ended || *at <= self.now).min();
        // Who is disconnected as declared relies on no authorisation.
        let expires = expires.filter(|_| findings.parting.is_none());
        let reached =
            findings.parting.clone().map_or_else(|| approval::beside(self, self.reached(expires)), reached_by_parting);
        let refusals = self.refusals();
        let brake = brakes::told(&refusals, &self.previous.conditions, self.now);
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
        notes.extend(former::note(self));
        let restricted_since = restriction::since(self, &findings.page_usable).filter(|_| findings.parting.is_none());
        let inputs = Some(self.seen.inputs.clone());
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
            endpoint: self.channel.spec.endpoint.kind().map(|kind| EndpointStatus { kind }),
            published_secret_name: publication::secret_name(self, findings),
            claim_name: match &self.seen.claim {
                // A claim that cannot be read is still held, and who holds one is not deleted by mistake.
                ClaimSeen::Unavailable(_) => self.previous.claim_name.clone(),
                _ => {
                    (findings.claimed.status == Status::True).then(|| AssetClaim::page_name(&self.channel.spec.page_id))
                }
            },
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

    /// The request for a look that was handled: it was not while Meta leaves something unanswered, or while nothing can be
    /// asked before something else is there.
    fn handled(&self, class: Class, refusals: &[&Refusal]) -> Option<String> {
        let asked = class != Class::Waiting || self.seen.asked.calls.reach() == Reachability::Answered;
        let owed = self.seen.asked.threads_owed.is_some() || refusals.iter().any(|refusal| refusal.may_pass());
        let before = self.previous.last_handled_requested_at.as_ref();
        requests::handled(self.seen.requested.as_ref(), before, asked && !owed)
    }

    /// What the pass came to for the page's subscription, and what somebody else had done to it.
    fn effect(&self, findings: &Findings) -> (RepairOutcome, &'static str) {
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
    fn notes(&self, state: &connection::State) -> Vec<Note> {
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

    fn reached(&self, expires: Option<Timestamp>) -> Finding {
        let soon = |at: &Timestamp| self.seen.reckoned(self.now).is_some_and(|now| at.duration_since(now) <= SOON);
        match expires.filter(soon) {
            Some(at) => self.found(
                Status::True,
                Reason::ExpiresSoon,
                format!("The page is connected; its authorisation ends at {at}."),
                authorization::authorize_again(self),
            ),
            None => {
                let refused = self.weighed.refused_again().map(|refusal| {
                    format!(
                        "Nothing has to be done now. Meta refuses to tell more ({}); if it stays so, somebody who administers the app must ask Meta's developer support.",
                        refusal.fact
                    )
                });
                let step = refused.unwrap_or_default();
                self.found(Status::True, Reason::Reached, "The page is connected as declared.", step)
            }
        }
    }

    /// Reads about the page that were refused.
    fn refused_reads(&self) -> impl Iterator<Item = &Refusal> {
        let asked = &self.seen.asked;
        let page = asked.page.as_ref().and_then(|it| it.as_ref().err());
        page.into_iter().chain(asked.subscriptions.as_ref().and_then(|it| it.as_ref().err()))
    }

    /// The subscription of the page, if it was refused.
    fn refused_write(&self) -> Option<&Refusal> {
        self.seen.asked.subscribed.as_ref()?.as_ref().err()
    }

    fn refusals(&self) -> Vec<&Refusal> {
        let token = self.debugged.as_ref().and_then(|it| it.as_ref().err());
        let parting = self.seen.asked.unsubscribed.as_ref().and_then(|it| it.as_ref().err());
        let former = former::refusal(self);
        token.into_iter().chain(self.refused_reads()).chain(self.refused_write()).chain(parting).chain(former).collect()
    }

    fn page_name(&self) -> Option<String> {
        let name = self.seen.asked.page.as_ref().and_then(|page| page.as_ref().ok()?.name.clone());
        name.or_else(|| self.previous.page_name.clone())
    }

    fn subscription(&self) -> Option<ChannelSubscriptionStatus> {
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

impl Findings {
    /// The parts in the order in which they explain why a channel is not ready.
    fn blocking(&self) -> Vec<&Finding> {
        let page = Some(&self.page_usable).filter(|page| page.reason != Reason::NotReadable);
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
    fn parted(&self) -> Option<&Finding> {
        self.parting.as_ref().filter(|parting| parting.status == Status::True)
    }
}

/// What Ready says of a channel that is parted from its page.
fn reached_by_parting(parted: Finding) -> Finding {
    Finding { reason: Reason::Reached, ..parted }
}

#[cfg(test)]
mod tests;
