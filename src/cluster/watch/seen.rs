//! What a watch has shown: distinguishes changes from repetitions, finds what vanished, and knows which objects have a place.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use kube::core::ObjectMeta;
use kube::{Resource, ResourceExt};
use kube_runtime::reflector::store::Writer;
use kube_runtime::watcher::Event;

use super::Change;
use crate::base::key::{Key, version};
use crate::cluster::departed;
use crate::cluster::surplus::{Room, Waiting, since};

/// An object that cannot be decoded.
pub(super) struct Misfit {
    pub(super) key: Key,
    /// No more of it than is kept.
    pub(super) metadata: Box<ObjectMeta>,
}

/// What was last seen of each object that has a place.
pub(super) struct Seen<K> {
    objects: HashMap<Key, (u64, Option<String>)>,
    /// Those that cannot be decoded; never in both.
    misfits: HashMap<Key, (u64, (String, Option<String>))>,
    round: u64,
    /// The list that goes on.
    listing: Option<Listing<K>>,
    /// Version of those that were asked for when they got a place: the watch may still bring what they were before.
    fetched: HashMap<Key, u64>,
    pub(super) room: Arc<Room>,
}

/// What a list has brought so far. The store holds none of it before the list is complete.
struct Listing<K> {
    /// Those that have a place, by namespace.
    chosen: HashMap<String, BTreeMap<Rank, Listed<K>>>,
    over: HashMap<String, HashMap<String, Waiting>>,
}

/// Who comes before whom: who had a place before, then who is older, then by name.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
struct Rank {
    is_new: bool,
    since: i64,
    name: String,
}

enum Listed<K> {
    Object(K),
    Misfit(Misfit),
}

impl<K: ResourceExt> Listed<K> {
    fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::Object(object) => object.meta(),
            Self::Misfit(misfit) => &misfit.metadata,
        }
    }
}

