//! Row by row.

use super::super::super::model::{Checked, Then};
use super::super::{GRACE, wants_check};
use super::*;
use crate::api::DeletionPolicy;
use crate::api::outcome::Class;
use crate::graph::{GraphError, GraphFault, Operation};
use crate::limits::answer::{Refusal, answer};

fn refused(error: impl Into<GraphError>) -> Refusal {
    answer::<()>(Operation::UnsubscribePage, Err(error.into())).unwrap_err()
}

fn checked(checked: Checked) -> Observed {
    Observed { checked: Some(checked), ..gone() }
}

fn asked(answer: Result<(), Refusal>) -> Observed {
    Observed { asked: Some(answer), ..gone() }
}

#[test]
fn nothing_is_said_of_a_claim_whose_holder_lives() {
    let plan = decided(&claim(ClaimState::Held, 0), &Observed { lives: true, ..gone() });
    assert_eq!((plan.release, plan.report.status, plan.report.then), (false, None, Then::Never));
}

#[test]
fn a_holder_that_is_gone_gets_its_grace_before_anything_is_asked() {
    let plan = decided(&claim(ClaimState::Held, 0), &gone());
    assert_eq!(shown(&plan), Some((ClaimState::CleanupPending, "CleanupPending".to_owned())));
    assert_eq!(plan.report.then, Then::At(now() + GRACE));
    assert_eq!(plan.report.status.unwrap().gone_since, Some(now()));

    for (gone_for, wanted) in [(0, false), (59, false), (60, true), (6000, true)] {
        let claim = claim(ClaimState::CleanupPending, gone_for);
        assert_eq!(wants_check(&claim, &AppState::Missing, now()), wanted, "{gone_for} s");
        if !wanted {
            let plan = decided(&claim, &gone());
            assert_eq!((plan.release, plan.report.status), (false, None));
            assert_eq!(plan.report.then, Then::At(ago(gone_for) + GRACE));
        }
    }
}

#[test]
fn a_page_is_unsubscribed_once_its_channel_is_gone_for_certain() {
    let pending = claim(ClaimState::CleanupPending, 60);
    assert!(decided(&pending, &checked(Checked::Gone)).release);
    let plan = decided(&pending, &asked(Ok(())));
    assert_eq!(shown(&plan), Some((ClaimState::Tombstone, "Tombstone".to_owned())));
    assert_eq!(plan.report.then, Then::Never);
    assert!(message(&plan).contains("tenant-a/shop"), "{}", message(&plan));
    assert!(!plan.report.note.unwrap().warning);
}

#[test]
fn a_channel_that_lives_after_all_keeps_its_page() {
    for state in [ClaimState::CleanupPending, ClaimState::LeftBehind, ClaimState::Tombstone] {
        for seen in [checked(Checked::Lives), Observed { lives: true, ..gone() }] {
            let plan = decided(&claim(state, 600), &seen);
            assert!(!plan.release);
            assert_eq!(shown(&plan), Some((ClaimState::Held, "ClaimHeld".to_owned())), "{state:?} {seen:?}");
            assert_eq!((plan.report.then, plan.report.note), (Then::Never, None));
        }
    }
}

#[test]
fn a_page_that_another_channel_of_the_namespace_declares_stays_subscribed() {
    let plan = decided(&claim(ClaimState::CleanupPending, 600), &checked(Checked::Wanted { name: "next".to_owned() }));
    assert!(!plan.release);
    assert_eq!(plan.report.then, Then::Class(Class::Waiting));
    assert!(message(&plan).contains("FacebookChannel next"), "{}", message(&plan));
}

#[test]
fn an_orphan_is_let_go_without_a_word_to_meta_whatever_became_of_the_app() {
    for app in [AppState::Ready, AppState::Missing, AppState::SecretGone] {
        let mut claim = claim(ClaimState::CleanupPending, 60);
        claim.spec.deletion_policy = DeletionPolicy::Orphan;
        let plan = decided(&claim, &Observed { app, ..checked(Checked::Gone) });
        assert!(!plan.release);
        assert_eq!(shown(&plan), Some((ClaimState::Tombstone, "Tombstone".to_owned())));
        assert!(message(&plan).contains("Nothing was written at Meta"), "{}", message(&plan));
    }
}

#[test]
fn what_cannot_be_cleaned_up_is_left_behind_and_named() {
    let why = [
        (AppState::Missing, Checked::Gone, "MetaApp platform/acme does not exist"),
        (AppState::OtherApp("9999000099990000".to_owned()), Checked::Gone, "now stands for app 9999000099990000"),
        (AppState::SecretGone, Checked::Gone, "has no usable app secret"),
        (AppState::Ready, Checked::Forbidden, "may not read FacebookChannels in namespace tenant-a"),
    ];
    for (app, found, why) in why {
        let plan = decided(&claim(ClaimState::CleanupPending, 60), &Observed { app, ..checked(found) });
        assert!(!plan.release);
        assert_eq!(shown(&plan), Some((ClaimState::LeftBehind, "LeftBehind".to_owned())));
        let message = message(&plan);
        for part in [PAGE, APP, "messages, standby", why, "must delete this AssetClaim"] {
            assert!(message.contains(part), "no {part:?} in {message}");
        }
        assert!(plan.report.note.unwrap().warning);
        let left = plan.report.status.unwrap().left_at_meta.unwrap();
        assert_eq!((left.page_id.as_str(), left.app_id.as_str(), left.fields.len()), (PAGE, APP, 2));
    }
}

