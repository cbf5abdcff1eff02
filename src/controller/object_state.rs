//! What is remembered of each object between passes. All of it may be lost: the passes find it again.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use super::evidence::Suspicions;
use super::own_status::OwnStatus;
use crate::base::ids::Uid;
use crate::base::key::Key;
use crate::cluster::write_refused::{Cause, Refusals, WriteRefused};
use crate::limits::calls::Told;
use crate::limits::edit_limiter::Edit;
use crate::limits::repair_limiter::DriftGuard;

/// What is remembered of one object.
#[derive(Clone, Debug)]
pub struct ObjectState<S> {
    /// UID of the object; another UID under the same name starts afresh.
    uid: Uid,
    /// Failed tries in a row.
    pub attempts: u32,
    /// When the object is due for a look though nothing changed.
    pub due: Option<Timestamp>,
    /// When Meta was last asked about the object, or was to be.
    pub looked_at: Timestamp,
    /// When everything was answered that was asked about the object.
    pub answered_at: Option<Timestamp>,
    /// Since when Meta has left something unanswered that was asked about the object. Time in which nothing was asked
    /// does not count: a broken object is checked less often than a value may be kept.
    pub unanswered_since: Option<Timestamp>,
    /// Whether there is nothing to do before something changes or the slot comes: for a kind that is swept, the ring's
    /// time then.
    pub resting: bool,
    /// Whether someone asked for a look since the last pass began.
    pub requested: bool,
    /// The last edit that a complete look has answered.
    pub answered_edit: Option<Edit>,
    /// What was heard about the object and waits for its confirmation.
    pub suspicions: Suspicions,
    /// What Meta refused about the object, which is logged once.
    pub told: Told,
    /// The request that no status can repeat of which was told last.
    pub unrepeatable: Option<String>,
    /// What was written at Meta about the object, to see whether it lasts.
    pub repairs: DriftGuard,
    /// What is known of the stored status.
    pub own: OwnStatus<S>,
    /// Until when other words of an object that is waited for are not repeated.
    pub words_due: Option<Timestamp>,
    /// The status we wrote last, for as long as the store shows the object as it was before.
    pub written: Option<Written<S>>,
    /// The status that was decided last, for as long as it cannot be written.
    pub unwritten: Option<S>,
    /// Writes for the object that the API server refuses. They are tried again within a minute.
    pub refusals: Refusals,
    /// How often that was tried in a row.
    pub refused_times: u32,
    /// The refusal that nothing but an Event can tell, and how often it was met.
    pub met: Option<(WriteRefused, u32)>,
}

impl<S> ObjectState<S> {
    /// Whether a refusal that nothing but an Event can tell is to be told now: once, and that there was no answer only once
    /// it stays so.
    pub fn tells(&mut self, refused: &WriteRefused) -> bool {
        let times = match &mut self.met {
            Some((known, times)) if known == refused => {
                *times = times.saturating_add(1);
                *times
            }
            met => {
                *met = Some((refused.clone(), 1));
                1
            }
        };
        times == if refused.cause == Cause::NoAnswer { 2 } else { 1 }
    }

    /// Whether our own status was written over this version of the object and came back through the watch after a pass had got it: then
    /// what the pass got says what was so before, and the status is remembered no more.
    pub fn outdates(&self, version: Option<u64>) -> bool {
        self.written.is_none() && self.own.outdates(version)
    }

    /// Notes whether everything was answered that was asked about the object.
    pub fn answered(&mut self, now: Timestamp, answered: bool) {
        if answered {
            self.answered_at = Some(now);
        }
        self.unanswered_since = (!answered).then(|| self.unanswered_since.unwrap_or(now));
    }
}

/// A status that was written and may not have come back through the watch yet.
#[derive(Clone, Debug)]
pub struct Written<S> {
    /// Version of the object that the write made. Versions of one kind are numbers that grow.
    pub version: u64,
    pub status: S,
}

/// The memories of all objects of a kind.
pub struct ObjectStates<S>(Mutex<HashMap<Key, ObjectState<S>>>);

