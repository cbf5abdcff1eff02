//! What is reported about what a watch brings.

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use kube::core::ObjectMeta;

use super::intake::{TURNS_AT_ONCE, admit};
use super::*;
use crate::cluster::surplus::Surplus;

fn object(name: &str, version: &str) -> ConfigMap {
    let metadata = ObjectMeta {
        name: Some(name.into()),
        namespace: Some("a".into()),
        resource_version: Some(version.into()),
        ..ObjectMeta::default()
    };
    ConfigMap { metadata, ..ConfigMap::default() }
}

fn told(change: Change<'_, ConfigMap>) -> String {
    match change {
        Change::Applied(object) => format!("applied {}", object.name_any()),
        Change::Misfit { key, uid } => format!("misfit {} {uid}", key.name),
        Change::Deleted(key) => format!("deleted {}", key.name),
        Change::Surplus(key) => format!("surplus {}", key.name),
        Change::SurplusGone { key, .. } => format!("surplus {} gone", key.name),
        Change::Listed => "listed".to_owned(),
        Change::Unlisted(why) => format!("unlisted {why:?}"),
    }
}

/// A watch without a server.
struct Watch {
    store: Writer<ConfigMap>,
    seen: Seen<ConfigMap>,
    reports: Vec<String>,
}

impl Watch {
    fn with(room: Arc<Room>) -> Self {
        Self { store: kube_runtime::reflector::store().1, seen: Seen::new(room), reports: Vec::new() }
    }

    /// Brings something, or what was asked for.
    fn bring(&mut self, incoming: Incoming<ConfigMap>, asked: bool) {
        let Self { store, seen, reports } = self;
        let reader = store.as_reader();
        let mut report = |change: Change<'_, ConfigMap>| {
            if let Change::Applied(object) = &change {
                let stored = reader.get(&Key::of(*object).to_ref()).expect("the store holds it");
                assert_eq!(stored.resource_version(), object.resource_version());
            }
            reports.push(told(change));
        };
        if asked {
            admit(seen, incoming, store, &mut |_| (), &mut report);
        } else {
            digest(seen, incoming, store, &mut |_| (), &mut report);
        }
    }

    /// What is reported of these.
    fn after(&mut self, events: Vec<Event<ConfigMap>>) -> Vec<String> {
        events.into_iter().for_each(|event| self.bring(Incoming::Event(event), false));
        std::mem::take(&mut self.reports)
    }

    /// What is reported once those whose turn it is were asked for.
    fn turns(&mut self, there: &[ConfigMap]) -> Vec<String> {
        for key in self.seen.room.turns(TURNS_AT_ONCE) {
            if let Some(object) = there.iter().find(|object| object.name_any() == key.name) {
                self.bring(Incoming::Event(Event::Apply(object.clone())), true);
            }
        }
        std::mem::take(&mut self.reports)
    }

    fn stored(&self) -> Vec<String> {
        let mut names: Vec<_> = self.store.as_reader().state().iter().map(|it| it.name_any()).collect();
        names.sort();
        names
    }
}

fn reports(events: Vec<Event<ConfigMap>>) -> Vec<String> {
    Watch::with(Room::endless()).after(events)
}

/// An event about an object that cannot be decoded, as the watch delivers it.
fn invalid(name: &str) -> DeserializeGuard<ConfigMap> {
    serde_json::from_value(serde_json::json!({
        "metadata": { "name": name, "namespace": "a", "uid": "u" }, "data": "not a map"
    }))
    .expect("a guard takes anything with metadata")
}

#[test]
fn an_object_that_cannot_be_decoded_is_not_gone_until_it_is() {
    let (mut watch, metrics) = (Watch::with(Room::endless()), Metrics::default());
    let guarded = |object| DeserializeGuard(Ok(object));
    let rounds = [
        Event::Init,
        Event::InitApply(guarded(object("x", "1"))),
        Event::InitApply(invalid("y")),
        Event::InitApply(invalid("z")),
        Event::InitDone,
        Event::Apply(invalid("x")),
        Event::Delete(invalid("x")),
        Event::Apply(guarded(object("z", "9"))),
        Event::Init,
        Event::InitApply(guarded(object("z", "9"))),
        Event::InitDone,
    ];
    for event in rounds {
        let incoming = open(event, &watch.store.as_reader(), &metrics);
        watch.bring(incoming, false);
    }
    let first = ["applied x", "misfit y u", "misfit z u", "listed", "misfit x u", "deleted x", "applied z"];
    let expected = [&first[..], &["deleted y", "listed"]].concat();
    assert_eq!(watch.reports, expected);
    assert_eq!(watch.stored(), ["z"], "a misfit is not acted on");
}

