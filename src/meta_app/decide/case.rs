//! What the parts of a decision share.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::webhook::Webhook;
use crate::api::conditions::{ConditionType, Finding, Quote, Status, assemble, find};
use crate::api::outcome::Class;
use crate::api::readiness::readiness;
use crate::api::{Audience, MetaApp, MetaAppStatus, OtherSecret, Reason, UsageStatus};
use crate::cluster::events::on_transition;
use crate::controller::evidence::{Matter, Suspicions};
use crate::controller::pass::Report;
use crate::controller::requests;
use crate::graph::Verdict;
use crate::limits::answer::{Kept, Refusal, class, keep};
use crate::limits::reasons_to_wait;
use crate::limits::repair_limiter::RepairOutcome;
use crate::limits::usage_recorder::are_alike;
use crate::meta_app::facts::verify_token_secret_name;
use crate::meta_app::model::{Observed, Trial, VerifyTokenSeen};

pub(super) struct Case<'a> {
    pub(super) app: &'a MetaApp,
    pub(super) previous: &'a MetaAppStatus,
    pub(super) seen: &'a Observed,
    pub(super) generation: i64,
    pub(super) now: Timestamp,
    /// What was heard and does not count before it was confirmed, that of this pass among it.
    pub(super) heard: Suspicions,
    /// Whether nothing is known of something before what was heard of it is confirmed.
    pub(super) waits: bool,
    /// Whether something was refused for so long that a person has to look into it.
    pub(super) refused_for_a_day: bool,
    /// Whether the app secret is gone just now, so that nothing can be asked and what was known stays.
    pub(super) lost: bool,
    /// What was not in an answer, and does not count before it was confirmed.
    pub(super) absent: Absent,
}

/// What one answer did not contain is not gone: it has to be missing again, some time later.
#[derive(Default)]
pub(super) struct Absent {
    /// Of the application's subscriptions.
    pub(super) rows: bool,
    pub(super) permissions: bool,
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

    /// What is known of something that Meta refused to tell. That is no verdict about it: what was known stays, and what was
    /// never known is for a person once it was refused for a day.
    pub(super) fn keep(&self, type_: ConditionType, refusal: &Refusal) -> Finding {
        let previous = find(&self.previous.conditions, type_);
        let next_step = self.previous.next_step.as_deref();
        let (stale, generation, said) = (self.seen.stale, self.generation, &self.previous.conditions);
        let silent = matches!(refusal.verdict, Verdict::NoAnswer | Verdict::Throttled { .. });
        let verdict = if silent { refusal.verdict.clone() } else { Verdict::Refused };
        let refusal = &Refusal { verdict, ..refusal.clone() };
        let kept = keep(
            Kept { previous, said, next_step, stale, generation, what: "the application", now: self.now },
            refusal,
        );
        let said = previous.is_some_and(|it| it.reason == Reason::RefusedByMeta.as_str());
        let for_good = kept.reason == Reason::UnrecognizedError && (said || self.refused_for_a_day);
        if for_good { self.refused_for_good(kept) } else { kept }
    }

    pub(super) fn refused_for_good(&self, kept: Finding) -> Finding {
        let id = &self.app.spec.app_id;
        let next_step = format!(
            "An administrator of app {id} must look up that code in Meta's documentation, check the app's alerts in the App Dashboard, and ask Meta's support if neither explains it."
        );
        Finding { reason: Reason::RefusedByMeta, next_step, ..kept }
    }

    /// Takes note of reads that Meta refuses for nothing that a condition is about. Silence contradicts nothing.
    pub(super) fn hear_refusals(&mut self) {
        let odd = self.node_refusal().filter(|it| !it.may_pass() && !speaks_of_the_app(it));
        let odd = odd.or_else(|| self.list_refusals().find(|it| !it.may_pass())).map(|it| it.fact.clone());
        if let Some(fact) = odd {
            let standing = self.heard.hear(Matter::Refused, &fact, self.now);
            self.refused_for_a_day = standing.lasts(REFUSED_FOR_GOOD);
        } else if self.is_answered() {
            self.heard.drop(Matter::Refused);
        }
    }

    pub(super) fn node_refusal(&self) -> Option<&Refusal> {
        self.seen.asked.node.as_ref()?.as_ref().err()
    }

    pub(super) fn list_refusals(&self) -> impl Iterator<Item = &Refusal> {
        let asked = &self.seen.asked;
        let permissions = asked.permissions.as_ref().and_then(|it| it.as_ref().err());
        let subscriptions = asked.subscriptions.as_ref().and_then(|it| it.as_ref().err());
        permissions.into_iter().chain(subscriptions)
    }

    pub(super) fn write_refusal(&self) -> Option<&Refusal> {
        self.seen.asked.subscribed.as_ref()?.as_ref().err()
    }

    /// Whether Meta told everything that was asked of the application. That it rejects the credentials is an answer too.
    pub(super) fn is_answered(&self) -> bool {
        let node = self.node_refusal().is_none_or(|it| matches!(it.verdict, Verdict::AppBroken(_)));
        let tried = !matches!(self.seen.asked.trial, Some(Trial::Unanswered(_)));
        node && tried && self.list_refusals().next().is_none() && !self.write_refusal().is_some_and(Refusal::may_pass)
    }

