//! Whether the page is subscribed to our application.

use jiff::SignedDuration;

use super::scene::*;
use crate::api::conditions::ConditionType::{Authorized, Connected, Disconnected, Ready, Subscribed};
use crate::api::outcome::Class;
use crate::controller::dependency::Told;
use crate::facebook_channel::model::Mutation;
use crate::graph::{ApprovalReason, Operation, PageSubscription, Verdict};
use crate::limits::repair_limiter::{DriftState, RepairOutcome};
use crate::meta_app::facts::WebhookVerdict;

fn subscribe(fields: &[&str]) -> Option<Mutation> {
    Some(Mutation::Subscribe { fields: words(fields) })
}

/// The page's rows after a write that Meta answered like this.
fn written(rows: Vec<PageSubscription>, answer: Result<(), crate::limits::answer::Refusal>) -> Scene {
    let mut scene = Scene::rows(rows);
    scene.seen.asked.subscribed = Some(answer);
    scene
}

#[test]
fn only_the_row_of_our_application_counts_and_a_repair_writes_the_full_set() {
    let extra = ["messages", "feed", "messaging_postbacks"];
    let rows: [(Vec<PageSubscription>, &str); 6] = [
        (vec![row(APP, &FIELDS)], "True/FieldsMatch"),
        (vec![row(OTHER_APP, &[]), row(APP, &extra)], "True/FieldsMatch"),
        (vec![], "False/NotSubscribed"),
        (vec![row(OTHER_APP, &FIELDS)], "False/NotSubscribed"),
        (vec![row(OTHER_APP, &FIELDS), row(APP, &["messages", "feed"])], "False/FieldsMissing"),
        (vec![row(APP, &[])], "False/FieldsMissing"),
    ];
    for (rows, expected) in rows {
        let outcome = Scene::rows(rows).decide();
        outcome.shows(&[(Subscribed, expected)]);
        let mutation = expected.starts_with("False").then(|| subscribe(&FIELDS)).flatten();
        assert_eq!(outcome.plan.mutation, mutation, "{expected}");
    }
}

#[test]
fn the_fields_of_the_channel_count_before_those_of_the_app() {
    let scene = |held: &[&str]| {
        let mut scene = Scene::rows(vec![row(APP, held)]);
        scene.channel.spec.subscribed_fields = Some(words(&["messages"]));
        scene.decide()
    };
    scene(&["messages"]).shows(&[(Subscribed, "True/FieldsMatch")]);
    assert_eq!(scene(&["messaging_postbacks"]).plan.mutation, subscribe(&["messages"]));
}

#[test]
fn what_the_row_lacks_is_in_message_and_status() {
    let outcome = Scene::rows(vec![row(APP, &["standby", "messages"])]).decide();
    assert_eq!(outcome.message(Subscribed), "The page's subscription lacks the fields messaging_postbacks.");
    let subscription = outcome.status().subscription.as_ref().unwrap();
    assert_eq!(subscription.fields, ["messages", "standby"]);
    assert_eq!(subscription.missing, ["messaging_postbacks"]);
    assert_eq!(Scene::rows(vec![]).decide().status().subscription, None);
}

#[test]
fn a_write_without_effect_is_not_repeated_in_the_same_pass() {
    for rows in [vec![], vec![row(APP, &["messages"])]] {
        let outcome = written(rows, Ok(())).decide();
        outcome.no_mutation();
        outcome.reconciling("False/WriteHadNoEffect");
        outcome.shows(&[(Subscribed, "False/WriteHadNoEffect")]);
        assert_eq!(outcome.plan.report.class, Class::WithoutEffect);
    }
    written(vec![row(APP, &FIELDS)], Ok(()))
        .decide()
        .shows(&[(Subscribed, "True/FieldsMatch"), (Ready, "True/ReconcileSucceeded")]);
}

