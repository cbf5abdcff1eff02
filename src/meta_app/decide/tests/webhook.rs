//! The application's webhook, and any obstacles to it.

use jiff::SignedDuration;

use super::scene::*;
use crate::api::AppSubscriptionStatus;
use crate::api::conditions::ConditionType::{CredentialsValid, Ready, WebhookSubscribed};
use crate::api::outcome::Class;
use crate::graph::AppSubscription;
use crate::limits::answer::Answer;
use crate::limits::repair_limiter::{DriftState, RepairOutcome};
use crate::meta_app::model::{Mutation, VerifyTokenSeen};
use crate::ownership::blocked::BlockedBy;
use crate::ownership::{ClaimSeen, ClaimsBlocked};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn subscribe() -> Option<Mutation> {
    Some(Mutation::Subscribe { callback_url: CALLBACK.to_owned(), fields: words(&FIELDS) })
}

/// The application's rows after a write that Meta answered like this.
fn written(rows: Vec<AppSubscription>, answer: Answer<()>) -> Scene {
    let mut scene = Scene::rows(rows);
    scene.seen.asked.subscribed = Some(answer);
    scene
}

#[test]
fn drift_of_our_own_row_is_repaired_with_the_full_set() {
    let users = AppSubscription { object: "user".to_owned(), ..row(CALLBACK, true, &FIELDS) };
    let rows: [(Vec<AppSubscription>, &str); 6] = [
        (vec![row(CALLBACK, true, &FIELDS)], "True/FieldsMatch"),
        (vec![users.clone(), row(CALLBACK, true, &["feed", "messages", "messaging_postbacks"])], "True/FieldsMatch"),
        (vec![], "False/NotSubscribed"),
        (vec![users], "False/NotSubscribed"),
        (vec![row(CALLBACK, false, &FIELDS)], "False/NotSubscribed"),
        (vec![row(CALLBACK, true, &["messages"])], "False/FieldsMissing"),
    ];
    for (rows, expected) in rows {
        let outcome = Scene::rows(rows).decide();
        outcome.shows(&[(WebhookSubscribed, expected)]);
        let mutation = expected.starts_with("False").then(subscribe).flatten();
        assert_eq!(outcome.plan.mutation, mutation, "{expected}");
    }
}

#[test]
fn a_callback_that_this_object_never_wrote_is_left_alone_and_shown_without_its_query() {
    let outcome = Scene::rows(vec![row(FOREIGN, true, &FIELDS)]).decide();
    outcome.stalled("ForeignCallback");
    outcome.no_mutation();
    let message = outcome.message(WebhookSubscribed);
    assert!(message.contains("https://old.example/bot") && !message.contains("hidden"), "{message}");
    assert!(outcome.status().next_step.as_deref().unwrap().contains("spec.webhook.takeOverFrom"));
    let subscription = outcome.status().subscription.as_ref().unwrap();
    assert_eq!((subscription.active, &subscription.callback_url), (false, &None));
}

#[test]
fn a_callback_may_be_taken_over_when_it_is_named_exactly_or_as_it_was_shown() {
    let scene = |from: &str| {
        let mut scene = Scene::rows(vec![row(FOREIGN, true, &FIELDS)]);
        scene.webhook().take_over_from = Some(from.to_owned());
        scene.decide()
    };
    for named in [FOREIGN, "https://old.example/bot"] {
        assert_eq!(scene(named).plan.mutation, subscribe(), "{named}");
    }
    scene("https://old.example/").stalled("ForeignCallback");
    scene("https://older.example/bot").stalled("ForeignCallback");
}

#[test]
fn a_callback_of_ours_is_known_again_after_the_declared_one_changed() {
    let old = "https://before.example/webhooks/platform/acme";
    let mut before = Scene::rows(vec![row(old, true, &FIELDS)]);
    before.seen.callback_url = Some(old.to_owned());
    let before = before.decide();
    before.shows(&[(Ready, "True/ReconcileSucceeded")]);
    let moved = Scene::rows(vec![row(old, true, &FIELDS)]).after(&before).decide();
    moved.shows(&[(WebhookSubscribed, "False/NotSubscribed")]);
    assert_eq!(moved.plan.mutation, subscribe());
    // What someone else put in its place is drift, however long it stands there.
    let mut rewritten = Scene::rows(vec![row(FOREIGN, true, &FIELDS)]).after(&before);
    assert_eq!(rewritten.decide().plan.mutation, subscribe());
    rewritten.seen.asked.subscribed = Some(Err(no_answer()));
    let open = rewritten.decide();
    open.reconciling("False/NotSubscribed");
    assert!(open.message(WebhookSubscribed).contains("https://old.example/bot"), "{}", open.message(WebhookSubscribed));
    assert_eq!(open.status().subscription.as_ref().unwrap().callback_url.as_deref(), Some(old));
    assert_eq!(Scene::rows(vec![row(FOREIGN, true, &FIELDS)]).after(&open).decide().plan.mutation, subscribe());
}

