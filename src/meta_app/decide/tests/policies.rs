//! An application that is only observed, or left alone.

use super::scene::*;
use crate::api::ManagementPolicy;
use crate::api::conditions::ConditionType::{
    CredentialsValid, PermissionsApproved, Ready, Reconciling, Stalled, WebhookSubscribed,
};
use crate::api::outcome::Class;
use crate::meta_app;
use crate::meta_app::model::{Asked, VerifyTokenSeen};
use crate::ownership::ClaimSeen;

fn under(policy: ManagementPolicy, mut scene: Scene) -> Scene {
    scene.app.spec.management_policy = policy;
    scene
}

fn observed(scene: Scene) -> Scene {
    under(ManagementPolicy::Observe, scene)
}

fn paused(scene: Scene) -> Scene {
    under(ManagementPolicy::Pause, scene)
}

#[test]
fn what_differs_under_observe_is_named_with_what_would_be_written_and_left_alone() {
    let rows = [
        (vec![], "The app has no webhook for pages at Meta."),
        (vec![row(CALLBACK, false, &FIELDS)], "Meta has set the app's webhook inactive."),
        (vec![row(CALLBACK, true, &["messages"])], "The app's webhook lacks the fields messaging_postbacks."),
    ];
    for (rows, what) in rows {
        let outcome = observed(Scene::rows(rows)).confirmed();
        outcome.no_mutation();
        outcome.stalled("DriftObserved");
        outcome.shows(&[(WebhookSubscribed, "False/DriftObserved")]);
        let message = outcome.message(Ready);
        let plan = format!("the callback {CALLBACK} and the fields messages, messaging_postbacks");
        assert!(message.starts_with(what) && message.contains(&plan), "{message}");
        assert_eq!(outcome.plan.report.class, Class::Settled, "looking on is what is declared");
    }
    let foreign = || observed(Scene::rows(vec![row(FOREIGN, true, &FIELDS)]));
    foreign().decide().stalled("ForeignCallback");
    foreign().after(&Scene::healthy().decide()).decide().stalled("DriftObserved");
}

#[test]
fn who_only_looks_on_takes_neither_claim_nor_verify_token() {
    let mut scene = observed(Scene::healthy());
    scene.seen.claim = ClaimSeen::Free;
    scene.seen.verify_token = VerifyTokenSeen::Missing;
    let outcome = scene.decide();
    outcome.no_mutation();
    outcome.shows(&[(Ready, "True/ReconcileSucceeded"), (WebhookSubscribed, "True/FieldsMatch")]);
    scene.seen.asked.subscriptions = Some(Ok(vec![]));
    let outcome = scene.confirmed();
    outcome.no_mutation();
    outcome.stalled("DriftObserved");
}

#[test]
fn a_pause_keeps_what_was_known_and_channels_go_on_with_it() {
    let before = Scene::healthy().decide();
    let mut scene = paused(Scene::healthy().after(&before));
    scene.app.metadata.generation = Some(2);
    scene.seen.asked = Asked::default();
    scene.seen.stale = true;
    let outcome = scene.decide();
    outcome.no_mutation();
    outcome.shows(&[(Ready, "Unknown/Paused"), (Reconciling, ""), (Stalled, "")]);
    assert_eq!(outcome.status().observed_generation, 2);
    assert_eq!(outcome.status().conditions[1..], before.status().conditions[1..]);
    assert_eq!(outcome.plan.report.class, Class::Paused);
    assert!(outcome.plan.report.notes.is_empty());

    let verdict = |outcome: &Outcome| {
        let mut app = scene.app.clone();
        app.status = Some(outcome.status().clone());
        meta_app::facts::verdict(&app)
    };
    assert_eq!(verdict(&outcome), verdict(&before), "no channel is woken by the pause");
}

#[test]
fn a_new_application_under_pause_is_unknown_in_every_respect() {
    let outcome = paused(Scene::healthy()).decide();
    for type_ in [Ready, CredentialsValid, WebhookSubscribed, PermissionsApproved] {
        outcome.shows(&[(type_, "Unknown/Paused")]);
    }
}
