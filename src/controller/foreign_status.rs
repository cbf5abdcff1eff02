//! Handles statuses that someone else wrote: compares them when the watch brings them, and wakes their objects.

use kube::{Resource, ResourceExt};

use super::reconciler::Reconciler;
use crate::base::ids::Uid;
use crate::base::key::{Key, version};

/// Notes that what is stored is ours. If someone else's was shown before and nothing comes by the watch, those who depend on it learn
/// it here.
pub fn is_ours<K: Reconciler>(kind: &K, key: &Key, uid: &Uid, version: Option<u64>, is_shown: bool) {
    if kind.states().wrote(key, uid, version, is_shown) {
        wake_dependents(kind, key);
    }
}

/// Compares an object that the watch brings with the stored one, before it is in the store.
pub fn review<K: Reconciler>(kind: &K, object: &K::Object) {
    let key = Key::of(object);
    let Some(before) = kind.stored(&key).filter(|before| before.uid() == object.uid()) else { return };
    kind.ctx().compare(Some(before.meta()), object.meta());
    let (shown, known) = (K::status(object), K::status(&before));
    if shown == known {
        return;
    }
    let (shown, known) = (shown.map(K::own_part), known.map(K::own_part));
    if shown != known {
        let version = version(object.meta()).unwrap_or_default();
        let uid = Uid::of(object);
        kind.states().shows(&key, &uid, version, shown.as_deref(), known.as_deref());
    }
}

/// Wakes an object whose status someone else wrote.
pub fn wake<K: Reconciler>(kind: &K, object: &K::Object) {
    let ctx = kind.ctx();
    let (key, uid, now) = (Key::of(object), Uid::of(object), ctx.clock.now());
    match kind.states().repair_due(&key, &uid) {
        Some(due) if due > now => {
            if let Some(timer) = ctx.wakeups.timer(K::NAME, &key.namespace) {
                timer.no_later(key, due);
            }
        }
        Some(_) => ctx.wakeups.wake(K::NAME, key),
        None => {}
    }
}

/// Wakes everything that depends on the object of this name.
pub fn wake_dependents<K: Reconciler>(kind: &K, key: &Key) {
    if let Some(dependency) = K::as_dependency(key) {
        kind.ctx().wakeups.wake_dependents(&dependency);
    }
}