#[test]
fn a_row_that_somebody_else_overwrites_before_it_is_read_back_is_a_fight_the_second_time() {
    let minute = SignedDuration::from_mins(1);
    for (before, after) in [(None, Some(row(APP, &["feed"]))), (Some(row(APP, &["messages"])), None)] {
        let overwritten = || {
            let mut scene = written(after.clone().into_iter().collect(), Ok(()));
            scene.seen.asked.before = Some(before.clone().into_iter().collect());
            scene
        };
        let first = overwritten().after(&Scene::healthy().decide()).decide();
        first.no_mutation();
        first.reconciling("False/Overwritten");
        assert_eq!(first.plan.report.class, Class::WithoutEffect);
        // What stood there before the second write is what was written over the first.
        let mut second = overwritten();
        second.seen.asked.before = Some(after.clone().into_iter().collect());
        let second = second.again(&first, minute);
        second.no_mutation();
        second.stalled("RepairFight");
        assert_eq!(second.plan.report.effect, RepairOutcome::GaveUp);
        assert!(second.plan.report.notes.iter().any(|note| note.warning && note.reason == "RepairFight"));
        let mut later = Scene::rows(after.clone().into_iter().collect());
        later.seen.standing = DriftState::Fought;
        let later = later.again(&second, minute * 120);
        later.no_mutation();
        assert_eq!((later.status(), later.plan.report.notes.len()), (second.status(), 0));
    }
    // The same fields in another order are what was there before.
    let mut same = written(vec![row(APP, &["feed", "messages"])], Ok(()));
    same.seen.asked.before = Some(vec![row(APP, &["messages", "feed"])]);
    same.decide().reconciling("False/WriteHadNoEffect");
    // So is a part of what was written.
    for before in [vec![], vec![row(APP, &[])], vec![row(APP, &["feed"])]] {
        let mut part = written(vec![row(APP, &["messages"])], Ok(()));
        part.seen.asked.before = Some(before);
        part.decide().reconciling("False/WriteHadNoEffect");
    }
}

#[test]
fn the_row_that_is_read_back_decides_whatever_the_write_said() {
    let before = Scene::healthy().decide();
    for refusal in [no_answer(), throttled()] {
        let done = written(vec![row(APP, &FIELDS)], Err(refusal.clone())).after(&before).decide();
        done.shows(&[(Subscribed, "True/FieldsMatch"), (Connected, "True/ConnectionVerified")]);
        let lost = written(vec![], Err(refusal)).after(&before).decide();
        lost.shows(&[(Subscribed, "False/NotSubscribed"), (Disconnected, "True/NotSubscribed")]);
        lost.reconciling("False/NotSubscribed");
        assert!(matches!(lost.plan.report.class, Class::Transient | Class::Throttled(_)));
        lost.no_mutation();
    }
}

#[test]
fn a_refused_write_says_what_has_to_change() {
    let unknown_field = "(#100) Param subscribed_fields[0] must be one of {messages} - got \"mentions\"";
    let outcome = written(vec![], Err(fault(Operation::SubscribePage, 100, None, unknown_field))).decide();
    outcome.stalled("RequestRejected");
    outcome.shows(&[(Subscribed, "False/RequestRejected"), (Authorized, "True/TokenValid")]);
    assert!(outcome.status().next_step.as_deref().unwrap().contains("spec.subscribedFields"));
    outcome.no_mutation();

    let unapproved = refusal(Verdict::ApprovalMissing(ApprovalReason::RoleHoldersOnly));
    let outcome = written(vec![], Err(unapproved)).decide();
    outcome.stalled("PermissionNotApproved");
    outcome.shows(&[(Subscribed, "False/PermissionNotApproved"), (Authorized, "True/TokenValid")]);
    outcome.no_mutation();
}

#[test]
fn a_page_is_not_subscribed_to_an_app_that_does_not_deliver() {
    let own = Some(words(&["messages", FIELDS[1]]));
    let lacking = || WebhookVerdict::Subscribed(words(&["messages"]));
    let rows = [
        (WebhookVerdict::NotSubscribed(Told::only("ForeignCallback: left alone.")), None, "False/AppNotReady"),
        // That the application's state is not known says nothing bad about the page.
        (WebhookVerdict::Unknown(Told::only("GraphUnavailable: no answer.")), None, "Unknown/AppUnverified"),
        // What the application declares itself it is about to subscribe to; what it does not, someone must add.
        (lacking(), None, "Unknown/AppUnverified"),
        (lacking(), own.clone(), "Unknown/AppUnverified"),
    ];
    for (webhook, fields, expected) in rows {
        for held in [vec![], vec![row(APP, &FIELDS)]] {
            let mut scene = Scene::rows(held);
            scene.channel.spec.subscribed_fields = fields.clone();
            scene.seen.app = app(Ok(()), webhook.clone());
            let outcome = scene.decide();
            outcome.shows(&[(Subscribed, expected), (Authorized, "True/TokenValid")]);
            outcome.no_mutation();
            outcome.reconciling(expected);
        }
    }
}

