//! A wish that Meta refuses undoes nothing that was verified.

use super::scene::*;
use crate::api::WebhookObject::Page;
use crate::api::conditions::ConditionType::{CredentialsValid, Ready, WebhookSubscribed};
use crate::api::conditions::{Quote, Speaker};
use crate::api::outcome::Class;
use crate::api::{AppSubscriptionStatus, ManagementPolicy};
use crate::graph::{GraphError, GraphFault, Operation, Verdict};
use crate::limits::answer::{Answer, Refusal, answer};
use crate::limits::repair_limiter::{DriftState, RepairOutcome};
use crate::meta_app::facts::{awaited_fields, fields};
use crate::meta_app::model::Mutation;

const TYPO: &str = "(#100) Param fields[1] must be one of {messages, message_reads} - got \"mesage_reads\"";

/// What the write came to.
fn refusal(error: GraphError) -> Refusal {
    answer::<()>(Operation::SubscribeApp, Err(error)).unwrap_err()
}

fn fault(code: u32, text: &str) -> Refusal {
    refusal(GraphFault::new(code, None, text).into())
}

/// Another generation that declares these fields, while Meta shows these.
fn declaring(declared: &[&str], shown: &[&str]) -> Scene {
    let mut scene = Scene::rows(vec![row(CALLBACK, true, shown)]);
    scene.webhook().fields = Some(words(declared));
    scene.app.metadata.generation = Some(2);
    scene.seen.inputs = "inputs of generation 2".to_owned();
    scene.seen.standing = DriftState::New;
    scene
}

fn written(mut scene: Scene, answer: Answer<()>) -> Scene {
    scene.seen.asked.subscribed = Some(answer);
    scene
}

fn refused(mut scene: Scene, field: &str) -> Scene {
    scene.seen.asked.refused.push(field.to_owned());
    scene.seen.asked.refused_words = Some(Quote { speaker: Speaker::Meta, words: TYPO.to_owned(), trace: None });
    scene
}

fn subscribe(fields: &[&str]) -> Option<Mutation> {
    Some(Mutation::Subscribe { callback_url: CALLBACK.to_owned(), fields: words(fields) })
}

#[test]
fn a_field_that_meta_does_not_know_is_left_out_and_named_with_what_is_likely_meant() {
    let with_typo = ["messages", "mesage_reads", "messaging_postbacks"];
    // A new application: all others are subscribed to in the same pass.
    let new = declaring(&with_typo, &[]);
    assert_eq!(new.decide().plan.mutation, subscribe(&with_typo));
    let next = refused(new, "mesage_reads").decide();
    assert_eq!(next.plan.mutation, subscribe(&FIELDS));
    // One that was verified: nothing else is missing, so nothing is written.
    let before = Scene::healthy().decide();
    let outcome = refused(declaring(&with_typo, &FIELDS).after(&before), "mesage_reads").decide();
    outcome.no_mutation();
    outcome.stalled("FieldRefused");
    outcome.shows(&[(WebhookSubscribed, "True/FieldsMatch"), (CredentialsValid, "True/CredentialsAccepted")]);
    let message = outcome.message(Ready);
    assert!(message.starts_with("Meta does not know the webhook field mesage_reads;"), "{message}");
    let step = "spec.webhook.fields: mesage_reads (did you mean message_reads?).";
    assert!(message.contains(step) && message.contains(TYPO), "{message}");
    assert!(outcome.status().next_step.as_deref().unwrap().ends_with(step));
    assert_eq!(outcome.status().subscription.as_ref().unwrap().refused, words(&["mesage_reads"]));
    assert_eq!(outcome.plan.report.class, Class::Settled, "everything else is checked as ever");
}

