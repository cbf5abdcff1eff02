//! Whether the application's credentials work.

use super::scene::*;
use crate::api::conditions::ConditionType::{CredentialsValid, PermissionsApproved, Ready, WebhookSubscribed};
use crate::engine::Class;
use crate::meta_app::observe::{Asked, SecretSeen};

#[test]
fn an_app_whose_node_can_be_read_is_ready() {
    let outcome = Scene::healthy().decide();
    outcome.shows(&[(Ready, "True/Reached"), (CredentialsValid, "True/Accepted")]);
    assert_eq!(outcome.status().app_name.as_deref(), Some("Acme Messaging"));
    assert_eq!(outcome.status().next_step, None);
    outcome.no_mutation();
}

#[test]
fn a_secret_that_is_not_released_is_waited_for_with_the_exact_command() {
    let scene = Scene::with(|scene| {
        scene.seen.secret = SecretSeen::NotReleased;
        scene.seen.asked = Asked::default();
    });
    let outcome = scene.decide();
    outcome.reconciling("False/SecretNotReleased");
    let step = outcome.status().next_step.as_deref().unwrap();
    assert!(step.contains("kubectl -n platform label secret acme-app metachannels.io/purpose=app-secret"), "{step}");
    outcome.shows(&[(WebhookSubscribed, "Unknown/Unreadable"), (PermissionsApproved, "Unknown/Unreadable")]);
    outcome.no_mutation();
}

#[test]
fn a_malformed_secret_is_for_a_person() {
    let scene = Scene::with(|scene| {
        scene.seen.secret = SecretSeen::Malformed("its key app-secret is empty".to_owned());
        scene.seen.asked = Asked::default();
    });
    let outcome = scene.decide();
    outcome.stalled("SecretMalformed");
    assert!(outcome.message(CredentialsValid).starts_with("Secret acme-app cannot be used as an app secret: its key"));
    outcome.no_mutation();
}

#[test]
fn refused_credentials_say_what_is_wrong_and_stop_everything() {
    let rows = [
        (101, "Error validating application. Invalid application ID.", "AppCredentialsRejected"),
        (190, "Error validating application. Application has been deleted.", "AppCredentialsRejected"),
        (190, "Session has expired", "AppCredentialsRejected"),
        (1, "Error validating client secret.", "SecretMismatch"),
        (100, "Invalid appsecret_proof provided in the API argument", "SecretMismatch"),
        (190, "Invalid OAuth access token signature.", "SecretMismatch"),
        (200, "API access blocked.", "AppBlocked"),
        (200, "API access deactivated. To reactivate, go to the app dashboard.", "AppBlocked"),
        (2635, "You are calling a deprecated version of the Ads API.", "GraphVersionRetired"),
        (2500, "Unknown path components", "RequestRejected"),
        (100, "Tried accessing nonexisting field (name) on node type (Application)", "RequestRejected"),
    ];
    for (code, text, reason) in rows {
        let outcome = Scene::refused(fault(code, None, text)).decide();
        outcome.stalled(reason);
        outcome.shows(&[
            (CredentialsValid, &format!("False/{reason}")),
            (WebhookSubscribed, "Unknown/Unreadable"),
            (PermissionsApproved, "Unknown/Unreadable"),
        ]);
        let message = outcome.message(CredentialsValid);
        assert!(message.contains(&format!("(code {code})")) && !message.contains(text), "{message}");
        assert!(matches!(outcome.plan.report.class, Class::AppBroken | Class::Terminal), "{reason}");
        outcome.no_mutation();
        let note = &outcome.plan.report.notes[0];
        assert_eq!((note.reason, note.warning), (reason, true));
    }
}

#[test]
fn a_retired_version_names_the_field_to_change() {
    let outcome = Scene::refused(fault(2635, None, "deprecated")).decide();
    assert!(outcome.status().next_step.as_deref().unwrap().contains("spec.graphVersion"));
}

#[test]
fn nothing_is_decided_when_nothing_changed() {
    let scene = Scene::with(|scene| scene.seen.look = false);
    assert!(super::super::decide(&scene.app, &scene.previous, &scene.seen, scene.now).is_none());
}
