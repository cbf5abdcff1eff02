//! What follows from what a pass came to: one class for each consequence, and the class of each reason.

use std::time::Duration;

use jiff::Timestamp;

use super::Reason;
use super::reasons::Actor;

/// What an error, or the absence of one, means for when to act again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// Nothing is wrong: check again in the regular slot.
    Settled,
    /// No answer, or an ambiguous one: back off and try again.
    Transient,
    /// Asked too often: not before this time.
    Throttled(Timestamp),
    /// Meta was not asked, by our own restraint: at this time.
    Held(Timestamp),
    /// A person must authorize again.
    Reauthorize,
    /// The application is broken; its own recovery wakes us.
    AppBroken,
    /// Nothing changes before the inputs do.
    Terminal,
    /// Something we depend on is not there; its appearance wakes us.
    Waiting,
    /// A write was accepted and shows no effect: check again, but not often.
    WithoutEffect,
    /// It is declared to be left alone: a change of the declaration wakes it.
    Paused,
    /// Someone else wrote first: read again and retry, soon at first.
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

    /// How often a resting object is checked.
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
            | Reason::SecretUnavailable
            | Reason::ServiceNotFound
            | Reason::NotVerifiable
            | Reason::AwaitingAuthorization => Self::Waiting,
            Reason::WriteHadNoEffect | Reason::Overwritten => Self::WithoutEffect,
            // What was received and refused is refused again: it is asked for at the regular times.
            Reason::UnrecognizedError => Self::Settled,
            // What only a person repairs while we look on is checked as if it were well: looking on is what is declared.
            Reason::DriftObserved | Reason::BeingDeleted => Self::Settled,
            Reason::Paused => Self::Paused,
            // Retried on the slow ring: asking more often does not lift a block.
            Reason::SendBlocked => Self::Terminal,
            // It is tried again at times of its own, without a check at Meta.
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