    /// What is known of something that was not asked for, since the application itself was not answered about.
    pub(super) fn unasked(&self, type_: ConditionType) -> Finding {
        match &self.seen.asked.node {
            _ if self.lost => self.keep(type_, &Refusal::nothing()),
            Some(Err(refusal)) => self.keep(type_, refusal),
            _ => self.found(Status::Unknown, Reason::Pending, "Meta has not been asked yet.", ""),
        }
    }

    /// What is known while something was heard once, which is no verdict: what was known before, if anything was.
    pub(super) fn heard_once(&mut self, type_: ConditionType, seen: String, words: Option<Quote>) -> Finding {
        let previous = find(&self.previous.conditions, type_);
        let known = previous.and_then(|it| Finding::from_condition(it, self.previous.next_step.as_deref()));
        let known = known.filter(|it| it.status != Status::Unknown && !it.reason.needs_no_answer());
        if let Some(known) = known.filter(|_| !self.seen.stale) {
            return known;
        }
        self.waits = true;
        let step = "The operator asks again within a minute; if the answer is the same, it counts.";
        self.found(Status::Unknown, Reason::Pending, seen, step).quoting(words)
    }

    pub(super) fn unread(&self) -> Finding {
        let seen = "It cannot be read until the application's credentials work.";
        self.found(Status::Unknown, Reason::AwaitingAuthorization, seen, "")
    }

    pub(super) fn report(
        &self,
        credentials: Finding,
        (wishes, supported): (impl Iterator<Item = Finding>, Finding),
        permissions: Finding,
        webhook: Option<Webhook>,
        other: Option<OtherSecret>,
    ) -> Report<MetaAppStatus> {
        let over = self.is_over(&supported).then(|| supported.clone());
        let wishes: Vec<Finding> = wishes.chain(over).chain(webhook.iter().flat_map(|it| it.wishes.clone())).collect();
        let mut blocking = vec![&credentials];
        if self.app.spec.audience == Audience::Everyone {
            blocking.push(&permissions);
        }
        blocking.extend(webhook.iter().map(|webhook| &webhook.finding));
        blocking.extend(&wishes);
        let reached = self.found(Status::True, Reason::ReconcileSucceeded, "The application is as declared.", "");
        let refusals: Vec<_> = self.node_refusal().into_iter().chain(self.list_refusals()).collect();
        let brake = reasons_to_wait::told(&refusals, &self.previous.conditions, self.now);
        let ready = readiness(&blocking, self.generation, reached).held_by(brake.as_deref());
        let (class, answered) = (self.class(&blocking), self.is_answered());
        // What was missing once gives nothing up.
        let reached = self.absent.rows || webhook.as_ref().is_none_or(|webhook| webhook.reached);
        let written = self.seen.asked.subscribed.is_some() && self.write_refusal().is_none_or(Refusal::may_pass);
        let fought = webhook.as_ref().is_some_and(|webhook| webhook.finding.reason == Reason::RepairFight);
        let effect =
            RepairOutcome::of(self.seen.standing, written && !self.seen.asked.introduced, reached).given_up(fought);
        let mut notes = on_transition(&self.previous.conditions, &ready.cause, "Ready");
        notes.extend(effect.note("The webhook of the app had been changed"));
        let until = self.rotation_goes_on(&credentials, other.as_ref());
        let next_step = ready.next_step.clone().or_else(|| self.entries_step(other.as_ref()));
        let next_step = next_step.or_else(|| version_step(&supported));
        notes.extend(self.version_notes(&supported, &ready.cause));
        let mut findings = ready.findings.clone();
        findings.push((ConditionType::CredentialsValid, credentials));
        findings.extend(webhook.map(|webhook| (ConditionType::WebhookSubscribed, webhook.finding)));
        findings.push((ConditionType::PermissionsApproved, permissions));
        findings.push((ConditionType::VersionSupported, supported));
        findings.sort_by_key(|(type_, _)| *type_);
        let conditions = assemble(&self.previous.conditions, &findings, self.now);
        let status = self.status(conditions, next_step, other, answered && !self.is_in_doubt());
        let status = MetaAppStatus { last_handled_requested_at: self.handled(class), ..status };
        let (suspicions, refused) = (self.heard.clone(), self.seen.asked.writes.refused());
        Report { status, class, answered, until, effect, notes, suspicions, refused }
    }

    /// Everything that was refused or left unanswered in this pass, the trial of another version among it.
    pub(super) fn refusals(&self) -> Vec<&Refusal> {
        let untried = self.seen.asked.trial.as_ref().and_then(Trial::silence);
        let of_app = self.node_refusal().into_iter().chain(self.list_refusals());
        of_app.chain(self.write_refusal()).chain(untried).collect()
    }