#[test]
fn a_page_that_was_disconnected_leaves_nothing_behind() {
    let mut parted = claim(ClaimState::CleanupPending, 60);
    parted.spec.subscribed_fields.clear();
    let other = AppState::OtherApp("9999000099990000".to_owned());
    for app in [AppState::Missing, AppState::SecretGone, other] {
        let plan = decided(&parted, &Observed { app, ..checked(Checked::Gone) });
        assert_eq!(shown(&plan), Some((ClaimState::Tombstone, "Tombstone".to_owned())));
        assert!(message(&plan).starts_with("Nothing was left at Meta"), "{}", message(&plan));
    }
    assert!(decided(&parted, &checked(Checked::Gone)).release, "where that is possible it is made sure of");
}

#[test]
fn what_was_left_behind_is_cleaned_up_when_the_app_is_back_and_not_asked_about_before() {
    let left = claim(ClaimState::LeftBehind, 6000);
    for app in [AppState::Missing, AppState::SecretGone, AppState::NotReady("why".to_owned())] {
        assert!(!wants_check(&left, &app, now()), "{app:?}");
        let plan = decided(&left, &Observed { app, ..gone() });
        assert_eq!((plan.release, plan.report.status), (false, None));
    }
    assert!(wants_check(&left, &AppState::Ready, now()));
    assert!(decided(&left, &checked(Checked::Gone)).release);
}

#[test]
fn an_app_that_cannot_be_used_yet_is_waited_for() {
    let seen = Observed { app: AppState::NotReady("Pending: why.".to_owned()), ..checked(Checked::Gone) };
    let plan = decided(&claim(ClaimState::CleanupPending, 60), &seen);
    assert_eq!(shown(&plan), Some((ClaimState::CleanupPending, "CleanupPending".to_owned())));
    assert_eq!(plan.report.then, Then::Class(Class::Waiting));
    assert!(message(&plan).contains("Pending: why."), "{}", message(&plan));
}

#[test]
fn what_meta_answers_decides_when_it_is_tried_again() {
    let fault = |code: u32, text: &str| refused(GraphFault::new(code, None, text));
    let rows = [
        (refused(GraphError::Timeout), ClaimState::CleanupPending, "transient"),
        (fault(2, "An unexpected error has occurred."), ClaimState::CleanupPending, "transient"),
        (fault(4, "(#4) Application request limit reached"), ClaimState::CleanupPending, "throttled"),
        (fault(190, "Error validating application."), ClaimState::CleanupPending, "app_broken"),
        (fault(10, "(#10) Application does not have permission for this action"), ClaimState::LeftBehind, "terminal"),
        (fault(15, "(#15) wrong kind of token"), ClaimState::LeftBehind, "terminal"),
    ];
    for (refusal, state, class) in rows {
        let plan = decided(&claim(ClaimState::CleanupPending, 60), &asked(Err(refusal.clone())));
        assert!(!plan.release, "once a pass");
        assert_eq!(shown(&plan).unwrap().0, state, "{refusal:?}");
        let Then::Class(then) = plan.report.then else { panic!("{:?}", plan.report.then) };
        assert_eq!(then.as_str(), class, "{refusal:?}");
    }
}

#[test]
fn a_request_that_another_process_began_is_waited_for() {
    for (begun, asks) in [(0, false), (59, false), (60, true)] {
        let mut claim = claim(ClaimState::CleanupPending, 600);
        claim.status.as_mut().unwrap().releasing_since = Some(ago(begun));
        assert_eq!(wants_check(&claim, &AppState::Ready, now()), asks, "{begun} s");
        assert_eq!(decided(&claim, &checked(Checked::Gone)).release, asks, "{begun} s");
    }
}

#[test]
fn a_claim_waits_for_its_turn() {
    let turn = now() + SignedDuration::from_secs(7);
    let plan = decided(&claim(ClaimState::CleanupPending, 60), &Observed { turn: Some(turn), ..gone() });
    assert_eq!((plan.release, plan.report.status, plan.report.then), (false, None, Then::At(turn)));
}

#[test]
fn the_grave_of_an_earlier_holder_says_nothing_about_the_next() {
    let mut claim = claim(ClaimState::Tombstone, 6000);
    claim.spec.holder.uid = "u2".to_owned();
    let plan = decided(&claim, &Observed { lives: true, ..gone() });
    assert_eq!(shown(&plan), Some((ClaimState::Held, "ClaimHeld".to_owned())));
    let plan = decided(&claim, &gone());
    assert_eq!(shown(&plan), Some((ClaimState::CleanupPending, "CleanupPending".to_owned())));
    assert_eq!(plan.report.status.unwrap().gone_since, Some(now()), "the grace begins anew");
}

#[test]
fn what_was_said_is_not_written_again() {
    let mut claim = claim(ClaimState::CleanupPending, 60);
    let seen = Observed { app: AppState::Missing, ..checked(Checked::Gone) };
    claim.status = decided(&claim, &seen).report.status;
    let again = decided(&claim, &seen);
    assert_eq!((again.report.status, again.report.note), (None, None));
}

#[test]
fn a_tombstone_that_an_administrator_gives_away_says_so_once() {
    let mut claim = claim(ClaimState::Tombstone, 600);
    claim.status.as_mut().unwrap().observed_generation = Some(1);
    assert_eq!(shown(&decided(&claim, &gone())), None);
    (claim.metadata.generation, claim.spec.transfer_to) = (Some(2), Some("tenant-b".to_owned()));
    let plan = decided(&claim, &gone());
    assert_eq!(
        (shown(&plan), plan.report.note.is_none()),
        (Some((ClaimState::Tombstone, "Tombstone".to_owned())), true)
    );
    assert!(message(&plan).contains("given to namespace tenant-b"), "{}", message(&plan));
    claim.status = plan.report.status;
    assert_eq!(shown(&decided(&claim, &gone())), None);
}
