//! A cluster administrator moves a page by hand, and a page is used through another application than before.

use anyhow::{Result, ensure};
use kube::api::DeleteParams;
use meta_channel_operator::api::{AssetClaim, ClaimState};
use serde_json::{Value, json};
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;

const CLAIM: &str = "facebook-page-2200000000000001";
const OTHER_APP: &str = "9999000099990000";
const OTHER_TOKEN: &str = "EAAsandbox-other-app-page-a-00000000";

async fn connected() -> Result<(World, Running)> {
    let world = World::seeded(|seed| seed.tokens.push(page_token("rival", PAGE_A, ""))).await?;
    let operator = world.operator();
    world.put_app().await?;
    world.put_channel(&world.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True", "Connected=True"]).await?;
    world.app_is(&["Ready=True"]).await?;
    Ok((world, operator))
}

/// What an administrator does to the claim, with the command of docs/claims.md.
async fn edit(world: &World, spec: Value) -> Result<()> {
    let patch = json!({ "spec": spec }).to_string();
    let command = ["-n", &world.claims, "patch", "assetclaim", CLAIM, "--type=merge", "-p", &patch];
    world.kubectl().run(&command).await.map(|_| ())
}

async fn tombstone(world: &World) -> Result<AssetClaim> {
    world.channels(&world.tenant_a).delete("shop", &DeleteParams::default()).await?;
    wait_for("the tombstone", PATIENCE, async || {
        let claim = world.claims().get(CLAIM).await?;
        if claim.state() == ClaimState::CleanupPending {
            world.advance(2);
        }
        ensure!(claim.state() == ClaimState::Tombstone, "{:?}", claim.status);
        Ok(claim)
    })
    .await
}

fn subscribed(world: &World) -> Vec<String> {
    let state = world.sandbox.state();
    let apps = state.pages[PAGE_A].subscriptions.keys().map(ToString::to_string);
    apps.filter(|app| [APP_ID, OTHER_APP].contains(&app.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_an_administrator_moves_is_lost_with_one_warning_and_adopted_there() -> Result<()> {
    let (world, operator) = connected().await?;
    quiet(&operator).await?;
    world.sandbox.clear_ledger();
    edit(&world, json!({ "holder": { "namespace": world.tenant_b } })).await?;
    let lost = ["Ready=False/ClaimedElsewhere", "Stalled=True", "Disconnected=True/ClaimedElsewhere"];
    let shop = world.channel_is(&world.tenant_a, "shop", &lost).await?.status.unwrap();
    let message = sentence(&shop.conditions).unwrap();
    assert!(message.contains(&format!("Namespace {} holds page", world.tenant_b)), "{message}");
    assert_eq!(shop.claim_name, None);
    world.put_channel(&world.tenant_b, "copy", PAGE_A, &text("rival")).await?;
    world.channel_is(&world.tenant_b, "copy", &["Ready=True/ReconcileSucceeded", "Claimed=True"]).await?;
    let copy = world.channels(&world.tenant_b).get("copy").await?;
    let claim = world.claims().get(CLAIM).await?;
    assert_eq!(Some(&claim.spec.holder.uid), copy.metadata.uid.as_ref());
    // The row was there and is used on: nobody had to write, and the former holder did not.
    advance_and_sweep(&world, &operator, 16).await?;
    world.request_look(&world.tenant_a, "shop", "now").await?;
    quiet(&operator).await?;
    world.channel_is(&world.tenant_a, "shop", &lost).await?;
    assert_eq!(world.writes(), []);
    warned(&world, &world.tenant_a, &["shop ClaimedElsewhere"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_moved_to_where_nobody_wants_it_is_cleaned_up_and_reserved_there() -> Result<()> {
    let (world, _operator) = connected().await?;
    edit(&world, json!({ "holder": { "namespace": world.tenant_b } })).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=False/ClaimedElsewhere"]).await?;
    wait_for("the tombstone", PATIENCE, async || {
        let claim = world.claims().get(CLAIM).await?;
        if claim.state() == ClaimState::CleanupPending {
            world.advance(2);
        }
        ensure!(claim.state() == ClaimState::Tombstone, "{:?}", claim.status);
        Ok(())
    })
    .await?;
    assert_eq!(subscribed(&world), [""; 0]);
    world.put_channel(&world.tenant_b, "copy", PAGE_A, &text("rival")).await?;
    world.channel_is(&world.tenant_b, "copy", &["Ready=True/ReconcileSucceeded"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_that_an_administrator_gives_away_is_taken() -> Result<()> {
    let (world, _operator) = connected().await?;
    tombstone(&world).await?;
    world.put_channel(&world.tenant_b, "copy", PAGE_A, &text("rival")).await?;
    world.channel_is(&world.tenant_b, "copy", &["Ready=False/ClaimedElsewhere"]).await?;
    edit(&world, json!({ "transferTo": world.tenant_b })).await?;
    world.channel_is(&world.tenant_b, "copy", &["Ready=True/ReconcileSucceeded", "Claimed=True"]).await?;
    let claim = world.claims().get(CLAIM).await?;
    assert_eq!((&claim.spec.holder.namespace, &claim.spec.transfer_to), (&world.tenant_b, &None));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_an_administrator_deletes_is_made_anew_by_who_proves_the_page() -> Result<()> {
    let (world, operator) = connected().await?;
    quiet(&operator).await?;
    let before = world.claims().get(CLAIM).await?;
    world.sandbox.clear_ledger();
    world.claims().delete(CLAIM, &DeleteParams::default()).await?;
    wait_for("another claim", PATIENCE, async || {
        let claim = world.claims().get(CLAIM).await?;
        ensure!(claim.metadata.uid != before.metadata.uid);
        assert_eq!(claim.spec.holder, before.spec.holder);
        Ok(())
    })
    .await?;
    quiet(&operator).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True", "Claimed=True"]).await?;
    assert_eq!(made_about(&world, "page-a").len(), 1, "it was proven anew");
    assert_eq!(world.writes(), []);
    Ok(())
}

/// Applies the MetaApp of the other application beside the first.
async fn put_other_app(world: &World) -> Result<()> {
    world
        .put_secret(&world.platform, "other-app", "app-secret", "app-secret", "sandbox-other-secret-000000000000000")
        .await?;
    let manifest = world.app_manifest_with("audience: Everyone").replace("name: acme,", "name: other,");
    world.apply(&manifest.replace("name: acme-app", "name: other-app").replace(APP_ID, OTHER_APP)).await
}

/// Declares the page through the other application, in place of the channel that is there.
async fn change_app(world: &World) -> Result<()> {
    world.channels(&world.tenant_a).delete("shop", &DeleteParams::default()).await?;
    world.put_token(&world.tenant_a, "next", OTHER_TOKEN).await?;
    let manifest = world.channel_manifest(&world.tenant_a, "next", PAGE_A);
    world.apply(&manifest.replace("name: acme,", "name: other,")).await?;
    world.channel_is(&world.tenant_a, "next", &["Ready=True/ReconcileSucceeded", "Connected=True"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_used_through_another_app_is_unsubscribed_from_the_one_before_first() -> Result<()> {
    let (world, operator) = connected().await?;
    put_other_app(&world).await?;
    world.sandbox.clear_ledger();
    change_app(&world).await?;
    assert_eq!(subscribed(&world), [OTHER_APP]);
    let sent = world.writes();
    let mut writes: Vec<_> = sent.iter().map(|it| it.method.clone()).collect();
    // What is unsubscribed and could not be recorded in the claim, since someone else wrote first, is unsubscribed again.
    writes.dedup();
    assert_eq!(writes, ["DELETE", "POST"]);
    let claim = world.claims().get(CLAIM).await?;
    assert_eq!((claim.spec.app_id.as_str(), claim.spec.holder.name.as_str()), (OTHER_APP, "next"));
    assert_eq!(claim.spec.app_ref.unwrap().name, "other");
    // Nothing is left of it, and nothing is written again.
    advance_and_sweep(&world, &operator, 125).await?;
    assert_eq!(world.writes(), sent);
    warned(&world, &world.tenant_a, &[""; 0]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_of_an_app_that_is_gone_is_told_once_and_keeps_nobody_from_the_next() -> Result<()> {
    let (world, operator) = connected().await?;
    put_other_app(&world).await?;
    world.apps().delete("acme", &DeleteParams::default()).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=False/AppNotFound"]).await?;
    change_app(&world).await?;
    assert_eq!(subscribed(&world), [APP_ID, OTHER_APP]);
    advance_and_sweep(&world, &operator, 125).await?;
    warned(&world, &world.tenant_a, &["next LeftBehind"]).await?;
    assert_eq!(world.claims().get(CLAIM).await?.spec.app_id, OTHER_APP);
    Ok(())
}
