//! What is missing before Meta can be asked.

use super::scene::*;
use crate::api::conditions::ConditionType::{Authorized, Claimed, Connected, PageUsable, Subscribed};
use crate::controller::dependency::Told;
use crate::facebook_channel::model::{AppSeen, Asked, TokenSeen};
use crate::meta_app::DependencyError;
use crate::meta_app::facts::WebhookVerdict;
use crate::ownership::ClaimSeen;

/// Nothing was asked, nothing is claimed.
fn unasked(change: impl FnOnce(&mut Scene)) -> Outcome {
    let scene = Scene::with(|scene| {
        scene.seen.asked = Asked::default();
        scene.seen.claim = ClaimSeen::Free;
        change(scene);
    });
    let outcome = scene.decide();
    outcome.no_mutation();
    outcome.shows(&[
        (Claimed, "Unknown/CredentialUnverified"),
        (PageUsable, "Unknown/AwaitingAuthorization"),
        (Subscribed, "Unknown/AwaitingAuthorization"),
    ]);
    outcome
}

#[test]
fn a_missing_or_unready_app_is_waited_for_and_not_blamed_on_the_token() {
    let broken =
        || app(Err(DependencyError::Broken(Told::only("AppBlocked: Meta rejects it."))), WebhookVerdict::NotManaged);
    let rows: [(AppSeen, &str, &str); 2] = [
        (AppSeen::NotFound, "AppNotFound", "There is no MetaApp platform/acme that namespace tenant-a may use."),
        (broken(), "AppNotReady", "MetaApp platform/acme is not usable: AppBlocked: Meta rejects it."),
    ];
    for (app, reason, message) in rows {
        let outcome = unasked(|scene| scene.seen.app = app);
        outcome.reconciling(&format!("False/{reason}"));
        outcome.shows(&[(Authorized, &format!("Unknown/{reason}")), (Connected, &format!("Unknown/{reason}"))]);
        assert!(outcome.message(Authorized).starts_with(message), "{}", outcome.message(Authorized));
        assert_eq!(outcome.status().connection.as_str(), "Pending");
    }
}

#[test]
fn of_an_app_that_was_not_verified_nothing_is_known() {
    let unknown =
        || app(Err(DependencyError::Unknown(Told::only("it has not been checked yet"))), WebhookVerdict::NotManaged);
    for app in [unknown(), app(Ok(()), WebhookVerdict::NotManaged)] {
        let outcome = unasked(|scene| scene.seen.app = app);
        outcome.reconciling("Unknown/AppUnverified");
        outcome.shows(&[(Authorized, "Unknown/AppUnverified"), (Connected, "Unknown/AppUnverified")]);
    }
}

#[test]
fn whether_an_app_may_be_used_is_waited_for() {
    let outcome = unasked(|scene| scene.seen.app = AppSeen::Unjudged);
    outcome.reconciling("Unknown/NamespaceUnverified");
    outcome.shows(&[(Authorized, "Unknown/NamespaceUnverified"), (Connected, "Unknown/NamespaceUnverified")]);
    let message = outcome.message(Authorized);
    assert!(
        message.starts_with("It is not known whether namespace tenant-a may use MetaApp platform/acme"),
        "{message}"
    );
    assert_eq!(outcome.status().connection.as_str(), "Pending");
}

#[test]
fn a_secret_that_is_not_released_is_waited_for_with_the_exact_command() {
    let outcome = unasked(|scene| scene.seen.token = TokenSeen::NotReleased);
    outcome.reconciling("False/SecretUnavailable");
    let step = outcome.status().next_step.as_deref().unwrap();
    let command = "kubectl -n tenant-a label secret shop-token metachannels.io/purpose=page-token";
    assert!(step.contains(command) && step.contains("key token"), "{step}");
    assert_eq!(outcome.status().authorization, None);
}

#[test]
fn a_malformed_secret_is_for_a_person_and_shows_why_but_not_what() {
    let outcome = unasked(|scene| scene.seen.token = TokenSeen::Malformed("its key token is empty".to_owned()));
    outcome.stalled("SecretMalformed");
    assert!(outcome.message(Authorized).starts_with("Secret shop-token cannot be used as a page token: its key token"));
}

#[test]
fn a_missing_app_is_named_before_a_missing_secret() {
    let outcome = unasked(|scene| {
        scene.seen.app = AppSeen::NotFound;
        scene.seen.token = TokenSeen::NotReleased;
    });
    outcome.reconciling("False/AppNotFound");
}

#[test]
fn nothing_is_decided_when_nothing_changed() {
    let scene = Scene::with(|scene| scene.seen.look = false);
    assert!(super::super::decide(&scene.channel, &scene.previous, &scene.seen, scene.now).is_none());
}
