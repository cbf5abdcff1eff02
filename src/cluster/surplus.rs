//! Objects beyond the limit of their namespace. Tenants create them, and what is kept of each fills the memory that all tenants
//! share. Of these objects little more than the name is kept, and the operator does nothing for them.
//!
//! They are not gone: they keep what they hold. An object that has a place keeps it, and a place that becomes free goes to the
//! object that has waited longest.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use kube::core::ObjectMeta;
use parking_lot::{Mutex, MutexGuard, RwLock};
use tokio::sync::Notify;

use super::departed;
use crate::base::key::Key;

/// What all watches know of objects without a place.
#[derive(Debug)]
pub struct Surplus {
    most: usize,
    /// By kind and watched namespace, "" for all.
    rooms: RwLock<HashMap<(&'static str, String), Arc<Room>>>,
    news: Arc<Notify>,
}

/// The places for what one watch shows: so many for each namespace.
#[derive(Debug)]
pub struct Room {
    most: usize,
    namespaces: Mutex<HashMap<String, Places>>,
    news: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Places {
    taken: usize,
    waiting: HashMap<String, Waiting>,
}

/// All that is kept of an object without a place, beside its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Waiting {
    /// When it was created, in seconds.
    pub(super) since: i64,
    /// The mark of its UID.
    pub(super) mark: u64,
    /// Whether its status says so.
    told: bool,
}

impl Waiting {
    /// What is kept of an object with this metadata.
    pub(super) fn of(metadata: &ObjectMeta) -> Self {
        Self { since: since(metadata), mark: departed::mark(metadata.uid.as_deref().unwrap_or_default()), told: false }
    }
}

/// When an object was created, in seconds; by this and its name it is older or younger than others.
pub(super) fn since(metadata: &ObjectMeta) -> i64 {
    metadata.creation_timestamp.as_ref().map_or(Timestamp::MAX, |made| made.0).as_second()
}

impl Surplus {
    /// With so many places for each kind in each namespace.
    pub fn new(most: usize) -> Self {
        Self { most, rooms: RwLock::default(), news: Arc::default() }
    }

    /// The places of a watch of a kind in a namespace, "" for all.
    pub fn room(&self, kind: &'static str, scope: &str) -> Arc<Room> {
        let room = Arc::new(Room { most: self.most, namespaces: Mutex::default(), news: Arc::clone(&self.news) });
        let mut rooms = self.rooms.write();
        rooms.insert((kind, scope.to_owned()), Arc::clone(&room));
        room
    }

    /// How many objects of a kind a namespace may have.
    pub const fn most(&self) -> usize {
        self.most
    }

    /// Whether an object waits for a place.
    pub fn holds(&self, kind: &'static str, key: &Key) -> bool {
        self.waiting(kind, key).is_some()
    }

    /// Whether the object of this name and UID waits for a place, so that it is there.
    pub fn holds_uid(&self, kind: &'static str, key: &Key, uid: &str) -> bool {
        self.waiting(kind, key).is_some_and(|waiting| waiting.mark == departed::mark(uid))
    }

    /// Whether an object of this UID waits for a place in a namespace, whatever its name is.
    pub fn holds_any(&self, kind: &'static str, namespace: &str, uid: &str) -> bool {
        let mark = departed::mark(uid);
        let waits = |room: &Room| {
            let places = room.lock();
            let waiting = places.get(namespace).map(|places| &places.waiting);
            waiting.is_some_and(|waiting| waiting.values().any(|it| it.mark == mark))
        };
        self.room_of(kind, namespace).is_some_and(|room| waits(&room))
    }

    fn room_of(&self, kind: &'static str, namespace: &str) -> Option<Arc<Room>> {
        let rooms = self.rooms.read();
        rooms.get(&(kind, namespace.to_owned())).or_else(|| rooms.get(&(kind, String::new()))).cloned()
    }

    fn waiting(&self, kind: &'static str, key: &Key) -> Option<Waiting> {
        let room = self.room_of(kind, &key.namespace)?;
        room.lock().get(&key.namespace)?.waiting.get(&key.name).copied()
    }

    /// How many objects wait, by kind and namespace.
    pub fn counts(&self) -> Vec<(&'static str, String, usize)> {
        let mut counts = Vec::new();
        for ((kind, _), room) in self.rooms.read().iter() {
            for (namespace, places) in room.lock().iter().filter(|(_, places)| !places.waiting.is_empty()) {
                counts.push((*kind, namespace.clone(), places.waiting.len()));
            }
        }
        counts
    }

    /// Waits for one whose status may not say so yet.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    /// Those of a kind whose status may not say so yet, one for each namespace, so that no tenant keeps others waiting. To say so
    /// is the caller's now.
    pub fn take_untold(&self, kind: &'static str) -> Vec<Key> {
        let rooms = self.rooms.read();
        let of_kind = rooms.iter().filter(|((of, _), _)| *of == kind);
        of_kind.flat_map(|(_, room)| room.take_untold()).collect()
    }

    /// Has the status of one checked again.
    pub fn leave_untold(&self, kind: &'static str, key: &Key) {
        self.tell_again(kind, &key.namespace, |name| *name == key.name);
    }

    /// Has the statuses of all in a namespace checked again, "" for all namespaces.
    pub fn tell_all_again(&self, kind: &'static str, namespace: &str) {
        self.tell_again(kind, namespace, |_| true);
        self.news.notify_one();
    }

