//! What is reported of what a watch brings.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::ObjectMeta;

use super::*;

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
        Change::Listed => "listed".to_owned(),
        Change::Unlisted(why) => format!("unlisted {why:?}"),
    }
}

fn reports(events: Vec<Event<ConfigMap>>) -> Vec<String> {
    let (reader, mut writer) = kube_runtime::reflector::store::<ConfigMap>();
    let mut seen = Seen::default();
    let mut reports = Vec::new();
    for event in &events {
        writer.apply_watcher_event(event);
        seen.digest(event, &reader, &mut |change| {
            if let Change::Applied(object) = &change {
                let stored = reader.get(&Key::of(*object).to_ref()).expect("the store holds it");
                assert_eq!(stored.resource_version(), object.resource_version());
            }
            reports.push(told(change));
        });
    }
    reports
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
    let (reader, mut writer) = kube_runtime::reflector::store::<ConfigMap>();
    let (mut seen, metrics, mut reports) = (Seen::default(), Metrics::default(), Vec::new());
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
        match open(event, &reader, &metrics) {
            Incoming::Event(event) => {
                writer.apply_watcher_event(&event);
                seen.digest(&event, &reader, &mut |change| reports.push(told(change)));
            }
            Incoming::Misfit { key, uid, version, known } => {
                drop_from(&mut writer, known);
                seen.misfit(&key, &uid, version, &mut |change| reports.push(told(change)));
            }
            Incoming::MisfitGone { key, known } => {
                drop_from(&mut writer, known);
                seen.gone(&key, &mut |change| reports.push(told(change)));
            }
        }
    }
    let first = ["misfit y u", "misfit z u", "applied x", "listed", "misfit x u", "deleted x", "applied z"];
    let expected = [&first[..], &["deleted y", "listed"]].concat();
    assert_eq!(reports, expected);
    let stored: Vec<_> = reader.state().iter().map(|it| it.name_any()).collect();
    assert_eq!(stored, ["z"], "a misfit is not acted on");
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
    assert_eq!(reports(all), ["applied x", "deleted y", "listed"]);
}

#[test]
fn an_object_that_did_not_change_is_not_reported_again() {
    let events = vec![Event::Apply(object("x", "1")), Event::Apply(object("x", "1")), Event::Apply(object("x", "2"))];
    assert_eq!(reports(events), ["applied x", "applied x"]);
}
