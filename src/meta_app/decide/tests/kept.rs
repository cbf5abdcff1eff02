//! No answer is not an answer: what is kept, and for how long.

use jiff::SignedDuration;

use super::super::case::amended;
use super::scene::*;
use crate::api::conditions::ConditionType::{
    CredentialsValid, PermissionsApproved, Ready, Reconciling, WebhookSubscribed,
};
use crate::api::outcome::Class;
use crate::api::{ChannelCounts, ManagementPolicy, MetaAppStatus};
use crate::graph::PermissionStatus;
use crate::limits::answer::{Held, Refusal};
use crate::limits::reasons_to_wait;
use crate::meta_app::model::{Asked, SecretSeen, VerifyTokenSeen};
use crate::ownership::ClaimSeen;

/// The ways in which Meta can leave everything open.
fn silences() -> Vec<(&'static str, Scene)> {
    let permissions = |refusal| Scene::with(|scene| scene.seen.asked.permissions = Some(Err(refusal)));
    let rows = |refusal| Scene::with(|scene| scene.seen.asked.subscriptions = Some(Err(refusal)));
    vec![
        ("the node timed out", Scene::refused(no_answer())),
        ("the node was throttled", Scene::refused(throttled())),
        ("the node was transient", Scene::refused(fault(2, None, "Service down"))),
        ("an unknown code", Scene::refused(fault(4242, None, "?"))),
        ("the permissions timed out", permissions(no_answer())),
        ("the subscriptions timed out", rows(no_answer())),
        ("the subscriptions were throttled", rows(throttled())),
    ]
}

#[test]
fn silence_rewrites_no_status() {
    let before = Scene::healthy().decide();
    for (name, scene) in silences() {
        let outcome = scene.after(&before).decide();
        assert_eq!(outcome.status(), before.status(), "{name}");
        assert!(!outcome.plan.report.answered, "{name}");
        // What was received and refused is not asked again and again.
        let refused = name == "an unknown code" && outcome.plan.report.class == Class::Settled;
        assert!(refused || matches!(outcome.plan.report.class, Class::Transient | Class::Throttled(_)), "{name}");
        assert!(outcome.plan.report.notes.is_empty(), "{name}");
        outcome.no_mutation();
    }
}

#[test]
fn silence_rewrites_no_status_of_a_broken_app_either() {
    let broken = [
        Scene::refused(fault(200, None, "API access blocked.")).confirmed(),
        Scene::rows(vec![row(FOREIGN, true, &FIELDS)]).decide(),
        Scene::with(|scene| {
            let mut permissions = approved();
            permissions[0].status = PermissionStatus::Unapproved;
            scene.seen.asked.permissions = Some(Ok(permissions));
        })
        .decide(),
        elsewhere().decide(),
        Scene::with(|scene| scene.seen.verify_token = VerifyTokenSeen::Taken).decide(),
        Scene::with(|scene| scene.seen.callback_url = None).decide(),
    ];
    for before in broken {
        assert_ne!(before.of(Ready), "True/ReconcileSucceeded");
        let mut scene = Scene::refused(no_answer()).after(&before);
        match before.of(Ready).as_str() {
            "False/ClaimedElsewhere" => scene.seen.claim = elsewhere().seen.claim,
            "False/SecretNameTaken" => scene.seen.verify_token = VerifyTokenSeen::Taken,
            "False/CallbackNotConfigured" => scene.seen.callback_url = None,
            _ => {}
        }
        let outcome = scene.decide();
        assert_eq!(outcome.status(), before.status());
        assert!(outcome.plan.report.notes.is_empty());
    }
}

fn elsewhere() -> Scene {
    Scene::with(|scene| scene.seen.claim = ClaimSeen::Elsewhere { namespace: "tenant-b".to_owned() })
}

#[test]
fn past_the_limit_nothing_is_known_any_more() {
    let before = Scene::healthy().decide();
    for (refusal, reason) in [(no_answer(), "GraphUnavailable"), (throttled(), "RateLimited")] {
        let mut scene = Scene::refused(refusal).after(&before);
        scene.seen.stale = true;
        let outcome = scene.decide();
        outcome.reconciling(&format!("Unknown/{reason}"));
        outcome.shows(&[(CredentialsValid, &format!("Unknown/{reason}"))]);
        assert!(outcome.of(WebhookSubscribed).starts_with("Unknown/"));
        assert!(outcome.of(PermissionsApproved).starts_with("Unknown/"));
        assert_eq!(outcome.status().app_name.as_deref(), Some("Acme Messaging"), "a name does not go bad");
    }
}

