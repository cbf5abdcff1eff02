//! Errors by consequence: one enum, and one place that turns a class into the time of the next try.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::RngExt;

use super::clock::Moment;
use super::fence::Withheld;
use super::pressure::{Patience, Unsent};
use super::refused::{Verb, Write, WriteRefused, is_conflict, is_missing_right};
use crate::api::Reason;
use crate::api::reasons::Actor;
use crate::graph::redact;
use crate::metrics::Metrics;

/// What an error, or the absence of one, means for when to act again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// Nothing is wrong: look again in the regular slot.
    Settled,
    /// No answer, or an ambiguous one: back off and try again.
    Transient,
    /// Asked too often: not before this time.
    Throttled(Timestamp),
    /// Meta was not asked, by our own restraint: at this time.
    Held(Timestamp),
    /// A person must authorise again.
    Reauthorize,
    /// The application is broken; its own recovery wakes us.
    AppBroken,
    /// Nothing changes before the inputs do.
    Terminal,
    /// Something we depend on is not there; its appearance wakes us.
    Waiting,
    /// A write was accepted and shows no effect: look again, but not often.
    WithoutEffect,
    /// It is declared to be left alone: a change of the declaration wakes it.
    Paused,
    /// Somebody else wrote first: read again and retry, soon at first.
    Conflict,
    /// The API server refuses a write, or does not answer: try again within a minute.
    Refused,
    /// It is not certain any more that a write at Meta is ours to send: try again within a minute.
    Withheld,
}

impl Class {
    /// Whether there is nothing to do before something changes or the next slot comes.
    pub const fn rests(self) -> bool {
        matches!(self, Self::Settled | Self::Waiting | Self::Reauthorize | Self::AppBroken | Self::Terminal)
    }

    /// How often a resting object is looked at.
    pub fn period(self, regular: Duration, broken: Duration) -> Duration {
        match self {
            Self::Reauthorize | Self::AppBroken | Self::Terminal => broken.max(regular),
            _ => regular,
        }
    }

    /// The class as it stands in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Transient => "transient",
            Self::Throttled(_) => "throttled",
            Self::Held(_) => "held",
            Self::Reauthorize => "reauthorize",
            Self::AppBroken => "app_broken",
            Self::Terminal => "terminal",
            Self::Waiting => "waiting",
            Self::WithoutEffect => "without_effect",
            Self::Paused => "paused",
            Self::Conflict => "conflict",
            Self::Refused => "refused",
            Self::Withheld => "withheld",
        }
    }
}

impl From<Reason> for Class {
    /// The class of an object that is blocked for this reason.
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::AppCredentialsRejected
            | Reason::SecretMismatch
            | Reason::AppBlocked
            | Reason::GraphVersionRetired => Self::AppBroken,
            Reason::AppNotFound
            | Reason::NamespaceUnverified
            | Reason::AppNotReady
            | Reason::AppUnverified
            | Reason::GrantNotFound
            | Reason::GrantNotReady
            | Reason::GrantUnverified
            | Reason::SecretNotReleased
            | Reason::NotVerifiable
            | Reason::Unreadable => Self::Waiting,
            Reason::WithoutEffect | Reason::Overwritten => Self::WithoutEffect,
            // What was received and refused is refused again: it is asked for in the regular slots.
            Reason::NotUnderstood => Self::Settled,
            // What only a person repairs while we look on is looked at as if it were well: looking on is what is declared.
            Reason::DriftObserved | Reason::BeingDeleted => Self::Settled,
            Reason::Paused => Self::Paused,
            // Retried on the slow ring: asking more often does not lift a block.
            Reason::SendBlocked => Self::Terminal,
            // It is tried again at times of its own, without a look at Meta.
            refused if refused.is_refused_write() => Self::Settled,
            ended if ended.ends_authorization() => Self::Reauthorize,
            other => match other.actor() {
                Actor::Nobody => Self::Settled,
                Actor::Operator => Self::Transient,
                Actor::Person => Self::Terminal,
            },
        }
    }
}