impl<S> Default for ObjectStates<S> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<S: Clone> ObjectStates<S> {
    /// What is remembered of an object.
    pub fn recall(&self, key: &Key, uid: &Uid) -> ObjectState<S> {
        let all = self.0.lock();
        let known = all.get(key).filter(|memory| memory.uid == *uid);
        known.cloned().unwrap_or_else(|| ObjectState {
            uid: uid.to_owned(),
            attempts: 0,
            due: None,
            looked_at: Timestamp::UNIX_EPOCH,
            answered_at: None,
            unanswered_since: None,
            resting: true,
            requested: false,
            answered_edit: None,
            suspicions: Suspicions::default(),
            told: Told::default(),
            unrepeatable: None,
            repairs: DriftGuard::default(),
            own: OwnStatus::default(),
            words_due: None,
            written: None,
            unwritten: None,
            refusals: Refusals::new(),
            refused_times: 0,
            met: None,
        })
    }

    /// Begins a pass: what is remembered of an object, and whether a look was asked for, which this pass answers.
    pub fn begin(&self, key: &Key, uid: &Uid) -> (ObjectState<S>, bool) {
        let memory = self.recall(key, uid);
        let mut all = self.0.lock();
        // From now on there is one, so that what happens during the pass is remembered too.
        let known = all.entry(key.clone()).or_insert_with(|| memory.clone());
        if known.uid != *uid {
            *known = memory.clone();
        }
        let requested = std::mem::take(&mut known.requested);
        (memory, requested)
    }

    /// Remembers an object. A look that was asked for meanwhile stays asked for, and what was seen of its status stays seen.
    pub fn keep(&self, key: &Key, memory: ObjectState<S>) {
        let mut all = self.0.lock();
        let known = all.get(key);
        let requested = known.is_some_and(|known| known.requested);
        let own = known.filter(|known| known.uid == memory.uid).map_or_else(|| memory.own.clone(), |it| it.own.clone());
        all.insert(key.clone(), ObjectState { requested, own, ..memory });
    }

    /// Forgets an object that is gone; its UID, if it was known.
    pub fn forget(&self, key: &Key) -> Option<Uid> {
        let gone = self.0.lock().remove(key);
        gone.map(|memory| memory.uid)
    }

    /// Makes an object due for a look, unless it was checked or made due within the last minute. Whether it was.
    pub fn ask_for_look(&self, key: &Key, now: Timestamp) -> bool {
        let mut all = self.0.lock();
        let Some(memory) = all.get_mut(key) else { return false };
        let recently = now.duration_since(memory.looked_at) < SignedDuration::from_mins(1);
        if !recently {
            memory.looked_at = now;
            memory.requested = true;
        }
        !recently
    }

    /// Makes an object due for a look now.
    pub fn request(&self, key: &Key, uid: &Uid) {
        self.change(key, uid, |memory| memory.requested = true);
    }

    /// Notes whether Meta answered what was asked about an object outside of a pass.
    pub fn note(&self, key: &Key, uid: &Uid, now: Timestamp, answered: bool) {
        self.change(key, uid, |memory| {
            memory.looked_at = now;
            memory.answered(now, answered);
        });
    }

    /// Gives an object a time of its own instead of its slots.
    pub fn postpone(&self, key: &Key, uid: &Uid, until: Timestamp) {
        self.change(key, uid, |memory| {
            memory.resting = false;
            memory.due = Some(until);
        });
    }

    /// Drops the status that was written, once the store shows it. With many objects it would be most of the memory.
    pub fn shown(&self, key: &Key, uid: &Uid, version: u64) {
        self.change(key, uid, |memory| {
            memory.written = memory.written.take().filter(|written| version < written.version);
        });
    }

    /// Whether a refusal that ended a pass is to be told now.
    pub fn tells(&self, key: &Key, uid: &Uid, refused: &WriteRefused) -> bool {
        let mut memory = self.recall(key, uid);
        let tells = memory.tells(refused);
        self.keep(key, memory);
        tells
    }

    /// Forgets the refusal that ended passes over an object: what was refused was written.
    pub fn written(&self, key: &Key) {
        let mut all = self.0.lock();
        if let Some(memory) = all.get_mut(key) {
            memory.met = None;
        }
    }

