//! A channel that is declared Disconnected.

use jiff::SignedDuration;

use super::scene::*;
use crate::api::conditions::ConditionType::{
    Authorized, Claimed, Connected, Disconnected, Expired, PageUsable, Ready, Stalled, Subscribed,
};
use crate::api::outcome::Class;
use crate::api::{Connection, DeclaredConnection, ManagementPolicy};
use crate::controller::dependency::Told;
use crate::facebook_channel::model::{AppSeen, Asked, Mutation, TokenSeen};
use crate::graph::{AppReason, GraphFault, Operation, TokenInfo, Verdict};
use crate::limits::answer::Answer;
use crate::limits::repair_limiter::{DriftState, RepairOutcome};
use crate::meta_app::DependencyError;
use crate::meta_app::facts::WebhookVerdict;
use crate::ownership::ClaimSeen;

fn parting(mut scene: Scene) -> Scene {
    scene.channel.spec.connection = DeclaredConnection::Disconnected;
    scene
}

/// Nothing about the page can be read: the token ended.
fn dead() -> Scene {
    let error = Some(GraphFault::new(190, Some(460), "x"));
    parting(Scene::debugged(Ok(TokenInfo { is_valid: false, error, ..token_info() })))
}

fn missing() -> Scene {
    parting(Scene::with(|scene| {
        scene.seen.token = TokenSeen::NotReleased;
        scene.seen.asked = Asked::default();
    }))
}

fn silent() -> Scene {
    parting(Scene::debugged(Err(no_answer())))
}

/// This scene after Meta answered the end of the subscription like this.
fn ended(mut scene: Scene, answer: Answer<()>) -> Scene {
    scene.seen.asked.unsubscribed = Some(answer);
    scene
}

fn observed(mut scene: Scene) -> Scene {
    scene.channel.spec.management_policy = ManagementPolicy::Observe;
    scene
}

#[test]
fn a_page_is_unsubscribed_whatever_became_of_its_token_and_of_what_the_row_holds() {
    let rows = [vec![row(APP, &FIELDS)], vec![row(APP, &[]), row(OTHER_APP, &FIELDS)]];
    for scene in rows.map(|rows| parting(Scene::rows(rows))).into_iter().chain([dead(), missing(), silent()]) {
        assert_eq!(scene.decide().plan.mutation, Some(Mutation::Unsubscribe));
    }
}

#[test]
fn a_page_that_is_parted_from_as_declared_is_ready_and_judged_no_further() {
    let gone = parting(Scene::rows(vec![row(OTHER_APP, &FIELDS)]));
    let read_back = ended(parting(Scene::rows(vec![])), Ok(()));
    for scene in [gone, read_back, ended(dead(), Ok(())), ended(missing(), Ok(()))] {
        let outcome = scene.decide();
        outcome.no_mutation();
        outcome.shows(&[
            (Ready, "True/ReconcileSucceeded"),
            (Stalled, ""),
            (Connected, "False/DeclaredDisconnected"),
            (Expired, "False/DeclaredDisconnected"),
            (Disconnected, "True/DeclaredDisconnected"),
            (Claimed, "True/ClaimHeld"),
            (Authorized, "Unknown/DeclaredDisconnected"),
            (PageUsable, "Unknown/DeclaredDisconnected"),
            (Subscribed, "False/DeclaredDisconnected"),
        ]);
        let status = outcome.status();
        assert_eq!((status.connection, &status.next_step), (Connection::Disconnected, &None));
        assert_eq!((&status.subscription, &status.expires), (&None, &None));
        assert!(status.claim_name.is_some());
    }
}

#[test]
fn what_was_unsubscribed_without_a_living_token_is_remembered_until_the_declaration_changes() {
    let before = ended(dead(), Ok(())).decide();
    for scene in [dead(), missing(), silent()] {
        let outcome = scene.after(&before).decide();
        outcome.no_mutation();
        outcome.shows(&[(Ready, "True/ReconcileSucceeded"), (Disconnected, "True/DeclaredDisconnected")]);
        assert_eq!(outcome.status().conditions, before.status().conditions);
    }
    let mut edited = dead().after(&before);
    edited.channel.metadata.generation = Some(2);
    assert_eq!(edited.decide().plan.mutation, Some(Mutation::Unsubscribe));
    // A living token sees more than was remembered.
    assert_eq!(parting(Scene::healthy()).after(&before).decide().plan.mutation, Some(Mutation::Unsubscribe));
}

#[test]
fn a_token_of_no_use_is_asked_about_as_rarely_as_a_broken_one() {
    assert_eq!(ended(dead(), Ok(())).decide().plan.report.class, Class::Terminal);
    assert_eq!(parting(Scene::rows(vec![])).decide().plan.report.class, Class::Settled);
}

