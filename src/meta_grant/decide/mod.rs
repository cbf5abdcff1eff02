//! What to do about a grant: a function of values and a time, with no client in sight.

mod case;
mod heard;
mod message;
mod mutation;
mod notes;
mod renewal;
mod source_token;
mod status;
pub mod token;
mod valid;

use jiff::{SignedDuration, Timestamp};

use super::coverage;
use super::model::{Exchanged, Observed, Plan, TokenSecretSeen};
use crate::api::conditions::{ConditionType, Finding, Status, assemble};
use crate::api::outcome::Class;
use crate::api::readiness::readiness;
use crate::api::{MetaGrant, MetaGrantStatus, Reason};
use crate::base::clock::Moment;
use crate::controller::pass::Report;
use crate::controller::requests;
use crate::limits::answer::{Refusal, class};
use crate::limits::reasons_to_wait;
use crate::limits::repair_limiter::RepairOutcome;
use crate::meta_app::token_check::SOON;
use case::{Case, Findings, Heard};
use token::{Candidate, TokenVerdict};

pub use status::counted;

/// Decides about a grant; `None` if nothing has changed since it was checked.
pub fn decide(grant: &MetaGrant, previous: &MetaGrantStatus, seen: &Observed, now: Timestamp) -> Option<Plan> {
    if !seen.look {
        return None;
    }
    let pages = coverage::evaluate(seen, now);
    let generation = grant.metadata.generation.unwrap_or_default();
    let mut case = Case { grant, previous, seen, now, generation, pages, heard: Heard::default() };
    case.heard = Heard::of(&case);
    let valid = valid::valid(&case);
    let source_token = source_token::accepted(&case, &valid);
    let renewed = renewal::renewed(&case, &valid);
    let report = case.report(&Findings { valid, source_token, renewed });
    Some(Plan { mutation: case.mutation(), report, pages: case.pages })
}

/// How often is asked again what Meta refuses without a reason that is known.
const UNLISTED: SignedDuration = SignedDuration::from_mins(5);

