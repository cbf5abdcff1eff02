//! One pass over an object, around the four steps: what is remembered at its start, and the report at its end.

pub(super) mod refused;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Resource, ResourceExt};
use serde::Serialize;

use super::context::Context;
use super::evidence::Suspicions;
use super::next_pass::next_try;
use super::object_state::ObjectState;
use super::reconciler::{Next, Reconciler, slots};
use super::repair_fight::first_overwritten;
use super::{foreign_status, requests};
use crate::api::conditions::{ConditionType, Status, find, sentence, status_of};
use crate::api::outcome::Class;
use crate::api::{REQUESTED_AT, Reason};
use crate::base::ids::Uid;
use crate::base::key::{Key, version};
use crate::base::schedule::{NEVER, Slots, last_slot};
use crate::cluster::error::Failure;
use crate::cluster::events::Note;
use crate::cluster::write_refused::Refusals;
use crate::limits::answer::{Held, Refusal};
use crate::limits::calls::Told;
use crate::limits::edit_limiter::Edit;
use crate::limits::repair_limiter::{DriftGuard, DriftState, RepairOutcome};

/// A pass over an object.
pub struct Pass<S> {
    /// The object.
    pub key: Key,
    /// UID of the object.
    pub uid: Uid,
    /// Generation of the object.
    pub generation: i64,
    /// The time of this pass.
    pub now: Timestamp,
    /// The status as it was written last.
    pub previous: S,
    /// Whether it is time to look at Meta though nothing changed.
    pub due: bool,
    /// Whether it is time only to confirm what was heard once.
    pub confirms: bool,
    /// Whether Meta has not answered for longer than a value may be kept.
    pub stale: bool,
    /// The look that someone asked for and that was not taken yet.
    pub requested: Option<String>,
    edit: Edit,
    memory: ObjectState<S>,
    slots: Slots,
}

/// What a pass came to.
pub struct Report<S> {
    /// The status to write.
    pub status: S,
    /// The consequence for when to act again.
    pub class: Class,
    /// Whether Meta answered everything that was asked.
    pub answered: bool,
    /// A time at which the decision would be another one, such as the end of a token.
    pub until: Option<Timestamp>,
    /// What the pass came to for the thing that is written at Meta.
    pub effect: RepairOutcome,
    /// Events to publish.
    pub notes: Vec<Note>,
    /// What was heard and does not count before it was confirmed.
    pub suspicions: Suspicions,
    /// What the API server refused in this pass.
    pub refused: Refusals,
}

impl<S: Clone + Default + PartialEq + Serialize> Pass<S> {
    /// Begins a pass.
    pub fn begin<K: Reconciler<Status = S>>(kind: &K, object: &K::Object) -> Self {
        let (key, uid, now) = (Key::of(object), Uid::of(object), kind.ctx().clock.now());
        let (memory, requested) = kind.states().begin(&key, &uid);
        Self::over(kind, object, now, memory, requested)
    }

    /// What a pass would begin with, to look at an object without one: it is due, and nothing is remembered of it.
    pub fn glance<K: Reconciler<Status = S>>(kind: &K, object: &K::Object) -> Self {
        let (key, uid, now) = (Key::of(object), Uid::of(object), kind.ctx().clock.now());
        let memory = kind.states().recall(&key, &uid);
        Self::over(kind, object, now, memory, true)
    }

