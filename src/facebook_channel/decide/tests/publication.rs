//! The Secret with the published page token: when it is written, when it is deleted, and what is reported about it.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::scene::*;
use crate::api::conditions::ConditionType::{
    Authorized, Claimed, Connected, Disconnected, Ready, Stalled, Subscribed, TokenPublished,
};
use crate::api::outcome::Class;
use crate::api::{DeclaredConnection, ManagementPolicy};
use crate::facebook_channel::decide::decide;
use crate::facebook_channel::model::Content::{Current, Outdated, Touched};
use crate::facebook_channel::model::SecretSeen::{self, Leftover, Missing, Ours, Taken};
use crate::facebook_channel::model::{Asked, Mutation};
use crate::graph::{GranularScope, GraphFault, TokenInfo};
use crate::ownership::ClaimSeen;

const NAME: &str = "facebookchannel-shop-page-token";

/// A connected channel whose token is to be published, and the Secret.
fn publishing(seen: SecretSeen, change: impl FnOnce(&mut Scene)) -> Scene {
    Scene::with(|scene| {
        scene.channel.spec.publish_token = true;
        scene.seen.publication = seen;
        change(scene);
    })
}

fn ended(scene: &mut Scene) {
    let error = Some(GraphFault::new(190, Some(460), "x"));
    scene.seen.asked =
        Asked { token: Some(Ok(TokenInfo { is_valid: false, error, ..token_info() })), ..Asked::default() };
}

fn being_deleted(scene: &mut Scene) {
    scene.channel.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
    scene.channel.metadata.finalizers = Some(vec!["example.com/hold".to_owned()]);
}

#[test]
fn who_is_being_deleted_is_connected_no_more_and_says_who_holds_it_up() {
    let lost = |change: fn(&mut Scene)| {
        Scene::with(|scene| {
            being_deleted(scene);
            change(scene);
        })
        .decide()
    };
    let unsubscribed = lost(|scene| scene.seen.asked.subscriptions = Some(Ok(vec![])));
    unsubscribed.no_mutation();
    unsubscribed.stalled("BeingDeleted");
    assert!(unsubscribed.message(Subscribed).contains("example.com/hold"), "{}", unsubscribed.message(Subscribed));
    assert_eq!(unsubscribed.plan.report.class, Class::Settled);
    for claim in
        [ClaimSeen::Free, ClaimSeen::Orphaned { of: "u0".to_owned() }, ClaimSeen::Offered { namespace: "b".to_owned() }]
    {
        let mut scene = Scene::with(being_deleted);
        scene.seen.claim = claim;
        let outcome = scene.decide();
        outcome.no_mutation();
        outcome.shows(&[(Claimed, "False/BeingDeleted")]);
    }
    publishing(Missing, being_deleted).decide().shows(&[(TokenPublished, "False/BeingDeleted")]);
    lost(|_| ()).shows(&[(Ready, "True/ReconcileSucceeded")]);
}

fn not_in_grant(scene: &mut Scene) {
    let elsewhere = GranularScope { scope: SCOPES[0].to_owned(), target_ids: Some(vec![OTHER_PAGE.to_owned()]) };
    let info = TokenInfo { granular_scopes: vec![elsewhere], ..token_info() };
    scene.seen.asked = Asked { token: Some(Ok(info)), ..Asked::default() };
}

