//! A page is given to another namespace and taken there; and a page is used through another application than before.

use super::scene::*;
use crate::api::conditions::ConditionType::{
    Authorized, Claimed, Connected, Disconnected, Ready, Reconciling, Stalled, Subscribed,
};
use crate::api::{Connection, DeclaredConnection, ManagementPolicy};
use crate::facebook_channel::disconnected;
use crate::facebook_channel::model::{Asked, Content, FormerEnd, Mutation, SecretSeen};
use crate::graph::TokenInfo;
use crate::meta_app::by_id::AppState;
use crate::ownership::blocked::BlockedBy;
use crate::ownership::{ClaimSeen, ClaimsBlocked, Record};

fn giving(mut scene: Scene) -> Scene {
    scene.channel.spec.transfer_to = Some("tenant-b".to_owned());
    scene
}

fn claimed(mut scene: Scene, claim: ClaimSeen) -> Scene {
    scene.seen.claim = claim;
    scene
}

fn elsewhere(namespace: &str) -> ClaimSeen {
    ClaimSeen::Elsewhere { namespace: namespace.to_owned() }
}

fn offered() -> ClaimSeen {
    ClaimSeen::Offered { namespace: "tenant-b".to_owned() }
}

/// The token shows nothing of the page.
fn proving() -> Scene {
    Scene::debugged(Ok(token_info()))
}

fn dead() -> Scene {
    Scene::debugged(Ok(TokenInfo { is_valid: false, ..token_info() }))
}

/// To whom the claim is to be given, as a scene has it.
fn offer(scene: &Scene) -> Option<String> {
    let Scene { channel, previous, seen, .. } = scene;
    disconnected::offer(channel, previous, &seen.app, &seen.asked).after(None)
}

#[test]
fn a_page_is_unsubscribed_before_it_is_given_and_given_only_then() {
    let mut scene = giving(Scene::healthy());
    assert_eq!(scene.decide().plan.mutation, Some(Mutation::Unsubscribe));
    assert_eq!(offer(&scene), None);
    scene.seen.asked.unsubscribed = Some(Ok(()));
    assert_eq!(offer(&scene), None, "what is seen counts more than what Meta said");
    scene.seen.asked.subscriptions = Some(Ok(vec![]));
    assert_eq!(offer(&scene).as_deref(), Some("tenant-b"));
    scene.seen.record = Record::Outdated;
    assert_eq!(scene.decide().plan.mutation, Some(Mutation::RecordClaim { proven: true }));
}

#[test]
fn an_offer_that_stands_is_withdrawn_before_the_page_is_unsubscribed_again() {
    let mut scene = giving(Scene::healthy());
    scene.seen.record = Record::GivenAway;
    assert_eq!(scene.decide().plan.mutation, Some(Mutation::RecordClaim { proven: true }));
    scene.seen.asked.recorded = true;
    assert_eq!(scene.decide().plan.mutation, Some(Mutation::Unsubscribe));
}

#[test]
fn while_an_offer_cannot_be_withdrawn_nothing_is_written_at_meta_and_that_is_told() {
    let unguarded = ClaimsBlocked { namespace: "claims".to_owned(), by: BlockedBy::Unguarded };
    for (mut scene, declared) in [(giving(Scene::healthy()), "to give it"), (Scene::rows(vec![]), "to keep it")] {
        (scene.seen.record, scene.seen.asked.recorded) = (Record::GivenAway, true);
        scene.seen.asked.unrecorded = Some(unguarded.clone());
        let outcome = scene.decide();
        outcome.no_mutation();
        outcome.shows(&[(Ready, "False/ClaimPolicyMissing"), (Claimed, "True/ClaimHeld")]);
        let told = outcome.message(Ready);
        assert!(
            told.contains("still gives page 2200000000000001 away") && told.contains("policies.enabled"),
            "{declared}: {told}"
        );
        // Of what is not given away the claim may say what was so before.
        scene.seen.record = Record::Outdated;
        let outcome = scene.decide();
        assert!(outcome.plan.mutation.is_some(), "{declared}");
        assert!(
            outcome.message(Claimed).contains("does not record the current use yet"),
            "{}",
            outcome.message(Claimed)
        );
    }
}

#[test]
fn a_paused_channel_keeps_the_offer_that_it_made_and_makes_none() {
    let mut scene = giving(Scene::rows(vec![]));
    scene.channel.spec.management_policy = ManagementPolicy::Pause;
    let Scene { channel, previous, seen, .. } = &scene;
    let offer = disconnected::offer(channel, previous, &seen.app, &seen.asked);
    for (before, after) in [(None, None), (Some("tenant-b"), Some("tenant-b")), (Some("tenant-c"), None)] {
        assert_eq!(offer.after(before.map(str::to_owned).as_ref()).as_deref(), after);
    }
}