    fn tell_again(&self, kind: &'static str, namespace: &str, which: impl Fn(&String) -> bool) {
        for ((of, _), room) in self.rooms.read().iter() {
            for (name, places) in room.lock().iter_mut().filter(|_| *of == kind) {
                if namespace.is_empty() || name == namespace {
                    let found = places.waiting.iter_mut().filter(|(name, _)| which(name));
                    found.for_each(|(_, waiting)| waiting.told = false);
                }
            }
        }
    }
}

impl Room {
    /// As many places as someone asks for.
    pub fn endless() -> Arc<Self> {
        Surplus::new(usize::MAX).room("", "")
    }

    /// How many places there are in a namespace.
    pub(super) const fn most(&self) -> usize {
        self.most
    }

    /// Takes a place for an object that has none, if one is free and nobody waits for it.
    pub(super) fn enter(&self, namespace: &str) -> bool {
        let mut namespaces = self.lock();
        if !namespaces.contains_key(namespace) {
            namespaces.insert(namespace.to_owned(), Places::default());
        }
        let Some(places) = namespaces.get_mut(namespace) else { return false };
        let free = places.taken < self.most && places.waiting.is_empty();
        places.taken += usize::from(free);
        free
    }

    /// Has an object wait that has no place. The one of this name that waited before, if that was another.
    pub(super) fn wait(&self, key: &Key, waiting: Waiting) -> Option<Waiting> {
        let before = {
            let mut namespaces = self.lock();
            namespaces.entry(key.namespace.clone()).or_default().waiting.insert(key.name.clone(), waiting)
        };
        self.news.notify_one();
        before.filter(|before| before.mark != waiting.mark)
    }

    /// Frees the place of an object that is gone.
    pub(super) fn leave(&self, key: &Key) {
        self.change(&key.namespace, |places| places.taken = places.taken.saturating_sub(1));
    }

    /// Has an object that is gone wait no more, if it did.
    pub(super) fn give_up(&self, key: &Key) -> Option<Waiting> {
        self.change(&key.namespace, |places| places.waiting.remove(&key.name)).flatten()
    }

    /// Gives a place to the very object that waits, if one is free.
    pub(super) fn admit(&self, key: &Key, mark: u64) -> bool {
        let most = self.most;
        let admitted = self.change(&key.namespace, |places| {
            let waits = places.waiting.get(&key.name).is_some_and(|waiting| waiting.mark == mark);
            let free = waits && places.taken < most;
            if free {
                places.waiting.remove(&key.name);
                places.taken += 1;
            }
            free
        });
        admitted.unwrap_or_default()
    }

    /// Whether someone waits for a place that is free.
    pub(super) fn has_turns(&self) -> bool {
        self.lock().values().any(|places| places.turns(self.most) > 0)
    }

    /// Whose turn it is, the oldest first: so many at most.
    pub(super) fn turns(&self, at_once: usize) -> Vec<Key> {
        let namespaces = self.lock();
        let mut turns = Vec::new();
        for (namespace, places) in namespaces.iter() {
            let free = places.turns(self.most).min(at_once - turns.len());
            if free == 0 {
                continue;
            }
            let mut waiting: Vec<_> = places.waiting.iter().map(|(name, it)| (it.since, name)).collect();
            waiting.sort_unstable();
            turns.extend(waiting.into_iter().take(free).map(|(_, name)| Key::new(namespace, name)));
        }
        turns
    }

    /// Whether nothing is known of any namespace.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Who waits now, of which a new list will know more.
    pub(super) fn waiting(&self) -> Vec<(Key, Waiting)> {
        let namespaces = self.lock();
        let all = namespaces.iter().flat_map(|(namespace, places)| {
            places.waiting.iter().map(move |(name, waiting)| (Key::new(namespace, name), *waiting))
        });
        all.collect()
    }

    /// Counts anew, by what a list showed.
    pub(super) fn replace(&self, taken: HashMap<String, usize>, waiting: HashMap<String, HashMap<String, Waiting>>) {
        let mut namespaces: HashMap<String, Places> = HashMap::new();
        for (namespace, taken) in taken {
            namespaces.entry(namespace).or_default().taken = taken;
        }
        let mut before = self.lock();
        for (namespace, mut waiting) in waiting {
            for (name, it) in &mut waiting {
                let known = before.get(&namespace).and_then(|places| places.waiting.get(name));
                it.told = known.is_some_and(|known| known.told && known.mark == it.mark);
            }
            namespaces.entry(namespace).or_default().waiting = waiting;
        }
        *before = namespaces;
        self.news.notify_one();
    }

    fn take_untold(&self) -> Vec<Key> {
        let mut namespaces = self.lock();
        let untold = namespaces.iter_mut().filter_map(|(namespace, places)| {
            let (name, waiting) = places.waiting.iter_mut().find(|(_, waiting)| !waiting.told)?;
            waiting.told = true;
            Some(Key::new(namespace, name))
        });
        untold.collect()
    }

    /// Changes the places of a namespace, and forgets it if nothing is left there.
    fn change<T>(&self, namespace: &str, change: impl FnOnce(&mut Places) -> T) -> Option<T> {
        let mut namespaces = self.lock();
        let places = namespaces.get_mut(namespace)?;
        let changed = change(places);
        if places.taken == 0 && places.waiting.is_empty() {
            namespaces.remove(namespace);
        }
        Some(changed)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Places>> {
        self.namespaces.lock()
    }
}

impl Places {
    /// How many of those that wait can have a place.
    fn turns(&self, most: usize) -> usize {
        most.saturating_sub(self.taken).min(self.waiting.len())
    }
}
