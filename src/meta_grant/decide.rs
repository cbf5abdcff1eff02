//! What to do about a grant: a function of values and a time, with no client in sight.

mod heard;
mod mail;
mod notes;
mod renewal;
mod seed;
mod status;
pub mod token;
mod valid;

use jiff::{SignedDuration, Timestamp};

use super::act::{Mutation, Which};
use super::coverage;
use super::grantors;
use super::living;
use super::observe::{Exchanged, LivingSeen, Observed, SeedSeen};
use super::page_tokens::Pages;
use crate::api::conditions::{ConditionType, Finding, Status, assemble, find};
use crate::api::outcome::Class;
use crate::api::readiness::readiness;
use crate::api::{MetaGrant, MetaGrantStatus, Reason};
use crate::base::clock::Moment;
use crate::base::key::Key;
use crate::controller::deletion;
use crate::controller::pass::Report;
use crate::controller::requests;
use crate::graph::Exchange;
use crate::limits::answer::{Kept, Refusal, class, keep};
use crate::limits::brakes;
use crate::limits::drift_guard::RepairOutcome;
use crate::meta_app::token_check::SOON;
use heard::Heard;
use token::{Candidate, Word};

use status::SCOPES;
pub use status::counted;

/// What to do: at most one mutation, and the report if there is none.
pub struct Plan {
    /// The mutation to perform before looking again.
    pub mutation: Option<Mutation>,
    /// What to report.
    pub report: Report<MetaGrantStatus>,
    /// What the grant gives for each page, if its pages were listed in this pass.
    pub pages: Option<Pages>,
}

/// Decides about a grant; `None` if nothing has changed since it was looked at.
pub fn decide(grant: &MetaGrant, previous: &MetaGrantStatus, seen: &Observed, now: Timestamp) -> Option<Plan> {
    if !seen.look {
        return None;
    }
    let pages = coverage::judge(seen, now);
    let generation = grant.metadata.generation.unwrap_or_default();
    let mut case = Case { grant, previous, seen, now, generation, pages, heard: Heard::default() };
    case.heard = Heard::of(&case);
    let valid = valid::valid(&case);
    let seed = seed::accepted(&case, &valid);
    let renewed = renewal::renewed(&case, &valid);
    let report = case.report(&Findings { valid, seed, renewed });
    Some(Plan { mutation: case.mutation(), report, pages: case.pages })
}

/// Everything a decision is made of.
struct Case<'a> {
    grant: &'a MetaGrant,
    previous: &'a MetaGrantStatus,
    seen: &'a Observed,
    now: Timestamp,
    generation: i64,
    /// What the token in use gives for each page, if that was listed in this pass.
    pages: Option<Pages>,
    /// What was heard and waits for its confirmation, or has it now.
    heard: Heard,
}

/// What was found about each part of a grant.
struct Findings {
    valid: Finding,
    seed: Finding,
    renewed: Finding,
}

/// So many changes are made in one pass at most: more would be a circle.
const CHANGES: u8 = 6;

/// How long after another one took its place a token is revoked, so that whoever still holds it gets the new one.
const GRACE: SignedDuration = SignedDuration::from_hours(24);

/// How often is asked again what Meta refuses without a reason that is known.
const UNLISTED: SignedDuration = SignedDuration::from_mins(5);