    fn over<K: Reconciler<Status = S>>(
        kind: &K,
        object: &K::Object,
        now: Timestamp,
        mut memory: ObjectState<S>,
        requested: bool,
    ) -> Self {
        let ctx = kind.ctx();
        let (key, uid) = (Key::of(object), Uid::of(object));
        let outdated = memory.outdates(version(object.meta()));
        // Until the watch brings our own write back, the store shows the status before it.
        memory.written =
            memory.written.filter(|written| version(object.meta()).is_some_and(|shown| shown < written.version));
        let known = memory.unwritten.as_ref().or(memory.written.as_ref().map(|written| &written.status));
        // The store held it before it was forgotten here.
        let newer = outdated.then(|| kind.stored(&key)).flatten().filter(|stored| stored.uid() == object.uid());
        let shown = newer.as_deref().unwrap_or(object);
        let previous = known.or(K::status(shown)).cloned().unwrap_or_default();
        let generation = object.meta().generation.unwrap_or_default();
        let edit = Edit { generation, requested_at: object.annotations().get(REQUESTED_AT).cloned() };
        let open = requests::open(edit.requested_at.as_deref(), K::handled(&previous));
        // After a restart what was verified for this generation was not edited since; else it is not known.
        let verified = find(K::conditions(&previous), ConditionType::Ready).and_then(|it| it.observed_generation);
        if memory.answered_edit.is_none() && verified == Some(generation) && open.is_none() {
            memory.answered_edit = Some(edit.clone());
        }
        let slots = slots::<K>(ctx, &uid, now);
        if memory.due.is_none()
            && let Some(since) = without_effect(K::conditions(&previous))
        {
            // After a restart the tries go on where they were.
            memory.repairs = DriftGuard::resumed(K::inputs(&previous), since);
            (memory.due, memory.resting) = (Some(memory.repairs.again(now).unwrap_or(slots.broken)), false);
        }
        let due = memory.due.map_or_else(|| unfinished(K::conditions(&previous)), |due| due <= now);
        // Until it is repaired, also after a pass that failed.
        let foreign = memory.own.is_of_somebody_else() && memory.written.is_none();
        Self {
            due: requested || due || foreign,
            confirms: due && !requested && memory.resting && !memory.suspicions.is_empty(),
            stale: memory.unanswered_since.is_some_and(|since| now.duration_since(since) > limit(ctx)),
            requested: open,
            generation,
            slots,
            edit,
            key,
            uid,
            now,
            previous,
            memory,
        }
    }

    /// Whether the slot that just came is also one of those in which broken objects are checked.
    pub fn is_broken_slot(&self, ctx: &Context) -> bool {
        self.is_slot_of(ctx, ctx.policy.broken_period)
    }

    /// Whether the slot that just came is also one of those that come half as often.
    pub fn is_second_slot(&self, ctx: &Context) -> bool {
        self.is_slot_of(ctx, ctx.policy.channel_period.saturating_mul(2))
    }

    fn is_slot_of(&self, ctx: &Context, longer: Duration) -> bool {
        let period = SignedDuration::try_from(ctx.policy.channel_period).unwrap_or(SignedDuration::MAX);
        self.now.duration_since(last_slot(self.uid.as_str(), self.now, longer)) < period
    }

    /// Whether a person changed the object since the last check that was answered.
    pub fn is_edited(&self) -> bool {
        self.memory.answered_edit.as_ref() != Some(&self.edit)
    }

    /// Whether something about the object was repaired lately, which may not have lasted.
    pub fn is_mended(&self) -> bool {
        self.memory.repairs.are_watched(self.now)
    }

    /// What was heard of the object and waits for its confirmation.
    pub fn suspicions(&self) -> &Suspicions {
        &self.memory.suspicions
    }

    /// What Meta refused about the object, as far as it was logged.
    pub const fn told(&self) -> &Told {
        &self.memory.told
    }

    /// Whether the object waits for its slot, and not for a try of its own.
    pub fn rests(&self) -> bool {
        self.memory.resting
    }

    /// What a write at Meta would be, of the thing that this condition is about.
    pub fn standing<K: Reconciler<Status = S>>(&self, thing: ConditionType, inputs: &str) -> DriftState {
        let condition = find(K::conditions(&self.previous), thing);
        self.memory.repairs.standing(inputs, K::inputs(&self.previous), condition, self.now)
    }

    /// What stands for Meta's answers when it may not be asked now. Asked for once a pass, before the first question.
    /// `limit` says until when Meta's limits hold the pass back, and whoever is not held back is counted by it; `why` says why.
    pub fn held<K: Reconciler<Status = S>>(
        &self,
        ctx: &Context,
        inputs: &str,
        why: impl FnOnce() -> String,
        limit: impl FnOnce() -> Option<Timestamp>,
    ) -> Option<Refusal> {
        let changed = self.is_changed::<K>(inputs);
        let admitted = if changed { ctx.limits.edit_limiter.admit(&self.uid, &self.edit, self.now) } else { Ok(()) };
        // What is due anyway is not put off because of a change besides.
        let often = admitted.err().filter(|_| !self.due).map(Held::Edits);
        let often = often.map(Refusal::held);
        often.or_else(|| limit().map(|until| Refusal::held(Held::Limit(until)).because(why())))
    }

