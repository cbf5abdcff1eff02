//! How long the version of the Graph API in use is served, and whether it is.

use jiff::{SignedDuration, Timestamp};

use super::scene::*;
use crate::api::conditions::ConditionType::{CredentialsValid, Ready, VersionSupported, WebhookSubscribed};
use crate::graph::Version;

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

/// An application whose calls in this version are answered by another one, or do not say by which, on a day.
fn using(used: &str, served: Option<&str>, day: &str) -> Scene {
    Scene::with(|scene| {
        scene.app.spec.graph_version = Some(used.to_owned());
        (scene.seen.version, scene.seen.asked.version) = (version(used), Some(version(used)));
        scene.seen.served = served.map(version);
        scene.now = format!("{day}T12:00:00Z").parse().unwrap();
    })
}

#[test]
fn how_long_a_version_lives_is_told_by_the_calendar_and_what_it_is_by_the_answers() {
    let same = |used: &'static str| (used, Some(used));
    let rows = [
        (same("v25.0"), "2026-12-01", "True/VersionServed", "until 2028-07-29", "True/ReconcileSucceeded"),
        (("v25.0", None), "2026-12-01", "True/VersionServed", "until 2028-07-29", "True/ReconcileSucceeded"),
        (same("v26.0"), "2026-12-01", "True/VersionServed", "its end is not announced", "True/ReconcileSucceeded"),
        (same("v21.0"), "2026-12-01", "False/VersionEnding", "ends on 2027-01-21", "True/ReconcileSucceeded"),
        (same("v21.0"), "2027-02-01", "False/VersionEnded", "Meta still serves it.", "True/ReconcileSucceeded"),
        (("v21.0", None), "2027-02-01", "False/VersionEnded", "ended on 2027-01-21.", "False/VersionEnded"),
        (("v21.0", Some("v22.0")), "2027-02-01", "False/VersionEnded", "as version v22.0", "False/VersionEnded"),
        (same("v27.0"), "2027-08-01", "True/VersionServed", "knows neither version v27.0", "True/ReconcileSucceeded"),
        (
            ("v27.0", None),
            "2027-08-01",
            "Unknown/VersionNotInCalendar",
            "knows neither version v27.0",
            "True/ReconcileSucceeded",
        ),
        (
            ("v18.0", Some("v21.0")),
            "2026-12-01",
            "False/VersionEnded",
            "ended. Meta answers calls to it as version v21.0.",
            "False/VersionEnded",
        ),
    ];
    for ((used, served), day, expected, words, ready) in rows {
        let outcome = using(used, served, day).decide();
        outcome.shows(&[(VersionSupported, expected), (Ready, ready)]);
        let message = outcome.message(VersionSupported);
        assert!(message.contains(words), "{used} by {served:?} on {day}: {message}");
        assert_eq!(outcome.status().graph_version.as_deref(), Some(used));
        if expected.starts_with("False") {
            assert!(message.contains("must set spec.graphVersion to a newer version"), "{message}");
        }
    }
}

#[test]
fn the_docs_show_the_status_of_a_version_that_ends() {
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/conditions.md")).unwrap();
    let section = docs.split("\n### VersionEnding\n").nth(1).unwrap().split("\n### ").next().unwrap();
    let yaml = section.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let shown: serde_json::Value = serde_yaml_ng::from_str(yaml).unwrap();
    let outcome = using("v21.0", Some("v21.0"), "2026-12-01").decide();
    let found = crate::api::conditions::find(&outcome.status().conditions, VersionSupported).unwrap();
    let is = |field: &str, value: &str| assert_eq!(shown["conditions"][0][field].as_str(), Some(value), "{yaml}");
    is("type", "VersionSupported");
    is("status", &found.status);
    is("reason", &found.reason);
    is("message", &found.message);
}

