//! Who holds the page.

use super::scene::*;
use crate::api::conditions::ConditionType::{Authorized, Claimed, Connected, Disconnected};
use crate::facebook_channel::model::{Asked, Mutation};
use crate::graph::TokenInfo;
use crate::ownership::blocked::BlockedBy;
use crate::ownership::{ClaimSeen, ClaimsBlocked, Record};

fn claim(claim: ClaimSeen) -> Scene {
    let mut scene = Scene::debugged(Ok(token_info()));
    scene.seen.claim = claim;
    scene
}

#[test]
fn a_page_is_claimed_or_adopted_after_proof_and_once_a_pass() {
    for (seen, mutation) in [
        (ClaimSeen::Free, Mutation::AcquireClaim),
        (ClaimSeen::Orphaned { of: "gone".to_owned() }, Mutation::AdoptClaim { of: "gone".to_owned(), proven: true }),
    ] {
        let mut scene = claim(seen);
        let outcome = scene.decide();
        assert_eq!(outcome.plan.mutation, Some(mutation));
        outcome.shows(&[(Claimed, "Unknown/Pending"), (Authorized, "True/TokenValid")]);
        assert_eq!(outcome.status().claim_name, None);

        scene.seen.asked.claimed = true;
        let outcome = scene.decide();
        outcome.no_mutation();
        outcome.reconciling("Unknown/Pending");
    }
}

#[test]
fn a_page_is_never_claimed_without_proof() {
    let flawed = [
        Ok(TokenInfo { is_valid: false, ..token_info() }),
        Ok(TokenInfo { profile_id: Some(OTHER_PAGE.into()), ..token_info() }),
        Ok(TokenInfo { scopes: Some(vec![]), ..token_info() }),
        Err(no_answer()),
        Err(throttled()),
    ];
    for info in flawed {
        for seen in [ClaimSeen::Free, ClaimSeen::Orphaned { of: "gone".to_owned() }] {
            let mut scene = Scene::debugged(info.clone());
            scene.seen.claim = seen;
            let outcome = scene.decide();
            outcome.no_mutation();
            outcome.shows(&[(Claimed, "Unknown/CredentialUnverified")]);
        }
    }
}

#[test]
fn an_authorization_that_is_only_remembered_proves_nothing() {
    let before = Scene::healthy().decide();
    for seen in [ClaimSeen::Free, ClaimSeen::Orphaned { of: "gone".to_owned() }] {
        let mut scene = claim(seen).after(&before);
        scene.seen.asked = Asked { token: Some(Err(no_answer())), ..Asked::default() };
        let outcome = scene.decide();
        outcome.shows(&[(Authorized, "True/TokenValid"), (Claimed, "Unknown/CredentialUnverified")]);
        outcome.no_mutation();
    }
}

#[test]
fn a_held_claim_is_named() {
    let outcome = Scene::healthy().decide();
    outcome.shows(&[(Claimed, "True/ClaimHeld")]);
    assert_eq!(outcome.status().claim_name.as_deref(), Some("facebook-page-2200000000000001"));
}

#[test]
fn a_page_that_somebody_else_holds_is_left_alone() {
    let rows = [
        (ClaimSeen::Duplicate { name: "other".to_owned() }, "DuplicateInNamespace", "FacebookChannel other of this"),
        (ClaimSeen::Elsewhere { namespace: "tenant-b".to_owned() }, "ClaimedElsewhere", "Namespace tenant-b holds"),
    ];
    for (seen, reason, message) in rows {
        let outcome = claim(seen).decide();
        outcome.no_mutation();
        outcome.stalled(reason);
        outcome.shows(&[(Connected, &format!("False/{reason}")), (Disconnected, &format!("True/{reason}"))]);
        assert!(outcome.message(Claimed).starts_with(message), "{}", outcome.message(Claimed));
        assert_eq!(outcome.status().claim_name, None);
    }
}

#[test]
fn a_claim_that_is_lost_within_a_pass_stops_writing() {
    let mut scene = Scene::rows(vec![]);
    scene.seen.claim = ClaimSeen::Elsewhere { namespace: "tenant-b".to_owned() };
    scene.decide().no_mutation();
}

#[test]
fn a_claim_is_brought_up_to_date_with_or_without_proof_but_for_the_app() {
    let ours = || Scene::healthy();
    let unproven = || Scene::debugged(Err(no_answer()));
    let rows = [
        (ours(), Record::Current, None),
        (ours(), Record::Outdated, Some(Mutation::RecordClaim { proven: true })),
        (unproven(), Record::Outdated, Some(Mutation::RecordClaim { proven: false })),
        (ours(), Record::OtherApp, Some(Mutation::RecordClaim { proven: true })),
        (unproven(), Record::OtherApp, None),
    ];
    for (mut scene, record, mutation) in rows {
        scene.seen.record = record;
        assert_eq!(scene.decide().plan.mutation, mutation, "{record:?}");
        scene.seen.asked.recorded = true;
        scene.decide().no_mutation();
    }
}

#[test]
fn a_page_is_not_claimed_while_it_is_being_released() {
    let outcome = claim(ClaimSeen::Releasing).decide();
    outcome.no_mutation();
    outcome.shows(&[(Claimed, "Unknown/Pending")]);
    outcome.reconciling("Unknown/Pending");
}

#[test]
fn claims_out_of_reach_are_named_with_the_step_that_brings_them_back() {
    let rows = [
        (BlockedBy::NoNamespace, "Unknown/ClaimsUnavailable", "kubectl create namespace meta-channels"),
        (BlockedBy::Forbidden, "Unknown/ClaimsUnavailable", "Role on assetclaims"),
        (BlockedBy::Unproven, "Unknown/ClaimsUnavailable", "asks again on its own"),
        (BlockedBy::Unguarded, "Unknown/ClaimPolicyMissing", "meta-channel-operator-admin with policies.enabled"),
    ];
    for (obstacle, reason, step) in rows {
        let why = ClaimsBlocked { namespace: "meta-channels".to_owned(), by: obstacle };
        let scene = || claim(ClaimSeen::Unavailable(why.clone()));
        let before = Scene::healthy().decide();
        let after = scene().after(&before).decide();
        assert_eq!(after.status().claim_name, before.status().claim_name, "what was held stays protected");
        let outcome = scene().decide();
        assert_eq!(outcome.status().claim_name, None);
        outcome.no_mutation();
        outcome.reconciling(reason);
        outcome.shows(&[(Claimed, reason), (Authorized, "True/TokenValid")]);
        assert!(outcome.message(Claimed).contains(step), "{}", outcome.message(Claimed));
    }
}