#[test]
fn a_refused_field_is_remembered_until_the_declaration_changes_or_a_look_is_asked_for() {
    let with_typo = ["messages", "mesage_reads", "messaging_postbacks"];
    let before = refused(declaring(&with_typo, &FIELDS), "mesage_reads").decide();
    let same = || declaring(&with_typo, &FIELDS).after(&before);
    let again = same().decide();
    again.no_mutation();
    assert_eq!(again.status(), before.status(), "also what Meta said");
    assert!(again.plan.report.notes.is_empty());
    // What else is missing is repaired without it.
    let mut drifted = same();
    drifted.seen.standing = DriftState::Known;
    drifted.seen.asked.subscriptions = Some(Ok(vec![row(CALLBACK, true, &["messages"])]));
    assert_eq!(drifted.decide().plan.mutation, subscribe(&FIELDS));
    let mut repaired = same();
    repaired.seen.standing = DriftState::Known;
    assert_eq!(written(repaired, Ok(())).decide().plan.report.effect, RepairOutcome::Repaired);
    // Someone asks for a check, or changes something.
    let mut asked = same();
    asked.seen.inputs = "another requested-at".to_owned();
    assert_eq!(asked.decide().plan.mutation, subscribe(&with_typo));
    let mut corrected = same();
    corrected.app.metadata.generation = Some(3);
    corrected.webhook().fields = Some(words(&["messages", "message_reads"]));
    assert_eq!(corrected.decide().plan.mutation, subscribe(&["messages", "message_reads"]));
}

#[test]
fn nothing_is_subscribed_to_when_every_field_was_refused() {
    let new = Scene::with(|scene| {
        scene.webhook().fields = Some(words(&["mesages"]));
        scene.seen.asked.subscriptions = Some(Ok(vec![]));
    });
    let outcome = refused(new, "mesages").decide();
    outcome.no_mutation();
    outcome.stalled("FieldRefused");
    outcome.shows(&[(WebhookSubscribed, "False/FieldRefused")]);
    let before = Scene::healthy().decide();
    let outcome = refused(declaring(&["mesages"], &FIELDS).after(&before), "mesages").decide();
    outcome.stalled("FieldRefused");
    outcome.shows(&[(WebhookSubscribed, "True/FieldsMatch")]);
}

#[test]
fn the_fields_that_were_refused_are_those_that_no_page_is_known_to_have() {
    let tried = words(&["messages", "mesage_reads", "brand_new"]);
    let rows = [
        (fault(100, TYPO), vec!["mesage_reads", "brand_new"]),
        (fault(100, "(#100) Param fields must be one of {messages}"), vec!["mesage_reads", "brand_new"]),
        (fault(100, "(#100) Invalid parameter"), vec!["mesage_reads", "brand_new"]),
        // It names none of ours.
        (fault(100, "Tried accessing nonexisting field (name) on node type (Page)"), vec!["mesage_reads", "brand_new"]),
        (fault(200, "(#200) To subscribe to the messages field, one of these permissions is needed"), vec![]),
        (fault(4242, "?"), vec![]),
        (refusal(GraphError::Timeout), vec![]),
    ];
    for (refusal, expected) in rows {
        assert_eq!(refusal.refused_fields(Page, &tried), words(&expected), "{refusal:?}");
    }
    assert!(fault(100, "(#100) Invalid parameter").refused_fields(Page, &words(&FIELDS)).is_empty());
}

/// What Meta may say to a write that is not about a field.
fn refusals() -> Vec<(Refusal, &'static str)> {
    vec![
        (fault(100, "(#100) Invalid parameter"), "RequestRejected"),
        (fault(200, "(#200) No permission"), "RequestRejected"),
        (fault(3, "(#3) Application does not have the capability"), "RequestRejected"),
        (fault(4242, "Something new"), "RequestRejected"),
        (fault(190, "Invalid OAuth access token signature."), "RequestRejected"),
        (fault(2200, "(#2200) Callback verification failed: HTTP Status Code = 403"), "CallbackVerificationFailed"),
        (fault(2201, "(#2201) response does not match challenge"), "CallbackVerificationFailed"),
    ]
}