#[test]
fn that_a_version_ends_is_told_once_and_changes_nothing_else() {
    let before = using("v21.0", Some("v21.0"), "2026-07-01").decide();
    before.shows(&[(VersionSupported, "True/VersionServed")]);
    let ending = using("v21.0", Some("v21.0"), "2026-07-25").later(&before, SignedDuration::from_hours(24 * 30));
    let ending = ending.decide();
    ending.shows(&[
        (VersionSupported, "False/VersionEnding"),
        (Ready, "True/ReconcileSucceeded"),
        (CredentialsValid, "True/CredentialsAccepted"),
    ]);
    let told: Vec<_> = ending.plan.report.notes.iter().map(|note| (note.warning, note.reason)).collect();
    assert_eq!(told, [(true, "VersionEnding")]);
    let step = ending.status().next_step.clone().unwrap_or_default();
    assert!(step.contains("must set spec.graphVersion") && ending.message(VersionSupported).ends_with(&step), "{step}");
    let text = &ending.plan.report.notes[0].text;
    assert!(text.ends_with("See status.nextStep for what to do."), "{text}");
    // Days pass.
    let mut last = ending;
    for _ in 0..3 {
        let again = using("v21.0", Some("v21.0"), "2026-08-01").later(&last, SignedDuration::from_hours(240)).decide();
        assert_eq!((again.status(), again.plan.report.notes.len()), (last.status(), 0));
        last = again;
    }
    // It is over: whoever only reads Ready is told too, and everything else goes on.
    let mut over = using("v21.0", Some("v22.0"), "2027-02-01").after(&last);
    over.now = "2027-02-01T00:00:00Z".parse::<Timestamp>().unwrap();
    let over = over.decide();
    over.stalled("VersionEnded");
    over.shows(&[(VersionSupported, "False/VersionEnded"), (WebhookSubscribed, "True/FieldsMatch")]);
    let told: Vec<_> = over.plan.report.notes.iter().map(|note| note.reason).collect();
    assert_eq!(told, ["VersionEnded"], "by one Event and not two");
    assert_eq!(over.plan.report.class, crate::api::outcome::Class::Settled, "checked again in the regular slot");
    let silent = Scene::with(|scene| {
        scene.app.spec.graph_version = Some("v21.0".to_owned());
        scene.seen.served = None;
        scene.seen.version = version("v21.0");
        scene.seen.asked.node = Some(Err(no_answer()));
    });
    let silent = silent.after(&over).decide();
    assert_eq!((silent.status(), silent.plan.report.notes.len()), (over.status(), 0), "an outage rewrites nothing");
}

#[test]
fn another_version_that_answers_counts_once_it_is_heard_again() {
    let before = using("v25.0", Some("v25.0"), "2026-12-01").decide();
    let served = || using("v25.0", Some("v26.0"), "2026-12-01");
    let once = served().after(&before).decide();
    assert_eq!(once.status().conditions, before.status().conditions);
    assert_eq!(once.asks_again_in(), Some(60));
    let twice = served().later(&once, SignedDuration::from_mins(1)).decide();
    twice.shows(&[(VersionSupported, "False/ServedByOtherVersion"), (Ready, "True/ReconcileSucceeded")]);
    assert!(twice.message(VersionSupported).contains("v25.0 of the Graph API as version v26.0"));
    assert_eq!(twice.plan.report.notes.iter().map(|note| note.reason).collect::<Vec<_>>(), ["ServedByOtherVersion"]);
    // After a restart it is heard anew, and stays told meanwhile.
    let mut restarted = served().after(&twice);
    restarted.seen.suspicions = Default::default();
    let restarted = restarted.decide();
    assert_eq!((restarted.status(), restarted.plan.report.notes.len()), (twice.status(), 0));
    let back = using("v25.0", Some("v25.0"), "2026-12-01").after(&restarted).decide();
    back.shows(&[(VersionSupported, "True/VersionServed")]);
    assert!(back.plan.report.suspicions.is_empty());
}

#[test]
fn without_an_answer_what_was_known_of_the_version_stays() {
    let never = Scene::refused(no_answer()).decide();
    never.shows(&[(VersionSupported, "Unknown/Pending")]);
    Scene::with(|scene| scene.seen.asked = Default::default()).decide().shows(&[(VersionSupported, "Unknown/Pending")]);
    let ending = using("v21.0", Some("v21.0"), "2026-12-01").decide();
    for refusal in [no_answer(), throttled(), fault(190, None, "Error validating application.")] {
        let silent = Scene::refused(refusal).after(&ending).decide();
        silent.shows(&[(VersionSupported, "False/VersionEnding")]);
        assert!(silent.plan.report.notes.iter().all(|note| note.reason != "VersionEnding"));
    }
    let mut stale = Scene::refused(no_answer()).after(&ending);
    stale.seen.stale = true;
    stale.decide().shows(&[(VersionSupported, "Unknown/GraphUnavailable")]);
}

#[test]
fn a_version_that_is_answered_though_it_is_over_is_not_given_up_after_a_restart_without_an_answer() {
    let before = using("v19.0", Some("v19.0"), "2026-12-01").decide();
    before.shows(&[(VersionSupported, "False/VersionEnded"), (Ready, "True/ReconcileSucceeded")]);
    for asked in [None, Some(version("v19.0")), Some(version("v25.0"))] {
        let mut restarted = using("v19.0", None, "2026-12-01").after(&before);
        restarted.seen.asked = Scene::refused(no_answer()).seen.asked;
        (restarted.seen.suspicions, restarted.seen.asked.version) = (Default::default(), asked);
        let restarted = restarted.decide();
        assert_eq!((restarted.status(), restarted.plan.report.notes.len()), (before.status(), 0), "{asked:?}");
    }
}

#[test]
fn no_newer_version_is_named_than_the_calendar_knows() {
    let step = |used, served| using(used, Some(served), "2026-12-01").confirmed().status().next_step.clone().unwrap();
    assert!(step("v25.0", "v24.0").contains("to a newer version, such as v26.0; the operator tries it"));
    for (used, served) in [("v26.0", "v25.0"), ("v27.0", "v26.0")] {
        assert!(step(used, served).contains("to a newer version; the operator tries it"), "{}", step(used, served));
    }
}
