//! How a pass handles writes that the API server refuses: it reports them once and tries them again within a minute for as long
//! as the refusal lasts, without a check at Meta.

use jiff::Timestamp;
use kube::Resource;
use serde::Serialize;

use super::{Pass, Report};
use crate::api::conditions::{ConditionType, find};
use crate::api::outcome::Class;
use crate::api::reasons::Actor;
use crate::base::key::{Key, version};
use crate::cluster::error::Failure;
use crate::cluster::events::Note;
use crate::cluster::write_refused::{Refusals, WriteRefused};
use crate::controller::context::Context;
use crate::controller::foreign_status;
use crate::controller::next_pass::next_try;
use crate::controller::object_state::Written;
use crate::controller::reconciler::{Reconciler, status_of};

impl<S: Clone + Default + PartialEq + Serialize> Pass<S> {
    /// What the API server refused to write for the object before.
    pub const fn refusals(&self) -> &Refusals {
        &self.memory.refusals
    }

    /// Whether it refused the last write for the object of this kind.
    pub fn was_refused(&self, kind: &str) -> bool {
        self.memory.refusals.contains_key(kind)
    }

    /// Whether a status could not be written yet.
    pub(crate) const fn owes_a_status(&self) -> bool {
        self.memory.unwritten.is_some()
    }

    /// Writes the status. If that is refused it is remembered as what was decided last, and the pass goes on: nothing has to be
    /// found out anew for the next try.
    pub(super) async fn write<K: Reconciler<Status = S>>(
        &mut self,
        kind: &K,
        object: &K::Object,
        status: &S,
    ) -> Result<(), Failure> {
        let ctx = kind.ctx();
        if !ctx.cluster.is_ours(&self.key.namespace) {
            return Err(Failure::NotOurs);
        }
        let status = K::with_other_part(object, status);
        let status = status.as_ref();
        kind.states().writes(&self.key, &self.uid, K::own_part(status).as_ref(), self.now);
        match status_of::<K>(ctx, object).write(status).await {
            Ok(written) => {
                ctx.metrics.status_written(K::NAME);
                let made = version(written.meta());
                let stored = kind.stored(&self.key).and_then(|stored| version(stored.meta()));
                foreign_status::is_ours(
                    kind,
                    &self.key,
                    &self.uid,
                    made,
                    made == version(object.meta()) || made == stored,
                );
                self.memory.written = made.map(|version| Written { version, status: status.clone() });
                (self.memory.unwritten, self.memory.met) = (None, None);
            }
            Err(Failure::Refused(refused)) => {
                self.memory.unwritten = Some(status.clone());
                if self.memory.tells(&refused) {
                    tell::<K>(ctx, object, &refused).await;
                }
            }
            // There is nothing to tell: it waits for others, and is tried again as if it had been refused.
            Err(Failure::Unsent) => self.memory.unwritten = Some(status.clone()),
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    /// Tells of what was not refused before. What a condition says and nobody has to act on needs no Event.
    pub(super) async fn tell_refusals<K: Reconciler<Status = S>>(
        &self,
        ctx: &Context,
        object: &K::Object,
        report: &Report<S>,
    ) {
        let tells = |refused: &WriteRefused, status| {
            let reason = refused.reason().as_str();
            K::conditions(status).iter().any(|condition| condition.reason == reason)
        };
        let news = report.refused.iter().filter(|(kind, refused)| self.memory.refusals.get(*kind) != Some(refused));
        for (_, refused) in news {
            let noted = report.notes.iter().any(|note| note.reason == refused.reason().as_str());
            let waits = refused.reason().actor() != Actor::Person && tells(refused, &report.status);
            let ready = find(K::conditions(&report.status), ConditionType::Ready);
            if !(noted || waits || tells(refused, &self.previous)) {
                tell::<K>(ctx, object, refused).await;
            } else if ready.is_some_and(|ready| ready.reason != refused.reason().as_str()) {
                // That Ready became another one has a line of its own.
                log::<K>(object, refused);
            }
        }
    }

    /// When the object has its next pass, which is otherwise due at this time.
    pub(super) fn tries_again(&mut self, at: Timestamp) -> Timestamp {
        if self.memory.refusals.is_empty() && self.memory.unwritten.is_none() {
            self.memory.refused_times = 0;
            return at;
        }
        let next = next_try(Class::Refused, self.memory.refused_times, self.now, self.slots);
        self.memory.refused_times = self.memory.refused_times.saturating_add(1);
        at.min(next)
    }
}

/// Tells of a refused write with a line in the log and an Event.
pub(crate) async fn tell<K: Reconciler>(ctx: &Context, object: &K::Object, refused: &WriteRefused) {
    log::<K>(object, refused);
    let (reason, text) = (refused.reason().as_str(), refused.message());
    ctx.cluster.events.publish(object, &Note { warning: true, reason, action: "Write", text }).await;
}

fn log<K: Reconciler>(object: &K::Object, refused: &WriteRefused) {
    let (kind, words) = (K::NAME.as_str(), refused.words.as_deref());
    let object = Key::of(object);
    tracing::warn!(kind, %object, reason = refused.reason().as_str(), words, "{}", refused.seen());
}
