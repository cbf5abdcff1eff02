//! One Event on the Lease reports what the API server refuses about it: the Lease has no condition, and while nobody may lead,
//! nobody writes one.

use axum::http::{Method, StatusCode};
use kube::Client;
use kube::core::Status as Answer;

use super::Candidate;
use crate::base::key::{Key, LEASE};
use crate::cluster::events::{Events, Note};
use crate::cluster::write_refused::{Cause, Verb, Write, WriteRefused, is_conflict};
use crate::metrics::Metrics;

/// Tells what is refused of one Lease.
pub(super) struct Teller {
    lease: Key,
    events: Events,
    metrics: Metrics,
    /// What was refused last, as long as nothing was written since.
    refused: Option<WriteRefused>,
    /// What of that was told.
    told: Option<WriteRefused>,
}

impl Teller {
    /// Tells it through `client`.
    pub(super) fn new(client: Client, candidate: &Candidate, metrics: &Metrics) -> Self {
        let events = Events::new(client, &candidate.identity, metrics.clone());
        let lease = Key::new(&candidate.namespace, &candidate.lease);
        Self { lease, events, metrics: metrics.clone(), refused: None, told: None }
    }

    /// Takes note that the Lease was written.
    pub(super) fn written(&mut self) {
        self.refused = None;
        if self.told.take().is_some() {
            tracing::info!(kind = LEASE, object = %self.lease, "the Lease can be written again");
        }
    }

    /// Takes note of a write that was refused. It is told once for each cause: at once, or when it happens again if
    /// it was no refusal but a failure of the API server's own. That someone else wrote first is neither.
    pub(super) fn refused(&mut self, method: &Method, status: StatusCode, body: &[u8]) {
        // An answer that is none of the API server's own, as of a proxy before it, has a code alone.
        let answer = serde_json::from_slice(body).unwrap_or_else(|_| Answer {
            code: status.as_u16(),
            reason: status.canonical_reason().unwrap_or_default().to_owned(),
            ..Answer::default()
        });
        if is_conflict(&answer) {
            return;
        }
        let verb = if *method == Method::POST { Verb::Create } else { Verb::Update };
        let refused = WriteRefused::of(Write::new(verb, LEASE, &self.lease), &answer);
        self.metrics.write_refused(refused.write.kind, refused.reason());
        let again = self.refused.as_ref() == Some(&refused);
        if self.told.as_ref() != Some(&refused) && (again || refused.cause != Cause::NoAnswer) {
            let (reason, words) = (refused.reason().as_str(), refused.words.as_deref());
            tracing::warn!(kind = LEASE, object = %self.lease, reason, words, "{}", refused.seen());
            self.publish(&refused);
            self.told = Some(refused.clone());
        }
        self.refused = Some(refused);
    }

    /// The election does not wait for it.
    fn publish(&self, refused: &WriteRefused) {
        let reason = refused.reason().as_str();
        let note = Note { warning: true, reason, action: "Lead", text: refused.message() };
        self.events.publish_soon("coordination.k8s.io/v1", LEASE, &self.lease, note);
    }
}