#[test]
fn what_the_app_does_not_deliver_undoes_nothing_of_what_it_does() {
    let own = |second: &str| Some(words(&["messages", second]));
    for (second, reason, word) in [
        ("message_reads", "AppFieldsMissing", "message_reads"),
        ("mesage_reads", "FieldRefused", "mesage_reads (did you mean message_reads?)"),
    ] {
        let scene = |rows| {
            let mut scene = Scene::rows(rows);
            scene.channel.spec.subscribed_fields = own(second);
            scene.seen.app = app(Ok(()), WebhookVerdict::Subscribed(words(&["messages"])));
            scene
        };
        let outcome = scene(vec![row(APP, &["messages"])]).decide();
        outcome.stalled(reason);
        outcome.shows(&[(Subscribed, "True/FieldsMatch"), (Connected, "True/ConnectionVerified")]);
        assert!(outcome.message(Ready).contains(word), "{}", outcome.message(Ready));
        outcome.no_mutation();
        assert_eq!(scene(vec![]).decide().plan.mutation, subscribe(&["messages"]), "what can be had is");
    }
}

#[test]
fn a_field_that_meta_refuses_is_left_out_and_the_others_stay() {
    let mut scene = Scene::rows(vec![row(APP, &["messages"])]);
    scene.channel.spec.subscribed_fields = Some(words(&["messages", "mesages"]));
    scene.seen.app = app(Ok(()), WebhookVerdict::NotManaged);
    scene.seen.asked.refused_fields = words(&["mesages"]);
    let outcome = scene.decide();
    outcome.stalled("FieldRefused");
    outcome.shows(&[(Subscribed, "True/FieldsMatch"), (Connected, "True/ConnectionVerified")]);
    let step = outcome.status().next_step.as_deref().unwrap();
    assert!(step.contains("spec.subscribedFields: mesages (did you mean messages?)"), "{step}");
    assert_eq!(outcome.status().subscription.as_ref().unwrap().refused, ["mesages"]);
    // It is remembered as long as nothing changes, and asked for again after that.
    let later = |inputs: &str| {
        let mut scene = Scene::rows(vec![]).after(&outcome);
        scene.channel.spec.subscribed_fields = Some(words(&["messages", "mesages"]));
        scene.seen.app = app(Ok(()), WebhookVerdict::NotManaged);
        scene.seen.inputs = inputs.to_owned();
        scene.decide().plan.mutation
    };
    assert_eq!(later("inputs"), subscribe(&["messages"]));
    assert_eq!(later("others"), subscribe(&["messages", "mesages"]));
}

#[test]
fn a_refused_write_of_more_fields_leaves_what_was_verified() {
    let mut first = Scene::rows(vec![row(APP, &["messages"])]);
    first.channel.spec.subscribed_fields = Some(words(&["messages"]));
    let before = first.decide();
    before.shows(&[(Ready, "True/ReconcileSucceeded")]);
    let wished = |held: &[&str], answer| {
        let mut scene = written(vec![row(APP, held)], answer).after(&before);
        scene.channel.spec.subscribed_fields = Some(words(&FIELDS));
        scene.channel.metadata.generation = Some(2);
        scene.decide()
    };
    let refusal = || fault(Operation::SubscribePage, 200, None, "(#200) Requires pages_messaging");
    let refused = wished(&["messages"], Err(refusal()));
    refused.stalled("SubscriptionRefused");
    refused.shows(&[(Subscribed, "True/FieldsMatch"), (Connected, "True/ConnectionVerified")]);
    assert!(!refused.plan.report.notes.iter().any(|note| note.reason == "NotSubscribed"));
    let silent = wished(&["messages"], Err(no_answer()));
    silent.shows(&[(Subscribed, "True/FieldsMatch"), (Connected, "True/ConnectionVerified")]);
    // What was verified and is lost is lost.
    wished(&[], Err(refusal())).shows(&[(Subscribed, "False/SubscriptionRefused")]);
}

