//! Events on transitions. They are a courtesy: failing to publish one never fails a pass.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Client, Resource};
use kube_runtime::events::{Event, EventType, Recorder, Reporter};

use super::error;
use super::write_refused::{Verb, Write};
use crate::api::Reason;
use crate::api::conditions::{ConditionType, Finding, Status, find, has_reason};
use crate::api::reasons::Actor;
use crate::base::key::{EVENT, Key};
use crate::metrics::Metrics;

/// Something worth an Event.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    /// Whether it is bad news.
    pub warning: bool,
    /// One word: the reason of the condition that changed.
    pub reason: &'static str,
    /// What the operator was doing.
    pub action: &'static str,
    /// What happened, without secrets.
    pub text: String,
}

/// The Event that a changed Ready deserves: good news, or bad news that a person has to act on. What the operator
/// waits for or retries on its own is told by the conditions.
pub fn on_transition(previous: &[Condition], ready: &Finding, well: &'static str) -> Vec<Note> {
    let old = find(previous, ConditionType::Ready);
    let same = old.is_some_and(|old| old.status == ready.status.as_str() && has_reason(old, ready.reason));
    let warning = ready.status != Status::True || ready.reason != Reason::ReconcileSucceeded;
    let silent = ready.status != Status::True && ready.reason.actor() != Actor::Person;
    if same || silent {
        return Vec::new();
    }
    let reason = if warning { ready.reason.as_str() } else { well };
    vec![Note { warning, reason, action: "Reconcile", text: ready.news() }]
}

/// Publishes Events.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
    metrics: Metrics,
}

/// Kind of what is written here.
pub const KIND: &str = EVENT;

/// Kubernetes refuses longer notes.
const LONGEST_NOTE: usize = 1000;

impl Events {
    /// Publishes through `client` in the name of this instance.
    pub fn new(client: Client, instance: &str, metrics: Metrics) -> Self {
        let reporter = Reporter { controller: "meta-channel-operator".into(), instance: Some(instance.to_owned()) };
        Self { recorder: Recorder::new(client, reporter), metrics }
    }

    /// Publishes an Event about an object; gives up after some seconds.
    pub async fn publish<K: Resource<DynamicType = ()>>(&self, object: &K, note: &Note) {
        self.publish_about(&object.object_ref(&()), note).await;
    }

    /// Publishes an Event about an object of which no more is known than this. Nobody waits for it.
    pub fn publish_soon(&self, api_version: &str, kind: &str, object: &Key, note: Note) {
        let about = ObjectReference {
            api_version: Some(api_version.to_owned()),
            kind: Some(kind.to_owned()),
            namespace: Some(object.namespace.clone()),
            name: Some(object.name.clone()),
            ..ObjectReference::default()
        };
        let events = self.clone();
        tokio::spawn(async move { events.publish_about(&about, &note).await });
    }

    /// Publishes an Event about what this refers to; gives up after some seconds.
    pub async fn publish_about(&self, reference: &ObjectReference, note: &Note) {
        let event = Event {
            type_: if note.warning { EventType::Warning } else { EventType::Normal },
            reason: note.reason.to_owned(),
            note: Some(note.text.chars().take(LONGEST_NOTE).collect()),
            action: note.action.to_owned(),
            secondary: None,
        };
        let name = reference.name.as_deref().unwrap_or_default();
        let about = Key::new(reference.namespace.as_deref().unwrap_or_default(), name);
        let write = Write::new(Verb::Create, KIND, &about);
        if let Err(failure) = error::write(&self.metrics, write, self.recorder.publish(&event, reference)).await {
            let (kind, text) = (reference.kind.as_deref(), &note.text);
            tracing::warn!(kind, object = %about, reason = note.reason, text, %failure, "an Event could not be published");
        }
    }
}