#[test]
fn who_has_given_a_page_is_ready_and_says_who_has_to_take_it() {
    let ended = |mut scene: Scene| {
        scene.seen.asked.unsubscribed = Some(Ok(()));
        scene
    };
    for scene in [giving(Scene::rows(vec![])), ended(giving(dead()))] {
        let outcome = scene.decide();
        outcome.no_mutation();
        outcome.shows(&[
            (Ready, "True/ReconcileSucceeded"),
            (Connected, "False/TransferOffered"),
            (Disconnected, "True/TransferOffered"),
            (Claimed, "True/ClaimHeld"),
            (Authorized, "Unknown/TransferOffered"),
            (Subscribed, "False/TransferOffered"),
        ]);
        assert_eq!(outcome.status().connection, Connection::Disconnected);
        let told = outcome.message(Ready);
        assert!(told.contains("tenant-b") && told.contains("must create one"), "{told}");
        // It is remembered without another word of Meta.
        let again = giving(dead()).after(&outcome).decide();
        again.no_mutation();
        assert_eq!(again.status().conditions, outcome.status().conditions);
        assert_eq!(offer(&giving(dead()).after(&outcome)).as_deref(), Some("tenant-b"));
    }
}

#[test]
fn once_the_page_was_taken_the_giver_is_ready_for_good_and_tells_it_once() {
    let before = giving(Scene::rows(vec![])).decide();
    let outcome = claimed(giving(dead()), elsewhere("tenant-b")).after(&before).decide();
    outcome.no_mutation();
    outcome.shows(&[
        (Ready, "True/ReconcileSucceeded"),
        (Connected, "False/Transferred"),
        (Disconnected, "True/Transferred"),
        (Claimed, "False/Transferred"),
        (Stalled, ""),
        (Reconciling, ""),
    ]);
    let status = outcome.status();
    assert_eq!((status.connection, &status.claim_name), (Connection::Disconnected, &None));
    let notes: Vec<_> = outcome.plan.report.notes.iter().map(|note| (note.warning, note.reason)).collect();
    assert_eq!(notes, [(false, "Transferred")]);
    let again = claimed(giving(dead()), elsewhere("tenant-b")).after(&outcome).decide();
    assert_eq!((again.status(), again.plan.report.notes.len()), (outcome.status(), 0));
}

#[test]
fn a_published_token_is_withdrawn_from_who_gives_and_from_who_gave() {
    for claim in [ClaimSeen::Ours { uid: "c1".to_owned() }, elsewhere("tenant-b")] {
        let mut scene = claimed(giving(Scene::rows(vec![])), claim);
        scene.channel.spec.publish_token = true;
        scene.seen.publication = SecretSeen::Ours(Content::Current);
        assert_eq!(scene.decide().plan.mutation, Some(Mutation::Withdraw));
    }
}

#[test]
fn who_gives_a_page_away_neither_claims_nor_takes_one() {
    for claim in [ClaimSeen::Free, ClaimSeen::Offered { namespace: "tenant-c".to_owned() }, elsewhere("tenant-c")] {
        let outcome = claimed(giving(proving()), claim).decide();
        outcome.no_mutation();
        outcome.shows(&[(Ready, "True/ReconcileSucceeded"), (Disconnected, "True/DeclaredDisconnected")]);
    }
    // What its namespace held before it has it for giving away.
    let adopt = Mutation::AdoptClaim { of: "gone".to_owned(), proven: false };
    let orphaned = ClaimSeen::Orphaned { of: "gone".to_owned() };
    assert_eq!(claimed(giving(dead()), orphaned).decide().plan.mutation, Some(adopt));
}

#[test]
fn a_page_cannot_be_given_to_its_own_namespace() {
    let mut scene = Scene::healthy();
    scene.channel.spec.transfer_to = scene.channel.metadata.namespace.clone();
    let outcome = scene.decide();
    outcome.no_mutation();
    outcome.stalled("InvalidSpec");
    assert_eq!(offer(&scene), None);
}

#[test]
fn an_offered_page_is_taken_with_proof_and_waits_for_one() {
    let mut scene = claimed(proving(), offered());
    let outcome = scene.decide();
    assert_eq!(outcome.plan.mutation, Some(Mutation::TakeClaim { from: "tenant-b".to_owned() }));
    scene.seen.asked.claimed = true;
    let outcome = scene.decide();
    outcome.no_mutation();
    outcome.reconciling("Unknown/Pending");
    for info in [Ok(TokenInfo { is_valid: false, ..token_info() }), Err(no_answer())] {
        let outcome = claimed(Scene::debugged(info), offered()).decide();
        outcome.no_mutation();
        outcome.shows(&[(Claimed, "Unknown/CredentialUnverified")]);
    }
    let mut parted = claimed(proving(), offered());
    parted.channel.spec.connection = DeclaredConnection::Disconnected;
    assert!(matches!(parted.decide().plan.mutation, Some(Mutation::TakeClaim { .. })));
}

