//! Permissions that Meta has not approved: reported next to what works.

use jiff::SignedDuration;

use super::super::decide;
use super::scene::*;
use crate::api::conditions::ConditionType::{Connected, Ready};

fn unapproved(scene: &mut Scene) {
    scene.seen.unapproved = words(&["pages_messaging"]);
}

#[test]
fn a_connected_channel_stays_ready_and_names_what_is_not_approved() {
    let outcome = Scene::with(unapproved).decide();
    outcome.shows(&[(Ready, "True/ReconcileSucceeded"), (Connected, "True/ConnectionVerified")]);
    let (message, step) = (outcome.message(Ready), outcome.status().next_step.as_deref().unwrap_or_default());
    assert!(message.contains("not approved pages_messaging") && message.ends_with(step), "{message}");
    assert!(step.contains("MetaApp platform/acme"), "{step}");
    assert!(!outcome.plan.report.notes.iter().any(|note| note.warning), "its Event lies on the app");
}

#[test]
fn what_else_is_to_be_done_stands_before_it() {
    let ends = now() + SignedDuration::from_hours(24);
    let ending = Scene::with(|scene| {
        unapproved(scene);
        let info = crate::graph::TokenInfo { expires_at: Some(ends), ..token_info() };
        scene.seen.asked.token = Some(Ok(info));
    });
    let outcome = ending.decide();
    outcome.shows(&[(Ready, "True/ExpiresSoon")]);
    let step = outcome.status().next_step.as_deref().unwrap_or_default();
    assert!(step.contains("must authorize") && step.ends_with("MetaApp platform/acme asks for."), "{step}");
}

#[test]
fn it_comes_and_goes_without_a_look_and_changes_nothing_else() {
    let before = Scene::healthy().decide();
    let quiet = |status: &crate::api::FacebookChannelStatus, missing: &[&str]| {
        let mut scene = Scene::healthy();
        (scene.seen.look, scene.seen.asked, scene.previous) = (false, Default::default(), status.clone());
        scene.seen.unapproved = words(missing);
        decide(&scene.channel, &scene.previous, &scene.seen, scene.now).map(|plan| plan.report.status)
    };
    assert_eq!(quiet(before.status(), &[]), None);
    let told = quiet(before.status(), &["pages_messaging"]).unwrap();
    assert_eq!(Some(&told), Scene::with(unapproved).after(&before).decide().status().into(), "as a look would say it");
    assert_eq!(quiet(&told, &["pages_messaging"]), None, "nothing is rewritten");
    let more = quiet(&told, &["pages_messaging", "pages_show_list"]).unwrap();
    assert!(more.conditions[0].message.contains("pages_messaging, pages_show_list"));
    assert_eq!(quiet(&more, &[]).as_ref(), Some(before.status()));
}

#[test]
fn who_is_not_connected_says_nothing_of_it() {
    let unpublished = Scene::with(|scene| {
        unapproved(scene);
        let node = crate::graph::PageNode { is_published: Some(false), ..page_node() };
        scene.seen.asked.page = Some(Ok(node));
    });
    let outcome = unpublished.decide();
    outcome.stalled("PageUnpublished");
    assert!(!outcome.message(Ready).contains("not approved"));
}