    /// Since when Meta has not answered what has been open for longest.
    pub fn unanswered_since(&self) -> Option<Timestamp> {
        let all = self.0.lock();
        all.values().filter_map(|memory| memory.unanswered_since).min()
    }

    /// When everything was answered that was asked about an object.
    pub fn answered_at(&self, key: &Key, uid: &str) -> Option<Timestamp> {
        let all = self.0.lock();
        all.get(key).filter(|memory| memory.uid.as_str() == uid)?.answered_at
    }

    /// Reads or changes what is known of the status of an object.
    pub(super) fn own_status<T>(&self, key: &Key, uid: &str, change: impl FnOnce(&mut OwnStatus<S>) -> T) -> Option<T> {
        let mut all = self.0.lock();
        all.get_mut(key).filter(|memory| memory.uid.as_str() == uid).map(|memory| change(&mut memory.own))
    }

    fn change(&self, key: &Key, uid: &Uid, change: impl FnOnce(&mut ObjectState<S>)) {
        let mut all = self.0.lock();
        if let Some(memory) = all.get_mut(key).filter(|memory| memory.uid == *uid) {
            change(memory);
        }
    }

    /// Counts a failed try of an object and returns how many failed before it.
    pub fn count_failure(&self, key: &Key, uid: &Uid) -> u32 {
        let mut memory = self.recall(key, uid);
        let before = memory.attempts;
        memory.attempts = before.saturating_add(1);
        self.keep(key, memory);
        before
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cluster::write_refused::Write;
    use crate::testing::at;

    fn known() -> (ObjectStates<()>, Key) {
        let (memories, key) = (ObjectStates::default(), Key::new("a", "x"));
        memories.keep(&key, memories.recall(&key, &"uid".into()));
        (memories, key)
    }

    #[test]
    fn a_written_status_is_kept_only_until_the_store_shows_it() {
        let (memories, key) = known();
        let written = Some(Written { version: 7, status: () });
        memories.keep(&key, ObjectState { written, ..memories.recall(&key, &"uid".into()) });
        let is_kept = || memories.recall(&key, &"uid".into()).written.is_some();
        memories.shown(&key, &"uid".into(), 6);
        memories.shown(&key, &"another".into(), 7);
        assert!(is_kept());
        memories.shown(&key, &"uid".into(), 7);
        assert!(!is_kept());
    }

    #[test]
    fn silence_counts_from_the_first_question_without_an_answer_until_the_next_answer() {
        let (memories, key) = known();
        let since = || memories.recall(&key, &"uid".into()).unanswered_since;
        let answered = || memories.answered_at(&key, "uid");
        memories.note(&key, &"uid".into(), at(10), false);
        memories.note(&key, &"uid".into(), at(20), false);
        assert_eq!((since(), memories.unanswered_since(), answered()), (Some(at(10)), Some(at(10)), None));
        memories.note(&key, &"uid".into(), at(30), true);
        assert_eq!((since(), memories.unanswered_since(), answered()), (None, None, Some(at(30))));
        memories.note(&key, &"uid".into(), at(40), false);
        assert_eq!((since(), answered()), (Some(at(40)), Some(at(30))));
        assert_eq!(memories.answered_at(&key, "another"), None);
    }

    #[test]
    fn a_refusal_that_ends_passes_is_told_once_and_silence_only_once_it_stays() {
        let (memories, key) = known();
        let write = || Write::status("MetaApp", &key);
        let silent = WriteRefused::unanswered(write());
        let denied = WriteRefused { cause: Cause::Right, ..silent.clone() };
        let rows =
            [(&denied, true), (&denied, false), (&silent, false), (&silent, true), (&silent, false), (&denied, true)];
        for (number, (refused, told)) in rows.into_iter().enumerate() {
            assert_eq!(memories.tells(&key, &"uid".into(), refused), told, "{number}");
        }
    }

    #[test]
    fn what_is_noted_of_an_object_that_went_is_not_remembered() {
        let (memories, key) = known();
        memories.forget(&key);
        memories.note(&key, &"uid".into(), at(10), false);
        memories.postpone(&key, &"uid".into(), at(20));
        let fresh = memories.recall(&key, &"uid".into());
        assert_eq!((fresh.unanswered_since, fresh.due, fresh.resting), (None, None, true));
    }
}
