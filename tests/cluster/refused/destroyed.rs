//! Nothing is destroyed before what takes its place is let in, and a namespace that is being deleted is told.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams};
use testkit::wait_for;

use super::*;

const PUBLISHED: &str = "facebookchannel-shop-page-token";

async fn publishing(env: &Env) -> Result<Secret> {
    env.put_app().await?;
    env.put_token(&env.tenant_a, "shop", TOKEN_A).await?;
    env.apply(&env.channel_manifest_with(&env.tenant_a, "shop", PAGE_A, "publishToken: true")).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "TokenPublished=True"]).await?;
    Ok(env.secrets().get(PUBLISHED).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_secret_that_was_made_immutable_is_made_anew_only_when_the_next_one_is_let_in() -> Result<()> {
    for way in [Way::Quota, Way::Invalid, Way::Right, Way::Failing] {
        let env = Env::seeded(|seed| seed.tokens.push(page_token("fresh", PAGE_A, ""))).await?;
        let operator = eager(&env);
        publishing(&env).await?;
        settled(&env, &operator).await?;
        let fixed = Patch::Merge(json!({"immutable": true}));
        let before = env.secrets().patch(PUBLISHED, &PatchParams::default(), &fixed).await?;
        let obstacle = Obstacle::put(&env, way, &of_secrets(&env.tenant_a, "create", "")).await?;
        env.put_token(&env.tenant_a, "shop", &text("fresh")).await?;
        let expected = way.conditions("TokenPublished");
        let channel = env.channel_is(&env.tenant_a, "shop", &strs(&expected)).await?;
        says(way, &channel.status.unwrap().conditions)?;
        stays_quiet(&env, &operator, "Secret").await?;
        nothing_is_destroyed(&env)?;
        assert_eq!(env.secrets().get(PUBLISHED).await?, before);
        obstacle.remove().await?;
        env.advance(1);
        env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "TokenPublished=True"]).await?;
        let after = env.secrets().get(PUBLISHED).await?;
        assert!(after.uid() != before.uid() && after.immutable.is_none(), "{:?}", after.metadata);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_channel_published_stays_until_it_may_be_taken_over() -> Result<()> {
    let env = Env::new().await?;
    let operator = eager(&env);
    let before = publishing(&env).await?;
    settled(&env, &operator).await?;
    let obstacle = Obstacle::put(&env, Way::Invalid, &of_secrets(&env.tenant_a, "update", PUBLISHED)).await?;
    // Nothing collects garbage here, so that the Secret of the old channel stays.
    env.channels(&env.tenant_a).delete("shop", &DeleteParams::default()).await?;
    env.apply(&env.channel_manifest_with(&env.tenant_a, "shop", PAGE_A, "publishToken: true")).await?;
    let expected = Way::Invalid.conditions("TokenPublished");
    let channel = env.channel_is(&env.tenant_a, "shop", &strs(&expected)).await?;
    says(Way::Invalid, &channel.status.unwrap().conditions)?;
    stays_quiet(&env, &operator, "Secret").await?;
    assert_eq!(env.secrets().get(PUBLISHED).await?, before);
    obstacle.remove().await?;
    env.advance(1);
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "TokenPublished=True"]).await?;
    let taken = env.secrets().get(PUBLISHED).await?;
    assert!(
        taken.uid() == before.uid() && taken.owner_references() != before.owner_references(),
        "{:?}",
        taken.metadata
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_goes_with_its_namespace_is_told_and_not_called_published() -> Result<()> {
    let env = Env::new().await?;
    // With rights that do not go with the namespace.
    let operator = env.operator_with(|operator| operator.client = env.client.clone());
    publishing(&env).await?;
    quiet(&operator).await?;
    // Nothing finishes its deletion here.
    let namespaces: Api<Namespace> = Api::all(env.client.clone());
    namespaces.delete(&env.tenant_a, &DeleteParams::default()).await?;
    let probe = of_secrets(&env.tenant_a, "create", "");
    wait_for("the namespace to take nothing more", PATIENCE, async || {
        ensure!(probe.try_out(&env.client).await.is_err(), "it takes Secrets");
        Ok(())
    })
    .await?;
    env.secrets().delete(PUBLISHED, &DeleteParams::default()).await?;
    let expected =
        ["Ready=False/WriteFailed", "Reconciling=True", "TokenPublished=False/WriteFailed", "Connected=True"];
    let channel = env.channel_is(&env.tenant_a, "shop", &expected).await?;
    let conditions = channel.status.unwrap().conditions;
    let message = sentence(&conditions).unwrap();
    for text in ["the namespace is being deleted", "Nobody has to act", "because it is being terminated"] {
        ensure!(message.contains(text), "{message}");
    }
    Ok(())
}