    /// Whether what the object depends on is not what it was at the last complete look.
    pub fn is_changed<K: Reconciler<Status = S>>(&self, inputs: &str) -> bool {
        K::inputs(&self.previous) != Some(inputs)
    }

    /// Ends a pass that found nothing to look at: the object keeps its time.
    pub fn unchanged<K: Reconciler<Status = S>>(mut self, kind: &K) -> Next {
        let ready = status_of(K::conditions(&self.previous), ConditionType::Ready) == Some(Status::True);
        let slot = match K::BATCHED {
            true => NEVER,
            false if ready => self.slots.regular,
            false => self.slots.broken,
        };
        // A time that has come and was not used comes again with the slot.
        let at = self.memory.due.filter(|due| *due > self.now).unwrap_or(slot);
        self.memory.due = Some(at);
        let at = self.tries_again(at);
        kind.states().keep(&self.key, self.memory);
        Next { at, class: Class::Settled }
    }

    /// The same pass, with a look not later than this.
    #[must_use]
    pub fn sooner(mut self, until: Timestamp) -> Self {
        let due = self.memory.due.filter(|due| *due > self.now);
        self.memory.due = Some(due.map_or(until, |due| due.min(until)));
        self
    }

    /// Ends a pass that found nothing to look at, but something else to say: the object keeps its time.
    ///
    /// # Errors
    /// When the status could not be written.
    pub async fn amend<K: Reconciler<Status = S>>(
        mut self,
        kind: &K,
        object: &K::Object,
        status: S,
    ) -> Result<Next, Failure> {
        if status != self.previous || self.owes::<K>(&status) {
            self.write(kind, object, &status).await?;
        }
        Ok(self.unchanged(kind))
    }

    /// Whether what is stored is not what was decided last: someone else wrote it, or ours was refused.
    fn owes<K: Reconciler<Status = S>>(&self, status: &S) -> bool {
        self.memory.unwritten.is_some() || self.memory.own.is_to_be_repaired(K::own_part(status).as_ref())
    }

    /// Ends a pass: writes the status if it differs, publishes Events, and says when to act again.
    ///
    /// # Errors
    /// When the status could not be written.
    pub async fn report<K: Reconciler<Status = S>>(
        mut self,
        kind: &K,
        object: &K::Object,
        report: Report<S>,
    ) -> Result<Next, Failure> {
        let ctx = kind.ctx();
        let inputs = K::inputs(&report.status).map(str::to_owned);
        let repair = self.repair::<K>(&report);
        let changed = report.status != self.previous;
        let put_off = self.puts_off::<K>(&report.status);
        if self.owes::<K>(&report.status) || changed && !put_off {
            self.memory.words_due = None;
            self.write(kind, object, &report.status).await?;
            if changed {
                self.log_transition::<K>(&report);
            }
        } else if self.memory.own.is_of_somebody_else() {
            // But for its times it says the same.
            foreign_status::is_ours(kind, &self.key, &self.uid, None, true);
        }
        let unrepeatable = self.unrepeatable();
        for note in report.notes.iter().chain(&unrepeatable) {
            ctx.cluster.events.publish(object, note).await;
        }
        self.tell_refusals::<K>(ctx, object, &report).await;
        if let Some(restored) = repair {
            ctx.metrics.repaired(K::NAME, restored);
        }
        let without_effect = report.class == Class::WithoutEffect;
        self.memory.repairs.note(inputs.as_deref(), report.effect, without_effect, self.now);
        self.slots.again = self.memory.repairs.again(self.now);
        self.memory.resting = report.class.rests();
        let at = match K::BATCHED && self.memory.resting {
            true => self.slots.again.unwrap_or(NEVER),
            false => next_try(report.class, self.memory.attempts, self.now, self.slots),
        };
        let at = report.until.filter(|until| *until > self.now).map_or(at, |until| at.min(until));
        let at = self.memory.words_due.map_or(at, |due| at.min(due));
        // A second answer is soon there, and decides.
        let at = report.suspicions.next(self.now).map_or(at, |confirmed| at.min(confirmed));
        let failed = matches!(report.class, Class::Transient | Class::Throttled(_));
        self.memory.attempts = if failed { self.memory.attempts.saturating_add(1) } else { 0 };
        self.memory.suspicions = report.suspicions;
        self.memory.refusals = report.refused;
        self.memory.looked_at = self.now;
        self.memory.answered(self.now, report.answered);
        self.memory.due = Some(at);
        // Of what waits for something it depends on, nothing was asked yet.
        if report.answered && report.class != Class::Waiting {
            self.memory.answered_edit = Some(self.edit.clone());
        }
        let at = self.tries_again(at);
        kind.states().keep(&self.key, self.memory);
        Ok(Next { at, class: report.class })
    }

