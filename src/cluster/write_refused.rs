//! Our writes that the API server refuses: from its answer, the cause in its own terms and who has to act.
//!
//! Its codes alone say little: a quota, a missing right, an admission policy and a namespace that is being deleted all answer
//! 403; a policy and a field that cannot be changed both answer 422. So the words and the causes decide.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use kube::core::Status as Answer;
use regex::Regex;

use crate::api::Reason;
use crate::api::conditions::{Finding, Quote, Speaker, Status};
use crate::base::key::Key;
use crate::base::redact::quote;

/// A write in the cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Write {
    /// What is done.
    pub verb: Verb,
    /// Kind of the object.
    pub kind: &'static str,
    /// The object.
    pub key: Key,
    /// Whether only its status is written.
    pub status: bool,
}

/// What is done to an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    /// It is created.
    Create,
    /// It is changed.
    Update,
    /// It is deleted.
    Delete,
}

impl Verb {
    /// The verb as it stands in messages and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

impl Write {
    /// A write of a whole object.
    pub fn new(verb: Verb, kind: &'static str, key: &Key) -> Self {
        Self { verb, kind, key: key.clone(), status: false }
    }

    /// A write of the status of an object.
    pub fn status(kind: &'static str, key: &Key) -> Self {
        Self { status: true, ..Self::new(Verb::Update, kind, key) }
    }
}

impl std::fmt::Display for Write {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { verb, kind, key: Key { namespace, name }, status } = self;
        let part = if *status { "the status of " } else { "" };
        write!(f, "{} {part}{kind} {name} in namespace {namespace}", verb.as_str())
    }
}

/// Why the API server refuses a write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cause {
    /// A ResourceQuota leaves no room; its name, if that is told.
    Quota(Option<String>),
    /// An admission policy or webhook denies it; its kind and name, if they are told.
    Admission(Option<String>),
    /// The operator lacks the right.
    Right,
    /// What would have to be changed cannot be changed.
    Immutable,
    /// The namespace is being deleted.
    Terminating,
    /// There is no such namespace.
    NoNamespace,
    TooLarge,
    /// We put no more into it.
    Full,
    /// It is none of ours, though it has the name of one.
    Taken,
    /// It says neither yes nor no: an error of its own, or no answer.
    NoAnswer,
    /// Something else, with this code.
    Other(u16),
}

/// A write that the API server refused.
#[derive(Clone, Debug)]
pub struct WriteRefused {
    /// What was to be written.
    pub write: Write,
    /// Why it was not.
    pub cause: Cause,
    /// What the API server said, redacted; nothing if it did not answer.
    pub words: Option<String>,
}

/// The same write refused for the same cause is the same refusal: the words may count what is used at the moment.
impl PartialEq for WriteRefused {
    fn eq(&self, other: &Self) -> bool {
        (&self.write, &self.cause) == (&other.write, &other.cause)
    }
}

/// What was refused, by the kind of the object. An object of ours has one of a kind at most that is written for it.
pub type Refusals = BTreeMap<&'static str, WriteRefused>;

