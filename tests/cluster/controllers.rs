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

async fn governed() -> Result<World> {
    governed_with(|_| ()).await
}

/// A connected channel for page A that publishes its token, and the protection in force.
async fn connected(world: &World) -> Result<()> {
    world.put_app().await?;
    world.put_token(&world.tenant_a, "shop", TOKEN_A).await?;
    world.apply(&world.channel_manifest_with(&world.tenant_a, "shop", PAGE_A, "publishToken: true")).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True", "TokenPublished=True"]).await?;
    world.app_is(&["Ready=True"]).await?;
    protected(&world.channels(&world.tenant_a), "shop", HELD).await
}

async fn gone<K: Clone + std::fmt::Debug + DeserializeOwned>(api: &Api<K>, name: &str) -> Result<()> {
    wait_for(&format!("{name} to be gone"), PATIENCE, async || match api.get_opt(name).await? {
        None => Ok(()),
        Some(there) => bail!("{there:?}"),
    })
    .await
}

/// Deletes namespaces and waits until they are gone.
async fn delete_namespaces(world: &World, names: &[&str]) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    for name in names {
        namespaces.delete(name, &DeleteParams::default()).await?;
    }
    for name in names {
        gone(&namespaces, name).await?;
    }
    Ok(())
}

async fn claim_is(world: &World, state: ClaimState) -> Result<()> {
    wait_for(&format!("the claim to be {}", state.as_str()), PATIENCE, async || {
        let claim = world.claims().get(CLAIM).await?;
        let releasing = claim.status.as_ref().is_some_and(|it| it.releasing_since.is_some());
        ensure!(claim.state() == state && !releasing, "{:?}", claim.status);
        Ok(())
    })
    .await
}

fn is_subscribed(world: &World) -> bool {
    world.sandbox.state().pages[PAGE_A].subscriptions.contains_key(APP_ID)
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_the_operator_made_go_with_their_owners_though_it_is_uninstalled() -> Result<()> {
    let world = governed().await?;
    let operator = world.operator();
    connected(&world).await?;
    operator.stop().await;
    let secrets = |namespace: &str| Api::<Secret>::namespaced(world.client.clone(), namespace);
    let (published, verify_token) = ("facebookchannel-shop-page-token", "metaapp-acme-verify-token");
    secrets(&world.tenant_a).get(published).await?;
    secrets(&world.platform).get(verify_token).await?;

    let meant = json!({ "metadata": { "annotations": { "metachannels.io/allow-deletion": "true" } } });
    world.channels(&world.tenant_a).patch("shop", &PatchParams::default(), &Patch::Merge(&meant)).await?;
    world.channels(&world.tenant_a).delete("shop", &DeleteParams::default()).await?;
    gone(&secrets(&world.tenant_a), published).await?;
    world.apps().patch("acme", &PatchParams::default(), &Patch::Merge(&meant)).await?;
    world.apps().delete("acme", &DeleteParams::default()).await?;
    gone(&secrets(&world.platform), verify_token).await?;
    // What people put there stays.
    secrets(&world.tenant_a).get("shop-token").await?;
    secrets(&world.platform).get("acme-app").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_without_its_secrets_takes_them_up_again() -> Result<()> {
    let world = governed().await?;
    let _operator = world.operator();
    connected(&world).await?;
    let secrets = |namespace: &str| Api::<Secret>::namespaced(world.client.clone(), namespace);
    let (published, verify_token) = ("facebookchannel-shop-page-token", "metaapp-acme-verify-token");
    let before = secrets(&world.platform).get(verify_token).await?;
    let meant = json!({ "metadata": { "annotations": { "metachannels.io/allow-deletion": "true" } } });
    world.channels(&world.tenant_a).patch("shop", &PatchParams::default(), &Patch::Merge(&meant)).await?;
    world.apps().patch("acme", &PatchParams::default(), &Patch::Merge(&meant)).await?;
    for (namespace, object) in [(&world.tenant_a, "fbc/shop"), (&world.platform, "mapp/acme")] {
        world.kubectl().run(&["-n", namespace, "delete", object, "--cascade=orphan"]).await?;
    }
    gone(&world.apps(), "acme").await?;
    gone(&world.channels(&world.tenant_a), "shop").await?;
    assert_eq!(secrets(&world.platform).get(verify_token).await?.metadata.owner_references, None);
    connected(&world).await?;
    assert_eq!(secrets(&world.platform).get(verify_token).await?.data, before.data);
    let app = world.apps().get("acme").await?.metadata.uid;
    let owners = secrets(&world.platform).get(verify_token).await?.metadata.owner_references.unwrap_or_default();
    assert_eq!(Some(&owners[0].uid), app.as_ref());
    secrets(&world.tenant_a).get(published).await?;
    warned(&world, &world.platform, &[""; 0]).await?;
    warned(&world, &world.tenant_a, &[""; 0]).await?;
    Ok(())
}

/// An operator of the whole cluster, whose rights do not go with a namespace.
fn everywhere(world: &World) -> Running {
    world.operator_with(|operator| operator.client = world.client.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_with_a_connected_channel_goes_and_its_page_is_unsubscribed() -> Result<()> {
    let world = governed().await?;
    let _operator = everywhere(&world);
    connected(&world).await?;
    delete_namespaces(&world, &[&world.tenant_a]).await?;
    claim_is(&world, ClaimState::CleanupPending).await?;
    assert!(is_subscribed(&world));
    world.advance(2);
    claim_is(&world, ClaimState::Tombstone).await?;
    assert!(!is_subscribed(&world));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_namespace_go_the_operators_rights_there_and_the_claim_still_says_what_was_left() -> Result<()> {
    let world = governed().await?;
    let operator = world.operator();
    connected(&world).await?;
    delete_namespaces(&world, &[&world.tenant_a]).await?;
    claim_is(&world, ClaimState::CleanupPending).await?;
    world.advance(2);
    claim_is(&world, ClaimState::LeftBehind).await?;
    warned(&world, &world.claims, &[&format!("{CLAIM} LeftBehind")]).await?;
    operator.stop().await;
    world.account.pardon();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_go_after_the_operator_was_uninstalled_and_the_next_one_says_what_was_left() -> Result<()> {
    let world = governed().await?;
    let operator = everywhere(&world);
    connected(&world).await?;
    operator.stop().await;
    delete_namespaces(&world, &[&world.tenant_a, &world.platform]).await?;
    let _operator = everywhere(&world);
    claim_is(&world, ClaimState::AwaitingHolder).await?;
    world.advance(24 * 60);
    claim_is(&world, ClaimState::CleanupPending).await?;
    world.advance(2);
    claim_is(&world, ClaimState::LeftBehind).await?;
    assert!(is_subscribed(&world));
    let told = ["AwaitingHolder", "LeftBehind"].map(|reason| format!("{CLAIM} {reason}"));
    warned(&world, &world.claims, &told.each_ref().map(String::as_str)).await
}
