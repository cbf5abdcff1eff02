//! What became of a request to an endpoint. Nothing of an answer is kept but its class: bots repeat in it what people wrote, and a
//! tenant must not learn from it what an address answers.

use std::time::Duration;

use crate::address::AddressRefusal;

/// Why events were not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection was made; the endpoint never had the events.
    Unreachable(Unreachable),
    /// No answer came in time.
    TimedOut,
    /// The connection ended after the events were sent.
    Cut,
    /// The endpoint answered, with something other than 2xx.
    Answered { status: u16, retry_after: Option<Duration> },
    /// The endpoint answered 410: nobody is to ask again.
    Gone,
}

/// Why no connection was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unreachable {
    /// The URL, or what its host leads to, is not permitted.
    Address(AddressRefusal),
    /// The name does not resolve, nobody listens, or TLS fails.
    Connection,
}

impl Failure {
    /// Whether the fault may be that of the event: the endpoint had it, and did not accept it. It is not if the status is one that
    /// says how the endpoint itself fares.
    pub(super) fn may_be_the_events_fault(self) -> bool {
        match self {
            Self::Cut => true,
            Self::Answered { status, .. } => {
                !matches!(status, 404 | 408 | 425 | 429 | 502..=504) && !(300..400).contains(&status)
            }
            Self::Unreachable(_) | Self::TimedOut | Self::Gone => false,
        }
    }

    /// How long the endpoint asks not to be asked.
    pub(super) fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Answered { retry_after, .. } => retry_after,
            Self::Unreachable(_) | Self::TimedOut | Self::Cut | Self::Gone => None,
        }
    }

    /// A word for a metric.
    pub fn class(self) -> &'static str {
        match self {
            Self::Unreachable(Unreachable::Address(_)) => "address",
            Self::Unreachable(Unreachable::Connection) => "connection",
            Self::TimedOut => "timeout",
            Self::Cut => "cut",
            Self::Answered { status: 300..400, .. } => "3xx",
            Self::Answered { status: 400..500, .. } => "4xx",
            Self::Answered { .. } => "5xx",
            Self::Gone => "gone",
        }
    }
}
