//! Meta's answers, from the point of view of decisions: a value, or a refusal with its consequence.
//!
//! # Errors
//!
//! Meta's answers are classified once, by consequence (`graph/error_codes.rs`: a table with a test row for each line of Meta's
//! contract). A panic is the failure of the object that it was about (`controller/panics.rs`). A class becomes a time in one
//! place (`controller/next_pass.rs`). No answer is not an answer: after time-outs, 5xx, throttling and unknown codes, every
//! value is kept (`limits/answer.rs`: `keep`) until the staleness limit makes it Unknown.
//!
//! A write that the API server refuses is an observation too. `cluster/write_refused.rs` reads the answer: the cause, who acts,
//! and the words. `act` notes it in `controller/writes.rs` and the pass continues; `decide` puts it on the condition of what
//! was to be written. `controller/pass/refused.rs` reports it once and has it tried again within a minute, without a check at
//! Meta: a write that needs a proof from Meta first is sent to the API server as a dry run (`is_let_in`). A status that may not
//! be written is remembered as the last decision.
//!
//! An app-wide verdict comes only from calls with the app token alone, made by the MetaApp's own pass, and only once Meta has
//! said the same twice, a minute apart. Channels quote it.
//!
//! A new declaration that is refused undoes nothing that was verified. Another version of the Graph API is tried with all reads
//! before it is used (`meta_app/preflight.rs`). `meta_app/decide` keeps the two apart: conditions report what Meta was seen to
//! do; *wishes* are findings that block only Ready. Channels inherit from the status of the app, never from its spec
//! (`facts::fields`, `facts::version`, `secrets::find_credentials`).

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::ObjectMeta;
use parking_lot::Mutex;

use super::reasons_to_wait;
use crate::api::conditions::{Finding, Quote, Speaker, Status};
use crate::api::outcome::Class;
use crate::api::{REQUESTED_AT, Reason, WebhookObject};
use crate::base::clock::Moment;
use crate::graph::{
    AppReason, CutReason, Definite, EndReason, GraphError, GraphFault, Operation, PageReason, ThrottleScope, Verdict,
    classify, definite,
};

/// What Meta answered.
pub type Answer<T> = Result<T, Refusal>;

/// Meta refused, or did not answer usefully.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The consequence.
    pub verdict: Verdict,
    /// What it speaks of for itself, so that it needs no witness.
    pub definite: Option<Definite>,
    /// What was seen, made of stable facts: code and subcode, never Meta's words, which change on every call.
    pub fact: String,
    /// What Meta said beside the code, if it said something.
    pub said: Option<Box<Said>>,
    /// Why Meta was not even asked, if it was not.
    pub held: Option<Held>,
}

/// What Meta says beside the code of a refusal.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Its words, redacted.
    words: String,
    /// What Meta's support asks for.
    trace: Option<String>,
    /// What the words name: a permission, a field, or the new id of a page.
    subject: Option<String>,
}

/// Why Meta is not asked now, and until when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Held {
    /// The object was changed too often lately.
    Edits(Timestamp),
    /// Meta said that it is asked too often.
    Limit(Timestamp),
    /// Meta answers about none of the application's channels.
    Outage(Timestamp),
    /// What the grant gives has to be found out first; that wakes the object.
    Grant(Timestamp),
}

impl Held {
    /// When Meta may be asked.
    pub const fn until(self) -> Timestamp {
        match self {
            Self::Edits(until) | Self::Limit(until) | Self::Outage(until) | Self::Grant(until) => until,
        }
    }
}

/// Classes an answer. Meta's words go to the log, redacted.
pub fn answer<T>(operation: Operation, result: Result<T, GraphError>) -> Answer<T> {
    result.map_err(|error| {
        let (verdict, call) = (classify(&error, operation), operation.template());
        let silent = matches!(verdict, Verdict::NoAnswer | Verdict::Throttled { .. });
        if silent && worth_a_line() {
            tracing::info!(call, ?verdict, %error, "Meta does not answer");
        } else {
            // What was refused is logged with the object that it is about: see [`crate::limits::calls`].
            tracing::debug!(call, ?verdict, %error, "{}", if silent { "Meta does not answer" } else { "Meta refused" });
        }
        Refusal::of(verdict, &error)
    })
}