impl Case<'_> {
    fn report(&self, parts: &Findings) -> Report<MetaGrantStatus> {
        let expires = self.expires();
        // Of a token that is kept, and works, it is told beside Ready that the next one cannot be.
        let kept = matches!(self.seen.token_secret, TokenSecretSeen::Present { .. });
        let renewed = parts.renewed.reason;
        let taken = renewed == Reason::SecretNameTaken || renewed.is_refused_write() && !kept;
        let blocking: Vec<_> = [&parts.valid].into_iter().chain(taken.then_some(&parts.renewed)).collect();
        let refusals = self.refusals();
        let brake = reasons_to_wait::told(&refusals.iter().collect::<Vec<_>>(), &self.previous.conditions, self.now);
        let ready = readiness(&blocking, self.generation, self.reached(expires)).held_by(brake.as_deref());
        let unlisted = matches!(self.seen.asked.pages, Some(Err(_))) && !self.heard.token;
        let undebugged = matches!(token::in_use(self.seen, self.now), TokenVerdict::Refused(_));
        let answered = !unlisted && !undebugged && !refusals.iter().any(Refusal::says_nothing);
        let class = class(&blocking, &refusals.iter().collect::<Vec<_>>(), self.now);
        let next_step = ready.next_step.clone().or_else(|| self.advice(parts));
        let mut findings = ready.findings;
        findings.extend([
            (ConditionType::Expired, valid::expired(&parts.valid)),
            (ConditionType::Valid, parts.valid.clone()),
            (ConditionType::Renewed, parts.renewed.clone()),
            (ConditionType::SourceTokenAccepted, parts.source_token.clone()),
        ]);
        findings.sort_by_key(|(type_, _)| *type_);
        let notes = notes::notes(self, &ready.cause, parts);
        let conditions = assemble(&self.previous.conditions, &findings, self.now);
        let taken = class != Class::Waiting && !refusals.iter().any(Refusal::may_pass);
        let before = self.previous.last_handled_requested_at.as_ref();
        let last_handled_requested_at = requests::handled(self.seen.requested.as_ref(), before, taken);
        let status = status::status(self, conditions, next_step, answered);
        let status = MetaGrantStatus { last_handled_requested_at, ..status };
        let (until, suspicions) = (self.until(expires, class), self.heard.suspicions.clone());
        let (effect, refused) = (RepairOutcome::None, self.seen.asked.writes.refused());
        Report { status, class, answered, until, effect, notes, suspicions, refused }
    }

    /// The next step of a grant that serves: what a refused renewal or source token asks for, though nothing is broken yet; or what
    /// someone waits for.
    fn advice(&self, parts: &Findings) -> Option<String> {
        let asked_for = [&parts.renewed, &parts.source_token].into_iter().find(|it| it.status == Status::False);
        let step = asked_for.map(|it| it.next_step.clone()).filter(|step| !step.is_empty());
        step.or_else(|| message::to_accept(self, &self.seen.waiting))
    }

    fn reached(&self, expires: Option<Timestamp>) -> Finding {
        let soon =
            |at: &Timestamp| token::reckoned(self.seen, self.now).is_some_and(|now| at.duration_since(now) <= SOON);
        match expires.filter(soon) {
            Some(at) => self.found(
                Status::True,
                Reason::ExpiresSoon,
                format!("The grant works; it ends at {at}."),
                valid::authorize_again(self),
            ),
            None => self.found(Status::True, Reason::ReconcileSucceeded, "The grant works as declared.", ""),
        }
    }

    /// What Meta left open. A renewal or a revocation has times of its own.
    fn refusals(&self) -> Vec<Refusal> {
        let refused = |verdict: TokenVerdict<'_>| match verdict {
            TokenVerdict::Refused(refusal) => Some(refusal),
            _ => None,
        };
        let asked = &self.seen.asked;
        let pages = asked.pages.as_ref().and_then(|it| it.as_ref().err().cloned());
        let source_token_pages = asked.source_token_pages.as_ref().and_then(|it| it.as_ref().err().cloned());
        let message_pages = asked.message_pages.as_ref().and_then(|it| it.as_ref().err().cloned());
        let message = token::candidate(Candidate::Message, self.seen, self.now);
        let verdicts = [token::in_use(self.seen, self.now), token::source_token(self.seen, self.now), message];
        verdicts.into_iter().filter_map(refused).chain(pages).chain(source_token_pages).chain(message_pages).collect()
    }

    /// The next time at which the decision would be another one, or something is tried again.
    fn until(&self, expires: Option<Timestamp>, class: Class) -> Option<Timestamp> {
        let info = match token::in_use(self.seen, self.now) {
            TokenVerdict::Good(info) => info,
            TokenVerdict::Refused(refusal) if !refusal.may_pass() => return Some(self.now.later(UNLISTED)),
            _ => return None,
        };
        if !class.rests() {
            return None;
        }
        let times = &self.seen.times;
        let soon = expires.map(|at| at.earlier(SOON));
        let reminder = soon.filter(|at| *at <= self.now).map(|_| times.tomorrow);
        let renewal = token::renewal_due(self.grant, info);
        let refused = |refusal: &Refusal| if refusal.says_nothing() { times.soon } else { times.later };
        let exchanged = match &self.seen.asked.exchanged {
            Some(Ok(Exchanged::Same)) => Some(times.later),
            Some(Err(refusal)) => Some(refused(refusal)),
            Some(Ok(Exchanged::Another)) | None => None,
        };
        let revoked = self.seen.asked.revoked.as_ref().and_then(|it| it.as_ref().err()).map(refused);
        let again = [exchanged, revoked];
        let pages = if self.seen.recalled { self.given() } else { self.pages.as_ref() };
        let open = pages.and_then(|pages| coverage::next(pages, self.now));
        let unlisted = (self.heard.refused || self.heard.open).then(|| self.now.later(UNLISTED));
        let lacking = self.given().is_some_and(|given| self.seen.dependents.lack_something(given));
        let broken = lacking.then_some(times.later);
        let marks = [broken, expires, soon, reminder, renewal, self.revokes_at(), times.near_the_end, open, unlisted];
        marks.into_iter().chain(again).flatten().filter(|at| *at > self.now).min()
    }
}

#[cfg(test)]
mod tests;
