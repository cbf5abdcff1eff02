//! Parts of the webhook that are missing from one answer, when nothing writes them back.

use jiff::SignedDuration;

use super::scene::*;
use crate::api::conditions::ConditionType::{Ready, WebhookSubscribed};
use crate::api::{ManagementPolicy, MetaAppStatus};
use crate::graph::AppSubscription;
use crate::limits::repair_limiter::{DriftState, RepairOutcome};
use crate::meta_app::model::Mutation;
use crate::ownership::blocked::BlockedBy;
use crate::ownership::{ClaimSeen, ClaimsBlocked};

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

/// Answers that do not contain what is declared.
fn absences() -> [Vec<AppSubscription>; 2] {
    [vec![], vec![row(CALLBACK, true, &["messages"])]]
}

type Looks = fn(&[AppSubscription]) -> Scene;

fn observed(rows: &[AppSubscription]) -> Scene {
    let mut scene = Scene::rows(rows.to_vec());
    scene.app.spec.management_policy = ManagementPolicy::Observe;
    scene
}

fn fought(rows: &[AppSubscription]) -> Scene {
    let mut scene = Scene::rows(rows.to_vec());
    scene.seen.standing = DriftState::Fought;
    scene
}

#[test]
fn where_nothing_is_written_a_webhook_has_to_be_missing_twice() {
    let before = Scene::healthy().decide();
    for rows in absences() {
        let cases: [(Looks, _, _); 2] =
            [(observed, "DriftObserved", RepairOutcome::None), (fought, "RepairFight", RepairOutcome::GaveUp)];
        for (scene, reason, effect) in cases {
            let once = scene(&rows).after(&before).decide();
            assert_eq!(once.status(), before.status(), "once is no verdict");
            assert!(once.plan.report.notes.is_empty() && once.asks_again_in() == Some(60));
            assert_eq!(once.plan.report.effect, RepairOutcome::None);
            once.no_mutation();
            assert_eq!(scene(&rows).later(&once, seconds(59)).decide().status(), before.status());
            let again = scene(&rows).later(&once, seconds(60)).decide();
            again.stalled(reason);
            again.shows(&[(WebhookSubscribed, &format!("False/{reason}"))]);
            assert_eq!((again.plan.report.effect, again.plan.report.notes.len()), (effect, 1));
            assert_ne!(again.status().subscription, before.status().subscription);
            // What is there in between begins anew; silence does not.
            let back = scene(&[row(CALLBACK, true, &FIELDS)]).later(&once, seconds(30)).decide();
            assert_eq!(scene(&rows).later(&back, seconds(60)).decide().status(), before.status());
            let mut silent = scene(&rows).later(&once, seconds(30));
            silent.seen.asked.subscriptions = Some(Err(no_answer()));
            scene(&rows).later(&silent.decide(), seconds(30)).decide().stalled(reason);
        }
    }
}

#[test]
fn what_meta_tells_of_the_row_counts_at_once() {
    let before = Scene::healthy().decide();
    for told in [row(CALLBACK, false, &FIELDS), row(FOREIGN, true, &FIELDS), row(FOREIGN, true, &[])] {
        observed(std::slice::from_ref(&told)).after(&before).decide().stalled("DriftObserved");
        fought(&[told]).after(&before).decide().stalled("RepairFight");
    }
}

#[test]
fn what_is_written_back_is_decided_by_the_answer_after_the_write() {
    let before = Scene::healthy().decide();
    let found = Scene::rows(vec![]).after(&before).decide();
    assert!(matches!(found.plan.mutation, Some(Mutation::Subscribe { .. })));
    found.shows(&[(WebhookSubscribed, "False/NotSubscribed")]);
    let mut written = Scene::rows(vec![]).after(&before);
    written.seen.asked.subscribed = Some(Ok(()));
    let outcome = written.decide();
    outcome.shows(&[(WebhookSubscribed, "False/WriteHadNoEffect")]);
    assert!(outcome.plan.report.suspicions.is_empty());
}

#[test]
fn of_an_app_that_is_new_a_missing_webhook_is_not_known_before_it_is_confirmed() {
    let once = observed(&[]).decide();
    once.reconciling("Unknown/Pending");
    once.shows(&[(WebhookSubscribed, "Unknown/Pending")]);
    assert!(once.message(Ready).starts_with("The app has no webhook for pages at Meta."), "{}", once.message(Ready));
    assert_eq!((&once.status().inputs, &once.status().subscription), (&None, &None));
    observed(&[]).later(&once, seconds(60)).decide().stalled("DriftObserved");
}

#[test]
fn what_channels_inherit_outlasts_one_answer_without_it_while_the_claim_is_not_known() {
    let before = Scene::healthy().decide();
    let subscription = |status: &MetaAppStatus| status.subscription.clone().unwrap();
    for rows in absences() {
        let unavailable = || {
            let mut scene = Scene::rows(rows.clone());
            let (namespace, obstacle) = ("claims".to_owned(), BlockedBy::Forbidden);
            scene.seen.claim = ClaimSeen::Unavailable(ClaimsBlocked { namespace, by: obstacle });
            scene
        };
        let once = unavailable().after(&before).decide();
        assert_eq!(subscription(once.status()), subscription(before.status()));
        let again = unavailable().later(&once, seconds(60)).decide();
        assert_ne!(subscription(again.status()), subscription(before.status()));
        assert_eq!(once.of(WebhookSubscribed), again.of(WebhookSubscribed), "that of the claim");
    }
}

#[test]
fn a_webhook_without_any_field_that_meta_knows_has_to_be_missing_twice_too() {
    let before = Scene::healthy().decide();
    let scene = || {
        let mut scene = Scene::rows(vec![]);
        scene.webhook().fields = Some(words(&["mesages"]));
        scene.seen.asked.refused = words(&["mesages"]);
        scene
    };
    let once = scene().after(&before).decide();
    once.stalled("FieldRefused");
    once.shows(&[(WebhookSubscribed, "True/FieldsMatch")]);
    let again = scene().later(&once, seconds(60)).decide();
    again.shows(&[(WebhookSubscribed, "False/FieldRefused")]);
}
