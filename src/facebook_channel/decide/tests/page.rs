//! Whether the page can be used.

use jiff::SignedDuration;

use super::scene::*;
use crate::api::DeclaredConnection;
use crate::api::conditions::ConditionType::{Authorized, Connected, Disconnected, PageUsable, Ready};
use crate::api::outcome::Class;
use crate::graph::{Operation, PageNode, Verdict};

#[test]
fn a_page_is_usable_unless_meta_says_that_it_is_not_published() {
    for (is_published, expected) in
        [(Some(true), "True/PageReachable"), (None, "True/PageReachable"), (Some(false), "False/PageUnpublished")]
    {
        let node = PageNode { is_published, ..page_node() };
        let outcome = Scene::with(|scene| scene.seen.asked.page = Some(Ok(node))).decide();
        outcome.shows(&[(PageUsable, expected), (Authorized, "True/TokenValid")]);
        assert_eq!(outcome.of(Ready) == "True/ReconcileSucceeded", expected.starts_with("True"));
    }
}

#[test]
fn a_faulty_page_is_disconnected_when_the_page_itself_tells() {
    let rows = [
        (100, Some(33), "Unsupported get request", "NotVisible", true),
        (368, None, "The action attempted has been deemed abusive", "Restricted", true),
        (2, Some(2_018_344), "must accept the label terms", "Restricted", true),
        (10, Some(1_893_063), "temporarily barred", "SendBlocked", false),
        (2022, None, "commerce messages are disabled", "SendBlocked", false),
    ];
    for (code, subcode, text, reason, person) in rows {
        let refusal = || fault(Operation::ReadPage, code, subcode, text);
        let scene = || Scene::with(|scene| scene.seen.asked.page = Some(Err(refusal())));
        // What Meta only does not show is not gone before it was not shown twice.
        let definite = reason != "NotVisible";
        let once = scene().after(&Scene::healthy().decide()).decide();
        assert_eq!(once.of(Ready) == "True/ReconcileSucceeded", !definite, "{reason}");
        {
            let outcome = if definite { scene().decide() } else { Scene::twice(scene) };
            let (no, yes) = (format!("False/{reason}"), format!("True/{reason}"));
            outcome.shows(&[
                (PageUsable, &no),
                (Connected, &no),
                (Disconnected, &yes),
                (Authorized, "True/TokenValid"),
            ]);
            if person {
                outcome.stalled(reason);
            } else {
                outcome.reconciling(&no);
            }
            // Asking more often does not lift a block.
            assert_eq!(outcome.plan.report.class, Class::Terminal, "{reason}");
            outcome.no_mutation();
        }
        // Another call about the page says nothing about it.
        for call in 0..2 {
            let outcome = Scene::twice(|| {
                Scene::with(|scene| {
                    scene.seen.asked.subscriptions = if call == 0 { Some(Err(refusal())) } else { Some(Ok(vec![])) };
                    scene.seen.asked.subscribed = (call == 1).then(|| Err(refusal()));
                })
            });
            outcome.shows(&[(PageUsable, "True/PageReachable")]);
        }
    }
}

#[test]
fn a_page_that_has_another_id_now_names_it() {
    let text = "Page ID 2200000000000001 was migrated to page ID 2200000000000009. Please update your API calls";
    for (code, subcode) in [(21, None), (100, Some(21))] {
        let refusal = fault(Operation::ReadPage, code, subcode, text);
        let outcome = Scene::with(|scene| scene.seen.asked.page = Some(Err(refusal))).decide();
        outcome.stalled("PageMigrated");
        assert!(outcome.status().next_step.as_deref().unwrap().contains("2200000000000009"));
    }
}

#[test]
fn a_page_that_is_not_shown_may_be_restricted_and_its_grace_is_counted() {
    let scene = || Scene::with(|scene| scene.seen.asked.page = Some(Err(fault(Operation::ReadPage, 100, 33, "x"))));
    let outcome = Scene::twice(scene);
    assert!(outcome.message(PageUsable).contains("restricted"), "{}", outcome.message(PageUsable));
    assert_eq!(outcome.status().restricted_since, Some(outcome.now));
    let later = scene().again(&outcome, SignedDuration::from_hours(48));
    assert_eq!(outlasting(&later), ["RestrictionOutlastedGrace"]);
}

fn restricted(code: u32) -> Scene {
    Scene::with(|scene| scene.seen.asked.page = Some(Err(fault(Operation::ReadPage, code, None, "x"))))
}

/// Reasons of the Events that an outcome tells of a restriction that lasts.
fn outlasting(outcome: &Outcome) -> Vec<&str> {
    let notes = outcome.plan.report.notes.iter().filter(|note| note.warning).map(|note| note.reason);
    notes.filter(|reason| *reason == "RestrictionOutlastedGrace").collect()
}

#[test]
fn a_restriction_that_lasts_for_48_hours_is_told_once_more_and_never_again() {
    for code in [368, 2022] {
        let first = restricted(code).decide();
        assert_eq!((first.status().restricted_since, outlasting(&first).len()), (Some(now()), 0));
        assert_eq!(first.plan.report.until, Some(now() + SignedDuration::from_hours(48)), "checked then");
        let after = |hours: i64, before: &Outcome| {
            let mut scene = restricted(code).after(before);
            scene.now = now() + SignedDuration::from_hours(hours);
            scene.decide()
        };
        let waiting = after(47, &first);
        assert_eq!((outlasting(&waiting).len(), waiting.message(PageUsable)), (0, first.message(PageUsable)));
        let told = after(48, &waiting);
        assert_eq!(outlasting(&told), ["RestrictionOutlastedGrace"]);
        let message = told.message(PageUsable);
        assert!(message.contains("more than 48 hours") && message.contains("Meta's support"), "{message}");
        assert_eq!(told.of(Ready), first.of(Ready), "it is the same cause");
        let later = after(1000, &told);
        assert_eq!((outlasting(&later).len(), later.status().restricted_since), (0, Some(now())));
    }
}

#[test]
fn a_restriction_is_counted_over_silence_and_not_over_a_page_that_was_usable() {
    let first = restricted(368).decide();
    let mut silent = Scene::with(|scene| scene.seen.asked.page = Some(Err(no_answer()))).after(&first);
    silent.seen.stale = true;
    let silent = silent.decide();
    silent.shows(&[(PageUsable, "Unknown/GraphUnavailable")]);
    // Another word for it is no new beginning.
    assert_eq!(restricted(2022).after(&silent).decide().status().restricted_since, Some(now()));
    let usable = Scene::healthy().after(&silent).decide();
    assert_eq!((usable.status().restricted_since, usable.plan.report.until), (None, None));
    let again = restricted(368).after(&usable);
    assert_eq!(again.decide().status().restricted_since, Some(again.now));
    let mut parted = restricted(368).after(&first);
    parted.channel.spec.connection = DeclaredConnection::Disconnected;
    assert_eq!(parted.decide().status().restricted_since, None, "it is not judged");
}

#[test]
fn a_page_that_cannot_be_shown_for_another_reason_is_not_known() {
    for verdict in [Verdict::VersionRetired, Verdict::FieldUnknown(None), Verdict::CallbackFailed { answered: false }] {
        let outcome = Scene::with(|scene| scene.seen.asked.page = Some(Err(refusal(verdict)))).decide();
        outcome.shows(&[(PageUsable, "Unknown/UnrecognizedError"), (Connected, "Unknown/UnrecognizedError")]);
        assert!(outcome.message(PageUsable).contains("(code 1)"));
    }
}