#[test]
fn who_is_refused_learns_how_it_may_be_given_the_page() {
    let outcome = claimed(proving(), elsewhere("tenant-b")).decide();
    outcome.stalled("ClaimedElsewhere");
    assert!(outcome.message(Claimed).contains("spec.transferTo: tenant-a"), "{}", outcome.message(Claimed));
}

#[test]
fn the_app_before_is_unsubscribed_before_the_page_is_subscribed_to_another() {
    let mut scene = Scene::rows(vec![]);
    scene.seen.former = Some(former(AppState::Ready));
    assert_eq!(scene.decide().plan.mutation, Some(Mutation::UnsubscribeFormer));
    // No answer: the new one has to wait.
    scene.seen.asked.former = Some(FormerEnd::Asked(Err(no_answer())));
    let outcome = scene.decide();
    outcome.no_mutation();
    outcome.reconciling("Unknown/Pending");
    assert!(outcome.message(Ready).contains(&format!("used through app {OTHER_APP} before")));
    // It ended: the claim names the new one, which is subscribed then.
    (scene.seen.asked.former, scene.seen.former) = (Some(FormerEnd::Asked(Ok(()))), None);
    scene.seen.record = Record::OtherApp;
    assert_eq!(scene.decide().plan.mutation, Some(Mutation::RecordClaim { proven: true }));
    scene.seen.record = Record::Current;
    assert!(matches!(scene.decide().plan.mutation, Some(Mutation::Subscribe { .. })));
}

#[test]
fn an_app_before_that_is_gone_is_left_with_one_warning() {
    let rows = [
        (AppState::Missing, None, "MetaApp platform/old does not exist"),
        (AppState::OtherApp("7".to_owned()), None, "now stands for app 7"),
        (AppState::Ready, Some(FormerEnd::Asked(Err(refusal(crate::graph::Verdict::RequestRejected)))), "code 1"),
    ];
    for (app, asked, expected) in rows {
        let mut scene = Scene::rows(vec![]);
        scene.seen.former = Some(former(app));
        scene.seen.asked.former = asked;
        let Some(Mutation::LeaveFormer { why }) = scene.decide().plan.mutation else { panic!("not left: {expected}") };
        assert!(why.contains(expected), "{why}");
        let text = scene.seen.former.take().unwrap().left(PAGE, &why);
        scene.seen.asked.former = Some(FormerEnd::Left(text));
        let notes = scene.decide().plan.report.notes;
        let told = notes.iter().find(|note| note.reason == "LeftBehind").unwrap();
        assert!(told.warning && told.text.contains(&why) && told.text.contains(PAGE), "{}", told.text);
    }
}

#[test]
fn an_app_before_that_cannot_be_used_now_is_waited_for_and_its_people_are_told() {
    for app in [AppState::NotReady("It is broken.".to_owned()), AppState::SecretGone] {
        let mut scene = Scene::rows(vec![]);
        scene.seen.former = Some(former(app));
        let outcome = scene.decide();
        outcome.no_mutation();
        outcome.reconciling("Unknown/Pending");
        let step = outcome.status().next_step.as_deref().unwrap_or_default();
        assert!(step.contains("MetaApp platform/old must repair it; or delete it"), "{step}");
    }
}

#[test]
fn what_works_is_not_ended_before_another_credential_is_proven_but_for_parting() {
    let unproven = || {
        let mut scene = dead();
        scene.seen.former = Some(former(AppState::Ready));
        scene
    };
    unproven().decide().no_mutation();
    let mut parting = unproven();
    parting.channel.spec.connection = DeclaredConnection::Disconnected;
    assert_eq!(parting.decide().plan.mutation, Some(Mutation::UnsubscribeFormer));
    let mut observed = Scene::rows(vec![]);
    observed.seen.former = Some(former(AppState::Ready));
    observed.channel.spec.management_policy = ManagementPolicy::Observe;
    observed.decide().no_mutation();
    let mut held =
        Scene::with(|scene| scene.seen.asked = Asked { token: scene.seen.asked.token.take(), ..Asked::default() });
    held.seen.former = Some(former(AppState::Ready));
    let refusal = crate::limits::answer::Refusal::held(crate::limits::answer::Held::Limit(now()));
    held.seen.asked.subscriptions = Some(Err(refusal));
    held.decide().no_mutation();
}
