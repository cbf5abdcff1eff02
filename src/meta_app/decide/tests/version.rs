//! The declared version of the Graph API, and the one in use.

use jiff::SignedDuration;

use super::scene::*;
use crate::api::conditions::ConditionType::{CredentialsValid, Ready, WebhookSubscribed};
use crate::api::outcome::Class;
use crate::graph::{Operation, Version};
use crate::limits::answer::Refusal;
use crate::meta_app::model::Trial;

fn unknown() -> Refusal {
    fault(2500, None, "Unknown path components: /v27.0/1111000011110000")
}

/// The declared version is this one, which Meta refuses; `in_use` answers in its place.
fn declared(version: &str, in_use: Option<&str>) -> Scene {
    let mut scene = if in_use.is_some() { Scene::healthy() } else { Scene::refused(unknown()) };
    scene.app.spec.graph_version = Some(version.to_owned());
    scene.app.metadata.generation = Some(2);
    scene.seen.version = version.parse().unwrap();
    scene.seen.asked.version_refused = Some(unknown());
    scene.seen.asked.version = Some(in_use.unwrap_or(version).parse().unwrap());
    scene
}

#[test]
fn a_version_that_meta_refuses_is_told_while_everything_goes_on_with_the_one_before() {
    let before = Scene::healthy().decide();
    assert_eq!(before.status().graph_version.as_deref(), Some("v25.0"));
    for (version, reason) in
        [("v27.0", "GraphVersionUnknown"), ("v25.1", "GraphVersionUnknown"), ("v19.0", "GraphVersionRetired")]
    {
        let outcome = declared(version, Some("v25.0")).after(&before).decide();
        outcome.stalled(reason);
        outcome.shows(&[(CredentialsValid, "True/CredentialsAccepted"), (WebhookSubscribed, "True/FieldsMatch")]);
        let message = outcome.message(Ready);
        assert!(
            message.contains(&format!(
                "version {version} of the Graph API (code 2500). The operator uses version v25.0, which answers"
            )),
            "{message}"
        );
        assert!(message.contains("spec.graphVersion"), "{message}");
        assert_eq!(outcome.status().graph_version.as_deref(), Some("v25.0"));
        assert_eq!(outcome.plan.report.class, Class::Settled, "checked again in the regular slot");
        assert!(outcome.plan.report.answered);
        assert_eq!(outcome.plan.report.notes.len(), 1);
        // A drift is repaired all the same.
        let mut drifted = declared(version, Some("v25.0")).after(&outcome);
        drifted.seen.asked.subscriptions = Some(Ok(vec![]));
        assert!(drifted.decide().plan.mutation.is_some());
    }
}

#[test]
fn a_new_app_whose_version_meta_refuses_says_which() {
    let outcome = declared("v27.0", None).decide();
    outcome.stalled("GraphVersionUnknown");
    outcome.shows(&[(CredentialsValid, "Unknown/GraphVersionUnknown")]);
    assert!(outcome.message(Ready).contains("Meta does not serve version v27.0 of the Graph API (code 2500)."));
    assert!(outcome.status().next_step.as_deref().unwrap().contains("such as v25.0"));
    assert_eq!(outcome.status().graph_version, None);
    outcome.no_mutation();
}

#[test]
fn the_version_in_use_is_over_once_meta_has_said_so_twice() {
    let before = Scene::healthy().decide();
    let over = || {
        let mut scene = declared("v25.0", None);
        scene.app.metadata.generation = Some(1);
        scene
    };
    let once = over().after(&before).decide();
    assert_eq!(once.status().conditions, before.status().conditions);
    assert_eq!(once.asks_again_in(), Some(60));
    let twice = over().later(&once, SignedDuration::from_mins(1)).decide();
    twice.stalled("GraphVersionRetired");
    twice.shows(&[(CredentialsValid, "True/CredentialsAccepted"), (WebhookSubscribed, "True/FieldsMatch")]);
    let mut old = over().after(&twice);
    old.seen.stale = true;
    let old = old.decide();
    old.stalled("GraphVersionRetired");
    old.shows(&[(CredentialsValid, "Unknown/GraphVersionRetired")]);
    let back = Scene::healthy().after(&old).decide();
    back.shows(&[(Ready, "True/ReconcileSucceeded")]);
    assert!(back.plan.report.suspicions.is_empty());
}

#[test]
fn a_version_that_answers_is_in_use_from_then_on() {
    let before = Scene::healthy().decide();
    let mut scene = Scene::healthy().after(&before);
    let newer: Version = "v26.0".parse().unwrap();
    (scene.seen.version, scene.seen.asked.version) = (newer, Some(newer));
    let outcome = scene.decide();
    outcome.shows(&[(Ready, "True/ReconcileSucceeded")]);
    assert_eq!(outcome.status().graph_version.as_deref(), Some("v26.0"));
}

/// The declared version, of which something was heard when it was tried; v25.0 answers.
fn trying(trial: Trial) -> Scene {
    let mut scene = declared("v26.0", Some("v25.0"));
    scene.seen.asked.version_refused = None;
    scene.seen.asked.trial = Some(trial);
    scene
}