#[test]
fn an_object_that_vanished_during_an_interruption_is_reported_as_deleted() {
    let first = [Event::Init, Event::InitApply(object("x", "1")), Event::InitApply(object("y", "2")), Event::InitDone];
    let again = [Event::Init, Event::InitApply(object("y", "2")), Event::InitDone];
    let all = first.into_iter().chain(again).collect();
    assert_eq!(reports(all), ["applied x", "applied y", "listed", "deleted x", "listed"]);
}

#[test]
fn what_a_list_brings_is_reported_once_it_is_complete_since_the_store_holds_nothing_of_it_before() {
    let part = [Event::Init, Event::InitApply(object("x", "1")), Event::InitApply(object("y", "2"))];
    assert_eq!(reports(part.to_vec()), [""; 0]);
    let again = [Event::Init, Event::InitApply(object("x", "3")), Event::InitDone];
    let all = part.into_iter().chain(again).collect();
    assert_eq!(reports(all), ["applied x", "listed"]);
}

#[test]
fn an_object_that_did_not_change_is_not_reported_again() {
    let events = vec![Event::Apply(object("x", "1")), Event::Apply(object("x", "1")), Event::Apply(object("x", "2"))];
    assert_eq!(reports(events), ["applied x", "applied x"]);
}

/// An object that was created then, named so.
fn made(second: i64, name: &str, version: &str) -> ConfigMap {
    let mut object = object(name, version);
    object.metadata.creation_timestamp = Some(Time(jiff::Timestamp::from_second(second).expect("a time")));
    object.metadata.uid = Some(format!("{name}-{second}"));
    object
}

fn list(objects: impl IntoIterator<Item = ConfigMap>) -> Vec<Event<ConfigMap>> {
    let objects = objects.into_iter().map(Event::InitApply);
    std::iter::once(Event::Init).chain(objects).chain([Event::InitDone]).collect()
}

/// A watch with so many places, and what it knows of who has none.
fn crowded(most: usize) -> (Watch, Surplus) {
    let surplus = Surplus::new(most);
    (Watch::with(surplus.room("ConfigMap", "")), surplus)
}

#[test]
fn of_too_many_in_a_list_the_oldest_have_a_place_and_then_by_name() {
    let (mut watch, surplus) = crowded(3);
    let all = [made(9, "a", "1"), made(5, "b", "2"), made(7, "d", "3"), made(7, "c", "4"), made(5, "e", "5")];
    let first = watch.after(list(all));
    assert_eq!(first[..3], ["applied b", "applied c", "applied e"]);
    assert_eq!(first[5], "listed");
    assert_eq!(watch.stored(), ["b", "c", "e"]);
    assert_eq!(surplus.counts(), [("ConfigMap", "a".to_owned(), 2)]);
    assert!(surplus.holds_uid("ConfigMap", &Key::new("a", "d"), "d-7"), "it is there");
    assert!(!surplus.holds_uid("ConfigMap", &Key::new("a", "d"), "another"));
    assert!(!surplus.holds("ConfigMap", &Key::new("a", "b")) && !surplus.holds("Secret", &Key::new("a", "d")));
}

#[test]
fn whoever_has_a_place_keeps_it_whoever_else_comes() {
    let (mut watch, surplus) = crowded(2);
    watch.after(list([made(5, "b", "1"), made(6, "c", "2")]));
    assert_eq!(watch.after(vec![Event::Apply(made(1, "a", "3"))]), ["surplus a"]);
    // A new list, and a clock that was put back: who was there before stays.
    let again = watch.after(list([made(1, "a", "3"), made(2, "aa", "4"), made(5, "b", "1"), made(6, "c", "7")]));
    assert_eq!(again, ["applied c", "surplus aa", "listed"]);
    assert_eq!(watch.stored(), ["b", "c"]);
    assert_eq!(surplus.counts()[0].2, 2);
    assert_eq!(watch.after(vec![Event::Apply(made(6, "c", "9"))]), ["applied c"]);
}