#[test]
fn the_secret_is_written_while_it_may_be_and_deleted_when_it_may_not() {
    use Mutation::{Publish, Withdraw};
    type Row = (&'static str, SecretSeen, fn(&mut Scene), Option<Mutation>);
    let elsewhere = |scene: &mut Scene| scene.seen.claim = ClaimSeen::Elsewhere { namespace: "tenant-b".to_owned() };
    let rows: [Row; 28] = [
        ("it is missing", Missing, |_| (), Some(Publish)),
        ("it is as it should be", Ours(Current), |_| (), None),
        ("it holds something else", Ours(Outdated), |_| (), Some(Publish)),
        ("someone changed it", Ours(Touched), |_| (), Some(Publish)),
        ("it is an earlier channel's", Leftover, |_| (), Some(Publish)),
        ("an earlier channel's, and the token ended", Leftover, ended, None),
        (
            "an earlier channel's, not declared",
            Leftover,
            |scene| scene.channel.spec.publish_token = false,
            Some(Withdraw),
        ),
        ("being deleted", Missing, being_deleted, None),
        ("being deleted, and it holds something else", Ours(Outdated), being_deleted, None),
        ("being deleted, an earlier channel's", Leftover, being_deleted, None),
        (
            "being deleted, and the page went elsewhere",
            Ours(Current),
            |scene| {
                being_deleted(scene);
                scene.seen.claim = ClaimSeen::Elsewhere { namespace: "tenant-b".to_owned() };
            },
            Some(Withdraw),
        ),
        ("it is someone else's", Taken, |_| (), None),
        ("it was tried", Missing, |scene| scene.seen.asked.published = true, None),
        ("not declared", Missing, |scene| scene.channel.spec.publish_token = false, None),
        ("not declared any more", Ours(Current), |scene| scene.channel.spec.publish_token = false, Some(Withdraw)),
        ("another's, not declared", Taken, |scene| scene.channel.spec.publish_token = false, None),
        ("the page is held elsewhere", Missing, elsewhere, None),
        ("the page went elsewhere", Ours(Current), elsewhere, Some(Withdraw)),
        (
            "another channel has the page",
            Ours(Current),
            |scene| scene.seen.claim = ClaimSeen::Duplicate { name: "other".to_owned() },
            Some(Withdraw),
        ),
        ("the token ended", Missing, ended, None),
        ("the token ended later", Ours(Current), ended, None),
        ("the token ended, and another was published", Ours(Outdated), ended, None),
        ("the page left the grant", Ours(Current), not_in_grant, Some(Withdraw)),
        ("the page was never in the grant", Missing, not_in_grant, None),
        ("observed", Missing, |scene| scene.channel.spec.management_policy = ManagementPolicy::Observe, None),
        (
            "observed, and not declared any more",
            Ours(Current),
            |scene| {
                scene.channel.spec.publish_token = false;
                scene.channel.spec.management_policy = ManagementPolicy::Observe;
            },
            None,
        ),
        ("paused", Missing, |scene| scene.channel.spec.management_policy = ManagementPolicy::Pause, None),
        (
            "disconnected",
            Ours(Current),
            |scene| {
                scene.channel.spec.connection = DeclaredConnection::Disconnected;
                scene.seen.asked.subscriptions = Some(Ok(vec![]));
            },
            Some(Withdraw),
        ),
    ];
    for (name, seen, change, expected) in rows {
        assert_eq!(publishing(seen, change).decide().plan.mutation, expected, "{name}");
    }
}

#[test]
fn a_page_is_claimed_subscribed_and_then_published() {
    let mut scene = publishing(Missing, |scene| scene.seen.claim = ClaimSeen::Free);
    assert_eq!(scene.decide().plan.mutation, Some(Mutation::AcquireClaim));
    scene = publishing(Missing, |scene| scene.seen.asked.subscriptions = Some(Ok(vec![])));
    assert!(matches!(scene.decide().plan.mutation, Some(Mutation::Subscribe { .. })));
}

#[test]
fn the_condition_says_where_the_token_is_or_why_it_is_not() {
    let published = publishing(Ours(Current), |_| ()).decide();
    published.shows(&[(TokenPublished, "True/SecretSynced"), (Ready, "True/ReconcileSucceeded")]);
    assert_eq!(published.status().published_secret_name.as_deref(), Some(NAME));
    Scene::healthy().decide().shows(&[(TokenPublished, "")]);

    let taken = publishing(Taken, |_| ()).decide();
    taken.stalled("SecretNameTaken");
    taken.shows(&[(TokenPublished, "False/SecretNameTaken"), (Connected, "True/ConnectionVerified")]);
    assert!(taken.message(TokenPublished).contains(NAME), "{}", taken.message(TokenPublished));
    assert_eq!((taken.status().published_secret_name.as_ref(), taken.plan.report.class), (None, Class::Terminal));

    let dead = publishing(Ours(Current), ended).decide();
    dead.stalled("PasswordChanged");
    dead.shows(&[(TokenPublished, "Unknown/CredentialUnverified")]);
    assert_eq!(dead.status().published_secret_name.as_deref(), Some(NAME), "it is left as it is");

    let cut = publishing(Ours(Current), not_in_grant).decide();
    cut.shows(&[
        (Authorized, "False/NotInGrant"),
        (Disconnected, "True/NotInGrant"),
        (TokenPublished, "Unknown/CredentialUnverified"),
    ]);
    assert_eq!(cut.status().published_secret_name, None);
}

#[test]
fn what_is_disconnected_as_declared_publishes_nothing_and_is_ready() {
    let outcome = publishing(Missing, |scene| {
        scene.channel.spec.connection = DeclaredConnection::Disconnected;
        scene.seen.asked.subscriptions = Some(Ok(vec![]));
    })
    .decide();
    outcome.no_mutation();
    outcome.shows(&[(Ready, "True/ReconcileSucceeded"), (TokenPublished, "False/DeclaredDisconnected")]);
}

#[test]
fn who_only_looks_on_is_told_what_would_be_published() {
    let observed =
        |seen| publishing(seen, |scene| scene.channel.spec.management_policy = ManagementPolicy::Observe).decide();
    for seen in [Missing, Ours(Outdated), Ours(Touched)] {
        let outcome = observed(seen);
        outcome.stalled("DriftObserved");
        outcome.shows(&[(TokenPublished, "False/DriftObserved"), (Connected, "True/ConnectionVerified")]);
    }
    observed(Ours(Current)).shows(&[
        (TokenPublished, "True/SecretSynced"),
        (Ready, "True/ReconcileSucceeded"),
        (Stalled, ""),
    ]);
}

#[test]
fn a_pause_keeps_what_was_said_of_it() {
    let before = publishing(Ours(Current), |_| ()).decide();
    let paused = |scene: &mut Scene| scene.channel.spec.management_policy = ManagementPolicy::Pause;
    let outcome = publishing(Missing, paused).after(&before).decide();
    outcome.shows(&[(Ready, "Unknown/Paused"), (TokenPublished, "True/SecretSynced")]);
    assert_eq!(outcome.status().published_secret_name.as_deref(), Some(NAME));
    let other = publishing(Missing, paused).after(&Scene::healthy().decide()).decide();
    other.shows(&[(TokenPublished, "Unknown/Paused")]);
}

#[test]
fn a_secret_that_somebody_deleted_comes_back_without_a_look_at_meta() {
    let before = publishing(Ours(Current), |_| ()).decide();
    let unlooked = |seen, before: &Outcome| {
        let scene = publishing(seen, |scene| {
            scene.seen.look = false;
            scene.seen.asked = Asked::default();
        });
        let scene = scene.after(before);
        decide(&scene.channel, &scene.previous, &scene.seen, scene.now).map(|plan| plan.mutation)
    };
    assert_eq!(unlooked(Missing, &before), Some(Some(Mutation::Publish)));
    assert_eq!(unlooked(Ours(Outdated), &before), Some(Some(Mutation::Publish)));
    assert_eq!(unlooked(Ours(Current), &before), None);
    // Whoever keeps changing it is not raced with: that waits for the slot.
    assert_eq!(unlooked(Ours(Touched), &before), None);
    let dead = publishing(Ours(Current), ended).decide();
    assert_eq!(unlooked(Missing, &dead), None);
}

#[test]
fn no_answer_about_the_token_withdraws_nothing() {
    let before = publishing(Ours(Current), |_| ()).decide();
    let silent = |scene: &mut Scene| scene.seen.asked = Asked { token: Some(Err(no_answer())), ..Asked::default() };
    let outcome = publishing(Ours(Current), silent).after(&before).decide();
    outcome.no_mutation();
    outcome.shows(&[(TokenPublished, "True/SecretSynced"), (Ready, "True/ReconcileSucceeded")]);
    let outcome = publishing(Missing, silent).after(&before).decide();
    assert_eq!(outcome.plan.mutation, Some(Mutation::Publish), "it is about the very token that Meta confirmed");
}
