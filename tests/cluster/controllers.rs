//! With the controllers of a real cluster and the protection of what is in use: what goes when its owner or its namespace goes,
//! and that nothing hangs.

use anyhow::{Result, bail, ensure};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use meta_channel_operator::api::ClaimState;
use serde::de::DeserializeOwned;
use serde_json::json;
use testkit::wait_for;

use crate::support::controllers::*;
use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;

const CLAIM: &str = "facebook-page-2200000000000001";

async fn governed() -> Result<Env> {
    governed_with(|_| ()).await
}

/// A connected channel for page A that publishes its token, and the protection in force.
async fn connected(env: &Env) -> Result<()> {
    env.put_app().await?;
    env.put_token(&env.tenant_a, "shop", TOKEN_A).await?;
    env.apply(&env.channel_manifest_with(&env.tenant_a, "shop", PAGE_A, "publishToken: true")).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "TokenPublished=True"]).await?;
    env.app_is(&["Ready=True"]).await?;
    protected(&env.channels(&env.tenant_a), "shop", HELD).await
}

async fn gone<K: Clone + std::fmt::Debug + DeserializeOwned>(api: &Api<K>, name: &str) -> Result<()> {
    wait_for(&format!("{name} to be gone"), PATIENCE, async || match api.get_opt(name).await? {
        None => Ok(()),
        Some(there) => bail!("{there:?}"),
    })
    .await
}

/// Deletes namespaces and waits until they are gone.
async fn delete_namespaces(env: &Env, names: &[&str]) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(env.client.clone());
    for name in names {
        namespaces.delete(name, &DeleteParams::default()).await?;
    }
    for name in names {
        gone(&namespaces, name).await?;
    }
    Ok(())
}

async fn claim_is(env: &Env, state: ClaimState) -> Result<()> {
    wait_for(&format!("the claim to be {}", state.as_str()), PATIENCE, async || {
        let claim = env.claims().get(CLAIM).await?;
        let releasing = claim.status.as_ref().is_some_and(|it| it.releasing_since.is_some());
        ensure!(claim.state() == state && !releasing, "{:?}", claim.status);
        Ok(())
    })
    .await
}

fn is_subscribed(env: &Env) -> bool {
    env.sandbox.state().pages[PAGE_A].subscriptions.contains_key(APP_ID)
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_the_operator_made_go_with_their_owners_though_it_is_uninstalled() -> Result<()> {
    let env = governed().await?;
    let operator = env.operator();
    connected(&env).await?;
    operator.stop().await;
    let secrets = |namespace: &str| Api::<Secret>::namespaced(env.client.clone(), namespace);
    let (published, verify_token) = ("facebookchannel-shop-page-token", "metaapp-acme-verify-token");
    secrets(&env.tenant_a).get(published).await?;
    secrets(&env.platform).get(verify_token).await?;

    let meant = json!({ "metadata": { "annotations": { "metachannels.io/allow-deletion": "true" } } });
    env.channels(&env.tenant_a).patch("shop", &PatchParams::default(), &Patch::Merge(&meant)).await?;
    env.channels(&env.tenant_a).delete("shop", &DeleteParams::default()).await?;
    gone(&secrets(&env.tenant_a), published).await?;
    env.apps().patch("acme", &PatchParams::default(), &Patch::Merge(&meant)).await?;
    env.apps().delete("acme", &DeleteParams::default()).await?;
    gone(&secrets(&env.platform), verify_token).await?;
    // What people put there stays.
    secrets(&env.tenant_a).get("shop-token").await?;
    secrets(&env.platform).get("acme-app").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_without_its_secrets_takes_them_up_again() -> Result<()> {
    let env = governed().await?;
    let _operator = env.operator();
    connected(&env).await?;
    let secrets = |namespace: &str| Api::<Secret>::namespaced(env.client.clone(), namespace);
    let (published, verify_token) = ("facebookchannel-shop-page-token", "metaapp-acme-verify-token");
    let before = secrets(&env.platform).get(verify_token).await?;
    let meant = json!({ "metadata": { "annotations": { "metachannels.io/allow-deletion": "true" } } });
    env.channels(&env.tenant_a).patch("shop", &PatchParams::default(), &Patch::Merge(&meant)).await?;
    env.apps().patch("acme", &PatchParams::default(), &Patch::Merge(&meant)).await?;
    for (namespace, object) in [(&env.tenant_a, "fbc/shop"), (&env.platform, "mapp/acme")] {
        env.kubectl().run(&["-n", namespace, "delete", object, "--cascade=orphan"]).await?;
    }
    gone(&env.apps(), "acme").await?;
    gone(&env.channels(&env.tenant_a), "shop").await?;
    assert_eq!(secrets(&env.platform).get(verify_token).await?.metadata.owner_references, None);
    connected(&env).await?;
    assert_eq!(secrets(&env.platform).get(verify_token).await?.data, before.data);
    let app = env.apps().get("acme").await?.metadata.uid;
    let owners = secrets(&env.platform).get(verify_token).await?.metadata.owner_references.unwrap_or_default();
    assert_eq!(Some(&owners[0].uid), app.as_ref());
    secrets(&env.tenant_a).get(published).await?;
    warned(&env, &env.platform, &[""; 0]).await?;
    warned(&env, &env.tenant_a, &[""; 0]).await?;
    Ok(())
}

/// An operator of the whole cluster, whose rights do not go with a namespace.
fn everywhere(env: &Env) -> Running {
    env.operator_with(|operator| operator.client = env.client.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_with_a_connected_channel_goes_and_its_page_is_unsubscribed() -> Result<()> {
    let env = governed().await?;
    let _operator = everywhere(&env);
    connected(&env).await?;
    delete_namespaces(&env, &[&env.tenant_a]).await?;
    claim_is(&env, ClaimState::CleanupPending).await?;
    assert!(is_subscribed(&env));
    env.advance(2);
    claim_is(&env, ClaimState::Tombstone).await?;
    assert!(!is_subscribed(&env));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_namespace_go_the_operators_rights_there_and_the_claim_still_says_what_was_left() -> Result<()> {
    let env = governed().await?;
    let operator = env.operator();
    connected(&env).await?;
    delete_namespaces(&env, &[&env.tenant_a]).await?;
    claim_is(&env, ClaimState::CleanupPending).await?;
    env.advance(2);
    claim_is(&env, ClaimState::LeftBehind).await?;
    warned(&env, &env.claims, &[&format!("{CLAIM} LeftBehind")]).await?;
    operator.stop().await;
    env.account.pardon();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_go_after_the_operator_was_uninstalled_and_the_next_one_says_what_was_left() -> Result<()> {
    let env = governed().await?;
    let operator = everywhere(&env);
    connected(&env).await?;
    operator.stop().await;
    delete_namespaces(&env, &[&env.tenant_a, &env.platform]).await?;
    let _operator = everywhere(&env);
    claim_is(&env, ClaimState::AwaitingHolder).await?;
    env.advance(24 * 60);
    claim_is(&env, ClaimState::CleanupPending).await?;
    env.advance(2);
    claim_is(&env, ClaimState::LeftBehind).await?;
    assert!(is_subscribed(&env));
    let told = ["AwaitingHolder", "LeftBehind"].map(|reason| format!("{CLAIM} {reason}"));
    warned(&env, &env.claims, &told.each_ref().map(String::as_str)).await
}
