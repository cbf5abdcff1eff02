//! A missing holder whose deletion nobody saw: the claim was restored without its channel, or the channel was deleted while
//! nobody was watching.

use super::super::super::model::{Checked, Then};
use super::super::{GRACE, WAIT, wants_check};
use super::*;
use crate::api::CLEANUP;

fn annotated(mut claim: AssetClaim, value: &str) -> AssetClaim {
    claim.metadata.annotations = Some([(CLEANUP.to_owned(), value.to_owned())].into());
    claim
}

/// A claim that has waited for so many seconds.
fn waiting(seconds: i64) -> AssetClaim {
    let mut claim = claim(ClaimState::AwaitingHolder, 0);
    let status = claim.status.as_mut().unwrap();
    (status.gone_since, status.awaited_since) = (None, Some(ago(seconds)));
    claim
}

#[test]
fn by_a_clock_that_is_in_doubt_nobody_was_waited_for_long_enough() {
    for state in [ClaimState::Held, ClaimState::AwaitingHolder, ClaimState::CleanupPending, ClaimState::LeftBehind] {
        let seen = Observed { clock_doubted: true, checked: Some(Checked::Gone), ..gone() };
        let plan = decide(&claim(state, 100 * 24 * 60 * 60), &seen, now());
        assert!(!plan.release && plan.report.status.is_none(), "{state:?}");
        assert!(matches!(plan.report.then, Then::At(at) if at > now()), "{state:?}");
    }
}

#[test]
fn who_was_not_seen_to_go_is_waited_for_a_day_and_that_is_said() {
    let plan = decided(&claim(ClaimState::Held, 0), &missing());
    assert_eq!(shown(&plan), Some((ClaimState::AwaitingHolder, "AwaitingHolder".to_owned())));
    assert_eq!(plan.report.then, Then::At(now() + WAIT));
    let told = message(&plan);
    for part in ["tenant-a/shop", "2026-03-02T12:00:00Z", "backup", "metachannels.io/cleanup=now", "=never"] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
    let status = plan.report.status.unwrap();
    assert_eq!((status.awaited_since, status.gone_since), (Some(now()), None));

    for (seconds, state) in [(60, None), (86_399, None), (86_400, Some(ClaimState::CleanupPending))] {
        let claim = waiting(seconds);
        assert!(!wants_check(&claim, &AppState::Ready, now()), "{seconds} s");
        let plan = decided(&claim, &missing());
        assert!(!plan.release);
        // What was said of the wait stays, but for the conditions that this claim of a test lacks.
        let found = shown(&plan).map(|(state, _)| state).filter(|state| *state != ClaimState::AwaitingHolder);
        assert_eq!(found, state, "{seconds} s");
    }
    let plan = decided(&waiting(60), &gone());
    assert_eq!(shown(&plan).unwrap().0, ClaimState::CleanupPending, "it came and was seen to go");
    assert_eq!(plan.report.then, Then::At(now() + GRACE));
}

#[test]
fn what_a_restored_status_remembers_is_not_what_was_seen_of_this_claim() {
    for state in [ClaimState::CleanupPending, ClaimState::LeftBehind, ClaimState::AwaitingHolder] {
        let mut restored = claim(state, 200_000);
        restored.metadata.uid = Some("new".to_owned());
        let status = restored.status.as_mut().unwrap();
        (status.claim_uid, status.awaited_since) = (Some("old".to_owned()), Some(ago(200_000)));
        status.releasing_since = Some(ago(10));
        assert!(!restored.is_being_released(), "who comes takes it over");
        assert!(!wants_check(&restored, &AppState::Ready, now()), "{state:?}");
        let plan = decided(&restored, &missing());
        assert_eq!((plan.release, shown(&plan).unwrap().0), (false, ClaimState::AwaitingHolder), "{state:?}");
        assert_eq!(plan.report.then, Then::At(now() + WAIT), "{state:?}");
        restored.status = plan.report.status;
        assert!(restored.current().is_some());
    }
    let mut grave = claim(ClaimState::Tombstone, 200_000);
    grave.metadata.uid = Some("new".to_owned());
    assert_eq!(decided(&grave, &missing()).report.status, None, "what was cleaned up stays so");
}

#[test]
fn an_administrator_ends_the_wait_or_forbids_what_comes_after_it() {
    let plan = decided(&annotated(waiting(60), "now"), &missing());
    assert_eq!(shown(&plan).unwrap().0, ClaimState::CleanupPending);
    assert_eq!(plan.report.then, Then::At(now() + GRACE));

    for (claim, seen) in
        [(waiting(90_000), missing()), (claim(ClaimState::CleanupPending, 600), gone()), (waiting(60), gone())]
    {
        let claim = annotated(claim, "never");
        assert!(!wants_check(&claim, &AppState::Ready, now()));
        let plan = decided(&claim, &seen);
        assert_eq!(shown(&plan), Some((ClaimState::AwaitingHolder, "CleanupForbidden".to_owned())));
        assert_eq!((plan.release, plan.report.then), (false, Then::Never));
        let before = claim.status.as_ref().unwrap().gone_since;
        assert_eq!(plan.report.status.as_ref().unwrap().gone_since, before, "that it went is not forgotten");
    }
    let plan = decided(&annotated(waiting(60), "soon"), &missing());
    assert_eq!(shown(&plan).unwrap().0, ClaimState::AwaitingHolder);
    assert!(message(&plan).contains("is ignored") && !message(&plan).contains("soon"), "{}", message(&plan));
    assert!(
        decided(
            &annotated(claim(ClaimState::CleanupPending, 60), "x"),
            &Observed { checked: Some(Checked::Gone), ..gone() }
        )
        .release
    );
}
