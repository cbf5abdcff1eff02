//! What happens to objects that a watch brings, and to objects that get a place.

use kube::Resource;
use kube_runtime::reflector::store::Writer;
use kube_runtime::watcher::Event;

use super::seen::Seen;
use super::{Change, Incoming};
use crate::base::key::Key;
use crate::cluster::error::Failure;
use crate::cluster::metadata::prune;

/// How many places that became free are given away at once.
pub(super) const TURNS_AT_ONCE: usize = 25;

/// Takes in what the watch brings.
pub(super) fn digest<K>(
    seen: &mut Seen<K>,
    incoming: Incoming<K>,
    store: &mut Writer<K>,
    review: &mut impl FnMut(&K),
    report: &mut impl FnMut(Change<'_, K>),
) where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    match incoming {
        Incoming::Event(event) => match event.modify(prune) {
            Event::Init => seen.begin(),
            Event::InitApply(object) => seen.listed(object),
            Event::InitDone => seen.settle(store, review, report),
            Event::Apply(object) => {
                if seen.lets_in(object.meta(), report) {
                    apply(seen, object, store, review, report);
                }
            }
            Event::Delete(object) => {
                store.apply_watcher_event(&Event::Delete(object.clone()));
                seen.gone(&Key::of(&object), report);
            }
        },
        Incoming::Misfit { misfit, listed: true, .. } => seen.listed_misfit(misfit),
        Incoming::Misfit { misfit, known, .. } => {
            if seen.lets_in(&misfit.metadata, report) {
                drop_from(store, known);
                seen.note_misfit(misfit, report);
            }
        }
        Incoming::MisfitGone { key, known } => {
            drop_from(store, known);
            seen.gone(&key, report);
        }
    }
}

/// Gives the places that became free to those that have waited for longest. Whether they could be read.
pub(super) async fn give_turns<K, F>(
    seen: &mut Seen<K>,
    one: &impl Fn(Key) -> F,
    store: &mut Writer<K>,
    review: &mut impl FnMut(&K),
    report: &mut impl FnMut(Change<'_, K>),
) -> bool
where
    K: Resource<DynamicType = ()> + Clone + 'static,
    F: Future<Output = Result<Option<Incoming<K>>, Failure>>,
{
    for key in seen.room.turns(TURNS_AT_ONCE) {
        match one(key).await {
            Ok(Some(incoming)) => admit(seen, incoming, store, review, report),
            // The watch brings that it is gone.
            Ok(None) => {}
            Err(failure) => {
                tracing::warn!(kind = %K::kind(&()), %failure, "an object that was queued for its turn could not be read");
                return false;
            }
        }
    }
    true
}

/// Takes in an object that was asked for, since it has waited for longest.
pub(super) fn admit<K>(
    seen: &mut Seen<K>,
    incoming: Incoming<K>,
    store: &mut Writer<K>,
    review: &mut impl FnMut(&K),
    report: &mut impl FnMut(Change<'_, K>),
) where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    match incoming {
        Incoming::Event(event) => {
            if let Event::Apply(object) = event.modify(prune)
                && seen.admits(object.meta())
            {
                apply(seen, object, store, review, report);
            }
        }
        Incoming::Misfit { misfit, .. } => {
            if seen.admits(&misfit.metadata) {
                seen.note_misfit(misfit, report);
            }
        }
        Incoming::MisfitGone { .. } => {}
    }
}

/// Stores an object that has a place.
fn apply<K>(
    seen: &mut Seen<K>,
    object: K,
    store: &mut Writer<K>,
    review: &mut impl FnMut(&K),
    report: &mut impl FnMut(Change<'_, K>),
) where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    review(&object);
    let event = Event::Apply(object);
    store.apply_watcher_event(&event);
    if let Event::Apply(object) = &event {
        seen.applied(object, report);
    }
}

/// What was known of an object that cannot be decoded any more must not be acted on.
fn drop_from<K>(store: &mut Writer<K>, known: Option<K>)
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    if let Some(known) = known {
        store.apply_watcher_event(&Event::Delete(known));
    }
}