/// The regular slots of an object: when it is looked at though nothing changed.
#[derive(Clone, Copy, Debug)]
pub struct Slots {
    /// The next slot of a working object.
    pub regular: Timestamp,
    /// The next slot of a broken one.
    pub broken: Timestamp,
    /// When something that was written is looked at again before.
    pub again: Option<Timestamp>,
}

/// The time of an object that has none of its own: the ring visits it, or something wakes it.
pub const NEVER: Timestamp = Timestamp::MAX;

const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(300);
/// With what is added at random it is less than a minute.
const LONGEST_IN_THE_CLUSTER: Duration = Duration::from_secs(36);

/// When to act again: the one place where a class becomes an action.
pub fn next_try(class: Class, attempts: u32, now: Timestamp, slots: Slots) -> Timestamp {
    match class {
        Class::Settled | Class::Waiting => slots.again.map_or(slots.regular, |again| again.min(slots.regular)),
        Class::Reauthorize | Class::AppBroken | Class::Terminal => slots.broken,
        Class::WithoutEffect => slots.again.unwrap_or(slots.broken),
        Class::Held(until) => until,
        Class::Paused => NEVER,
        Class::Throttled(until) => until.max(now.later(backoff(attempts, LONGEST_BACKOFF))),
        Class::Transient => now.later(backoff(attempts, LONGEST_BACKOFF)),
        Class::Conflict | Class::Refused | Class::Withheld => now.later(backoff(attempts, LONGEST_IN_THE_CLUSTER)),
    }
}

fn backoff(attempts: u32, longest: Duration) -> SignedDuration {
    let doubled = FIRST_BACKOFF.saturating_mul(1 << attempts.min(16));
    jittered(doubled.min(longest))
}

/// Between one and one and a half times as long: only ever later, so that no budget is exceeded.
fn jittered(duration: Duration) -> SignedDuration {
    let longer = duration.mul_f64(rand::rng().random_range(1.0..1.5));
    SignedDuration::try_from(longer).unwrap_or(SignedDuration::from_secs(300))
}

/// The next time that is in step with the wall clock for this object: the same after a restart, and spread over all
/// objects, so that neither stampedes.
pub fn next_slot(uid: &str, now: Timestamp, period: Duration) -> Timestamp {
    let (period, since_slot) = since_slot(uid, now, period);
    now.later(SignedDuration::from_secs(period - since_slot))
}

/// The last slot that has come, to the second.
pub fn last_slot(uid: &str, now: Timestamp, period: Duration) -> Timestamp {
    let second = now.as_second() - since_slot(uid, now, period).1;
    Timestamp::from_second(second).unwrap_or(now)
}

/// The period in seconds, and how many of them have passed since the last slot.
fn since_slot(uid: &str, now: Timestamp, period: Duration) -> (i64, i64) {
    let period = i64::try_from(period.as_secs()).unwrap_or(i64::MAX).max(1);
    (period, (now.as_second() - offset(uid, period)).rem_euclid(period))
}

/// A part of `over` that is the same for an object at all times, to keep objects that wait for the same from coming at once.
pub fn spread(uid: &str, over: SignedDuration) -> SignedDuration {
    SignedDuration::from_secs(offset(uid, over.as_secs()))
}

fn offset(uid: &str, period: i64) -> i64 {
    i64::try_from(stable_hash(uid) % period.max(1).unsigned_abs()).unwrap_or_default()
}