#[test]
fn a_version_in_which_something_is_refused_that_is_read_is_told_and_not_used() {
    let before = Scene::healthy().decide();
    let refusal = fault(12, None, "(#12) is_owner field is deprecated for versions v26.0 and higher");
    let rows = [
        (
            Trial::Refused(Operation::ReadConversations, refusal),
            "GraphVersionUnusable",
            "GET /{page}/conversations (code 12)",
        ),
        (Trial::ServedAs("v25.0".parse().unwrap()), "GraphVersionUnknown", "v26.0 of the Graph API as version v25.0"),
    ];
    for (trial, reason, words) in rows {
        let outcome = trying(trial.clone()).after(&before).confirmed();
        outcome.stalled(reason);
        outcome.shows(&[(CredentialsValid, "True/CredentialsAccepted"), (WebhookSubscribed, "True/FieldsMatch")]);
        let message = outcome.message(Ready);
        assert!(message.contains(words) && message.contains("set spec.graphVersion to v25.0"), "{message}");
        assert_eq!(outcome.status().graph_version.as_deref(), Some("v25.0"));
        assert_eq!((outcome.plan.report.class, outcome.plan.report.answered), (Class::Settled, true));
        let again = trying(trial).after(&outcome).decide();
        assert_eq!((again.status(), again.plan.report.notes.len()), (outcome.status(), 0));
    }
}

#[test]
fn a_version_that_could_not_be_tried_is_tried_again_and_not_used() {
    let before = Scene::healthy().decide();
    for silence in [no_answer(), throttled()] {
        let outcome = trying(Trial::Unanswered(silence)).after(&before).decide();
        outcome.reconciling("Unknown/Pending");
        assert!(outcome.message(Ready).contains("Version v25.0 stays in use"), "{}", outcome.message(Ready));
        assert_eq!(outcome.status().graph_version.as_deref(), Some("v25.0"));
        assert!(!outcome.plan.report.answered && outcome.plan.report.class != Class::Settled);
        assert!(outcome.plan.report.notes.is_empty());
        outcome.shows(&[(CredentialsValid, "True/CredentialsAccepted"), (WebhookSubscribed, "True/FieldsMatch")]);
    }
}

#[test]
fn a_page_that_does_not_answer_leaves_the_application_answered() {
    let before = Scene::healthy().decide();
    let outcome = trying(Trial::PageUnanswered(no_answer())).after(&before).decide();
    outcome.reconciling("Unknown/Pending");
    assert!(outcome.plan.report.answered, "no tenant's page makes what is known of the app stale");
    assert_eq!(outcome.status().inputs.as_deref(), Some("inputs"), "not every wake tries anew");
    assert_eq!(outcome.plan.report.class, Class::Transient, "it is tried again soon");
    assert_eq!(outcome.status().graph_version.as_deref(), Some("v25.0"));
}

#[test]
fn what_is_heard_once_of_a_declared_version_is_no_verdict() {
    let before = Scene::healthy().decide();
    let refusal = fault(12, None, "(#12) is_owner field is deprecated for versions v26.0 and higher");
    for trial in [Trial::Refused(Operation::ReadConversations, refusal), Trial::ServedAs("v25.0".parse().unwrap())] {
        let once = trying(trial.clone()).after(&before).decide();
        once.reconciling("Unknown/Pending");
        assert_eq!(once.asks_again_in(), Some(60));
        assert!(once.plan.report.notes.is_empty());
        assert_eq!(once.status().inputs, before.status().inputs);
        let twice = trying(trial.clone()).later(&once, SignedDuration::from_mins(1)).decide();
        assert!(twice.of(Ready).starts_with("False/"), "{}", twice.of(Ready));
        // After a restart it stays told while it is heard anew.
        let mut restarted = trying(trial).after(&twice);
        restarted.seen.suspicions = Default::default();
        let restarted = restarted.decide();
        assert_eq!((restarted.status(), restarted.plan.report.notes.len()), (twice.status(), 0));
        let mut well = Scene::healthy().after(&once);
        well.app.metadata.generation = Some(2);
        let well = well.decide();
        well.shows(&[(Ready, "True/ReconcileSucceeded")]);
        assert!(well.plan.report.suspicions.is_empty(), "it was contradicted");
    }
}

#[test]
fn a_version_that_is_answered_as_another_is_left_for_one_that_answers() {
    let rows = [
        ("v27.0", "v26.0", "GraphVersionUnknown", "set spec.graphVersion to v25.0, or to v26.0, which answers."),
        ("v26.0", "v25.0", "GraphVersionUnknown", "set spec.graphVersion to v25.0."),
        ("v24.0", "v25.0", "GraphVersionUnusable", "set spec.graphVersion to v25.0."),
        ("v18.0", "v21.0", "GraphVersionRetired", "set spec.graphVersion to v25.0, or to v21.0, which answers."),
    ];
    for (declared, by, reason, words) in rows {
        let mut scene = trying(Trial::ServedAs(by.parse().unwrap()));
        scene.seen.version = declared.parse().unwrap();
        let outcome = scene.after(&Scene::healthy().decide()).confirmed();
        outcome.stalled(reason);
        let step = outcome.status().next_step.clone().unwrap();
        assert!(step.ends_with(words), "{step}");
    }
}

#[test]
fn the_version_that_was_asked_is_the_one_that_is_named() {
    let mut scene = declared("v25.0", Some("v25.0"));
    scene.seen.asked.version_refused = None;
    scene.seen.asked.version = Some("v19.0".parse().unwrap());
    scene.seen.asked.node = Some(Err(unknown()));
    let outcome = scene.decide();
    outcome.shows(&[(CredentialsValid, "Unknown/GraphVersionRetired")]);
    assert!(outcome.message(CredentialsValid).contains("serve version v19.0"), "{}", outcome.message(CredentialsValid));
}