#[test]
fn a_first_look_without_an_answer_knows_nothing_and_claims_nothing() {
    let mut scene = Scene::refused(no_answer());
    scene.seen.claim = ClaimSeen::Free;
    let outcome = scene.decide();
    outcome.reconciling("Unknown/GraphUnavailable");
    outcome.no_mutation();
    assert_eq!(outcome.status().inputs, None, "so that the next pass checks again");
}

#[test]
fn a_remembered_acceptance_is_no_proof_for_a_claim() {
    let before = Scene::healthy().decide();
    for claim in [ClaimSeen::Free, ClaimSeen::Orphaned { of: "gone".to_owned() }] {
        let mut scene = Scene::refused(no_answer()).after(&before);
        scene.seen.claim = claim;
        // Such an answer cannot be without the node, but a decision has to be safe on its own.
        scene.seen.asked.subscriptions = Some(Ok(vec![]));
        scene.decide().no_mutation();
    }
}

#[test]
fn a_value_of_an_older_generation_is_kept_but_does_not_make_the_new_one_ready() {
    let before = Scene::healthy().decide();
    for (name, scene) in silences() {
        let mut scene = scene.after(&before);
        scene.app.metadata.generation = Some(2);
        let outcome = scene.decide();
        outcome.shows(&[
            (Ready, "Unknown/Pending"),
            (Reconciling, "True/Pending"),
            (CredentialsValid, "True/CredentialsAccepted"),
        ]);
        assert!(outcome.message(Ready).starts_with("Generation 2 has not been verified"), "{name}");
    }
}

#[test]
fn what_was_found_without_meta_is_found_anew_and_never_kept() {
    let secret_missing = Scene::with(|scene| {
        scene.seen.secret = SecretSeen::NotReleased;
        scene.seen.asked = Asked::default();
    });
    let outcome = Scene::refused(no_answer()).after(&secret_missing.decide()).decide();
    outcome.shows(&[(CredentialsValid, "Unknown/GraphUnavailable")]);

    let outcome = Scene::refused(no_answer()).after(&elsewhere().decide()).decide();
    outcome.shows(&[(WebhookSubscribed, "Unknown/GraphUnavailable")]);
}

#[test]
fn the_number_of_channels_is_told_whatever_else_is_known_and_kept_until_they_are_counted_again() {
    let counts = |total| Some(ChannelCounts { total, ..ChannelCounts::default() });
    let mut scene = Scene::healthy();
    scene.seen.channels = counts(3);
    let before = scene.decide();
    assert_eq!(before.status().channels, counts(3));
    for mut next in [Scene::healthy(), Scene::refused(no_answer()), paused()] {
        next = next.after(&before);
        assert_eq!(next.decide().status().channels, counts(3), "not counted since");
        next.seen.channels = counts(4);
        assert_eq!(next.decide().status().channels, counts(4));
    }
    let mut unchanged = Scene::healthy().after(&before);
    unchanged.seen.channels = counts(5);
    let status = amended(&unchanged.previous, &unchanged.seen);
    assert_eq!(status, MetaAppStatus { channels: counts(5), ..before.status().clone() });
}

fn paused() -> Scene {
    Scene::with(|scene| scene.app.spec.management_policy = ManagementPolicy::Pause)
}

#[test]
fn one_throttling_answer_after_another_changes_neither_the_status_nor_what_channels_are_told() {
    let verdict = |outcome: &Outcome| {
        let mut app = meta_app(1);
        app.status = Some(outcome.status().clone());
        crate::meta_app::facts::verdict(&app)
    };
    let healthy = Scene::healthy().decide();
    // Never verified; too long without an answer; not verified since an edit.
    for (known, generation, stale) in [(None, 1, false), (Some(&healthy), 1, true), (Some(&healthy), 2, false)] {
        let refused = |refusal| {
            let mut scene = Scene::refused(refusal);
            scene.app = meta_app(generation);
            scene.seen.stale = stale;
            scene
        };
        let first = refused(throttled());
        let first = known.map_or_else(|| first.decide(), |known| refused(throttled()).after(known).decide());
        assert!(first.message(Ready).contains("limiting calls since "), "{:#?}", first.status());
        let limited = || Refusal::held(Held::Limit(first.now)).because(reasons_to_wait::used(Some(first.now)));
        for refusal in [throttled(), limited()] {
            let again = refused(refusal).later(&first, SignedDuration::from_mins(7)).decide();
            assert_eq!(again.status(), first.status());
            assert_eq!(verdict(&again), verdict(&first));
        }
    }
}