    /// Whether an object that waits for another one to be verified only has other words for it, so that they are not written before
    /// its slot: the other one tells of itself at once, and thousands may wait for it.
    fn puts_off<K: Reconciler<Status = S>>(&mut self, status: &S) -> bool {
        let waits = |status| {
            let ready = find(K::conditions(status), ConditionType::Ready);
            let ready = ready.filter(|it| it.observed_generation == Some(self.generation));
            let reason = ready.and_then(|ready| Reason::parse(&ready.reason));
            matches!(reason, Some(Reason::AppUnverified | Reason::GrantUnverified))
        };
        let only_words = *status != self.previous && waits(&self.previous) && waits(status);
        let due = self.memory.words_due.unwrap_or(self.slots.regular);
        let put_off = only_words && due > self.now;
        self.memory.words_due = put_off.then_some(due);
        put_off
    }

    /// That a look was asked for with a value that no status can repeat, once for each.
    fn unrepeatable(&mut self) -> Option<Note> {
        let value = self.edit.requested_at.as_deref().filter(|_| self.is_edited())?;
        let text = requests::unrepeatable(value, &mut self.memory.unrepeatable)?;
        Some(Note { warning: true, reason: "InvalidRequest", action: "Reconcile", text })
    }

    /// Whether a repair restored what someone else had changed, or was given up just now.
    fn repair<K: Reconciler<Status = S>>(&self, report: &Report<S>) -> Option<bool> {
        let fought = |status| K::conditions(status).iter().any(|it| it.reason == Reason::RepairFight.as_str());
        match report.effect {
            RepairOutcome::Repaired => Some(true),
            RepairOutcome::GaveUp => (fought(&report.status) && !fought(&self.previous)).then_some(false),
            RepairOutcome::None => None,
        }
    }

    /// Says that Ready changed, and why: the one line that a pass leaves in the log, and most leave none.
    fn log_transition<K: Reconciler<Status = S>>(&self, report: &Report<S>) {
        let find = |status| find(K::conditions(status), ConditionType::Ready);
        let Some(ready) = find(&report.status) else { return };
        let before = find(&self.previous).map(|it| (it.status.as_str(), it.reason.as_str()));
        if before == Some((&ready.status, &ready.reason)) {
            return;
        }
        let (kind, object, before) = (K::NAME.as_str(), &self.key, before.map(|(_, reason)| reason));
        let (ready, reason) = (&ready.status, &ready.reason);
        let message = sentence(K::conditions(&report.status)).unwrap_or_default();
        if report.notes.iter().any(|note| note.warning) {
            tracing::warn!(kind, %object, ready, reason, before, "{message}");
        } else {
            tracing::info!(kind, %object, ready, reason, before, "{message}");
        }
    }
}

/// Whether an object that nothing is remembered of, as after a restart, was left in the middle of trying: the next try is
/// then due at once, since when it was to be is forgotten too.
fn unfinished(conditions: &[Condition]) -> bool {
    let reason = find(conditions, ConditionType::Ready).and_then(|ready| Reason::parse(&ready.reason));
    let unknown = status_of(conditions, ConditionType::Ready) == Some(Status::Unknown);
    let refused = |it: &Condition| Reason::parse(&it.reason).is_some_and(Reason::is_refused_write);
    unknown || matches!(reason.map(Class::from), Some(Class::Transient)) || conditions.iter().any(refused)
}

/// Since when a write has had no effect, as the conditions tell.
fn without_effect(conditions: &[Condition]) -> Option<Timestamp> {
    let tells = |it: &&Condition| Reason::parse(&it.reason).map(Class::from) == Some(Class::WithoutEffect);
    let since = |it| first_overwritten(it).unwrap_or(it.last_transition_time.0);
    conditions.iter().filter(tells).map(since).max()
}

fn limit(ctx: &Context) -> SignedDuration {
    SignedDuration::try_from(ctx.policy.staleness_limit).unwrap_or(SignedDuration::MAX)
}
