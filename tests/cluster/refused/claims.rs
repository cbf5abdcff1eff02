//! Claims that may not be written.

use anyhow::Result;
use kube::api::{DeleteParams, Patch, PatchParams};
use meta_channel_operator::api::{AssetClaim, ClaimState};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_may_not_be_claimed_is_told_and_connected_within_a_minute_once_it_may() -> Result<()> {
    let world = World::new().await?;
    let operator = eager(&world);
    world.put_app().await?;
    world.app_is(&["Ready=True"]).await?;
    settled(&world, &operator).await?;
    for way in ALL {
        let obstacle = Obstacle::put(&world, way, &of_claims(&world, "create", "")).await?;
        world.put_channel(&world.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
        let expected = way.conditions("Claimed");
        let channel =
            world.channel_is(&world.tenant_a, "shop", &[&strs(&expected)[..], &["Authorized=True"]].concat()).await?;
        says(way, &channel.status.unwrap().conditions)?;
        stays_quiet(&world, &operator, "AssetClaim").await?;
        obstacle.remove().await?;
        world.advance(1);
        world.channel_is(&world.tenant_a, "shop", &["Ready=True", "Claimed=True"]).await?;
        nothing_is_destroyed(&world)?;
        world.channels(&world.tenant_a).delete("shop", &DeleteParams::default()).await?;
        world.claims().delete(&AssetClaim::page_name(PAGE_A), &DeleteParams::default()).await?;
        quiet(&operator).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_claim_has_to_say_and_may_not_is_told_while_the_page_stays_connected() -> Result<()> {
    let world = World::new().await?;
    let operator = eager(&world);
    world.put_app().await?;
    world.put_channel(&world.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True"]).await?;
    settled(&world, &operator).await?;
    let name = AssetClaim::page_name(PAGE_A);
    for (way, policy) in BUT_QUOTA.into_iter().zip(["Orphan", "Disconnect", "Orphan", "Disconnect"]) {
        let obstacle = Obstacle::put(&world, way, &of_claims(&world, "update", &name)).await?;
        let patch = Patch::Merge(json!({"spec": {"deletionPolicy": policy}}));
        world.channels(&world.tenant_a).patch("shop", &PatchParams::default(), &patch).await?;
        let [_, ready, other] = way.conditions("");
        let expected = [ready.as_str(), &other, "Claimed=True", "Connected=True"];
        let channel = world.channel_is(&world.tenant_a, "shop", &expected).await?;
        says(way, &channel.status.unwrap().conditions)?;
        stays_quiet(&world, &operator, "AssetClaim").await?;
        obstacle.remove().await?;
        world.advance(1);
        world.channel_is(&world.tenant_a, "shop", &["Ready=True/ReconcileSucceeded"]).await?;
        let claim = world.claims().get(&name).await?;
        assert_eq!(serde_json::to_value(claim.spec.deletion_policy)?, policy);
        nothing_is_destroyed(&world)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_cleaned_up_at_meta_that_a_claim_may_not_say_before() -> Result<()> {
    let world = World::new().await?;
    let operator = eager(&world);
    world.put_app().await?;
    let name = AssetClaim::page_name(PAGE_A);
    for way in BUT_QUOTA {
        world.put_channel(&world.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
        world.channel_is(&world.tenant_a, "shop", &["Ready=True"]).await?;
        quiet(&operator).await?;
        world.sandbox.clear_ledger();
        let mut target = of_claims(&world, "update", &name);
        target.resource = "assetclaims/status";
        let obstacle = Obstacle::put(&world, way, &target).await?;
        world.channels(&world.tenant_a).delete("shop", &DeleteParams::default()).await?;
        for _ in 0..3 {
            quiet(&operator).await?;
            world.advance(1);
        }
        let times = if way == Way::Denied { 2 } else { 1 };
        told_by_event(&world, &world.claims, &name, way, times).await?;
        nothing_is_destroyed(&world)?;
        obstacle.remove().await?;
        // The refused status is written, and after the grace the page is unsubscribed.
        wait_for("the claim to be a tombstone", PATIENCE, async || {
            world.advance(1);
            quiet(&operator).await?;
            let claim = world.claims().get(&name).await?;
            ensure!(claim.state() == ClaimState::Tombstone, "{:?}", claim.status);
            Ok(())
        })
        .await?;
    }
    Ok(())
}
