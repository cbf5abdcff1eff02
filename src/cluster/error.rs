//! Errors of the API server by consequence, and how long the operator waits for it.

use std::time::Duration;

use super::backpressure::{Patience, Unsent};
use super::write_refused::{Verb, Write, WriteRefused, is_conflict, is_missing_right};
use crate::api::outcome::Class;
use crate::base::redact::redact;
use crate::base::withheld::Withheld;
use crate::metrics::Metrics;

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
        /// Whether someone else wrote first.
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
    #[error("the namespace no longer belongs to this release")]
    NotOurs,
    /// The pass found something to do again and again.
    #[error("it kept finding something to do and was stopped")]
    Circle,
    /// The pass panicked.
    #[error("it panicked because of a bug in the operator")]
    Panicked,
    /// The process is shutting down; the pass was given up before it wrote anything.
    #[error("stopped because of the shutdown")]
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

/// Waits for a write, but not for ever. That someone else wrote first, or removed the object, is no refusal.
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
    metrics.write_refused(refused.write.kind, refused.reason());
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