#[test]
fn without_a_callback_url_there_is_nothing_to_subscribe() {
    let outcome = Scene::with(|scene| scene.seen.callback_url = None).decide();
    outcome.stalled("CallbackNotConfigured");
    outcome.no_mutation();
}

#[test]
fn a_webhook_that_is_not_declared_is_not_looked_at() {
    let outcome = Scene::with(|scene| {
        scene.app.spec.webhook = None;
        scene.seen.claim = ClaimSeen::Free;
        scene.seen.verify_token = VerifyTokenSeen::Missing;
        scene.seen.callback_url = None;
        scene.seen.asked.subscriptions = None;
    })
    .decide();
    outcome.shows(&[(Ready, "True/ReconcileSucceeded"), (WebhookSubscribed, "")]);
    outcome.no_mutation();
    assert_eq!(outcome.status().subscription, None);
    assert_eq!(outcome.status().verify_token_secret_name, None);
}

#[test]
fn claim_and_verify_token_come_first_and_once_a_pass() {
    type Change = fn(&mut Scene);
    let rows: [(Change, Mutation, Change); 3] = [
        (|scene| scene.seen.claim = ClaimSeen::Free, Mutation::AcquireClaim, |scene| scene.seen.asked.claimed = true),
        (
            |scene| scene.seen.claim = ClaimSeen::Orphaned { of: "gone".to_owned() },
            Mutation::AdoptClaim { of: "gone".to_owned() },
            |scene| scene.seen.asked.claimed = true,
        ),
        (
            |scene| scene.seen.verify_token = VerifyTokenSeen::Missing,
            Mutation::CreateVerifyToken,
            |scene| scene.seen.asked.verify_token_made = true,
        ),
    ];
    for (missing, mutation, tried) in rows {
        let mut scene = Scene::rows(vec![]);
        missing(&mut scene);
        let outcome = scene.decide();
        assert_eq!(outcome.plan.mutation, Some(mutation));
        outcome.reconciling("Unknown/Pending");
        tried(&mut scene);
        let outcome = scene.decide();
        outcome.no_mutation();
        outcome.reconciling("Unknown/Pending");
    }
}

#[test]
fn what_others_hold_is_left_alone() {
    type Change = fn(&mut Scene);
    let rows: [(Change, &str, &str); 3] = [
        (
            |scene| scene.seen.claim = ClaimSeen::Duplicate { name: "other".to_owned() },
            "DuplicateInNamespace",
            "MetaApp other of this namespace manages the webhook of app",
        ),
        (
            |scene| scene.seen.claim = ClaimSeen::Elsewhere { namespace: "tenant-b".to_owned() },
            "ClaimedElsewhere",
            "Namespace tenant-b manages the webhook",
        ),
        (
            |scene| scene.seen.verify_token = VerifyTokenSeen::Taken,
            "SecretNameTaken",
            "A Secret metaapp-acme-verify-token exists that the operator did not create",
        ),
    ];
    for (taken, reason, message) in rows {
        let mut scene = Scene::rows(vec![]);
        taken(&mut scene);
        let outcome = scene.decide();
        outcome.stalled(reason);
        outcome.shows(&[(CredentialsValid, "True/CredentialsAccepted")]);
        outcome.no_mutation();
        assert!(outcome.message(WebhookSubscribed).starts_with(message), "{}", outcome.message(WebhookSubscribed));
    }
}

