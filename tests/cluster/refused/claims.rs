//! Claims that may not be written.

use anyhow::Result;
use kube::api::{DeleteParams, Patch, PatchParams};
use meta_channel_operator::api::{AssetClaim, ClaimState};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_may_not_be_claimed_is_told_and_connected_within_a_minute_once_it_may() -> Result<()> {
    let env = Env::new().await?;
    let operator = eager(&env);
    env.put_app().await?;
    env.app_is(&["Ready=True"]).await?;
    settled(&env, &operator).await?;
    for way in ALL {
        let obstacle = Obstacle::put(&env, way, &of_claims(&env, "create", "")).await?;
        env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
        let expected = way.conditions("Claimed");
        let channel =
            env.channel_is(&env.tenant_a, "shop", &[&strs(&expected)[..], &["Authorized=True"]].concat()).await?;
        says(way, &channel.status.unwrap().conditions)?;
        stays_quiet(&env, &operator, "AssetClaim").await?;
        obstacle.remove().await?;
        env.advance(1);
        env.channel_is(&env.tenant_a, "shop", &["Ready=True", "Claimed=True"]).await?;
        nothing_is_destroyed(&env)?;
        env.channels(&env.tenant_a).delete("shop", &DeleteParams::default()).await?;
        env.claims().delete(&AssetClaim::page_name(PAGE_A), &DeleteParams::default()).await?;
        quiet(&operator).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_claim_has_to_say_and_may_not_is_told_while_the_page_stays_connected() -> Result<()> {
    let env = Env::new().await?;
    let operator = eager(&env);
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    settled(&env, &operator).await?;
    let name = AssetClaim::page_name(PAGE_A);
    for (way, policy) in BUT_QUOTA.into_iter().zip(["Orphan", "Disconnect", "Orphan", "Disconnect"]) {
        let obstacle = Obstacle::put(&env, way, &of_claims(&env, "update", &name)).await?;
        let patch = Patch::Merge(json!({"spec": {"deletionPolicy": policy}}));
        env.channels(&env.tenant_a).patch("shop", &PatchParams::default(), &patch).await?;
        let [_, ready, other] = way.conditions("");
        let expected = [ready.as_str(), &other, "Claimed=True", "Connected=True"];
        let channel = env.channel_is(&env.tenant_a, "shop", &expected).await?;
        says(way, &channel.status.unwrap().conditions)?;
        stays_quiet(&env, &operator, "AssetClaim").await?;
        obstacle.remove().await?;
        env.advance(1);
        env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded"]).await?;
        let claim = env.claims().get(&name).await?;
        assert_eq!(serde_json::to_value(claim.spec.deletion_policy)?, policy);
        nothing_is_destroyed(&env)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_cleaned_up_at_meta_that_a_claim_may_not_say_before() -> Result<()> {
    let env = Env::new().await?;
    let operator = eager(&env);
    env.put_app().await?;
    let name = AssetClaim::page_name(PAGE_A);
    for way in BUT_QUOTA {
        env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
        env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
        quiet(&operator).await?;
        env.sandbox.clear_ledger();
        let mut target = of_claims(&env, "update", &name);
        target.resource = "assetclaims/status";
        let obstacle = Obstacle::put(&env, way, &target).await?;
        env.channels(&env.tenant_a).delete("shop", &DeleteParams::default()).await?;
        for _ in 0..3 {
            quiet(&operator).await?;
            env.advance(1);
        }
        let times = if way == Way::Denied { 2 } else { 1 };
        told_by_event(&env, &env.claims, &name, way, times).await?;
        nothing_is_destroyed(&env)?;
        obstacle.remove().await?;
        // The refused status is written, and after the grace the page is unsubscribed.
        wait_for("the claim to be a tombstone", PATIENCE, async || {
            env.advance(1);
            quiet(&operator).await?;
            let claim = env.claims().get(&name).await?;
            ensure!(claim.state() == ClaimState::Tombstone, "{:?}", claim.status);
            Ok(())
        })
        .await?;
    }
    Ok(())
}
