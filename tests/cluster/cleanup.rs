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
async fn connected(env: &Env) -> Result<()> {
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    ensure!(is_subscribed(env), "the page is subscribed");
    Ok(())
}

fn is_subscribed(env: &Env) -> bool {
    env.sandbox.state().pages[PAGE_A].subscriptions.contains_key(APP_ID)
}

/// Deletes a channel. Nothing holds it up, so that it is gone at once.
async fn delete(env: &Env, name: &str) -> Result<()> {
    env.channels(&env.tenant_a).delete(name, &DeleteParams::default()).await?;
    ensure!(env.channels(&env.tenant_a).get_opt(name).await?.is_none(), "it is not gone at once");
    Ok(())
}

async fn claim_is(env: &Env, state: ClaimState) -> Result<AssetClaim> {
    wait_for(&format!("the claim to be {}", state.as_str()), PATIENCE, async || {
        let claim = env.claims().get(CLAIM).await?;
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

fn unsubscriptions(env: &Env) -> usize {
    env.requests("DELETE", PAGE_ROWS).len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_channel_is_unsubscribed_after_a_grace_and_its_page_stays_reserved() -> Result<()> {
    let env = Env::seeded(|seed| seed.tokens.push(page_token("rival", PAGE_A, ""))).await?;
    let operator = env.operator();
    connected(&env).await?;
    let claim = env.claims().get(CLAIM).await?;
    assert_eq!(claim.status.as_ref().map(|it| it.state), Some(ClaimState::Held), "by default, with no write");
    let app = claim.spec.app_ref.clone().unwrap();
    assert_eq!((app.namespace.as_str(), app.name.as_str()), (env.platform.as_str(), "acme"));
    assert!(claim.spec.subscribed_fields.contains(&"messages".to_owned()));

    delete(&env, "shop").await?;
    let claim = claim_is(&env, ClaimState::CleanupPending).await?;
    assert!(ready(&claim).0.starts_with("Ready=False/CleanupPending Reconciling=True"), "{claim:?}");
    assert!(is_subscribed(&env) && unsubscriptions(&env) == 0, "not before the grace is over");
    env.advance(2);
    let claim = claim_is(&env, ClaimState::Tombstone).await?;
    assert_eq!(ready(&claim).0, "Ready=True/Tombstone");
    assert!(!is_subscribed(&env));
    let requests = env.requests("DELETE", PAGE_ROWS);
    assert_eq!(requests.len(), 1);
    assert!(requests[0].token.is_none() || requests[0].token.as_ref().unwrap().alias.as_deref() != Some("page-a"));

    // It is the namespace's still, and rests.
    env.put_channel(&env.tenant_b, "copy", PAGE_A, &text("rival")).await?;
    env.channel_is(&env.tenant_b, "copy", &["Ready=False/ClaimedElsewhere"]).await?;
    let version = env.claims().get(CLAIM).await?.resource_version();
    let passes = operator.passes("AssetClaim");
    advance_and_pass(&env, &operator, 600, "FacebookChannel", 1).await?;
    assert_eq!(env.claims().get(CLAIM).await?.resource_version(), version);
    assert_eq!((operator.passes("AssetClaim"), unsubscriptions(&env)), (passes, 1), "no pass, no request");

    // Also under another name it is adopted again.
    env.put_channel(&env.tenant_a, "boutique", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "boutique", &["Ready=True"]).await?;
    let claim = wait_for("the claim to be held", PATIENCE, async || {
        let claim = env.claims().get(CLAIM).await?;
        ensure!(claim.status.as_ref().is_some_and(|it| it.state == ClaimState::Held), "{:?}", claim.status);
        Ok(claim)
    })
    .await?;
    assert_eq!((claim.spec.holder.name.as_str(), ready(&claim).0.as_str()), ("boutique", "Ready=True/ClaimHeld"));
    assert!(is_subscribed(&env));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphaned_page_stays_as_it_is_and_the_claim_follows_the_policy_before() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    connected(&env).await?;
    let policy = json!({ "spec": { "deletionPolicy": "Orphan" } });
    env.channels(&env.tenant_a).patch("shop", &PatchParams::default(), &Patch::Merge(&policy)).await?;
    wait_for("the claim to follow", PATIENCE, async || {
        ensure!(env.claims().get(CLAIM).await?.spec.deletion_policy == DeletionPolicy::Orphan);
        Ok(())
    })
    .await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    env.sandbox.clear_ledger();
    delete(&env, "shop").await?;
    claim_is(&env, ClaimState::CleanupPending).await?;
    env.advance(2);
    let claim = claim_is(&env, ClaimState::Tombstone).await?;
    assert!(ready(&claim).1.contains("Nothing was written at Meta"), "{:?}", ready(&claim));
    assert!(is_subscribed(&env));
    assert_eq!(env.writes(), []);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_at_meta_without_an_app_is_said_and_cleaned_up_when_the_app_is_back() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    let secrets = |namespace: &str| Api::<Secret>::namespaced(env.client.clone(), namespace);
    env.apps().delete("acme", &DeleteParams::default()).await?;
    secrets(&env.platform).delete("acme-app", &DeleteParams::default()).await?;
    secrets(&env.tenant_a).delete("shop-token", &DeleteParams::default()).await?;
    delete(&env, "shop").await?;
    claim_is(&env, ClaimState::CleanupPending).await?;
    env.advance(2);
    let claim = claim_is(&env, ClaimState::LeftBehind).await?;
    let (conditions, message) = ready(&claim);
    assert_eq!(conditions, "Ready=False/LeftBehind Stalled=True/LeftBehind");
    for part in [APP_ID, PAGE_A, "messages", "does not exist", &format!("MetaApp {}/acme", env.platform)] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
    let left = claim.status.unwrap().left_at_meta.unwrap();
    assert_eq!((left.app_id.as_str(), left.page_id.as_str()), (APP_ID, PAGE_A));
    wait_for("an Event beside the claim", PATIENCE, async || {
        ensure!(warnings(&env, &env.claims).await? == [format!("{CLAIM} LeftBehind")]);
        Ok(())
    })
    .await?;
    assert!(is_subscribed(&env));
    // A re-install finds it: what is left to do stands in the claim, not in the memory of a process.
    operator.stop().await;
    let _operator = env.operator();
    env.put_app().await?;
    claim_is(&env, ClaimState::Tombstone).await?;
    assert!(!is_subscribed(&env));
    assert_eq!(unsubscriptions(&env), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_was_seen_is_not_forgotten_when_the_operator_ends_before_the_grace_does() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    delete(&env, "shop").await?;
    let since = claim_is(&env, ClaimState::CleanupPending).await?.status.unwrap().gone_since;
    operator.stop().await;
    assert!(is_subscribed(&env));
    env.advance(2);
    let _operator = env.operator();
    let claim = claim_is(&env, ClaimState::Tombstone).await?;
    assert_eq!(claim.status.unwrap().gone_since, since, "the grace did not begin anew");
    assert!(!is_subscribed(&env));
    assert_eq!(unsubscriptions(&env), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsubscription_that_meta_does_not_answer_is_tried_again_until_it_is_done() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    connected(&env).await?;
    let matching = format!("{{method: DELETE, template: '{PAGE_ROWS}'}}");
    env.sandbox.add_fault(fault(&format!("{{match: {matching}, times: 3, do: {{graph_error: {{code: 2}}}}}}")));
    delete(&env, "shop").await?;
    claim_is(&env, ClaimState::CleanupPending).await?;
    env.advance(2);
    for tries in 1..=4 {
        wait_for(&format!("try {tries}"), PATIENCE, async || {
            ensure!(unsubscriptions(&env) >= tries, "{}", unsubscriptions(&env));
            Ok(())
        })
        .await?;
        assert!(tries == 4 || is_subscribed(&env) || unsubscriptions(&env) == 4, "done by try {tries}");
        env.advance(1);
    }
    claim_is(&env, ClaimState::Tombstone).await?;
    assert!(!is_subscribed(&env));
    assert_eq!(unsubscriptions(&env), 4);
    warned(&env, &env.claims, &[""; 0]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_cannot_be_decoded_keeps_its_page_until_it_is_gone() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    // A time that the schema allows and no clock of ours can hold.
    let misfit = json!({ "status": { "lastVerifiedAt": "9999-12-31T23:59:59Z" } });
    env.channels(&env.tenant_a).patch_status("shop", &PatchParams::default(), &Patch::Merge(&misfit)).await.ok();
    env.put_channel(&env.tenant_a, "copy", PAGE_A, TOKEN_A).await?;
    let keeps = async |operator: &Running| {
        wait_for("a misfit and a pass over its claim", PATIENCE, async || {
            let text = operator.metrics.text();
            let count = text.lines().find(|it| it.contains("invalid_objects_total{kind=\"FacebookChannel\"}"));
            ensure!(count.is_some_and(|it| !it.ends_with(" 0")), "{count:?}");
            ensure!(operator.passes("AssetClaim") > 0);
            Ok(())
        })
        .await?;
        let channel = env.channel_is(&env.tenant_a, "copy", &["Ready=False/DuplicateInNamespace"]).await?;
        advance_and_pass(&env, operator, 125, "FacebookChannel", 1).await?;
        env.channel_is(&env.tenant_a, "copy", &["Ready=False/DuplicateInNamespace"]).await?;
        let claim = env.claims().get(CLAIM).await?;
        assert_eq!((claim.state(), unsubscriptions(&env)), (ClaimState::Held, 0));
        assert_ne!(Some(claim.spec.holder.uid), channel.uid());
        anyhow::Ok(())
    };
    keeps(&operator).await?;
    operator.stop().await;
    let operator = env.operator();
    keeps(&operator).await?;
    // Our type cannot read it, so that it is deleted by other means.
    env.kubectl().run(&["-n", &env.tenant_a, "delete", "facebookchannel", "shop"]).await?;
    env.channel_is(&env.tenant_a, "copy", &["Ready=True"]).await?;
    assert_eq!(unsubscriptions(&env), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_claims_namespace_is_named_and_found_once_it_is_there() -> Result<()> {
    let env = Env::new().await?;
    let missing = format!("{}-missing", env.claims);
    // Nobody can give rights in a namespace that is not there, but for all.
    let _operator = env.operator_with(|operator| {
        operator.client = env.client.clone();
        operator.policy.claims_namespace.clone_from(&missing);
    });
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.app_is(&["Ready=Unknown/ClaimsUnavailable", "Reconciling=True", "CredentialsValid=True"]).await?;
    let waits =
        ["Ready=Unknown/ClaimsUnavailable", "Claimed=Unknown/ClaimsUnavailable", "Reconciling=True", "!Stalled"];
    let channel = env.channel_is(&env.tenant_a, "shop", &waits).await?;
    let step = channel.status.unwrap().next_step.unwrap();
    assert!(step.contains(&format!("kubectl create namespace {missing}")), "{step}");
    assert_eq!(env.writes(), []);
    let namespaces: Api<Namespace> = Api::all(env.client.clone());
    let metadata = ObjectMeta { name: Some(missing.clone()), ..ObjectMeta::default() };
    namespaces.create(&PostParams::default(), &Namespace { metadata, ..Namespace::default() }).await?;
    env.advance(8);
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    env.app_is(&["Ready=True"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_claims_namespace_is_named_and_used_once_it_is_open() -> Result<()> {
    let env = Env::new().await?;
    let (platform, claims) = (&env.platform, &env.claims);
    let role = |name: &str, rules: &str| {
        let head = "apiVersion: rbac.authorization.k8s.io/v1";
        let to = format!("subjects: [{{kind: ServiceAccount, name: operator, namespace: {platform}}}]");
        let name = format!("{name}-{platform}");
        format!(
            "{head}\nkind: ClusterRole\nmetadata: {{name: {name}}}\nrules: {rules}\n---\n{head}\nkind: ClusterRoleBinding\nmetadata: {{name: {name}}}\nroleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {name}}}\n{to}\n---\n"
        )
    };
    let rules = "[{apiGroups: [metachannels.io], resources: [metaapps, metagrants, facebookchannels, metaapps/status, metagrants/status, facebookchannels/status], verbs: ['*']}, {apiGroups: [''], resources: [secrets, configmaps], verbs: ['*']}, {apiGroups: [events.k8s.io], resources: [events], verbs: ['*']}]";
    env.apply(&role("watched", rules)).await?;
    let client = env.client_of(platform, "operator").await?;
    let _operator = env.operator_with(|operator| operator.client = client);
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    let waits =
        ["Ready=Unknown/ClaimsUnavailable", "Claimed=Unknown/ClaimsUnavailable", "Reconciling=True", "!Stalled"];
    let channel = env.channel_is(&env.tenant_a, "shop", &waits).await?;
    let step = channel.status.unwrap().next_step.unwrap();
    assert!(step.contains("Role on assetclaims") && step.contains(claims.as_str()), "{step}");
    let rules = "[{apiGroups: [metachannels.io], resources: [assetclaims, assetclaims/status], verbs: ['*']}]";
    env.apply(&role("claims", rules)).await?;
    wait_for("the channel to be ready", PATIENCE, async || {
        env.advance(8);
        let channel = env.channels(&env.tenant_a).get("shop").await?;
        let conditions = channel.status.context("no status")?.conditions;
        ensure!(shown(&conditions)[0] == "Ready=True/ReconcileSucceeded", "{:?}", shown(&conditions));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_release_that_watches_the_channels_namespace_acts() -> Result<()> {
    let env = Env::seeded(|seed| seed.tokens.push(page_token("rival", PAGE_A, ""))).await?;
    let theirs = env.operator_with(|operator| operator.scopes.retain(|it| *it != env.tenant_b));
    let ours = env.operator_with(|operator| operator.scopes.retain(|it| *it == env.tenant_b));
    connected(&env).await?;
    theirs.stop().await;
    delete(&env, "shop").await?;
    // A channel that waited for the page goes: the claim is checked, and left alone.
    env.put_channel(&env.tenant_b, "copy", PAGE_A, &text("rival")).await?;
    env.channel_is(&env.tenant_b, "copy", &["Ready=False/ClaimedElsewhere"]).await?;
    env.channels(&env.tenant_b).delete("copy", &DeleteParams::default()).await?;
    wait_for("a pass over the claim", PATIENCE, async || {
        ensure!(ours.passes("AssetClaim") > 0);
        Ok(())
    })
    .await?;
    env.advance(10);
    let theirs = env.operator_with(|operator| operator.scopes.retain(|it| *it != env.tenant_b));
    let claim = claim_is(&env, ClaimState::AwaitingHolder).await?;
    assert_eq!(
        claim.status.unwrap().awaited_since.map(|at| at >= env.sandbox.now() - jiff::SignedDuration::from_mins(5)),
        Some(true)
    );
    env.advance(24 * 60);
    claim_is(&env, ClaimState::CleanupPending).await?;
    env.advance(2);
    claim_is(&env, ClaimState::Tombstone).await?;
    assert_eq!(unsubscriptions(&env), 1);
    drop(theirs);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_of_one_release_unsubscribe_a_page_once() -> Result<()> {
    let env = Env::new().await?;
    let operators = ["a", "b"].map(|instance| env.operator_with(|operator| operator.instance = instance.into()));
    connected(&env).await?;
    delete(&env, "shop").await?;
    claim_is(&env, ClaimState::CleanupPending).await?;
    env.advance(2);
    claim_is(&env, ClaimState::Tombstone).await?;
    for operator in operators {
        wait_for("each to have checked the tombstone", PATIENCE, async || {
            ensure!(operator.passes("AssetClaim") >= 3, "{}", operator.passes("AssetClaim"));
            Ok(())
        })
        .await?;
        operator.stop().await;
    }
    assert_eq!(unsubscriptions(&env), 1);
    Ok(())
}
