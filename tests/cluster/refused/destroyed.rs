//! Nothing is destroyed before what takes its place is let in, and a namespace that is being deleted is told.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams};
use testkit::wait_for;

use super::*;

const PUBLISHED: &str = "facebookchannel-shop-page-token";

async fn publishing(world: &World) -> Result<Secret> {
    world.put_app().await?;
    world.put_token(&world.tenant_a, "shop", TOKEN_A).await?;
    world.apply(&world.channel_manifest_with(&world.tenant_a, "shop", PAGE_A, "publishToken: true")).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "TokenPublished=True"]).await?;
    Ok(world.secrets().get(PUBLISHED).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_secret_that_was_made_immutable_is_made_anew_only_when_the_next_one_is_let_in() -> Result<()> {
    for way in [Way::Quota, Way::Invalid, Way::Right, Way::Failing] {
        let world = World::seeded(|seed| seed.tokens.push(page_token("fresh", PAGE_A, ""))).await?;
        let operator = eager(&world);
        publishing(&world).await?;
        settled(&world, &operator).await?;
        let fixed = Patch::Merge(json!({"immutable": true}));
        let before = world.secrets().patch(PUBLISHED, &PatchParams::default(), &fixed).await?;
        let obstacle = Obstacle::put(&world, way, &of_secrets(&world.tenant_a, "create", "")).await?;
        world.put_token(&world.tenant_a, "shop", &text("fresh")).await?;
        let expected = way.conditions("TokenPublished");
        let channel = world.channel_is(&world.tenant_a, "shop", &strs(&expected)).await?;
        says(way, &channel.status.unwrap().conditions)?;
        stays_quiet(&world, &operator, "Secret").await?;
        nothing_is_destroyed(&world)?;
        assert_eq!(world.secrets().get(PUBLISHED).await?, before);
        obstacle.remove().await?;
        world.advance(1);
        world.channel_is(&world.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "TokenPublished=True"]).await?;
        let after = world.secrets().get(PUBLISHED).await?;
        assert!(after.uid() != before.uid() && after.immutable.is_none(), "{:?}", after.metadata);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_channel_published_stays_until_it_may_be_taken_over() -> Result<()> {
    let world = World::new().await?;
    let operator = eager(&world);
    let before = publishing(&world).await?;
    settled(&world, &operator).await?;
    let obstacle = Obstacle::put(&world, Way::Invalid, &of_secrets(&world.tenant_a, "update", PUBLISHED)).await?;
    // Nothing collects garbage here, so that the Secret of the old channel stays.
    world.channels(&world.tenant_a).delete("shop", &DeleteParams::default()).await?;
    world.apply(&world.channel_manifest_with(&world.tenant_a, "shop", PAGE_A, "publishToken: true")).await?;
    let expected = Way::Invalid.conditions("TokenPublished");
    let channel = world.channel_is(&world.tenant_a, "shop", &strs(&expected)).await?;
    says(Way::Invalid, &channel.status.unwrap().conditions)?;
    stays_quiet(&world, &operator, "Secret").await?;
    assert_eq!(world.secrets().get(PUBLISHED).await?, before);
    obstacle.remove().await?;
    world.advance(1);
    world.channel_is(&world.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "TokenPublished=True"]).await?;
    let taken = world.secrets().get(PUBLISHED).await?;
    assert!(
        taken.uid() == before.uid() && taken.owner_references() != before.owner_references(),
        "{:?}",
        taken.metadata
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_goes_with_its_namespace_is_told_and_not_called_published() -> Result<()> {
    let world = World::new().await?;
    // With rights that do not go with the namespace.
    let operator = world.operator_with(|operator| operator.client = world.client.clone());
    publishing(&world).await?;
    quiet(&operator).await?;
    // Nothing finishes its deletion here.
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    namespaces.delete(&world.tenant_a, &DeleteParams::default()).await?;
    let probe = of_secrets(&world.tenant_a, "create", "");
    wait_for("the namespace to take nothing more", PATIENCE, async || {
        ensure!(probe.try_out(&world.client).await.is_err(), "it takes Secrets");
        Ok(())
    })
    .await?;
    world.secrets().delete(PUBLISHED, &DeleteParams::default()).await?;
    let expected =
        ["Ready=False/WriteFailed", "Reconciling=True", "TokenPublished=False/WriteFailed", "Connected=True"];
    let channel = world.channel_is(&world.tenant_a, "shop", &expected).await?;
    let conditions = channel.status.unwrap().conditions;
    let message = sentence(&conditions).unwrap();
    for text in ["the namespace is being deleted", "Nobody has to act", "because it is being terminated"] {
        ensure!(message.contains(text), "{message}");
    }
    Ok(())
}
