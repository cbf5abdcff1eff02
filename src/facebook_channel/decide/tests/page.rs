//! Whether the page can be used.

use super::scene::*;
use crate::api::conditions::ConditionType::{Authorized, Connected, Disconnected, PageUsable, Ready};
use crate::engine::Class;
use crate::graph::{Caller, PageNode, Verdict};

#[test]
fn a_page_is_usable_unless_meta_says_that_it_is_not_published() {
    for (is_published, expected) in
        [(Some(true), "True/Usable"), (None, "True/Usable"), (Some(false), "False/Unpublished")]
    {
        let node = PageNode { is_published, ..page_node() };
        let outcome = Scene::with(|scene| scene.seen.asked.page = Some(Ok(node))).decide();
        outcome.shows(&[(PageUsable, expected), (Authorized, "True/TokenValid")]);
        assert_eq!(outcome.of(Ready) == "True/Reached", expected.starts_with("True"));
    }
}

#[test]
fn a_faulty_page_is_disconnected_whichever_call_tells() {
    let rows = [
        (100, Some(33), "Unsupported get request", "NotVisible", true),
        (368, None, "The action attempted has been deemed abusive", "Restricted", true),
        (2, Some(2_018_344), "must accept the label terms", "Restricted", true),
        (10, Some(1_893_063), "temporarily barred", "SendBlocked", false),
        (2022, None, "commerce messages are disabled", "SendBlocked", false),
    ];
    for (code, subcode, text, reason, person) in rows {
        let refusal = || fault(Caller::PageToken, code, subcode, text);
        let scenes = [
            Scene::with(|scene| scene.seen.asked.page = Some(Err(refusal()))),
            Scene::with(|scene| scene.seen.asked.subscriptions = Some(Err(refusal()))),
            Scene::with(|scene| {
                scene.seen.asked.subscriptions = Some(Ok(vec![]));
                scene.seen.asked.subscribed = Some(Err(refusal()));
            }),
        ];
        for scene in scenes {
            let outcome = scene.decide();
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
    }
}

#[test]
fn a_page_that_cannot_be_shown_for_another_reason_is_not_known() {
    for verdict in [Verdict::VersionRetired, Verdict::FieldUnknown(None), Verdict::CallbackFailed] {
        let outcome = Scene::with(|scene| scene.seen.asked.page = Some(Err(refusal(verdict)))).decide();
        outcome.shows(&[(PageUsable, "Unknown/Unreadable"), (Connected, "Unknown/Unreadable")]);
        assert!(outcome.message(PageUsable).contains("Meta refuses to show it (code 1)"));
    }
}
