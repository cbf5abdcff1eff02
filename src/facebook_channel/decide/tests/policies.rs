//! A channel that is only observed, or left alone.

use super::scene::*;
use crate::api::conditions::ConditionType::{
    Authorized, Claimed, Connected, Disconnected, EndpointReady, Expired, PageUsable, Ready, Reconciling, Stalled,
    Subscribed,
};
use crate::api::outcome::Class;
use crate::api::{Connection, ManagementPolicy};
use crate::facebook_channel::model::{Asked, Mutation, TokenSeen};
use crate::ownership::ClaimSeen;

fn under(policy: ManagementPolicy, mut scene: Scene) -> Scene {
    scene.channel.spec.management_policy = policy;
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
        (vec![row(OTHER_APP, &FIELDS)], "The page is not subscribed to the app."),
        (vec![row(APP, &["messages"])], "The page's subscription lacks the fields messaging_postbacks."),
    ];
    for (rows, what) in rows {
        let outcome = observed(Scene::rows(rows)).decide();
        outcome.no_mutation();
        outcome.stalled("DriftObserved");
        outcome.shows(&[(Subscribed, "False/DriftObserved"), (Disconnected, "True/DriftObserved")]);
        let message = outcome.message(Ready);
        let plan = "subscribes the page to the fields messages, messaging_postbacks";
        assert!(message.starts_with(what) && message.contains(plan), "{message}");
        assert_eq!(outcome.plan.report.class, Class::Settled, "looking on is what is declared");
        assert_eq!(outcome.plan.report.notes[0].reason, "DriftObserved");
    }
}

#[test]
fn drift_is_told_under_observe_when_it_was_seen_twice() {
    let before = observed(Scene::healthy()).decide();
    let lost = || observed(Scene::rows(vec![]));
    let once = lost().after(&before).decide();
    once.shows(&[
        (Subscribed, "True/FieldsMatch"),
        (Ready, "True/ReconcileSucceeded"),
        (Connected, "True/ConnectionVerified"),
    ]);
    assert!(once.plan.report.notes.is_empty());
    lost().again(&once, jiff::SignedDuration::from_mins(1)).stalled("DriftObserved");
    // Seen again meanwhile it was never gone.
    let back = observed(Scene::healthy()).again(&once, jiff::SignedDuration::from_secs(30));
    lost().again(&back, jiff::SignedDuration::from_mins(1)).shows(&[(Subscribed, "True/FieldsMatch")]);
}

#[test]
fn what_fits_under_observe_is_ready_and_what_is_broken_says_why() {
    observed(Scene::healthy())
        .decide()
        .shows(&[(Ready, "True/ReconcileSucceeded"), (Connected, "True/ConnectionVerified")]);
    let ended = fault(crate::graph::Operation::ReadPage, 190, Some(460), "x");
    let scene = || observed(Scene::with(|scene| scene.seen.asked.page = Some(Err(ended.clone()))));
    let outcome = Scene::twice(scene);
    outcome.stalled("PasswordChanged");
}

#[test]
fn a_page_is_claimed_under_observe_since_nobody_may_look_at_it_without_the_claim() {
    let mut scene = Scene::debugged(Ok(token_info()));
    scene.seen.claim = ClaimSeen::Free;
    assert_eq!(observed(scene).decide().plan.mutation, Some(Mutation::AcquireClaim));
}

#[test]
fn drift_is_not_made_up_from_silence() {
    let before = observed(Scene::healthy()).decide();
    let mut scene = observed(Scene::healthy()).after(&before);
    scene.seen.asked.subscriptions = Some(Err(no_answer()));
    assert_eq!(scene.decide().status(), before.status());
}

#[test]
fn a_pause_keeps_what_was_known_with_the_generation_it_is_about() {
    let before = Scene::healthy().decide();
    let mut scene = paused(Scene::healthy().after(&before));
    scene.channel.metadata.generation = Some(2);
    scene.seen.asked = Asked::default();
    scene.seen.token = TokenSeen::NotReleased;
    let outcome = scene.decide();
    outcome.no_mutation();
    outcome.shows(&[
        (Ready, "Unknown/Paused"),
        (Reconciling, ""),
        (Stalled, ""),
        (Connected, "True/ConnectionVerified"),
    ]);
    assert!(outcome.message(Ready).contains("spec.managementPolicy"));
    let status = outcome.status();
    assert_eq!((status.observed_generation, status.connection), (2, Connection::Connected));
    let others = |status: &crate::api::FacebookChannelStatus| status.conditions[1..].to_vec();
    assert_eq!(others(status), others(before.status()));
    assert_eq!((&status.page_name, &status.inputs), (&before.status().page_name, &before.status().inputs));
    assert_eq!(status.claim_name, before.status().claim_name);
}

#[test]
fn a_pause_makes_no_passes_no_events_and_never_grows_old() {
    let first = paused(Scene::healthy().after(&Scene::healthy().decide())).decide();
    let mut later = paused(Scene::healthy()).after(&first);
    later.seen.stale = true;
    later.seen.look = false;
    let outcome = later.decide();
    assert_eq!(outcome.status(), first.status());
    for outcome in [first, outcome] {
        assert_eq!(outcome.plan.report.class, Class::Paused);
        assert_eq!(outcome.plan.report.until, None);
        assert!(outcome.plan.report.answered && outcome.plan.report.notes.is_empty());
    }
}

#[test]
fn a_new_channel_under_pause_is_unknown_in_every_respect() {
    let outcome = paused(Scene::healthy()).decide();
    for type_ in [Ready, Connected, Expired, Disconnected, Claimed, Authorized, PageUsable, Subscribed, EndpointReady] {
        outcome.shows(&[(type_, "Unknown/Paused")]);
    }
    assert_eq!(outcome.status().connection, Connection::Pending);
}

#[test]
fn a_channel_that_is_no_longer_paused_is_verified_before_it_is_ready() {
    let pause = paused(Scene::healthy().after(&Scene::healthy().decide())).decide();
    let mut silent = Scene::debugged(Err(no_answer())).after(&pause);
    silent.channel.metadata.generation = Some(2);
    let outcome = silent.decide();
    outcome.shows(&[(Ready, "Unknown/Pending"), (Reconciling, "True/Pending"), (Connected, "True/ConnectionVerified")]);
    Scene::healthy()
        .after(&pause)
        .decide()
        .shows(&[(Ready, "True/ReconcileSucceeded"), (Connected, "True/ConnectionVerified")]);
}