/// While Meta is silent all objects meet it again and again; one line a minute says as much as thousands.
fn worth_a_line() -> bool {
    static LAST: Mutex<Option<Instant>> = Mutex::new(None);
    let mut last = LAST.lock();
    let worth = last.is_none_or(|last| last.elapsed() >= Duration::from_secs(60));
    if worth {
        *last = Some(Instant::now());
    }
    worth
}

impl Refusal {
    fn of(verdict: Verdict, error: &GraphError) -> Self {
        match error {
            GraphError::Fault(fault) => Self::of_fault(verdict, fault),
            GraphError::Timeout => Self::new(verdict, "no answer in time"),
            GraphError::Transport(_) => Self::new(verdict, "no connection"),
            GraphError::OtherObject => Self::new(verdict, "the answer is about another object"),
            GraphError::BadAnswer { .. } => Self::new(verdict, "an unreadable answer"),
        }
    }

    /// What Meta said in an answer, with this consequence.
    pub fn of_fault(verdict: Verdict, fault: &GraphFault) -> Self {
        let said = Said {
            words: fault.words(),
            trace: fault.fbtrace_id.as_deref().map(str::to_owned),
            subject: fault.subject().map(str::to_owned),
        };
        Self { definite: definite(fault), said: Some(Box::new(said)), ..Self::new(verdict, &fault.fact()) }
    }

    /// What Meta said, redacted, if it said something.
    pub fn words(&self) -> Option<&str> {
        self.said.as_ref().map(|said| said.words.as_str()).filter(|words| !words.is_empty())
    }

    /// What Meta said, for a condition and its Event.
    pub fn quote(&self) -> Option<Quote> {
        let (words, trace) = (self.words()?.to_owned(), self.trace().map(str::to_owned));
        Some(Quote { speaker: Speaker::Meta, words, trace })
    }

    /// What Meta's support asks for.
    pub fn trace(&self) -> Option<&str> {
        self.said.as_ref()?.trace.as_deref()
    }

    /// What the words name: a permission, a field, or the new id of a page.
    pub fn subject(&self) -> Option<&str> {
        self.said.as_ref()?.subject.as_deref()
    }

    /// A refusal with this consequence, of which nothing more is known.
    pub fn new(verdict: Verdict, fact: &str) -> Self {
        Self { verdict, definite: None, fact: fact.to_owned(), said: None, held: None }
    }

    /// Meta was not asked, by our own restraint.
    pub fn held(held: Held) -> Self {
        let verdict = match held {
            Held::Limit(_) => Verdict::Throttled { until_hint: None, scope: ThrottleScope::App },
            Held::Edits(_) | Held::Outage(_) | Held::Grant(_) => Verdict::NoAnswer,
        };
        let why = if let Held::Edits(until) = held { reasons_to_wait::edits(until) } else { "not asked".to_owned() };
        Self { held: Some(held), ..Self::new(verdict, &why) }
    }

    /// The same, with why, and since when or until when.
    #[must_use]
    pub fn because(self, why: String) -> Self {
        Self { fact: why, ..self }
    }

    /// Nothing was asked, so nothing was learned.
    pub fn nothing() -> Self {
        Self::new(Verdict::NoAnswer, "not asked")
    }

    /// The webhook fields for which a subscription to these was refused, if it was for fields.
    pub fn refused_fields(&self, object: WebhookObject, tried: &[String]) -> Vec<String> {
        match &self.verdict {
            Verdict::FieldUnknown(named) => object.refused(named.as_deref(), tried),
            Verdict::RequestRejected => object.refused(None, tried),
            _ => Vec::new(),
        }
    }