static QUOTA: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"exceeded quota: ([a-z0-9.-]+),").ok());
static POLICY: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(ValidatingAdmissionPolicy|admission webhook) ['"]([A-Za-z0-9./-]+)['"]"#).ok());

impl WriteRefused {
    /// Reads the refusal of a write.
    pub fn of(write: Write, answer: &Answer) -> Self {
        let said = if answer.message.is_empty() { &answer.reason } else { &answer.message };
        // What is forbidden is said by us: the room is for why.
        let said = said.split_once(" is forbidden: ").map_or(said.as_str(), |(_, why)| why);
        let words = format!("{} {}", answer.code, quote(said, &[]));
        Self { cause: cause(answer), write, words: Some(words) }
    }

    /// That a write was not answered.
    pub const fn unanswered(write: Write) -> Self {
        Self { write, cause: Cause::NoAnswer, words: None }
    }

    /// The reason that conditions and Events give.
    pub const fn reason(&self) -> Reason {
        match self.cause {
            Cause::Quota(_) => Reason::QuotaExceeded,
            Cause::Admission(_) => Reason::AdmissionDenied,
            Cause::Right => Reason::Forbidden,
            Cause::Immutable | Cause::TooLarge | Cause::Full | Cause::Taken | Cause::Other(_) => Reason::WriteRefused,
            Cause::Terminating | Cause::NoNamespace | Cause::NoAnswer => Reason::WriteFailed,
        }
    }

    /// What was seen, made of stable facts.
    pub fn seen(&self) -> String {
        match self.cause {
            Cause::NoAnswer => format!("The API server has given no usable answer to: {}.", self.write),
            Cause::Full | Cause::Taken => format!("The operator does not {}: {}.", self.write, self.why()),
            _ => format!("The API server refuses to {}: {}.", self.write, self.why()),
        }
    }

    /// Why it is refused, as a part of a sentence.
    pub fn why(&self) -> String {
        match &self.cause {
            Cause::Quota(Some(name)) => format!("ResourceQuota {name} is used up"),
            Cause::Quota(None) => "a ResourceQuota is used up".to_owned(),
            Cause::Admission(Some(who)) => format!("{who} denies it"),
            Cause::Admission(None) => "admission control denies it".to_owned(),
            Cause::Right => "the operator lacks the right".to_owned(),
            Cause::Immutable => "it is immutable".to_owned(),
            Cause::Terminating => "the namespace is being deleted".to_owned(),
            Cause::NoNamespace => "there is no such namespace".to_owned(),
            Cause::TooLarge => "it is too large".to_owned(),
            Cause::Full => "it is full, either for this namespace or in total".to_owned(),
            Cause::Taken => "it is not the keyring of this release".to_owned(),
            Cause::NoAnswer => "no usable answer".to_owned(),
            Cause::Other(code) => format!("it answers {code}"),
        }
    }

    /// Who must do what.
    pub fn next_step(&self) -> String {
        let Key { namespace, name } = &self.write.key;
        let (kind, again) = (self.write.kind, "The operator tries again within a minute.");
        let step = match &self.cause {
            Cause::Quota(quota) => {
                let quota = quota.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
                format!(
                    "The maintainer of the ResourceQuota must make room in it (kubectl -n {namespace} describe resourcequota{quota})."
                )
            }
            Cause::Admission(_) => {
                "The maintainer of that policy must let the operator's ServiceAccount do this.".to_owned()
            }
            Cause::Right => format!(
                "The administrator of the operator must give its ServiceAccount this right in namespace {namespace}, as chart meta-channel-operator does."
            ),
            Cause::Immutable => format!(
                "Someone who may write there must recreate {kind} {name} with the same content and without immutable: true."
            ),
            Cause::Full => {
                "The maintainer of this namespace must delete MetaApps that are no longer needed; if there are none, the administrator of the operator must move some of the watched namespaces to another release.".to_owned()
            }
            Cause::Taken => format!(
                "The administrator of the operator must check whether it is needed under that name, and remove it: kubectl -n {namespace} delete secret {name}."
            ),
            Cause::Terminating | Cause::NoAnswer => return format!("Nobody has to act. {again}"),
            Cause::NoNamespace => format!("A cluster administrator must create namespace {namespace}."),
            Cause::TooLarge | Cause::Other(_) => {
                "A cluster administrator must check what the API server says; if no rule of the cluster is the cause, please report it to the maintainers of the operator.".to_owned()
            }
        };
        format!("{step} {again}")
    }

    /// What the condition says of the thing that is being made.
    pub fn finding(&self, observed_generation: i64) -> Finding {
        // Without an answer it may have been written.
        let status = if self.cause == Cause::NoAnswer { Status::Unknown } else { Status::False };
        let (seen, next_step) = (self.seen(), self.next_step());
        Finding { status, reason: self.reason(), seen, next_step, words: self.quote(), observed_generation }
    }

    fn quote(&self) -> Option<Quote> {
        let words = self.words.clone()?;
        Some(Quote { speaker: Speaker::ApiServer, words, trace: None })
    }

    /// What an Event says, where no status does.
    pub fn message(&self) -> String {
        self.finding(0).message()
    }
}

impl std::fmt::Display for WriteRefused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.seen())?;
        self.words.as_ref().map_or(Ok(()), |words| write!(f, " It said: {words}"))
    }
}

fn cause(answer: &Answer) -> Cause {
    let text = &answer.message;
    let named = |pattern: &Option<Regex>, group: usize| {
        pattern.as_ref().and_then(|it| it.captures(text)).map(|found| found[group].to_owned())
    };
    let causes = answer.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
    let policy = named(&POLICY, 2).zip(named(&POLICY, 1)).map(|(name, kind)| format!("{kind} {name}"));
    match answer.code {
        // A webhook that cannot be called answers with an error of the server's: its own failure is no denial.
        500.. | 0 | 429 if !is_too_large(text) => Cause::NoAnswer,
        403 if causes.iter().any(|it| it.reason == "NamespaceTerminating") => Cause::Terminating,
        400..500 if policy.is_some() => Cause::Admission(policy),
        // Who asks is not known for the moment: its token is about to be replaced.
        401 => Cause::NoAnswer,
        403 if text.contains("exceeded quota") => Cause::Quota(named(&QUOTA, 1)),
        // The quota was made a moment ago, and nothing is counted yet.
        403 if text.contains("status unknown for quota") => Cause::NoAnswer,
        403 if is_missing_right(answer) => Cause::Right,
        403 => Cause::Admission(None),
        404 => Cause::NoNamespace,
        422 if causes.iter().any(|it| !it.field.is_empty() && it.message.contains("field is immutable")) => {
            Cause::Immutable
        }
        413 => Cause::TooLarge,
        _ if is_too_large(text) => Cause::TooLarge,
        code => Cause::Other(code),
    }
}

fn is_too_large(text: &str) -> bool {
    text.contains("request is too large") || text.contains("Request entity too large")
}

/// Whether an answer says that the object is not what it was: someone wrote first, or it is another one of the name. A patch of
/// ours can be applied, but for its test of that.
pub fn is_conflict(answer: &Answer) -> bool {
    let inapplicable = "the server rejected our request due to an error in our request";
    answer.code == 409 || answer.code == 422 && answer.message.starts_with(inapplicable)
}

/// Whether an answer says that the one who asked lacks the right, and not that admission or a quota is in the way.
pub fn is_missing_right(answer: &Answer) -> bool {
    let text = &answer.message;
    answer.code == 403 && text.contains("User \"") && text.contains(" cannot ") && text.contains(" resource \"")
}

#[cfg(test)]
mod tests;