#[test]
fn without_the_claim_nothing_is_ended_and_the_declaration_counts_as_reached() {
    let elsewhere = ClaimSeen::Elsewhere { namespace: "tenant-b".to_owned() };
    let duplicate = ClaimSeen::Duplicate { name: "other".to_owned() };
    for claim in [ClaimSeen::Free, elsewhere, duplicate] {
        let mut scene = dead();
        scene.seen.claim = claim;
        let outcome = scene.decide();
        outcome.no_mutation();
        outcome.shows(&[(Ready, "True/ReconcileSucceeded"), (Disconnected, "True/DeclaredDisconnected")]);
        outcome.shows(&[(Subscribed, "Unknown/DeclaredDisconnected")]);
        assert!(outcome.message(Ready).contains("does not hold it"), "{}", outcome.message(Ready));
    }
    // What was held for another channel before may be subscribed still.
    let mut scene = dead();
    scene.seen.claim = ClaimSeen::Releasing;
    scene.decide().reconciling("Unknown/Pending");
    let mut proven = parting(Scene::debugged(Ok(token_info())));
    proven.seen.claim = ClaimSeen::Free;
    assert_eq!(proven.decide().plan.mutation, Some(Mutation::AcquireClaim));
}

#[test]
fn until_the_page_is_parted_from_what_is_true_is_shown() {
    let before = Scene::healthy().decide();
    let mut scene = ended(parting(Scene::healthy()).after(&before), Err(no_answer()));
    scene.channel.metadata.generation = Some(2);
    let outcome = scene.decide();
    outcome.no_mutation();
    outcome.reconciling("False/StillSubscribed");
    outcome.shows(&[(Connected, "True/ConnectionVerified"), (Subscribed, "True/FieldsMatch")]);
    assert_eq!(outcome.plan.report.class, Class::Transient);

    let outcome = ended(dead(), Err(throttled())).decide();
    outcome.reconciling("Unknown/Pending");
    outcome.shows(&[(Expired, "True/PasswordChanged")]);
    assert!(matches!(outcome.plan.report.class, Class::Throttled(_)));
}

#[test]
fn an_end_without_effect_is_looked_at_again_rarely() {
    let outcome = ended(parting(Scene::healthy()), Ok(())).decide();
    outcome.no_mutation();
    outcome.reconciling("False/WriteHadNoEffect");
    assert_eq!(outcome.plan.report.class, Class::WithoutEffect);
}

#[test]
fn an_end_that_somebody_else_undoes_before_it_is_read_back_is_a_fight_the_second_time() {
    let undone = |before: &[&str]| {
        let mut scene = ended(parting(Scene::rows(vec![row(APP, &["messages"])])), Ok(()));
        scene.seen.asked.before = Some(vec![row(APP, before)]);
        scene
    };
    let first = undone(&FIELDS).decide();
    first.reconciling("False/Overwritten");
    let second = undone(&["messages"]).again(&first, SignedDuration::from_mins(1));
    second.stalled("RepairFight");
    second.no_mutation();
}

#[test]
fn a_refusal_is_told_and_one_that_blames_the_app_waits_for_its_check() {
    let refused = |verdict| ended(dead(), Err(refusal(verdict))).decide();
    refused(Verdict::RequestRejected).stalled("RequestRejected");
    let outcome = refused(Verdict::AppBroken(AppReason::SecretMismatch));
    outcome.reconciling("Unknown/AppUnverified");
    assert_eq!(outcome.plan.report.class, Class::Waiting);
}

#[test]
fn nothing_is_ended_through_an_app_that_cannot_be_used() {
    let broken = |trouble| app(Err(trouble), WebhookVerdict::NotManaged);
    let rows = [
        (AppSeen::NotFound, "False/AppNotFound"),
        (AppSeen::Unjudged, "Unknown/NamespaceUnverified"),
        (broken(DependencyError::Broken(Told::only("why"))), "False/AppNotReady"),
        (broken(DependencyError::Unknown(Told::only("why"))), "Unknown/AppUnverified"),
    ];
    let parted = ended(dead(), Ok(())).decide();
    for (app, ready) in rows {
        let mut scene = dead();
        scene.seen.asked = Asked::default();
        scene.seen.app = app;
        let outcome = scene.decide();
        outcome.no_mutation();
        outcome.shows(&[(Ready, ready)]);
        // What was ended before stays ended.
        scene.after(&parted).decide().shows(&[(Ready, "True/ReconcileSucceeded")]);
    }
}

#[test]
fn an_undone_disconnection_is_drift_under_observe_and_silence_is_none() {
    let outcome = observed(parting(Scene::healthy())).decide();
    outcome.no_mutation();
    outcome.stalled("DriftObserved");
    outcome.shows(&[(Connected, "True/ConnectionVerified"), (Subscribed, "True/FieldsMatch")]);
    assert!(outcome.message(Ready).contains("ends the page's subscription"), "{}", outcome.message(Ready));
    assert_eq!(outcome.plan.report.class, Class::Settled);
    // What lacks fields is not subscribed to more of them.
    let lacking = observed(parting(Scene::rows(vec![row(APP, &["messages"])]))).decide();
    lacking.shows(&[(Ready, "False/DriftObserved"), (Subscribed, "False/FieldsMissing")]);

    for unseen in [dead(), missing()] {
        observed(unseen).decide().reconciling("Unknown/Pending");
    }
    let outcome = observed(silent()).decide();
    outcome.no_mutation();
    outcome.reconciling("Unknown/Pending");
}

