//! A page is given to another namespace, by both sides and by declaration alone.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use meta_channel_operator::api::{AssetClaim, ClaimState};
use serde_json::json;
use testkit::sandbox::LedgerEntry;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::kill_after::killed;
use crate::support::observe::*;
use crate::support::release_binding::{bind, put_another_app, unbind};
use crate::support::subscriptions;

const CLAIM: &str = "facebook-page-2200000000000001";

const GIVEN: [&str; 7] = [
    "Ready=True/ReconcileSucceeded",
    "Disconnected=True/Transferred",
    "Claimed=False/Transferred",
    "Connected=False",
    "Expired=False",
    "!Stalled",
    "!Reconciling",
];
const OFFERED: [&str; 4] = [
    "Ready=True/ReconcileSucceeded",
    "Disconnected=True/TransferOffered",
    "Claimed=True/ClaimHeld",
    "Subscribed=False/TransferOffered",
];

/// A world in which each namespace has a token of its own for page A, and channel shop of the first is connected.
async fn connected() -> Result<World> {
    let world = World::seeded(|seed| {
        seed.tokens.extend(["rival", "third"].map(|alias| page_token(alias, PAGE_A, "")));
    })
    .await?;
    Ok(world)
}

async fn start(world: &World, more: &str) -> Result<()> {
    world.put_app().await?;
    world.put_token(&world.tenant_a, "shop", TOKEN_A).await?;
    declare(world, more).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True", "Connected=True"]).await?;
    world.app_is(&["Ready=True"]).await?;
    Ok(())
}

async fn declare(world: &World, more: &str) -> Result<()> {
    world.apply(&world.channel_manifest_with(&world.tenant_a, "shop", PAGE_A, more)).await
}

fn given_to(namespace: &str) -> String {
    format!("transferTo: {namespace}")
}

fn is_subscribed(world: &World) -> bool {
    world.sandbox.state().pages[PAGE_A].subscriptions.contains_key(APP_ID)
}

/// The writes at Meta as `METHOD token`.
fn writes(world: &World) -> Vec<String> {
    let alias = |it: &LedgerEntry| it.token.as_ref().and_then(|it| it.alias.clone()).unwrap_or_default();
    world.writes().iter().map(|it| format!("{} {}", it.method, alias(it)).trim().to_owned()).collect()
}

async fn claim_is(world: &World, what: &str, is: impl Fn(&AssetClaim) -> bool) -> Result<AssetClaim> {
    wait_for(&format!("the claim to be {what}"), PATIENCE, async || {
        let claim = world.claims().get(CLAIM).await?;
        ensure!(is(&claim), "{:?} {:?}", claim.spec, claim.status);
        Ok(claim)
    })
    .await
}

