//! What a deleted channel leaves behind: it is cleaned up at Meta, or it is said what stays there.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use meta_channel_operator::api::{AssetClaim, ClaimState, DeletionPolicy};
use serde_json::json;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;

const CLAIM: &str = "facebook-page-2200000000000001";

/// A connected channel for page A.
async fn connected(world: &World) -> Result<()> {
    world.put_app().await?;
    world.put_channel(&world.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True"]).await?;
    ensure!(is_subscribed(world), "the page is subscribed");
    Ok(())
}

fn is_subscribed(world: &World) -> bool {
    world.sandbox.state().pages[PAGE_A].subscriptions.contains_key(APP_ID)
}

/// Deletes a channel. Nothing holds it up, so that it is gone at once.
async fn delete(world: &World, name: &str) -> Result<()> {
    world.channels(&world.tenant_a).delete(name, &DeleteParams::default()).await?;
    ensure!(world.channels(&world.tenant_a).get_opt(name).await?.is_none(), "it is not gone at once");
    Ok(())
}

async fn claim_is(world: &World, state: ClaimState) -> Result<AssetClaim> {
    wait_for(&format!("the claim to be {}", state.as_str()), PATIENCE, async || {
        let claim = world.claims().get(CLAIM).await?;
        let status = claim.status.as_ref().context("no status")?;
        let about = claim.state();
        ensure!(about == state && status.releasing_since.is_none(), "{status:?}");
        Ok(claim)
    })
    .await
}

fn ready(claim: &AssetClaim) -> (String, String) {
    let conditions = &claim.status.as_ref().unwrap().conditions;
    (shown(conditions).join(" "), sentence(conditions).unwrap().to_owned())
}

fn unsubscriptions(world: &World) -> usize {
    world.requests("DELETE", PAGE_ROWS).len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_channel_is_unsubscribed_after_a_grace_and_its_page_stays_reserved() -> Result<()> {
    let world = World::seeded(|seed| seed.tokens.push(page_token("rival", PAGE_A, ""))).await?;
    let operator = world.operator();
    connected(&world).await?;
    let claim = world.claims().get(CLAIM).await?;
    assert_eq!(claim.status.as_ref().map(|it| it.state), Some(ClaimState::Held), "by default, with no write");
    let app = claim.spec.app_ref.clone().unwrap();
    assert_eq!((app.namespace.as_str(), app.name.as_str()), (world.platform.as_str(), "acme"));
    assert!(claim.spec.subscribed_fields.contains(&"messages".to_owned()));

    delete(&world, "shop").await?;
    let claim = claim_is(&world, ClaimState::CleanupPending).await?;
    assert!(ready(&claim).0.starts_with("Ready=False/CleanupPending Reconciling=True"), "{claim:?}");
    assert!(is_subscribed(&world) && unsubscriptions(&world) == 0, "not before the grace is over");
    world.advance(2);
    let claim = claim_is(&world, ClaimState::Tombstone).await?;
    assert_eq!(ready(&claim).0, "Ready=True/Tombstone");
    assert!(!is_subscribed(&world));
    let requests = world.requests("DELETE", PAGE_ROWS);
    assert_eq!(requests.len(), 1);
    assert!(requests[0].token.is_none() || requests[0].token.as_ref().unwrap().alias.as_deref() != Some("page-a"));

    // It is the namespace's still, and rests.
    world.put_channel(&world.tenant_b, "copy", PAGE_A, &text("rival")).await?;
    world.channel_is(&world.tenant_b, "copy", &["Ready=False/ClaimedElsewhere"]).await?;
    let version = world.claims().get(CLAIM).await?.resource_version();
    let passes = operator.passes("AssetClaim");
    advance_and_pass(&world, &operator, 600, "FacebookChannel", 1).await?;
    assert_eq!(world.claims().get(CLAIM).await?.resource_version(), version);
    assert_eq!((operator.passes("AssetClaim"), unsubscriptions(&world)), (passes, 1), "no pass, no request");

    // Also under another name it is adopted again.
    world.put_channel(&world.tenant_a, "boutique", PAGE_A, TOKEN_A).await?;
    world.channel_is(&world.tenant_a, "boutique", &["Ready=True"]).await?;
    let claim = wait_for("the claim to be held", PATIENCE, async || {
        let claim = world.claims().get(CLAIM).await?;
        ensure!(claim.status.as_ref().is_some_and(|it| it.state == ClaimState::Held), "{:?}", claim.status);
        Ok(claim)
    })
    .await?;
    assert_eq!((claim.spec.holder.name.as_str(), ready(&claim).0.as_str()), ("boutique", "Ready=True/ClaimHeld"));
    assert!(is_subscribed(&world));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphaned_page_stays_as_it_is_and_the_claim_follows_the_policy_before() -> Result<()> {
    let world = World::new().await?;
    let _operator = world.operator();
    connected(&world).await?;
    let policy = json!({ "spec": { "deletionPolicy": "Orphan" } });
    world.channels(&world.tenant_a).patch("shop", &PatchParams::default(), &Patch::Merge(&policy)).await?;
    wait_for("the claim to follow", PATIENCE, async || {
        ensure!(world.claims().get(CLAIM).await?.spec.deletion_policy == DeletionPolicy::Orphan);
        Ok(())
    })
    .await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True"]).await?;
    world.sandbox.clear_ledger();
    delete(&world, "shop").await?;
    claim_is(&world, ClaimState::CleanupPending).await?;
    world.advance(2);
    let claim = claim_is(&world, ClaimState::Tombstone).await?;
    assert!(ready(&claim).1.contains("Nothing was written at Meta"), "{:?}", ready(&claim));
    assert!(is_subscribed(&world));
    assert_eq!(world.writes(), []);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_at_meta_without_an_app_is_said_and_cleaned_up_when_the_app_is_back() -> Result<()> {
    let world = World::new().await?;
    let operator = world.operator();
    connected(&world).await?;
    let secrets = |namespace: &str| Api::<Secret>::namespaced(world.client.clone(), namespace);
    world.apps().delete("acme", &DeleteParams::default()).await?;
    secrets(&world.platform).delete("acme-app", &DeleteParams::default()).await?;
    secrets(&world.tenant_a).delete("shop-token", &DeleteParams::default()).await?;
    delete(&world, "shop").await?;
    claim_is(&world, ClaimState::CleanupPending).await?;
    world.advance(2);
    let claim = claim_is(&world, ClaimState::LeftBehind).await?;
    let (conditions, message) = ready(&claim);
    assert_eq!(conditions, "Ready=False/LeftBehind Stalled=True/LeftBehind");
    for part in [APP_ID, PAGE_A, "messages", "does not exist", &format!("MetaApp {}/acme", world.platform)] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
    let left = claim.status.unwrap().left_at_meta.unwrap();
    assert_eq!((left.app_id.as_str(), left.page_id.as_str()), (APP_ID, PAGE_A));
    wait_for("an Event beside the claim", PATIENCE, async || {
        ensure!(warnings(&world, &world.claims).await? == [format!("{CLAIM} LeftBehind")]);
        Ok(())
    })
    .await?;
    assert!(is_subscribed(&world));
    // A re-install finds it: what is left to do stands in the claim, not in the memory of a process.
    operator.stop().await;
    let _operator = world.operator();
    world.put_app().await?;
    claim_is(&world, ClaimState::Tombstone).await?;
    assert!(!is_subscribed(&world));
    assert_eq!(unsubscriptions(&world), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_was_seen_is_not_forgotten_when_the_operator_ends_before_the_grace_does() -> Result<()> {
    let world = World::new().await?;
    let operator = world.operator();
    connected(&world).await?;
    delete(&world, "shop").await?;
    let since = claim_is(&world, ClaimState::CleanupPending).await?.status.unwrap().gone_since;
    operator.stop().await;
    assert!(is_subscribed(&world));
    world.advance(2);
    let _operator = world.operator();
    let claim = claim_is(&world, ClaimState::Tombstone).await?;
    assert_eq!(claim.status.unwrap().gone_since, since, "the grace did not begin anew");
    assert!(!is_subscribed(&world));
    assert_eq!(unsubscriptions(&world), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsubscription_that_meta_does_not_answer_is_tried_again_until_it_is_done() -> Result<()> {
    let world = World::new().await?;
    let _operator = world.operator();
    connected(&world).await?;
    let matching = format!("{{method: DELETE, template: '{PAGE_ROWS}'}}");
    world.sandbox.add_fault(fault(&format!("{{match: {matching}, times: 3, do: {{graph_error: {{code: 2}}}}}}")));
    delete(&world, "shop").await?;
    claim_is(&world, ClaimState::CleanupPending).await?;
    world.advance(2);
    for tries in 1..=4 {
        wait_for(&format!("try {tries}"), PATIENCE, async || {
            ensure!(unsubscriptions(&world) >= tries, "{}", unsubscriptions(&world));
            Ok(())
        })
        .await?;
        assert!(tries == 4 || is_subscribed(&world) || unsubscriptions(&world) == 4, "done by try {tries}");
        world.advance(1);
    }
    claim_is(&world, ClaimState::Tombstone).await?;
    assert!(!is_subscribed(&world));
    assert_eq!(unsubscriptions(&world), 4);
    warned(&world, &world.claims, &[""; 0]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_cannot_be_decoded_keeps_its_page_until_it_is_gone() -> Result<()> {
    let world = World::new().await?;
    let operator = world.operator();
    connected(&world).await?;
    // A time that the schema allows and no clock of ours can hold.
    let misfit = json!({ "status": { "lastVerifiedAt": "9999-12-31T23:59:59Z" } });
    world.channels(&world.tenant_a).patch_status("shop", &PatchParams::default(), &Patch::Merge(&misfit)).await.ok();
    world.put_channel(&world.tenant_a, "copy", PAGE_A, TOKEN_A).await?;
    let keeps = async |operator: &Running| {
        wait_for("a misfit and a pass over its claim", PATIENCE, async || {
            let text = operator.metrics.text();
            let count = text.lines().find(|it| it.contains("invalid_objects_total{kind=\"FacebookChannel\"}"));
            ensure!(count.is_some_and(|it| !it.ends_with(" 0")), "{count:?}");
            ensure!(operator.passes("AssetClaim") > 0);
            Ok(())
        })
        .await?;
        let channel = world.channel_is(&world.tenant_a, "copy", &["Ready=False/DuplicateInNamespace"]).await?;
        advance_and_pass(&world, operator, 125, "FacebookChannel", 1).await?;
        world.channel_is(&world.tenant_a, "copy", &["Ready=False/DuplicateInNamespace"]).await?;
        let claim = world.claims().get(CLAIM).await?;
        assert_eq!((claim.state(), unsubscriptions(&world)), (ClaimState::Held, 0));
        assert_ne!(Some(claim.spec.holder.uid), channel.uid());
        anyhow::Ok(())
    };
    keeps(&operator).await?;
    operator.stop().await;
    let operator = world.operator();
    keeps(&operator).await?;
    // Our type cannot read it, so that it is deleted by other means.
    world.kubectl().run(&["-n", &world.tenant_a, "delete", "facebookchannel", "shop"]).await?;
    world.channel_is(&world.tenant_a, "copy", &["Ready=True"]).await?;
    assert_eq!(unsubscriptions(&world), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_claims_namespace_is_named_and_found_once_it_is_there() -> Result<()> {
    let world = World::new().await?;
    let missing = format!("{}-missing", world.claims);
    // Nobody can give rights in a namespace that is not there, but for all.
    let _operator = world.operator_with(|operator| {
        operator.client = world.client.clone();
        operator.policy.claims_namespace.clone_from(&missing);
    });
    world.put_app().await?;
    world.put_channel(&world.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    world.app_is(&["Ready=Unknown/ClaimsUnavailable", "Reconciling=True", "CredentialsValid=True"]).await?;
    let waits =
        ["Ready=Unknown/ClaimsUnavailable", "Claimed=Unknown/ClaimsUnavailable", "Reconciling=True", "!Stalled"];
    let channel = world.channel_is(&world.tenant_a, "shop", &waits).await?;
    let step = channel.status.unwrap().next_step.unwrap();
    assert!(step.contains(&format!("kubectl create namespace {missing}")), "{step}");
    assert_eq!(world.writes(), []);
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    let metadata = ObjectMeta { name: Some(missing.clone()), ..ObjectMeta::default() };
    namespaces.create(&PostParams::default(), &Namespace { metadata, ..Namespace::default() }).await?;
    world.advance(8);
    world.channel_is(&world.tenant_a, "shop", &["Ready=True"]).await?;
    world.app_is(&["Ready=True"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_claims_namespace_is_named_and_used_once_it_is_open() -> Result<()> {
    let world = World::new().await?;
    let (platform, claims) = (&world.platform, &world.claims);
    let role = |name: &str, rules: &str| {
        let head = "apiVersion: rbac.authorization.k8s.io/v1";
        let to = format!("subjects: [{{kind: ServiceAccount, name: operator, namespace: {platform}}}]");
        let name = format!("{name}-{platform}");
        format!(
            "{head}\nkind: ClusterRole\nmetadata: {{name: {name}}}\nrules: {rules}\n---\n{head}\nkind: ClusterRoleBinding\nmetadata: {{name: {name}}}\nroleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {name}}}\n{to}\n---\n"
        )
    };
    let rules = "[{apiGroups: [metachannels.io], resources: [metaapps, metagrants, facebookchannels, metaapps/status, metagrants/status, facebookchannels/status], verbs: ['*']}, {apiGroups: [''], resources: [secrets, configmaps], verbs: ['*']}, {apiGroups: [events.k8s.io], resources: [events], verbs: ['*']}]";
    world.apply(&role("watched", rules)).await?;
    let client = world.client_of(platform, "operator").await?;
    let _operator = world.operator_with(|operator| operator.client = client);
    world.put_app().await?;
    world.put_channel(&world.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    let waits =
        ["Ready=Unknown/ClaimsUnavailable", "Claimed=Unknown/ClaimsUnavailable", "Reconciling=True", "!Stalled"];
    let channel = world.channel_is(&world.tenant_a, "shop", &waits).await?;
    let step = channel.status.unwrap().next_step.unwrap();
    assert!(step.contains("Role on assetclaims") && step.contains(claims.as_str()), "{step}");
    let rules = "[{apiGroups: [metachannels.io], resources: [assetclaims, assetclaims/status], verbs: ['*']}]";
    world.apply(&role("claims", rules)).await?;
    wait_for("the channel to be ready", PATIENCE, async || {
        world.advance(8);
        let channel = world.channels(&world.tenant_a).get("shop").await?;
        let conditions = channel.status.context("no status")?.conditions;
        ensure!(shown(&conditions)[0] == "Ready=True/ReconcileSucceeded", "{:?}", shown(&conditions));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_release_that_watches_the_channels_namespace_acts() -> Result<()> {
    let world = World::seeded(|seed| seed.tokens.push(page_token("rival", PAGE_A, ""))).await?;
    let theirs = world.operator_with(|operator| operator.scopes.retain(|it| *it != world.tenant_b));
    let ours = world.operator_with(|operator| operator.scopes.retain(|it| *it == world.tenant_b));
    connected(&world).await?;
    theirs.stop().await;
    delete(&world, "shop").await?;
    // A channel that waited for the page goes: the claim is checked, and left alone.
    world.put_channel(&world.tenant_b, "copy", PAGE_A, &text("rival")).await?;
    world.channel_is(&world.tenant_b, "copy", &["Ready=False/ClaimedElsewhere"]).await?;
    world.channels(&world.tenant_b).delete("copy", &DeleteParams::default()).await?;
    wait_for("a pass over the claim", PATIENCE, async || {
        ensure!(ours.passes("AssetClaim") > 0);
        Ok(())
    })
    .await?;
    world.advance(10);
    let theirs = world.operator_with(|operator| operator.scopes.retain(|it| *it != world.tenant_b));
    let claim = claim_is(&world, ClaimState::AwaitingHolder).await?;
    assert_eq!(
        claim.status.unwrap().awaited_since.map(|at| at >= world.sandbox.now() - jiff::SignedDuration::from_mins(5)),
        Some(true)
    );
    world.advance(24 * 60);
    claim_is(&world, ClaimState::CleanupPending).await?;
    world.advance(2);
    claim_is(&world, ClaimState::Tombstone).await?;
    assert_eq!(unsubscriptions(&world), 1);
    drop(theirs);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_of_one_release_unsubscribe_a_page_once() -> Result<()> {
    let world = World::new().await?;
    let operators = ["a", "b"].map(|instance| world.operator_with(|operator| operator.instance = instance.into()));
    connected(&world).await?;
    delete(&world, "shop").await?;
    claim_is(&world, ClaimState::CleanupPending).await?;
    world.advance(2);
    claim_is(&world, ClaimState::Tombstone).await?;
    for operator in operators {
        wait_for("each to have checked the tombstone", PATIENCE, async || {
            ensure!(operator.passes("AssetClaim") >= 3, "{}", operator.passes("AssetClaim"));
            Ok(())
        })
        .await?;
        operator.stop().await;
    }
    assert_eq!(unsubscriptions(&world), 1);
    Ok(())
}