    /// The request for a check that was handled: it was not while Meta leaves something unanswered, or what has to be there
    /// before it can be asked.
    pub(super) fn handled(&self, class: Class) -> Option<String> {
        let taken = class != Class::Waiting && !self.refusals().into_iter().any(Refusal::may_pass);
        requests::handled(self.seen.requested.as_ref(), self.previous.last_handled_requested_at.as_ref(), taken)
    }

    /// When to act again. What is not known because it waits for its confirmation is asked then, and not before. A wish
    /// that Meta refuses puts no regular check off: everything else goes on.
    pub(super) fn class(&self, blocking: &[&Finding]) -> Class {
        let class = class(blocking, &self.refusals(), self.now);
        let mut open = blocking.iter().filter(|it| it.status != Status::True);
        // While the credentials work, an entry of the Secret that does not is a wish too.
        let works = blocking.first().is_some_and(|it| it.status == Status::True);
        let is_wish = |reason| is_wish(reason) || works && reason == Reason::SecretMalformed;
        match class {
            Class::Transient if self.waits => self.heard.next(self.now).map_or(class, Class::Held),
            Class::Terminal | Class::AppBroken if open.all(|it| is_wish(it.reason)) => Class::Settled,
            _ => class,
        }
    }

    /// Whether something that was heard waits for its confirmation. What was known before is told on, but it is not known of
    /// what is there now.
    pub(super) fn is_in_doubt(&self) -> bool {
        let rejected = self.node_refusal().is_some_and(|it| matches!(it.verdict, Verdict::AppBroken(_)));
        let rejected = rejected && self.heard.next(self.now).is_some();
        let trial = self.heard.knows(Matter::Trial) && !self.heard.is_confirmed(Matter::Trial, self.now);
        rejected || trial || self.lost || self.absent.rows || self.absent.permissions
    }

    pub(super) fn status(
        &self,
        conditions: Vec<Condition>,
        next_step: Option<String>,
        other_secret: Option<OtherSecret>,
        settled: bool,
    ) -> MetaAppStatus {
        let (asked, previous) = (&self.seen.asked, amended(self.previous, self.seen));
        let inputs = Some(self.seen.inputs.clone());
        let managed = self.app.spec.webhook.is_some();
        let name = self.app.metadata.name.as_deref().unwrap_or_default();
        let node = asked.node.as_ref().and_then(|it| it.as_ref().ok());
        MetaAppStatus {
            observed_generation: self.generation,
            conditions,
            app_name: node.and_then(|node| node.name.clone()).or(previous.app_name),
            graph_version: node.and(asked.version).map(|version| version.to_string()).or(previous.graph_version),
            secret_in_use: node.and(asked.secret_in_use.clone()).or(previous.secret_in_use),
            other_secret,
            callback_url: self.seen.callback_url.clone(),
            oauth_redirect_uri: self.seen.redirect_uri.clone(),
            verify_token_secret_name: (managed && self.seen.verify_token == VerifyTokenSeen::Ours)
                .then(|| verify_token_secret_name(name)),
            subscription: if managed { self.subscription() } else { None },
            permissions: self.permission_rows(),
            usage: previous.usage,
            channels: previous.channels,
            graph_url: Some(self.seen.graph_url.clone()),
            next_step,
            last_handled_requested_at: previous.last_handled_requested_at,
            // Kept while nothing new was learned, so that an outage does not rewrite every status.
            inputs: inputs.filter(|inputs| settled || previous.inputs.as_ref() == Some(inputs)),
        }
    }
}

/// The status of an application of which nothing is to be checked: it may say something else of the usage, or count
/// other channels.
pub fn amended(previous: &MetaAppStatus, seen: &Observed) -> MetaAppStatus {
    let channels = seen.channels.clone().or_else(|| previous.channels.clone());
    MetaAppStatus { usage: usage(previous, seen), channels, ..previous.clone() }
}

/// The usage to tell: what was told before unless it comes to something else now, so that a number that moves rewrites
/// nothing.
fn usage(previous: &MetaAppStatus, seen: &Observed) -> Option<UsageStatus> {
    let alike = are_alike(previous.usage.as_ref(), seen.usage.as_ref());
    if alike { previous.usage.clone() } else { seen.usage.clone() }
}

/// How long a refusal without a known reason may last before a person has to look into it.
const REFUSED_FOR_GOOD: SignedDuration = SignedDuration::from_hours(24);

/// What is to be done about the version in use, while Ready asks for nothing.
fn version_step(supported: &Finding) -> Option<String> {
    let asks = supported.status == Status::False && !supported.next_step.is_empty();
    asks.then(|| supported.next_step.clone())
}

/// Whether a refusal of the application's own node speaks of its credentials or of the version of the API.
fn speaks_of_the_app(refusal: &Refusal) -> bool {
    matches!(refusal.verdict, Verdict::AppBroken(_) | Verdict::VersionRetired)
}

/// Whether it is said of something that was declared and Meta does not know, while everything else goes on.
fn is_wish(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::FieldRefused
            | Reason::GraphVersionUnknown
            | Reason::GraphVersionRetired
            | Reason::GraphVersionUnusable
            | Reason::VersionEnded
    )
}
