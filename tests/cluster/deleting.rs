//! Objects that are being deleted and held up by someone's finalizer: nothing new is made for them, and what is to be done after them
//! is done when they are gone.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use meta_channel_operator::api::ClaimState;
use serde_json::json;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;
use crate::support::subscriptions;

const PUBLISHED: &str = "facebookchannel-shop-page-token";

fn finalizers(names: &[&str]) -> Patch<serde_json::Value> {
    Patch::Merge(json!({ "metadata": { "finalizers": names } }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_being_deleted_is_neither_subscribed_nor_published_anew() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    env.put_app().await?;
    env.put_token(&env.tenant_a, "shop", TOKEN_A).await?;
    env.apply(&env.channel_manifest_with(&env.tenant_a, "shop", PAGE_A, "publishToken: true")).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "TokenPublished=True"]).await?;
    let channels = env.channels(&env.tenant_a);
    channels.patch("shop", &PatchParams::default(), &finalizers(&["example.com/hold"])).await?;
    channels.delete("shop", &DeleteParams::default()).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    quiet(&operator).await?;
    env.sandbox.clear_ledger();
    // Someone ends what it had.
    subscriptions::change_row(&env, PAGE_A, APP_ID, None)?;
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.tenant_a);
    secrets.delete(PUBLISHED, &DeleteParams::default()).await?;
    env.advance(16);
    let waits = ["Subscribed=False/BeingDeleted", "TokenPublished=False/BeingDeleted", "Ready=False/BeingDeleted"];
    let channel = env.channel_is(&env.tenant_a, "shop", &waits).await?;
    assert!(channel.status.unwrap().next_step.unwrap().contains("example.com/hold"));
    advance_and_sweep(&env, &operator, 16).await?;
    assert_eq!(env.writes(), []);
    assert!(secrets.get_opt(PUBLISHED).await?.is_none());

    channels.patch("shop", &PatchParams::default(), &finalizers(&[])).await?;
    wait_for("the claim to be cleaned up", PATIENCE, async || {
        env.advance(1);
        let claim = env.claims().get(&format!("facebook-page-{PAGE_A}")).await?;
        ensure!(claim.state() == ClaimState::Tombstone, "{:?}", claim.status);
        Ok(())
    })
    .await?;
    assert_eq!(env.requests("DELETE", PAGE_ROWS).len(), 1, "what its deletionPolicy says");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_being_deleted_before_it_was_connected_claims_no_page() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    env.put_app().await?;
    env.app_is(&["Ready=True"]).await?;
    env.sandbox.clear_ledger();
    env.apply(&env.channel_manifest(&env.tenant_a, "shop", PAGE_A)).await?;
    let channels = env.channels(&env.tenant_a);
    channels.patch("shop", &PatchParams::default(), &finalizers(&["example.com/hold"])).await?;
    channels.delete("shop", &DeleteParams::default()).await?;
    // Who does not know yet that it is being deleted may still connect it.
    env.channel_is(&env.tenant_a, "shop", &["Claimed=False/BeingDeleted"]).await?;
    env.put_token(&env.tenant_a, "shop", TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Authorized=True", "Claimed=False/BeingDeleted"]).await?;
    quiet(&operator).await?;
    assert!(env.claims().get_opt(&format!("facebook-page-{PAGE_A}")).await?.is_none());
    assert_eq!(env.writes(), []);
    channels.patch("shop", &PatchParams::default(), &finalizers(&[])).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metaapp_that_is_being_deleted_is_not_subscribed_anew_and_its_channels_go_on() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    subscriptions::connected(&env).await?;
    env.app_is(&["Ready=True"]).await?;
    env.apps().patch("acme", &PatchParams::default(), &finalizers(&["example.com/hold"])).await?;
    env.apps().delete("acme", &DeleteParams::default()).await?;
    env.app_is(&["Ready=True"]).await?;
    quiet(&operator).await?;
    env.sandbox.clear_ledger();
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.platform);
    secrets.delete("metaapp-acme-verify-token", &DeleteParams::default()).await?;
    env.app_is(&["WebhookSubscribed=False/BeingDeleted", "CredentialsValid=True"]).await?;
    quiet(&operator).await?;
    assert!(secrets.get_opt("metaapp-acme-verify-token").await?.is_none());
    assert_eq!(env.writes(), []);
    env.channel_is(&env.tenant_a, "shop", &["Authorized=True"]).await?;
    env.apps().patch("acme", &PatchParams::default(), &finalizers(&[])).await?;
    Ok(())
}