#[test]
fn a_refused_write_leaves_a_verified_webhook_as_it_was() {
    let before = Scene::healthy().decide();
    let more = ["messages", "messaging_postbacks", "feed"];
    for (refusal, reason) in refusals() {
        let (fact, words) = (refusal.fact.clone(), refusal.words().unwrap().to_owned());
        let outcome = written(declaring(&more, &FIELDS).after(&before), Err(refusal.clone())).decide();
        outcome.shows(&[(WebhookSubscribed, "True/FieldsMatch"), (Ready, &format!("False/{reason}"))]);
        let message = outcome.message(Ready);
        assert!(message.contains(&fact) && message.contains(&words), "{message}");
        assert!(!outcome.status().next_step.clone().unwrap_or_default().is_empty());
        assert_eq!(outcome.plan.report.effect, RepairOutcome::None);
        outcome.no_mutation();
        // The next look tries again, and nothing changes if that is refused too.
        let next = || declaring(&more, &FIELDS).after(&outcome);
        assert_eq!(next().decide().plan.mutation, subscribe(&more));
        let again = written(next(), Err(refusal.clone())).decide();
        assert_eq!(again.status(), outcome.status());
        // Without a verified webhook there is nothing to keep.
        written(declaring(&more, &FIELDS), Err(refusal))
            .decide()
            .shows(&[(WebhookSubscribed, &format!("False/{reason}"))]);
    }
}

#[test]
fn another_callback_that_meta_refuses_leaves_the_one_that_is_verified() {
    let before = Scene::healthy().decide();
    let moved = || {
        let mut scene = declaring(&FIELDS, &FIELDS).after(&before);
        scene.seen.callback_url = Some("https://new.example/webhooks/platform/acme".to_owned());
        scene
    };
    let refusal = fault(2200, "(#2200) Callback verification failed: HTTP Status Code = 404");
    let outcome = written(moved(), Err(refusal)).decide();
    outcome.reconciling("False/CallbackVerificationFailed");
    outcome.shows(&[(WebhookSubscribed, "True/FieldsMatch")]);
    let subscription = outcome.status().subscription.as_ref().unwrap();
    assert_eq!((subscription.active, subscription.callback_url.as_deref()), (true, Some(CALLBACK)));
}

#[test]
fn a_write_without_an_answer_or_an_effect_undoes_nothing_either() {
    let before = Scene::healthy().decide();
    let more = ["messages", "messaging_postbacks", "feed"];
    let rows = [(Ok(()), "False/WriteHadNoEffect"), (Err(refusal(GraphError::Timeout)), "False/FieldsMissing")];
    for (answer, ready) in rows {
        let outcome = written(declaring(&more, &FIELDS).after(&before), answer).decide();
        outcome.reconciling(ready);
        outcome.shows(&[(WebhookSubscribed, "True/FieldsMatch")]);
    }
}

#[test]
fn what_somebody_took_away_is_not_kept() {
    let before = Scene::healthy().decide();
    let rows = [
        (row(CALLBACK, true, &["messages"]), "it lacks a field that was verified"),
        (row(CALLBACK, false, &FIELDS), "it is inactive"),
        (row(FOREIGN, true, &FIELDS), "it leads elsewhere"),
    ];
    for (row, why) in rows {
        let mut scene = Scene::rows(vec![row]).after(&before);
        scene.seen.asked.subscribed = Some(Err(fault(4242, "Something new")));
        scene.decide().shows(&[(WebhookSubscribed, "False/RequestRejected")]);
        scene.app.spec.management_policy = ManagementPolicy::Observe;
        let outcome = scene.decide();
        assert!(outcome.of(WebhookSubscribed).starts_with("False/"), "{why}");
    }
}

#[test]
fn something_that_answers_in_the_place_of_the_gateway_is_told_from_nothing_that_answers() {
    let html =
        "(#2200) Callback verification failed: response does not match challenge, received=\"<html>Log in</html>\"";
    let rows = [
        (fault(2200, "(#2200) Callback verification failed: HTTP Status Code = 403"), "could not verify the callback"),
        (fault(2200, html), "Something answers at the callback"),
        (fault(2201, "(#2201) x"), "Something answers at the callback"),
    ];
    for (refusal, text) in rows {
        let outcome = written(Scene::rows(vec![]), Err(refusal)).decide();
        outcome.reconciling("False/CallbackVerificationFailed");
        let message = outcome.message(WebhookSubscribed);
        assert!(message.contains(text) && message.contains(CALLBACK), "{message}");
        assert!(!outcome.status().next_step.clone().unwrap_or_default().is_empty());
        assert_eq!(outcome.plan.report.class, Class::Transient);
    }
}