impl<K: Resource<DynamicType = ()> + Clone + 'static> Seen<K> {
    pub(super) fn new(room: Arc<Room>) -> Self {
        let (objects, misfits, fetched) = Default::default();
        Self { objects, misfits, round: 0, listing: None, fetched, room }
    }

    /// A list begins.
    pub(super) fn begin(&mut self) {
        self.listing = Some(Listing { chosen: HashMap::new(), over: HashMap::new() });
        self.fetched.clear();
    }

    /// A list brings an object.
    pub(super) fn listed(&mut self, object: K) {
        self.choose(Key::of(&object), Listed::Object(object));
    }

    /// A list brings an object that cannot be decoded.
    pub(super) fn listed_misfit(&mut self, misfit: Misfit) {
        self.choose(misfit.key.clone(), Listed::Misfit(misfit));
    }

    /// Gives a place to an object; if there are too many by that, the last of them has none.
    fn choose(&mut self, key: Key, listed: Listed<K>) {
        let (is_new, since) = (!self.has_place(&key), since(listed.metadata()));
        let Some(listing) = &mut self.listing else { return };
        let chosen = listing.chosen.entry(key.namespace.clone()).or_default();
        chosen.insert(Rank { is_new, since, name: key.name }, listed);
        if chosen.len() > self.room.most()
            && let Some((rank, last)) = chosen.pop_last()
        {
            listing.over.entry(key.namespace).or_default().insert(rank.name, Waiting::of(last.metadata()));
        }
    }

    /// A list is complete: it takes the place of what is stored, and what is new of it is reported.
    pub(super) fn settle(
        &mut self,
        store: &mut Writer<K>,
        review: &mut impl FnMut(&K),
        report: &mut impl FnMut(Change<'_, K>),
    ) {
        let Some(Listing { chosen, over }) = self.listing.take() else { return };
        let (waited, mut taken) = (self.room.waiting(), HashMap::new());
        let gone: Vec<_> = waited.iter().filter(|(key, it)| !is_listed(&chosen, &over, key, it)).collect();
        let (mut news, mut misfits) = (Vec::new(), Vec::new());
        self.round += 1;
        store.apply_watcher_event(&Event::Init);
        for (namespace, chosen) in chosen {
            taken.insert(namespace, chosen.len());
            for listed in chosen.into_values() {
                match listed {
                    Listed::Object(object) => {
                        review(&object);
                        if self.is_new(&object) {
                            news.push(Key::of(&object));
                        }
                        store.apply_watcher_event(&Event::InitApply(object));
                    }
                    Listed::Misfit(misfit) => misfits.push(misfit),
                }
            }
        }
        store.apply_watcher_event(&Event::InitDone);
        let known: HashSet<_> = waited.iter().map(|(key, _)| key).collect();
        let waiting =
            over.iter().flat_map(|(namespace, names)| names.keys().map(move |name| Key::new(namespace, name)));
        let surplus: Vec<_> = waiting.filter(|key| !known.contains(key)).collect();
        self.room.replace(taken, over);
        news.sort();
        let objects = store.as_reader();
        let news = news.into_iter().filter_map(|key| objects.get(&key.to_ref()));
        news.for_each(|object| report(Change::Applied(&object)));
        misfits.into_iter().for_each(|misfit| self.note_misfit(misfit, report));
        self.report_gone(report);
        gone.into_iter().for_each(|(key, it)| report(Change::SurplusGone { key, mark: it.mark }));
        surplus.iter().for_each(|key| report(Change::Surplus(key)));
        report(Change::Listed);
    }

    fn report_gone(&mut self, report: &mut impl FnMut(Change<'_, K>)) {
        let round = self.round;
        let mut there = |key: &Key, seen: u64| {
            if seen != round {
                report(Change::Deleted(key));
            }
            seen == round
        };
        self.objects.retain(|key, (seen, _)| there(key, *seen));
        self.misfits.retain(|key, (seen, _)| there(key, *seen));
    }

    /// Whether an object is to be checked, as one that the watch brings: it has a place, and this is news of it.
    pub(super) fn lets_in(&mut self, object: &ObjectMeta, report: &mut impl FnMut(Change<'_, K>)) -> bool {
        let key = key_of(object);
        if let Some(version) = version(object) {
            let is_past = self.fetched.get(&key).is_some_and(|fetched| version <= *fetched);
            // A watch brings everything in order.
            self.fetched.retain(|_, fetched| *fetched > version);
            if is_past {
                return false;
            }
        }
        if self.has_place(&key) || self.room.enter(&key.namespace) {
            return true;
        }
        if let Some(before) = self.room.wait(&key, Waiting::of(object)) {
            report(Change::SurplusGone { key: &key, mark: before.mark });
        }
        report(Change::Surplus(&key));
        false
    }

    /// Whether an object that was asked for has a place now: it is the very one whose turn it is.
    pub(super) fn admits(&mut self, object: &ObjectMeta) -> bool {
        let (key, mark) = (key_of(object), departed::mark(object.uid.as_deref().unwrap_or_default()));
        let admitted = self.room.admit(&key, mark);
        if let Some(version) = version(object).filter(|_| admitted) {
            self.fetched.insert(key, version);
        }
        admitted
    }

    /// Whether places are to be given to those that wait. While a list goes on it does that.
    pub(super) fn has_turns(&self) -> bool {
        self.listing.is_none() && self.room.has_turns()
    }

    fn has_place(&self, key: &Key) -> bool {
        self.objects.contains_key(key) || self.misfits.contains_key(key)
    }

    /// An object is as it is stored now.
    pub(super) fn applied(&mut self, object: &K, report: &mut impl FnMut(Change<'_, K>)) {
        if self.is_new(object) {
            report(Change::Applied(object));
        }
    }

    /// Whether an object was not seen before, or in another version.
    fn is_new(&mut self, object: &impl ResourceExt) -> bool {
        let (key, version) = (Key::of(object), object.resource_version());
        self.misfits.remove(&key);
        let old = self.objects.insert(key, (self.round, version.clone()));
        old.is_none_or(|(_, old)| old != version)
    }

    /// An object cannot be decoded.
    pub(super) fn note_misfit(&mut self, misfit: Misfit, report: &mut impl FnMut(Change<'_, K>)) {
        let (key, ObjectMeta { uid, resource_version, .. }) = (misfit.key, *misfit.metadata);
        let uid = uid.unwrap_or_default();
        self.objects.remove(&key);
        let seen = (uid.clone(), resource_version);
        let old = self.misfits.insert(key.clone(), (self.round, seen.clone()));
        if old.is_none_or(|(_, old)| old != seen) {
            report(Change::Misfit { key: &key, uid: &uid });
        }
    }

    /// An object is gone, whether it had a place or not.
    pub(super) fn gone(&mut self, key: &Key, report: &mut impl FnMut(Change<'_, K>)) {
        if let Some(waited) = self.room.give_up(key) {
            report(Change::SurplusGone { key, mark: waited.mark });
            return;
        }
        let (object, misfit) = (self.objects.remove(key).is_some(), self.misfits.remove(key).is_some());
        if object || misfit {
            self.room.leave(key);
        }
        report(Change::Deleted(key));
    }
}

fn key_of(metadata: &ObjectMeta) -> Key {
    Key::new(metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
}

/// Whether the very object that waited is in a list.
fn is_listed<K: ResourceExt>(
    chosen: &HashMap<String, BTreeMap<Rank, Listed<K>>>,
    over: &HashMap<String, HashMap<String, Waiting>>,
    key: &Key,
    waited: &Waiting,
) -> bool {
    let rank = Rank { is_new: true, since: waited.since, name: key.name.clone() };
    let listed = chosen.get(&key.namespace).and_then(|chosen| chosen.get(&rank));
    let listed = listed.map(|listed| Waiting::of(listed.metadata()).mark);
    let over = over.get(&key.namespace).and_then(|over| over.get(&key.name)).map(|it| it.mark);
    listed.or(over) == Some(waited.mark)
}