    /// Whether nothing was learned: no answer, "ask later", or a refusal that says nothing of its cause.
    pub fn says_nothing(&self) -> bool {
        matches!(self.verdict, Verdict::NoAnswer | Verdict::Throttled { .. } | Verdict::Refused)
    }

    /// Whether it is worth asking again soon: what was received and refused will be refused again.
    pub fn may_pass(&self) -> bool {
        self.says_nothing() && self.verdict != Verdict::Refused
    }
}

/// Shortest silence after a throttling answer; asking meanwhile lengthens the block.
const THROTTLED: SignedDuration = SignedDuration::from_mins(5);

/// Until when Meta wants to be left alone, if one of the refusals says so.
pub fn silence(refusals: &[&Refusal], now: Timestamp) -> Option<Timestamp> {
    let hint = refusals.iter().find_map(|refusal| match refusal.verdict {
        Verdict::Throttled { until_hint, .. } => Some(until_hint),
        _ => None,
    })?;
    Some(end_of_silence(hint, now))
}

/// Until when to be silent after a throttling answer with this hint.
pub fn end_of_silence(hint: Option<Duration>, now: Timestamp) -> Timestamp {
    let hint = hint.and_then(|hint| SignedDuration::try_from(hint).ok()).unwrap_or_default();
    now.later(hint.max(THROTTLED))
}

/// The class of a pass: of the refusals that say nothing if there are any, else of what blocks.
pub fn class(blocking: &[&Finding], refusals: &[&Refusal], now: Timestamp) -> Class {
    if let Some(held) = refusals.iter().find_map(|refusal| refusal.held) {
        return Class::Held(held.until());
    }
    if let Some(until) = silence(refusals, now) {
        return Class::Throttled(until);
    }
    if refusals.iter().any(|refusal| refusal.may_pass()) {
        return Class::Transient;
    }
    let blocked = |status| blocking.iter().find(|finding| finding.status == status);
    blocked(Status::False).or(blocked(Status::Unknown)).map_or(Class::Settled, |cause| cause.reason.into())
}

/// What is found when Meta accepted a write and does not show all of it.
pub fn without_effect(defect: Finding) -> Finding {
    let seen = format!("{} Meta accepted the change, but does not show all of it.", defect.seen);
    let next_step = "The operator tries again 1, 5 and 10 minutes after the first time and then every 2 hours; if that does not help, someone must check what else writes there, or ask Meta.".to_owned();
    Finding { reason: Reason::WriteHadNoEffect, seen, next_step, ..defect }
}

/// What is found when something differs at Meta and the object is only to be observed. `plan` is what the operator would
/// do about it.
pub fn drift_observed(defect: Finding, plan: &str) -> Finding {
    let seen = format!("{} The object is only observed, so the operator writes nothing at Meta.", defect.seen);
    let next_step = format!(
        "The maintainer of this object must set spec.managementPolicy to Manage, and the operator {plan}; or change the declaration; or have it corrected at Meta."
    );
    Finding { status: Status::False, reason: Reason::DriftObserved, seen, next_step, ..defect }
}

/// Names for a message: of many only the first, and how many more there are. The status has them all.
pub fn listed(names: &[String]) -> String {
    const FEW: usize = 5;
    if names.len() <= FEW {
        return names.join(", ");
    }
    let first = &names[..FEW - 2];
    format!("{} and {} more", first.join(", "), names.len() - first.len())
}

/// The command that has an object checked now; `kind` as kubectl has it.
pub fn look_again(kind: &str, object: &ObjectMeta) -> String {
    let (namespace, name) =
        (object.namespace.as_deref().unwrap_or_default(), object.name.as_deref().unwrap_or_default());
    format!("kubectl -n {namespace} annotate --overwrite {kind}/{name} {REQUESTED_AT}=\"$(date -u +%FT%TZ)\"")
}