#[test]
fn a_place_that_becomes_free_goes_to_the_oldest_that_waits_and_not_to_who_comes_then() {
    let (mut watch, surplus) = crowded(2);
    watch.after(list([made(1, "a", "1"), made(2, "b", "2"), made(4, "c", "3"), made(3, "d", "4")]));
    assert!(!watch.seen.has_turns());
    let gone = watch.after(vec![Event::Delete(made(1, "a", "5")), Event::Apply(made(9, "a", "6"))]);
    assert_eq!(gone, ["deleted a", "surplus a"]);
    assert!(watch.seen.has_turns());
    let there = [made(9, "a", "6"), made(4, "c", "3"), made(3, "d", "8")];
    assert_eq!(watch.turns(&there), ["applied d"]);
    assert_eq!(watch.stored(), ["b", "d"]);
    assert!(!watch.seen.has_turns() && surplus.counts()[0].2 == 2);
    // The watch is late: what it was before it was asked for is past.
    let late = vec![Event::Apply(made(3, "d", "7")), Event::Apply(made(3, "d", "8")), Event::Apply(made(3, "d", "10"))];
    assert_eq!(watch.after(late), ["applied d"]);
    assert!(watch.after(vec![Event::Delete(made(3, "d", "11"))]) == ["deleted d"] && watch.seen.has_turns());
}

#[test]
fn only_the_very_object_that_waits_gets_the_place() {
    let (mut watch, _) = crowded(1);
    watch.after(list([made(1, "a", "1"), made(2, "b", "2")]));
    watch.after(vec![Event::Delete(made(1, "a", "3"))]);
    assert_eq!(watch.turns(&[made(8, "b", "9")]), [""; 0], "the watch brings first that the other one went");
    assert_eq!(watch.after(vec![Event::Delete(made(2, "b", "8"))]), ["surplus b gone"]);
    assert_eq!(watch.after(vec![Event::Apply(made(8, "b", "9"))]), ["applied b"]);
}

#[test]
fn an_object_without_a_place_that_goes_is_reported_also_if_nobody_saw_it_go() {
    let (mut watch, surplus) = crowded(1);
    watch.after(list([made(1, "a", "1"), made(2, "b", "2"), made(3, "c", "3"), made(4, "d", "4")]));
    assert_eq!(watch.after(vec![Event::Delete(made(2, "b", "5"))]), ["surplus b gone"]);
    let mut again = watch.after(list([made(1, "a", "1"), made(9, "c", "6")]));
    again.sort();
    assert_eq!(again, ["listed", "surplus c gone", "surplus d gone"], "c is another one");
    assert!(surplus.holds_uid("ConfigMap", &Key::new("a", "c"), "c-9"));
    assert_eq!(watch.after(list([made(9, "c", "6")])), ["applied c", "deleted a", "listed"]);
    assert_eq!(surplus.counts(), []);
}

#[test]
fn the_places_are_for_each_namespace_and_nothing_is_kept_of_one_that_is_empty() {
    let (mut watch, surplus) = crowded(1);
    let elsewhere = |name: &str| {
        let mut object = made(1, name, "1");
        object.metadata.namespace = Some("b".to_owned());
        object
    };
    watch.after(list([made(1, "a", "1"), elsewhere("a"), elsewhere("b")]));
    assert_eq!(surplus.counts(), [("ConfigMap", "b".to_owned(), 1)]);
    watch.after(vec![Event::Delete(elsewhere("b")), Event::Delete(elsewhere("a")), Event::Delete(made(1, "a", "2"))]);
    assert!(watch.seen.room.is_empty());
}

#[test]
fn each_is_told_once_and_again_when_it_changes_and_one_of_each_namespace_at_a_time() {
    let (mut watch, surplus) = crowded(1);
    watch.after(list([made(1, "a", "1"), made(2, "b", "2"), made(3, "c", "3")]));
    let untold = || surplus.take_untold("ConfigMap").into_iter().map(|key| key.name).collect::<Vec<_>>();
    let mut told = [untold(), untold()].concat();
    told.sort();
    assert_eq!((told, untold()), (vec!["b".to_owned(), "c".to_owned()], Vec::new()));
    watch.after(list([made(1, "a", "1"), made(2, "b", "2"), made(3, "c", "3")]));
    assert_eq!(untold(), [""; 0]);
    watch.after(vec![Event::Apply(made(3, "c", "4"))]);
    assert_eq!((untold(), untold()), (vec!["c".to_owned()], Vec::new()));
    surplus.leave_untold("ConfigMap", &Key::new("a", "b"));
    assert_eq!(untold(), ["b"]);
    surplus.tell_all_again("ConfigMap", "a");
    assert_eq!([untold(), untold(), untold()].concat().len(), 2);
}