#[test]
fn past_the_limit_it_is_not_known_whether_it_is_still_so() {
    let before = parting(Scene::rows(vec![])).decide();
    let mut scene = silent().after(&before);
    assert_eq!(scene.decide().status(), before.status());
    scene.seen.stale = true;
    scene.decide().reconciling("Unknown/GraphUnavailable");
    let mut tried = ended(dead(), Err(fault(Operation::DebugToken, 4, None, "limit")));
    tried.seen.stale = true;
    tried.decide().reconciling("Unknown/RateLimited");
}

#[test]
fn both_ways_are_told_by_an_event_though_ready_stays_what_it_is() {
    let connected = Scene::healthy().decide();
    let parted = ended(dead().after(&connected), Ok(())).decide();
    let note = &parted.plan.report.notes[0];
    assert_eq!((note.reason, note.warning), ("Disconnected", false));
    assert!(dead().after(&parted).decide().plan.report.notes.is_empty());
    let again = Scene::healthy().after(&parted).decide();
    assert_eq!(again.plan.report.notes[0].reason, "Connected");
}

#[test]
fn a_channel_that_is_to_be_connected_again_is_judged_and_subscribed() {
    let parted = ended(dead(), Ok(())).decide();
    let mut scene = Scene::rows(vec![]).after(&parted);
    scene.channel.metadata.generation = Some(2);
    assert_eq!(scene.decide().plan.mutation, Some(Mutation::Subscribe { fields: words(&FIELDS) }));
    scene.seen.asked = Asked { token: Some(Err(no_answer())), ..Asked::default() };
    scene.decide().shows(&[(Disconnected, "True/DeclaredDisconnected"), (Authorized, "Unknown/GraphUnavailable")]);
}

#[test]
fn what_a_channel_before_it_left_is_taken_over_without_a_proof_to_be_ended() {
    for mut scene in [dead(), missing(), silent()] {
        scene.seen.claim = ClaimSeen::Orphaned { of: "gone".to_owned() };
        let adopt = |proven| Some(Mutation::AdoptClaim { of: "gone".to_owned(), proven });
        assert_eq!(scene.decide().plan.mutation, adopt(false));
        let mut proven = parting(Scene::debugged(Ok(token_info())));
        proven.seen.claim = scene.seen.claim.clone();
        assert_eq!(proven.decide().plan.mutation, adopt(true));
        // Once a pass; the claim may be another application's, or someone else may be faster.
        scene.seen.asked.claimed = true;
        let outcome = scene.decide();
        outcome.no_mutation();
        outcome.reconciling("Unknown/Pending");
        // What is free is claimed with a proof only.
        scene.seen.claim = ClaimSeen::Free;
        scene.seen.asked.claimed = false;
        scene.decide().no_mutation();
    }
}

#[test]
fn a_page_that_is_subscribed_again_and_again_is_left_to_a_person() {
    let mut scene = parting(Scene::healthy());
    scene.seen.standing = DriftState::Fought;
    let outcome = scene.decide();
    outcome.no_mutation();
    outcome.stalled("RepairFight");
    assert!(outcome.message(Ready).contains("Found: messages, messaging_postbacks."), "{}", outcome.message(Ready));
    assert_eq!((outcome.plan.report.class, outcome.plan.report.effect), (Class::Terminal, RepairOutcome::GaveUp));
    // That Meta is silent or the token ends does not begin it anew, until it is too old.
    for mut unseen in [silent(), dead(), missing()] {
        unseen = unseen.after(&outcome);
        unseen.seen.standing = DriftState::Fought;
        let unseen = unseen.decide();
        unseen.no_mutation();
        unseen.stalled("RepairFight");
    }
    let mut stale = silent().after(&outcome);
    (stale.seen.standing, stale.seen.stale) = (DriftState::Fought, true);
    let stale = stale.decide();
    stale.no_mutation();
    stale.reconciling("Unknown/GraphUnavailable");
}

#[test]
fn ending_what_somebody_else_subscribed_again_is_a_repair_and_the_first_end_is_none() {
    let before = ended(parting(Scene::rows(vec![])), Ok(())).decide();
    for (standing, effect) in [(DriftState::Known, RepairOutcome::Repaired), (DriftState::New, RepairOutcome::None)] {
        let mut scene = ended(parting(Scene::rows(vec![])), Ok(())).after(&before);
        scene.seen.standing = standing;
        let outcome = scene.decide();
        assert_eq!(outcome.plan.report.effect, effect);
        let told: Vec<_> = outcome.plan.report.notes.iter().map(|note| note.text.as_str()).collect();
        assert_eq!(
            told.iter().any(|text| text.contains("subscribed again")),
            effect == RepairOutcome::Repaired,
            "{told:?}"
        );
    }
}