/// FNV-1a: the same in every process and version, unlike the standard library's hasher.
fn stable_hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Why a pass could not be completed. Its text holds no foreign values but redacted ones.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The Kubernetes API refused or did not answer.
    #[error("{what}: {detail}")]
    Kubernetes {
        /// What was tried.
        what: &'static str,
        /// Redacted cause.
        detail: String,
        /// Whether somebody else wrote first.
        conflict: bool,
    },
    /// The API server refused a write, or left open whether it took place.
    #[error("{0}")]
    Refused(Box<WriteRefused>),
    /// A write waited for others until it was given up. It was not sent.
    #[error("writing an object: {Unsent}")]
    Unsent,
    /// A write at Meta was not sent. It was told where it was withheld.
    #[error("a write at Meta was withheld: {0}")]
    Withheld(Withheld),
    /// The namespace of the object is not ours any more; the pass was given up before it wrote anything there.
    #[error("the namespace belongs to this release no longer")]
    NotOurs,
    /// The pass found something to do again and again.
    #[error("it found something to do again and again, and was given up")]
    Circle,
    /// The pass panicked.
    #[error("it panicked, which is a fault of the operator")]
    Panicked,
    /// The process is shutting down; the pass was given up before it wrote anything.
    #[error("given up because of the shutdown")]
    ShuttingDown,
}

impl Failure {
    /// A failure of the Kubernetes API. Decoding errors quote values, so their text is dropped.
    pub fn kubernetes(what: &'static str, error: &kube::Error) -> Self {
        let (detail, conflict) = match error {
            kube::Error::Api(status) => {
                let message = redact(&status.message, &[]);
                (format!("{} {}: {message}", status.code, status.reason), is_conflict(status))
            }
            kube::Error::SerdeError(_) => ("the answer could not be decoded".to_owned(), false),
            _ => ("no usable answer from the API server".to_owned(), false),
        };
        Self::Kubernetes { what, detail, conflict }
    }

    /// The consequence of the failure.
    pub fn class(&self) -> Class {
        match self {
            Self::Kubernetes { conflict: true, .. } => Class::Conflict,
            Self::Kubernetes { .. } | Self::Refused(_) | Self::Unsent => Class::Refused,
            Self::Withheld(_) => Class::Withheld,
            // It is a fault of ours: to go on around would do the same.
            Self::Circle | Self::Panicked => Class::Terminal,
            Self::NotOurs | Self::ShuttingDown => Class::Transient,
        }
    }
}

/// Longest wait for one request to the Kubernetes API; kube itself retries and has no such limit.
const KUBERNETES_TIMEOUT: Duration = Duration::from_secs(15);

/// Longest wait for a write: two requests in turn, as an Event may take, each of which waits in line and for its answer.
const WRITE_TIMEOUT: Duration = {
    let Patience { line, answer } = Patience::DEFAULT;
    Duration::from_secs(2 * (line.as_secs() + answer.as_secs()))
};

/// Waits for a request to the Kubernetes API, but not for ever.
///
/// # Errors
/// A [`Failure`] that names what was tried.
pub async fn kubernetes<T>(
    what: &'static str,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(KUBERNETES_TIMEOUT, request).await {
        Ok(answer) => answer.map_err(|error| Failure::kubernetes(what, &error)),
        Err(_) => Err(Failure::Kubernetes { what, detail: "timed out".to_owned(), conflict: false }),
    }
}