#[test]
fn nothing_is_written_while_claims_are_out_of_reach_or_the_claim_is_in_other_hands_for_a_moment() {
    let unavailable = |obstacle| ClaimsBlocked { namespace: "meta-channels".to_owned(), by: obstacle };
    let rows = [
        (ClaimSeen::Unavailable(unavailable(BlockedBy::NoNamespace)), "Unknown/ClaimsUnavailable"),
        (ClaimSeen::Unavailable(unavailable(BlockedBy::Forbidden)), "Unknown/ClaimsUnavailable"),
        (ClaimSeen::Unavailable(unavailable(BlockedBy::Unguarded)), "Unknown/ClaimPolicyMissing"),
        (ClaimSeen::Releasing, "Unknown/Pending"),
    ];
    for (claim, expected) in rows {
        let mut scene = Scene::rows(vec![]);
        scene.seen.claim = claim;
        let outcome = scene.decide();
        outcome.no_mutation();
        outcome.reconciling(expected);
        outcome.shows(&[(WebhookSubscribed, expected), (CredentialsValid, "True/CredentialsAccepted")]);
    }
}

#[test]
fn a_failed_verification_is_tried_again_by_itself() {
    let refusal = fault(2200, None, "(#2200) Callback verification failed: HTTP Status Code = 403");
    let outcome = written(vec![], Err(refusal)).decide();
    outcome.reconciling("False/CallbackVerificationFailed");
    outcome.no_mutation();
    assert!(outcome.message(WebhookSubscribed).contains(CALLBACK));
    assert_eq!(outcome.plan.report.class, Class::Transient);
}

#[test]
fn a_refused_subscription_is_for_a_person() {
    let refusal = fault(100, None, "(#100) Param fields must be one of {messages}");
    let outcome = written(vec![row(CALLBACK, true, &["messages"])], Err(refusal)).decide();
    outcome.stalled("RequestRejected");
    outcome.no_mutation();
}

#[test]
fn the_row_that_is_read_back_decides_whatever_the_write_said() {
    let before = Scene::healthy().decide();
    let rows = [
        (Ok(()), "False/WriteHadNoEffect"),
        (Err(no_answer()), "False/NotSubscribed"),
        (Err(throttled()), "False/NotSubscribed"),
    ];
    for (answer, expected) in rows {
        let done = written(vec![row(CALLBACK, true, &FIELDS)], answer.clone()).after(&before).decide();
        done.shows(&[(WebhookSubscribed, "True/FieldsMatch")]);
        let lost = written(vec![], answer).after(&before).decide();
        lost.shows(&[(WebhookSubscribed, expected)]);
        lost.reconciling(expected);
        lost.no_mutation();
    }
}

#[test]
fn the_status_tells_the_row_as_it_is() {
    let before = Scene::healthy().decide();
    let subscription = before.status().subscription.clone().unwrap();
    let expected = AppSubscriptionStatus {
        active: true,
        callback_url: Some(CALLBACK.to_owned()),
        fields: words(&FIELDS),
        refused: vec![],
        verify_token_fingerprint: Some(TOKEN.to_owned()),
    };
    assert_eq!(subscription, expected);
    let gone = written(vec![], Ok(())).after(&before).decide();
    // The callback stays known as one of ours.
    let expected = AppSubscriptionStatus { active: false, fields: vec![], ..expected };
    assert_eq!(gone.status().subscription, Some(expected));
}

#[test]
fn a_webhook_that_somebody_else_changes_back_again_and_again_is_left_to_a_person() {
    let rows = [
        (row(FOREIGN, true, &FIELDS), "https://old.example/bot"),
        (row(CALLBACK, true, &["messages"]), "messaging_postbacks"),
    ];
    let before = Scene::healthy().decide();
    for (row, found) in rows {
        let mut scene = Scene::rows(vec![row]).after(&before);
        assert_eq!(scene.decide().plan.mutation, subscribe(), "it would be repaired");
        scene.seen.standing = DriftState::Fought;
        let outcome = scene.confirmed();
        outcome.no_mutation();
        outcome.stalled("RepairFight");
        let message = outcome.message(WebhookSubscribed);
        assert!(message.contains(found) && !message.contains("hidden"), "{message}");
        assert_eq!(outcome.plan.report.effect, RepairOutcome::GaveUp);
    }
    // What was never ours is no fight.
    let mut foreign = Scene::rows(vec![row(FOREIGN, true, &FIELDS)]);
    foreign.seen.standing = DriftState::Fought;
    foreign.decide().stalled("ForeignCallback");
}