#[test]
fn a_webhook_that_is_not_declared_says_nothing_about_the_page() {
    let mut scene = Scene::rows(vec![]);
    scene.seen.app = app(Ok(()), WebhookVerdict::NotManaged);
    assert_eq!(scene.decide().plan.mutation, subscribe(&FIELDS));
}

#[test]
fn nothing_is_written_with_a_token_that_a_read_casts_doubt_on() {
    let mut scene = Scene::rows(vec![]);
    scene.seen.asked.page = Some(Err(fault(Operation::ReadPage, 190, 460, "changed their password")));
    let outcome = scene.decide();
    outcome.no_mutation();
    outcome.shows(&[(Authorized, "True/TokenValid")]);
}

#[test]
fn what_somebody_else_changes_back_again_and_again_is_left_to_a_person() {
    for (rows, found) in [(vec![row(APP, &["standby", "messages"])], "messages, standby"), (vec![], "no fields")] {
        let mut scene = Scene::rows(rows);
        scene.seen.standing = DriftState::Fought;
        let outcome = scene.decide();
        outcome.no_mutation();
        outcome.stalled("RepairFight");
        outcome.shows(&[(Subscribed, "False/RepairFight"), (Disconnected, "True/RepairFight")]);
        assert!(outcome.message(Subscribed).contains(found), "{}", outcome.message(Subscribed));
        let command = "kubectl -n tenant-a annotate --overwrite fbc/shop metachannels.io/requested-at=";
        assert!(outcome.message(Subscribed).contains(command), "{}", outcome.message(Subscribed));
        assert_eq!(outcome.plan.report.class, Class::Terminal);
        assert_eq!(outcome.plan.report.effect, RepairOutcome::GaveUp);
        let reasons: Vec<_> = outcome.plan.report.notes.iter().map(|note| (note.warning, note.reason)).collect();
        assert_eq!(reasons, [(true, "RepairFight")]);
        // It is told once, and without an answer it stays given up.
        let mut silent = Scene::debugged(Err(no_answer())).after(&outcome);
        silent.seen.standing = DriftState::Fought;
        let silent = silent.decide();
        assert_eq!(silent.plan.report.effect, RepairOutcome::GaveUp);
        assert_eq!(silent.plan.report.notes, []);
        silent.shows(&[(Subscribed, "False/RepairFight")]);
    }
}

#[test]
fn a_repair_is_told_and_a_first_subscription_is_none() {
    let before = Scene::healthy().decide();
    for (standing, effect, told) in
        [(DriftState::Known, RepairOutcome::Repaired, vec!["Repaired"]), (DriftState::New, RepairOutcome::None, vec![])]
    {
        let mut scene = written(vec![row(APP, &FIELDS)], Ok(())).after(&before);
        scene.seen.standing = standing;
        let outcome = scene.decide();
        assert_eq!(outcome.plan.report.effect, effect);
        assert_eq!(outcome.plan.report.notes.iter().map(|note| note.reason).collect::<Vec<_>>(), told);
        let lost = written(vec![], Ok(())).after(&before).decide();
        assert_eq!(lost.plan.report.effect, RepairOutcome::None, "a write without effect restored nothing");
    }
}

#[test]
fn of_many_missing_fields_the_message_names_the_first_and_the_status_all() {
    let message = |declared: &[&str]| {
        let mut scene = Scene::rows(vec![row(APP, &[])]);
        scene.seen.app = app(Ok(()), WebhookVerdict::NotManaged);
        scene.channel.spec.subscribed_fields = Some(words(declared));
        scene.seen.asked.subscribed = Some(Err(no_answer()));
        let outcome = scene.decide();
        assert_eq!(outcome.status().subscription.as_ref().unwrap().missing, words(declared));
        outcome.message(Subscribed).to_owned()
    };
    assert_eq!(message(&["a", "b", "c", "d", "e"]), "The page's subscription lacks the fields a, b, c, d, e.");
    let of_six = message(&["a", "b", "c", "d", "e", "f"]);
    assert_eq!(of_six, "The page's subscription lacks the fields a, b, c and 3 more.");
}