/// A condition that Meta said nothing new about.
pub struct Kept<'a> {
    /// The condition as it stands.
    pub previous: Option<&'a Condition>,
    /// All conditions as they stand: what they say of a limit is said on while it lasts.
    pub said: &'a [Condition],
    /// The next step in the status as it stands.
    pub next_step: Option<&'a str>,
    /// Whether it may not be kept any longer.
    pub stale: bool,
    /// Generation of the object.
    pub generation: i64,
    /// What was asked about, for the message.
    pub what: &'static str,
    /// The time.
    pub now: Timestamp,
}

/// No answer is not an answer: the last known value stays, with the generation it is about, until it is too old.
pub fn keep(kept: Kept<'_>, refusal: &Refusal) -> Finding {
    let known = kept.previous.and_then(|condition| Finding::from_condition(condition, kept.next_step));
    let told = |it: &Finding| it.status != Status::Unknown || it.reason.was_received();
    let known = known.filter(|it| told(it) && !it.reason.needs_no_answer());
    if let Some(known) = known.filter(|_| !kept.stale) {
        return known;
    }
    let what = kept.what;
    let brake =
        reasons_to_wait::told(&[refusal], kept.said, kept.now).map(|why| format!(": {why}")).unwrap_or_default();
    let (reason, seen) = match refusal {
        Refusal { verdict: Verdict::Throttled { .. }, .. } => {
            (Reason::RateLimited, format!("Meta limits how often it may be asked about {what}{brake}."))
        }
        Refusal { held: Some(Held::Edits(_)), .. } => {
            (Reason::Pending, format!("Meta has not been asked yet since the last change of {what}{brake}."))
        }
        Refusal { held: Some(Held::Grant(_)), .. } => {
            (Reason::GrantUnverified, format!("The operator is finding out what the MetaGrant of {what} gives."))
        }
        Refusal { verdict: Verdict::NoAnswer, .. } => {
            (Reason::GraphUnavailable, format!("Meta gives no usable answer about {what}{brake}."))
        }
        Refusal { fact, .. } => (
            Reason::UnrecognizedError,
            format!("Meta refuses to say anything about {what} ({fact}); the cause is not known yet."),
        ),
    };
    let words = refusal.quote().filter(|_| reason == Reason::UnrecognizedError);
    Finding {
        status: Status::Unknown,
        reason,
        seen,
        next_step: "The operator tries again on its own.".to_owned(),
        words,
        observed_generation: kept.generation,
    }
}

impl From<EndReason> for Reason {
    fn from(reason: EndReason) -> Self {
        match reason {
            EndReason::TokenExpired => Self::TokenExpired,
            EndReason::PasswordChanged => Self::PasswordChanged,
            EndReason::AppRemoved => Self::AppRemoved,
            EndReason::SessionInvalidated => Self::SessionInvalidated,
            EndReason::CheckpointRequired => Self::CheckpointRequired,
            EndReason::UserInvalid => Self::UserInvalid,
            EndReason::DataAccessExpired => Self::DataAccessExpired,
        }
    }
}

impl From<&CutReason> for Reason {
    fn from(reason: &CutReason) -> Self {
        match reason {
            CutReason::RoleLost => Self::RoleLost,
            CutReason::NotInGrant => Self::NotInGrant,
            CutReason::ScopeMissing { .. } => Self::ScopeMissing,
            CutReason::WrongApp => Self::WrongApp,
        }
    }
}

impl From<PageReason> for Reason {
    fn from(reason: PageReason) -> Self {
        match reason {
            PageReason::NotVisible => Self::NotVisible,
            PageReason::SendBlocked => Self::SendBlocked,
            PageReason::Restricted => Self::Restricted,
            PageReason::Migrated => Self::PageMigrated,
        }
    }
}

impl From<AppReason> for Reason {
    fn from(reason: AppReason) -> Self {
        match reason {
            AppReason::AppCredentialsRejected => Self::AppCredentialsRejected,
            AppReason::SecretMismatch => Self::SecretMismatch,
            AppReason::AppBlocked => Self::AppBlocked,
        }
    }
}