#[test]
fn a_write_that_somebody_else_overwrites_before_it_is_read_back_is_a_fight_the_second_time() {
    let foreign = || row(FOREIGN, true, &FIELDS);
    let some = || row(CALLBACK, true, &["messages"]);
    // What was there before the write, what is there after it, and what of it is told.
    let rows = [
        (Some(row(CALLBACK, true, &[])), Some(foreign()), "https://old.example/bot"),
        (Some(foreign()), Some(foreign()), "https://old.example/bot"),
        (None, Some(foreign()), "https://old.example/bot"),
        (Some(row(CALLBACK, false, &FIELDS)), Some(some()), "Found: messages."),
        (Some(some()), None, "no webhook"),
    ];
    let healthy = Scene::healthy().decide();
    for (before, after, found) in rows {
        let overwritten = || {
            let mut scene = written(after.clone().into_iter().collect(), Ok(()));
            scene.seen.asked.before = Some(before.clone().into_iter().collect());
            scene
        };
        for known in [Some(&healthy), None] {
            let first = known.map_or_else(overwritten, |known| overwritten().after(known)).decide();
            first.no_mutation();
            first.reconciling("False/Overwritten");
            assert_eq!((first.plan.report.class, first.plan.report.notes.len()), (Class::WithoutEffect, 0));
            // It is checked again, and is not as declared: that is written once more, whoever's callback stands there.
            let mut found_again = Scene::rows(after.clone().into_iter().collect());
            found_again.seen.standing = DriftState::New;
            assert_eq!(found_again.later(&first, MINUTE).decide().plan.mutation, subscribe());
            overwritten().later(&first, MINUTE / 2).decide().reconciling("False/Overwritten");

            // What stood there before the second write is what was written over the first.
            let mut second = overwritten();
            second.seen.asked.before = Some(after.clone().into_iter().collect());
            let second = second.later(&first, MINUTE).decide();
            second.no_mutation();
            second.stalled("RepairFight");
            let message = second.message(Ready);
            assert!(message.contains(found) && !message.contains("hidden"), "{message}");
            let notes: Vec<_> = second.plan.report.notes.iter().map(|note| (note.warning, note.reason)).collect();
            assert_eq!((notes, second.plan.report.effect), (vec![(true, "RepairFight")], RepairOutcome::GaveUp));
            // From then on it is only checked, also by a process that remembers nothing else, and nothing is rewritten.
            let mut later = Scene::rows(after.clone().into_iter().collect());
            later.seen.standing = DriftState::Fought;
            let later = later.later(&second, MINUTE * 120).decide();
            later.no_mutation();
            assert_eq!((later.status(), later.plan.report.notes.len()), (second.status(), 0));
        }
    }
}

#[test]
fn a_write_after_which_all_is_as_before_is_without_effect_and_no_fight() {
    let healthy = Scene::healthy().decide();
    let mut same = written(vec![row(CALLBACK, true, &["messages", "feed"])], Ok(()));
    same.seen.asked.before = Some(vec![row(CALLBACK, true, &["feed", "messages"])]);
    let first = same.after(&healthy).decide();
    first.reconciling("False/WriteHadNoEffect");
}

#[test]
fn a_write_of_which_a_part_shows_is_without_effect_and_no_fight() {
    for before in [vec![], vec![row(CALLBACK, true, &[])], vec![row(FOREIGN, true, &["feed"])]] {
        let mut part = written(vec![row(CALLBACK, true, &["messages"])], Ok(()));
        part.seen.asked.before = Some(before);
        part.decide().reconciling("False/WriteHadNoEffect");
    }
}

#[test]
fn a_repair_of_the_webhook_is_told() {
    let before = Scene::healthy().decide();
    let repaired = written(vec![row(CALLBACK, true, &FIELDS)], Ok(())).after(&before).decide();
    assert_eq!(repaired.plan.report.effect, RepairOutcome::Repaired);
    let notes = &repaired.plan.report.notes;
    assert_eq!(notes.iter().map(|note| (note.warning, note.reason)).collect::<Vec<_>>(), [(false, "Repaired")]);
}

#[test]
fn the_verify_token_of_an_earlier_metaapp_of_the_name_is_taken_up() {
    let mut scene = Scene::rows(vec![]);
    scene.seen.verify_token = VerifyTokenSeen::LeftOver;
    assert_eq!(scene.decide().plan.mutation, Some(Mutation::AdoptVerifyToken));
    // Until the watch shows that it is ours nothing else is done, and nobody is told anything bad.
    scene.seen.asked.verify_token_made = true;
    let outcome = scene.decide();
    outcome.no_mutation();
    outcome.reconciling("Unknown/Pending");
    // Who only looks on needs none.
    scene.app.spec.management_policy = crate::api::ManagementPolicy::Observe;
    scene.seen.asked.verify_token_made = false;
    scene.decide().no_mutation();
}