impl Case<'_> {
    fn found(&self, status: Status, reason: Reason, seen: impl Into<String>, next_step: impl Into<String>) -> Finding {
        let observed_generation = self.generation;
        Finding { status, reason, seen: seen.into(), next_step: next_step.into(), words: None, observed_generation }
    }

    fn keep(&self, type_: ConditionType, refusal: &Refusal) -> Finding {
        let previous = find(&self.previous.conditions, type_);
        let next_step = self.previous.next_step.as_deref();
        let (stale, generation, said) = (self.seen.stale, self.generation, &self.previous.conditions);
        keep(Kept { previous, said, next_step, stale, generation, what: "the grant", now: self.now }, refusal)
    }

    fn namespace(&self) -> &str {
        self.grant.metadata.namespace.as_deref().unwrap_or_default()
    }

    fn name(&self) -> &str {
        self.grant.metadata.name.as_deref().unwrap_or_default()
    }

    fn key(&self) -> Key {
        Key::new(self.namespace(), self.name())
    }

    /// Whether somebody is one of the grant's people. Who was the first is known from before, or by the token in use.
    fn admits(&self, grantor: Option<&str>) -> bool {
        let of_token = match token::in_use(self.seen, self.now) {
            Word::Good(info) | Word::Flawed(Some(info), _) if self.seen.in_use != self.seen.mail => {
                info.user_id.as_deref()
            }
            _ => None,
        };
        let first = self.previous.grantor_id.as_deref().or(of_token);
        grantors::admits(&self.grant.spec.grantors, first, grantor)
    }

    /// The earlier one of the ends of the token in use and of the access to the person's data.
    fn expires(&self) -> Option<Timestamp> {
        let ends = match token::in_use(self.seen, self.now) {
            Word::Good(info) | Word::Flawed(Some(info), _) if info.is_valid => {
                [info.expires_at, info.data_access_expires_at]
            }
            _ if self.is_same_token() => [self.previous.expires_at, self.previous.data_access_expires_at],
            _ => return None,
        };
        ends.into_iter().flatten().min()
    }

    /// Whether the token in use is the one that the status is about.
    fn is_same_token(&self) -> bool {
        self.seen.in_use.is_some() && self.seen.in_use == self.previous.token_fingerprint
    }

    /// Whether Meta told something of the token in use before.
    fn was_known(&self) -> bool {
        self.is_same_token() && self.previous.token_type.is_some()
    }

    fn mutation(&self) -> Option<Mutation> {
        // A grant that is being deleted keeps what it has.
        let ends = deletion::is_begun(&self.grant.metadata);
        if ends || self.seen.asked.changes >= CHANGES || self.seen.living == LivingSeen::Taken {
            return None;
        }
        let open = |mutation: &Mutation| !self.was_refused(mutation);
        let of_token = self.adoption().filter(open).or_else(|| mail::mutation(self).filter(open));
        of_token.or_else(|| self.renewal().filter(open)).or_else(|| self.revocation().filter(open))
    }

    /// Whether the API server refused in this pass what a change would write.
    fn was_refused(&self, mutation: &Mutation) -> bool {
        let kind = match mutation {
            // What Meta would give in exchange has to be kept too.
            Mutation::Keep { .. } | Mutation::ForgetPrevious | Mutation::Exchange { .. } => living::KIND,
            Mutation::Discard { .. } => super::mail::KIND,
            Mutation::Revoke => return false,
        };
        self.seen.asked.writes.refusal(kind).is_some()
    }

    /// Whether another token may take the place of the one in use.
    fn accepts(&self, which: Candidate) -> bool {
        token::is_accepted(which, self.seen, self.given(), self.now)
    }

    /// What the token in use gives for each page, as it was listed last.
    fn given(&self) -> Option<&Pages> {
        self.pages.as_ref().or_else(|| self.seen.before.as_ref().map(|before| &before.pages))
    }

    /// Pages in use that another token does not cover, if that is known.
    fn lost_with(&self, which: Candidate) -> Option<Vec<String>> {
        token::lost_with(which, self.seen, self.given(), self.now)
    }

    /// The token in use gives way to another one that is there, or is kept for the first time.
    fn adoption(&self) -> Option<Mutation> {
        let SeedSeen::Present { fingerprint } = &self.seen.seed else { return self.fallback() };
        match &self.seen.living {
            LivingSeen::Missing | LivingSeen::Malformed(_) => match token::in_use(self.seen, self.now) {
                Word::Good(info) => self.take_seed(fingerprint, token::is_short(info, self.now)),
                _ => None,
            },
            LivingSeen::Present { .. } if self.accepts(Candidate::Seed) => match token::seed(self.seen, self.now) {
                Word::Good(info) => self.take_seed(fingerprint, token::is_short(info, self.now)),
                _ => None,
            },
            _ => self.fallback(),
        }
    }

    /// Keeps the seed, or, if it lives for some hours only, what it is exchanged for.
    fn take_seed(&self, fingerprint: &str, short: bool) -> Option<Mutation> {
        let seed = fingerprint.to_owned();
        if self.has_obtained(fingerprint) {
            return Some(Mutation::Keep { which: Which::Obtained, seed });
        }
        match (short, &self.seen.asked.exchanged) {
            // Whether it lives for hours or for weeks only the clock says.
            (true, None) if self.seen.clock_doubted => None,
            (false, _) | (true, Some(Ok(Exchanged::Same))) => Some(Mutation::Keep { which: Which::Seed, seed }),
            (true, None) => Some(Mutation::Exchange { of: Which::Seed, exchange: Exchange::ShortUser }),
            (true, Some(_)) => None,
        }
    }

    /// The token that was in use before is taken up again if the one in use does not serve and it does.
    fn fallback(&self) -> Option<Mutation> {
        let LivingSeen::Present { seed, previous: Some(_), .. } = &self.seen.living else { return None };
        let dead = matches!(token::in_use(self.seen, self.now), Word::Flawed(..));
        let serves = matches!(token::previous(self.seen, self.now), Word::Good(_));
        (dead && serves).then(|| Mutation::Keep { which: Which::Previous, seed: seed.clone() })
    }

    fn renewal(&self) -> Option<Mutation> {
        let (LivingSeen::Present { seed, .. }, Word::Good(info)) =
            (&self.seen.living, token::in_use(self.seen, self.now))
        else {
            return None;
        };
        if self.seen.in_use.as_deref().is_some_and(|in_use| self.has_obtained(in_use)) {
            return Some(Mutation::Keep { which: Which::Obtained, seed: seed.clone() });
        }
        let due = self.is_due(token::renewal_due(self.grant, info));
        let tried = self.seen.asked.exchanged.is_some();
        (due && !tried).then_some(Mutation::Exchange { of: Which::InUse, exchange: Exchange::SystemUser })
    }

    /// Whether this time has come; by a clock that is in doubt it has not.
    fn is_due(&self, at: Option<Timestamp>) -> bool {
        at.zip(token::reckoned(self.seen, self.now)).is_some_and(|(at, now)| at <= now)
    }

    /// Whether Meta handed out a token for the one of this fingerprint that is not kept yet.
    fn has_obtained(&self, of: &str) -> bool {
        self.seen.tokens.obtained.as_ref().is_some_and(|(from, _)| from == of)
    }

    fn revocation(&self) -> Option<Mutation> {
        self.is_due(self.revokes_at()).then_some(())?;
        let serves = matches!(token::in_use(self.seen, self.now), Word::Good(_));
        match &self.seen.asked.revoked {
            _ if !serves => None,
            None => Some(Mutation::Revoke),
            Some(Ok(())) => Some(Mutation::ForgetPrevious),
            Some(Err(_)) => None,
        }
    }

    /// When the token that was in use before is revoked, if that is declared: only one that we obtained, and never the seed.
    fn revokes_at(&self) -> Option<Timestamp> {
        let LivingSeen::Present { previous: Some(previous), .. } = &self.seen.living else { return None };
        let is_seed =
            matches!(&self.seen.seed, SeedSeen::Present { fingerprint } if *fingerprint == previous.fingerprint);
        let in_use = self.seen.in_use.as_ref() == Some(&previous.fingerprint);
        let may = self.grant.spec.renewal.revoke_old && previous.minted && !is_seed && !in_use;
        may.then(|| previous.replaced_at.later(GRACE))
    }

    fn report(&self, parts: &Findings) -> Report<MetaGrantStatus> {
        let expires = self.expires();
        // Of a token that is kept, and works, it is told beside Ready that the next one cannot be.
        let kept = matches!(self.seen.living, LivingSeen::Present { .. });
        let renewed = parts.renewed.reason;
        let taken = renewed == Reason::SecretNameTaken || renewed.is_refused_write() && !kept;
        let blocking: Vec<_> = [&parts.valid].into_iter().chain(taken.then_some(&parts.renewed)).collect();
        let refusals = self.refusals();
        let brake = brakes::told(&refusals.iter().collect::<Vec<_>>(), &self.previous.conditions, self.now);
        let ready = readiness(&blocking, self.generation, self.reached(expires)).held_by(brake.as_deref());
        let unlisted = matches!(self.seen.asked.pages, Some(Err(_))) && !self.heard.token;
        let undebugged = matches!(token::in_use(self.seen, self.now), Word::Refused(_));
        let answered = !unlisted && !undebugged && !refusals.iter().any(Refusal::says_nothing);
        let class = class(&blocking, &refusals.iter().collect::<Vec<_>>(), self.now);
        let next_step = ready.next_step.clone().or_else(|| self.advice(parts));
        let mut findings = ready.findings;
        findings.extend([
            (ConditionType::Expired, valid::expired(&parts.valid)),
            (ConditionType::Valid, parts.valid.clone()),
            (ConditionType::Renewed, parts.renewed.clone()),
            (ConditionType::SeedAccepted, parts.seed.clone()),
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

    /// The next step of a grant that serves: what a refused renewal or seed asks for, though nothing is broken yet; or what
    /// somebody waits for.
    fn advice(&self, parts: &Findings) -> Option<String> {
        let asked_for = [&parts.renewed, &parts.seed].into_iter().find(|it| it.status == Status::False);
        let step = asked_for.map(|it| it.next_step.clone()).filter(|step| !step.is_empty());
        step.or_else(|| mail::to_accept(self, &self.seen.waiting))
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
            None => self.found(Status::True, Reason::Reached, "The grant works as declared.", ""),
        }
    }

    /// What Meta left open. A renewal or a revocation has times of its own.
    fn refusals(&self) -> Vec<Refusal> {
        let word = |word: Word<'_>| if let Word::Refused(refusal) = word { Some(refusal) } else { None };
        let asked = &self.seen.asked;
        let pages = asked.pages.as_ref().and_then(|it| it.as_ref().err().cloned());
        let seed_pages = asked.seed_pages.as_ref().and_then(|it| it.as_ref().err().cloned());
        let mail_pages = asked.mail_pages.as_ref().and_then(|it| it.as_ref().err().cloned());
        let mail = token::candidate(Candidate::Mail, self.seen, self.now);
        let words = [token::in_use(self.seen, self.now), token::seed(self.seen, self.now), mail];
        words.into_iter().filter_map(word).chain(pages).chain(seed_pages).chain(mail_pages).collect()
    }

    /// The next time at which the decision would be another one, or something is tried again.
    fn until(&self, expires: Option<Timestamp>, class: Class) -> Option<Timestamp> {
        let info = match token::in_use(self.seen, self.now) {
            Word::Good(info) => info,
            Word::Refused(refusal) if !refusal.may_pass() => return Some(self.now.later(UNLISTED)),
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
        let lacking = self.given().is_some_and(|given| self.seen.users.lack_something(given));
        let broken = lacking.then_some(times.later);
        let marks = [broken, expires, soon, reminder, renewal, self.revokes_at(), times.near_the_end, open, unlisted];
        marks.into_iter().chain(again).flatten().filter(|at| *at > self.now).min()
    }
}

#[cfg(test)]
mod tests;