#[test]
fn another_verify_token_is_given_to_meta_and_nothing_else_changes() {
    let before = Scene::healthy().decide();
    let renewed = || {
        let mut scene = Scene::healthy().after(&before);
        scene.seen.verify_token_fingerprint = Some("another".to_owned());
        scene
    };
    let outcome = renewed().decide();
    let fields = words(&FIELDS);
    assert_eq!(outcome.plan.mutation, Some(Mutation::Introduce { callback_url: CALLBACK.to_owned(), fields }));
    let introduced = |answer| {
        let mut scene = written(renewed(), answer);
        scene.seen.asked.introduced = true;
        scene.decide()
    };
    let given = |outcome: &Outcome| outcome.status().subscription.clone().unwrap().verify_token_fingerprint.unwrap();
    let done = introduced(Ok(()));
    done.shows(&[(Ready, "True/ReconcileSucceeded")]);
    assert_eq!((given(&done).as_str(), done.plan.report.effect), ("another", RepairOutcome::None));
    done.no_mutation();
    let open = introduced(Err(refusal(GraphError::Timeout)));
    assert_eq!((given(&open).as_str(), open.plan.report.class), (TOKEN, Class::Transient));
    let unseen = introduced(Err(fault(2200, "(#2200) Callback verification failed: HTTP Status Code = 403")));
    unseen.reconciling("False/CallbackVerificationFailed");
    unseen.shows(&[(WebhookSubscribed, "True/FieldsMatch")]);
    assert_eq!(given(&unseen), TOKEN);
    // Who only looks on writes nothing.
    let mut observed = renewed();
    observed.app.spec.management_policy = ManagementPolicy::Observe;
    observed.decide().no_mutation();
    // A status of before fingerprints were kept: what is there now counts as given.
    let mut older = Scene::healthy().after(&before);
    older.previous.subscription.as_mut().unwrap().verify_token_fingerprint = None;
    let older = older.decide();
    older.no_mutation();
    assert_eq!(given(&older), TOKEN);
}

#[test]
fn channels_inherit_what_was_verified_and_never_what_was_only_declared() {
    type Names = &'static [&'static str];
    let rows: [(Names, Names, Names, Names, Names); 5] = [
        // Declared, verified, refused: inherited, awaited.
        (&["messages", "feed"], &["feed", "messages", "standby"], &[], &["messages", "feed"], &[]),
        (&["messages", "feed"], &["messages"], &[], &["messages"], &["feed"]),
        (&["messages", "fed"], &["messages"], &["fed"], &["messages"], &[]),
        (&["fed"], &["messages"], &["fed"], &["messages"], &[]),
        (&["messages"], &[], &[], &[], &["messages"]),
    ];
    for (declared, verified, refused, inherited, awaited) in rows {
        let mut app = meta_app(2);
        app.spec.webhook.as_mut().unwrap().fields = Some(words(declared));
        let subscription = AppSubscriptionStatus {
            active: true,
            fields: words(verified),
            refused: words(refused),
            ..AppSubscriptionStatus::default()
        };
        let subscription = Some(subscription).filter(|it| !it.fields.is_empty());
        app.status = Some(crate::api::MetaAppStatus { subscription, ..Default::default() });
        assert_eq!((fields(&app), awaited_fields(&app)), (words(inherited), words(awaited)), "{declared:?}");
        app.spec.webhook = None;
        assert_eq!(
            fields(&app).len(),
            crate::api::DEFAULT_FIELDS.len(),
            "without a webhook of ours nothing is verified"
        );
    }
}

#[test]
fn a_fault_with_the_credentials_is_no_word_about_a_field() {
    let verdict = Verdict::AppSuspect;
    assert!(Refusal::new(verdict, "code 100").refused_fields(Page, &words(&["mesages"])).is_empty());
}
