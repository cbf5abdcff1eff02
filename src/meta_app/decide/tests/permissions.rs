//! Whether Meta approved the required permissions.

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
        (approved(), "True/Approved", "live"),
        (waiting, "False/NotApproved", "unapproved"),
        (odd, "False/NotApproved", "in_review"),
        (approved()[..2].to_vec(), "False/NotApproved", "missing"),
    ];
    for (permissions, expected, word) in rows {
        for audience in [Audience::Everyone, Audience::Testers] {
            let outcome = listed(permissions.clone(), audience).decide();
            outcome.shows(&[(PermissionsApproved, expected), (CredentialsValid, "True/Accepted")]);
            let found = &outcome.status().permissions[2];
            assert_eq!((found.name.as_str(), found.status.as_str()), ("pages_messaging", word));
            if expected == "False/NotApproved" && audience == Audience::Everyone {
                outcome.stalled("NotApproved");
                assert!(outcome.message(PermissionsApproved).starts_with("Meta has not approved pages_messaging for"));
            } else {
                outcome.shows(&[(Ready, "True/Reached")]);
            }
        }
    }
}

#[test]
fn a_permission_that_is_not_required_does_not_matter() {
    let mut permissions = approved();
    permissions.push(permission("ads_management", PermissionStatus::Unapproved));
    listed(permissions, Audience::Everyone).decide().shows(&[(PermissionsApproved, "True/Approved")]);
}

#[test]
fn a_refused_list_keeps_what_was_known_and_is_not_kept_for_ever() {
    let before = Scene::healthy().decide();
    let refused = || Scene::with(|scene| scene.seen.asked.permissions = Some(Err(fault(200, None, "No permission"))));
    refused().after(&before).decide().shows(&[(PermissionsApproved, "True/Approved"), (Ready, "True/Reached")]);
    let mut old = refused().after(&before);
    old.seen.stale = true;
    for scene in [refused(), old] {
        let outcome = scene.decide();
        outcome.shows(&[(PermissionsApproved, "Unknown/NotUnderstood"), (CredentialsValid, "True/Accepted")]);
        outcome.reconciling("Unknown/NotUnderstood");
        assert!(outcome.message(PermissionsApproved).contains("code 200"));
    }
}
