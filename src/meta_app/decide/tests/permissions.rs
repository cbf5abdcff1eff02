//! Whether Meta approved the required permissions.

use jiff::SignedDuration;

use super::scene::*;
use crate::api::Audience;
use crate::api::conditions::ConditionType::{CredentialsValid, PermissionsApproved, Ready};
use crate::graph::{AppPermission, PermissionStatus};

fn listed(listed: Vec<AppPermission>, audience: Audience) -> Scene {
    Scene::with(|scene| {
        scene.seen.asked.permissions = Some(Ok(listed));
        scene.app.spec.audience = audience;
    })
}

#[test]
fn approval_is_required_for_everyone_and_told_to_testers() {
    let mut waiting = approved();
    waiting[2].status = PermissionStatus::Unapproved;
    let mut odd = approved();
    odd[2].status = PermissionStatus::Other("in_review".to_owned());
    let rows = [
        (approved(), "True/PermissionsApproved", "live"),
        (waiting, "False/PermissionNotApproved", "unapproved"),
        (odd, "False/PermissionNotApproved", "in_review"),
        (approved()[..2].to_vec(), "False/PermissionNotApproved", "missing"),
    ];
    for (permissions, expected, word) in rows {
        for audience in [Audience::Everyone, Audience::Testers] {
            let outcome = listed(permissions.clone(), audience).confirmed();
            outcome.shows(&[(PermissionsApproved, expected), (CredentialsValid, "True/CredentialsAccepted")]);
            let found = &outcome.status().permissions[2];
            assert_eq!((found.name.as_str(), found.status.as_str()), ("pages_messaging", word));
            if expected == "False/PermissionNotApproved" && audience == Audience::Everyone {
                outcome.stalled("PermissionNotApproved");
                assert!(outcome.message(PermissionsApproved).starts_with("Meta has not approved pages_messaging for"));
            } else {
                outcome.shows(&[(Ready, "True/ReconcileSucceeded")]);
            }
        }
    }
}

#[test]
fn a_permission_that_is_not_required_does_not_matter() {
    let mut permissions = approved();
    permissions.push(permission("ads_management", PermissionStatus::Unapproved));
    listed(permissions, Audience::Everyone).decide().shows(&[(PermissionsApproved, "True/PermissionsApproved")]);
}

#[test]
fn a_refused_list_keeps_what_was_known_and_is_not_kept_for_ever() {
    let before = Scene::healthy().decide();
    let refused = || Scene::with(|scene| scene.seen.asked.permissions = Some(Err(fault(200, None, "No permission"))));
    refused()
        .after(&before)
        .decide()
        .shows(&[(PermissionsApproved, "True/PermissionsApproved"), (Ready, "True/ReconcileSucceeded")]);
    let mut old = refused().after(&before);
    old.seen.stale = true;
    for scene in [refused(), old] {
        let outcome = scene.decide();
        outcome.shows(&[
            (PermissionsApproved, "Unknown/UnrecognizedError"),
            (CredentialsValid, "True/CredentialsAccepted"),
        ]);
        outcome.reconciling("Unknown/UnrecognizedError");
        assert!(outcome.message(PermissionsApproved).contains("code 200"));
    }
}

#[test]
fn a_permission_that_is_not_listed_is_missing_the_second_time() {
    let before = Scene::healthy().decide();
    for rows in [vec![], approved()[1..].to_vec()] {
        let scene = || listed(rows.clone(), Audience::Everyone);
        let once = scene().after(&before).decide();
        assert_eq!(once.status(), before.status(), "once is no verdict");
        assert!(once.plan.report.notes.is_empty() && once.asks_again_in() == Some(60));
        let soon = scene().later(&once, SignedDuration::from_secs(59)).decide();
        assert_eq!(soon.status(), before.status());
        let again = scene().later(&once, SignedDuration::from_secs(60)).decide();
        again.stalled("PermissionNotApproved");
        again.shows(&[(PermissionsApproved, "False/PermissionNotApproved")]);
        assert_eq!(again.status().permissions[0].status, "missing");
        assert_eq!(again.plan.report.notes.len(), 1);
        // What is listed in between begins anew.
        let back = Scene::healthy().later(&once, SignedDuration::from_secs(30)).decide();
        assert_eq!(back.status(), before.status());
        assert_eq!(scene().later(&back, SignedDuration::from_secs(60)).decide().status(), before.status());
    }
}

#[test]
fn of_an_app_that_is_new_a_missing_permission_is_not_known_before_it_is_confirmed() {
    let outcome = listed(approved()[..2].to_vec(), Audience::Everyone).decide();
    outcome.reconciling("Unknown/Pending");
    outcome.shows(&[(PermissionsApproved, "Unknown/Pending"), (CredentialsValid, "True/CredentialsAccepted")]);
    assert!(outcome.message(PermissionsApproved).contains("pages_messaging"), "{:#?}", outcome.status());
    let told: Vec<_> = outcome.status().permissions.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(told, ["pages_show_list", "pages_manage_metadata"], "nothing is said of the third");
    assert_eq!(outcome.status().inputs, None, "so that the next pass checks again");
}

#[test]
fn what_meta_says_of_a_permission_counts_at_once_and_names_no_other_one() {
    let before = Scene::healthy().decide();
    let rows = vec![permission("pages_messaging", PermissionStatus::Unapproved)];
    let outcome = listed(rows, Audience::Everyone).after(&before).decide();
    outcome.stalled("PermissionNotApproved");
    assert!(outcome.message(PermissionsApproved).starts_with("Meta has not approved pages_messaging for"));
    let told: Vec<_> = outcome.status().permissions.iter().map(|row| row.status.as_str()).collect();
    assert_eq!(told, ["live", "live", "unapproved"]);
}