/// Waits for a write, but not for ever. That somebody else wrote first, or removed the object, is no refusal.
///
/// # Errors
/// A [`Failure`] that names what was to be written, and why it was not.
pub async fn write<T>(
    metrics: &Metrics,
    write: Write,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Failure> {
    let refused = match tokio::time::timeout(WRITE_TIMEOUT, request).await {
        Ok(Ok(written)) => return Ok(written),
        Ok(Err(error)) if Unsent::is(&error) => return Err(Failure::Unsent),
        Ok(Err(kube::Error::Api(status))) => {
            let gone = status.code == 404 && write.verb != Verb::Create;
            if gone || is_conflict(&status) {
                return Err(Failure::kubernetes("writing an object", &kube::Error::Api(status)));
            }
            WriteRefused::of(write, &status)
        }
        Ok(Err(_)) | Err(_) => WriteRefused::unanswered(write),
    };
    metrics.write_refused(&refused);
    Err(Failure::Refused(Box::new(refused)))
}

/// As [`kubernetes`], where the right to ask may be missing: `None` then.
///
/// # Errors
/// A [`Failure`] that names what was tried.
pub async fn permitted<T>(
    what: &'static str,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<Option<T>, Failure> {
    let answer = async {
        match request.await {
            Err(kube::Error::Api(status)) if is_missing_right(&status) => Ok(None),
            answer => answer.map(Some),
        }
    };
    kubernetes(what, answer).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn every_class_has_its_time() {
        let now = at(1_000_000);
        let slots = Slots { regular: at(1_000_900), broken: at(1_007_200), again: None };
        let again = |second| Slots { again: Some(at(second)), ..slots };
        let cases = [
            (Class::Settled, 0, 1_000_900, 1_000_900),
            (Class::Waiting, 0, 1_000_900, 1_000_900),
            (Class::Reauthorize, 0, 1_007_200, 1_007_200),
            (Class::AppBroken, 0, 1_007_200, 1_007_200),
            (Class::Terminal, 0, 1_007_200, 1_007_200),
            (Class::Transient, 0, 1_000_001, 1_000_002),
            (Class::Transient, 4, 1_000_016, 1_000_024),
            (Class::Transient, 1_000, 1_000_300, 1_000_450),
            (Class::Throttled(at(1_000_500)), 0, 1_000_500, 1_000_500),
            (Class::Throttled(at(1)), 2, 1_000_004, 1_000_006),
            (Class::Held(at(1_000_003)), 7, 1_000_003, 1_000_003),
            (Class::WithoutEffect, 3, 1_007_200, 1_007_200),
            (Class::Conflict, 0, 1_000_001, 1_000_002),
            (Class::Conflict, 3, 1_000_008, 1_000_012),
            (Class::Conflict, 1_000, 1_000_036, 1_000_054),
            (Class::Refused, 0, 1_000_001, 1_000_002),
            (Class::Refused, 1_000, 1_000_036, 1_000_054),
            (Class::Withheld, 0, 1_000_001, 1_000_002),
            (Class::Withheld, 1_000, 1_000_036, 1_000_054),
        ];
        for (class, attempts, earliest, latest) in cases {
            let next = next_try(class, attempts, now, slots);
            assert!(at(earliest) <= next && next <= at(latest), "{class:?} after {attempts}: {next}");
        }
        assert_eq!(next_try(Class::Paused, 3, now, slots), NEVER);
        let written = [
            (Class::WithoutEffect, 1_000_060, 1_000_060),
            (Class::Settled, 1_000_060, 1_000_060),
            (Class::Settled, 1_001_000, 1_000_900),
            (Class::Terminal, 1_000_060, 1_007_200),
        ];
        for (class, second, expected) in written {
            assert_eq!(next_try(class, 0, now, again(second)), at(expected), "{class:?}, again at {second}");
        }
    }

    #[test]
    fn slots_are_in_step_with_the_clock_and_spread_over_the_period() {
        let period = Duration::from_secs(900);
        let mut offsets = std::collections::BTreeSet::new();
        for n in 0..1_000 {
            let uid = format!("uid-{n}");
            let last = last_slot(&uid, at(5_000_000), period);
            assert!(at(5_000_000 - 900) < last && last <= at(5_000_000));
            assert_eq!(last_slot(&uid, last, period), last, "a slot has come when it comes");
            let slot = next_slot(&uid, at(5_000_000), period);
            assert!(at(5_000_000) < slot && slot <= at(5_000_900));
            assert_eq!(next_slot(&uid, at(5_000_000 + 900 * 7), period), slot + SignedDuration::from_secs(900 * 7));
            assert_eq!(next_slot(&uid, slot, period), slot + SignedDuration::from_secs(900), "a slot is in the future");
            assert_eq!(slot, last + SignedDuration::from_secs(900));
            offsets.insert(slot.as_second() % 900);
        }
        assert!(offsets.len() > 500, "only {} of 900 seconds are used", offsets.len());
    }
}