/// A release for the namespace of the second tenant beside one for all others. Neither sees anything of the other's.
async fn two_releases(world: &World) -> Result<(Running, Running)> {
    unbind(&world.client, &world.tenant_b).await?;
    bind(&world.client, &world.tenant_b, "elsewhere/other").await?;
    put_another_app(world, &world.tenant_b).await?;
    let first = world.operator_with(|operator| operator.scopes.retain(|it| *it != world.tenant_b));
    let second = world.operator_with(|operator| {
        operator.scopes = vec![world.tenant_b.clone()];
        operator.release = "elsewhere/other".to_owned();
        // Its application leaves the webhook to the other one, so that it has nothing to tell a gateway.
        operator.policy.gateway_url = None;
    });
    Ok((first, second))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_given_away_is_taken_by_who_waits_for_it_and_the_giver_may_go() -> Result<()> {
    let world = connected().await?;
    let (_theirs, _ours) = two_releases(&world).await?;
    start(&world, "publishToken: true").await?;
    world.channel_is(&world.tenant_a, "shop", &["TokenPublished=True"]).await?;
    let before = world.claims().get(CLAIM).await?;
    world.put_token(&world.tenant_b, "copy", &text("rival")).await?;
    let copy = world.channel_manifest(&world.tenant_b, "copy", PAGE_A);
    world.apply(&copy.replace(&world.platform, &world.tenant_b)).await?;
    world.put_channel(&world.platform, "other", PAGE_A, &text("third")).await?;
    world.channel_is(&world.platform, "other", &["Ready=False/ClaimedElsewhere"]).await?;
    let copy = world.channel_is(&world.tenant_b, "copy", &["Ready=False/ClaimedElsewhere", "Stalled=True"]).await?;
    let step = copy.status.unwrap().next_step.unwrap();
    assert!(step.contains(&format!("spec.transferTo: {}", world.tenant_b)), "{step}");
    world.sandbox.clear_ledger();

    declare(&world, &format!("publishToken: true\n  {}", given_to(&world.tenant_b))).await?;
    world
        .channel_is(&world.tenant_b, "copy", &["Ready=True/ReconcileSucceeded", "Connected=True", "Claimed=True"])
        .await?;
    let shop = world.channel_is(&world.tenant_a, "shop", &GIVEN).await?.status.unwrap();
    assert_eq!((shop.claim_name, shop.published_secret_name), (None, None));
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.tenant_a);
    wait_for("the published token to be gone", PATIENCE, async || {
        ensure!(secrets.get_opt("facebookchannel-shop-page-token").await?.is_none());
        Ok(())
    })
    .await?;
    assert_eq!(writes(&world), ["DELETE", "POST rival"], "unsubscribed by the app before it was taken");
    let claim = world.claims().get(CLAIM).await?;
    assert_eq!(claim.metadata.uid, before.metadata.uid, "the claim moved");
    assert_eq!((&claim.spec.holder.namespace, &claim.spec.transfer_to), (&world.tenant_b, &None));
    assert!(claim.spec.proof.proven_at >= before.spec.proof.proven_at);
    world.channel_is(&world.platform, "other", &["Ready=False/ClaimedElsewhere"]).await?;
    assert_eq!(made_with(&world, "third"), [], "whom it was not given to learns nothing of the page");

    // Deleted, the giver leaves nothing to be done: the claim is not its own.
    world.channels(&world.tenant_a).delete("shop", &Default::default()).await?;
    world.advance(10);
    world.request_look(&world.tenant_b, "copy", "now").await?;
    wait_for("another look at the page", PATIENCE, async || {
        ensure!(made_about(&world, "rival").len() >= 2);
        Ok(())
    })
    .await?;
    world.channel_is(&world.tenant_b, "copy", &["Ready=True", "Claimed=True"]).await?;
    assert_eq!((writes(&world).len(), is_subscribed(&world)), (2, true));
    warned(&world, &world.tenant_a, &[""; 0]).await?;
    warned(&world, &world.tenant_b, &["copy ClaimedElsewhere"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_nobody_took_is_kept_unsubscribed_and_connected_again_when_it_is_taken_back() -> Result<()> {
    let world = connected().await?;
    let operator = world.operator();
    start(&world, "connection: Connected").await?;
    world.put_channel(&world.platform, "other", PAGE_A, &text("third")).await?;
    world.channel_is(&world.platform, "other", &["Ready=False/ClaimedElsewhere"]).await?;
    world.sandbox.clear_ledger();
    declare(&world, &given_to(&world.tenant_b)).await?;
    let shop = world.channel_is(&world.tenant_a, "shop", &OFFERED).await?;
    let message = sentence(&shop.status.unwrap().conditions).unwrap().to_owned();
    assert!(message.contains(&world.tenant_b) && message.contains("must create one"), "{message}");
    let claim = world.claims().get(CLAIM).await?;
    assert_eq!(claim.spec.transfer_to.as_ref(), Some(&world.tenant_b));
    assert_eq!(claim.spec.subscribed_fields, [""; 0]);

    // Nothing more is written, also after a restart, and someone else does not get it.
    quiet(&operator).await?;
    let before = versions(&world).await?;
    operator.stop().await;
    let operator = world.operator();
    awake(&operator).await?;
    advance_and_sweep(&world, &operator, 125).await?;
    assert_eq!(versions(&world).await?, before);
    assert_eq!(writes(&world), ["DELETE"]);
    world.channel_is(&world.platform, "other", &["Ready=False/ClaimedElsewhere"]).await?;

    declare(&world, "connection: Connected").await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True", "Connected=True", "Claimed=True/ClaimHeld"]).await?;
    assert_eq!(world.claims().get(CLAIM).await?.spec.transfer_to, None);
    assert_eq!(writes(&world), ["DELETE", "POST page-a"]);
    world.put_channel(&world.tenant_b, "copy", PAGE_A, &text("rival")).await?;
    world.channel_is(&world.tenant_b, "copy", &["Ready=False/ClaimedElsewhere"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_subscribed_again_while_it_is_offered_is_withdrawn_unsubscribed_and_offered_again() -> Result<()> {
    let world = connected().await?;
    let operator = world.operator();
    start(&world, "connection: Connected").await?;
    declare(&world, &given_to(&world.tenant_b)).await?;
    world.channel_is(&world.tenant_a, "shop", &OFFERED).await?;
    quiet(&operator).await?;
    let before = world.claims().get(CLAIM).await?.metadata.generation.unwrap();
    world.sandbox.clear_ledger();
    subscriptions::change_row(&world, PAGE_A, APP_ID, Some(&["messages".to_owned()]))?;
    advance_and_sweep(&world, &operator, 16).await?;
    assert!(!is_subscribed(&world));
    assert_eq!(writes(&world), ["DELETE"]);
    let claim = world.claims().get(CLAIM).await?;
    assert_eq!(claim.spec.transfer_to.as_ref(), Some(&world.tenant_b));
    assert_eq!(claim.metadata.generation, Some(before + 2), "withdrawn first, and made again after");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_giver_is_gone_can_be_taken_before_and_after_it_was_cleaned_up() -> Result<()> {
    for cleaned in [false, true] {
        let world = connected().await?;
        let _operator = world.operator();
        start(&world, "connection: Connected").await?;
        declare(&world, &given_to(&world.tenant_b)).await?;
        world.channel_is(&world.tenant_a, "shop", &OFFERED).await?;
        world.channels(&world.tenant_a).delete("shop", &Default::default()).await?;
        claim_is(&world, "pending", |it| it.state() == ClaimState::CleanupPending).await?;
        if cleaned {
            world.advance(2);
            let claim = claim_is(&world, "a tombstone", |it| it.state() == ClaimState::Tombstone).await?;
            assert_eq!(claim.spec.transfer_to.as_ref(), Some(&world.tenant_b));
            let message = sentence(&claim.status.as_ref().unwrap().conditions).unwrap();
            assert!(message.contains(&format!("given to namespace {}", world.tenant_b)), "{message}");
        }
        world.put_channel(&world.tenant_b, "copy", PAGE_A, &text("rival")).await?;
        world.channel_is(&world.tenant_b, "copy", &["Ready=True/ReconcileSucceeded", "Claimed=True"]).await?;
        let claim = claim_is(&world, "held", |it| it.state() == ClaimState::Held).await?;
        assert_eq!((&claim.spec.holder.namespace, &claim.spec.transfer_to), (&world.tenant_b, &None));
        world.advance(10);
        world.channel_is(&world.tenant_b, "copy", &["Ready=True"]).await?;
        assert!(is_subscribed(&world));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_token_keeps_nobody_from_giving_and_one_that_proves_nothing_from_getting() -> Result<()> {
    let world = connected().await?;
    let operator = world.operator();
    start(&world, "connection: Connected").await?;
    world.sandbox.invalidate_token("page-a", testkit::sandbox::Invalidation { subcode: Some(460), message: None })?;
    advance_and_sweep(&world, &operator, 16).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=False/PasswordChanged"]).await?;
    // The token of another page proves nothing.
    world.put_channel(&world.tenant_b, "copy", PAGE_A, TOKEN_B).await?;
    world.channel_is(&world.tenant_b, "copy", &["Authorized=False/WrongPage"]).await?;
    declare(&world, &given_to(&world.tenant_b)).await?;
    world.channel_is(&world.tenant_a, "shop", &OFFERED).await?;
    assert!(!is_subscribed(&world));
    world
        .channel_is(&world.tenant_b, "copy", &["Authorized=False/WrongPage", "Claimed=Unknown/CredentialUnverified"])
        .await?;
    assert_eq!(world.claims().get(CLAIM).await?.spec.holder.namespace, world.tenant_a);
    world.put_token(&world.tenant_b, "copy", &text("rival")).await?;
    world.channel_is(&world.tenant_b, "copy", &["Ready=True/ReconcileSucceeded"]).await?;
    world.channel_is(&world.tenant_a, "shop", &GIVEN).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_cannot_be_given_to_the_namespace_that_has_it() -> Result<()> {
    let world = connected().await?;
    let _operator = world.operator();
    start(&world, "connection: Connected").await?;
    world.sandbox.clear_ledger();
    let own = json!({ "spec": { "transferTo": world.tenant_a } });
    world.channels(&world.tenant_a).patch("shop", &PatchParams::default(), &Patch::Merge(&own)).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=False/InvalidSpec", "Stalled=True", "Connected=True"]).await?;
    assert_eq!((writes(&world).len(), world.claims().get(CLAIM).await?.spec.transfer_to), (0, None));
    let upper = json!({ "spec": { "transferTo": "Not a namespace" } });
    let refused = world.channels(&world.tenant_a).patch("shop", &PatchParams::default(), &Patch::Merge(&upper)).await;
    assert!(refused.is_err());
    Ok(())
}

/// Has every write of a transfer be the last one of an operator, one after the other; in the end none of them is.
#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_is_cut_off_after_any_write_is_made_up_for() -> Result<()> {
    for after in 1.. {
        assert!(after < 25, "a transfer is no more than some writes");
        let world = connected().await?;
        let operator = world.operator();
        start(&world, "connection: Connected").await?;
        world.put_channel(&world.tenant_b, "copy", PAGE_A, &text("rival")).await?;
        world.channel_is(&world.tenant_b, "copy", &["Ready=False/ClaimedElsewhere"]).await?;
        quiet(&operator).await?;
        operator.stop().await;
        world.sandbox.clear_ledger();
        declare(&world, &given_to(&world.tenant_b)).await?;
        let done = async |world: &World| {
            let shown = async |namespace, name| {
                let status = world.channels(namespace).get(name).await?.status.unwrap_or_default();
                anyhow::Ok(shown(&status.conditions).join(" "))
            };
            let given = shown(&world.tenant_a, "shop").await?.contains("Claimed=False/Transferred");
            Ok(given && shown(&world.tenant_b, "copy").await?.contains("Ready=True"))
        };
        let burnt = killed(&world, after, done).await?;
        // The request that was cut off may still be on its way; whoever succeeds waits a little.
        world.advance(2);
        let operator = world.operator();
        world.channel_is(&world.tenant_b, "copy", &["Ready=True/ReconcileSucceeded", "Claimed=True"]).await?;
        world.channel_is(&world.tenant_a, "shop", &GIVEN).await?;
        quiet(&operator).await?;
        assert!(is_subscribed(&world), "cut off after write {after}");
        let writes = writes(&world);
        let parted = writes.iter().take_while(|it| *it == "DELETE").count();
        assert!((1..=2).contains(&parted), "cut off after write {after}: {writes:?}");
        assert_eq!(writes[parted..], ["POST rival"], "cut off after write {after}");
        if !burnt {
            break;
        }
    }
    Ok(())
}
