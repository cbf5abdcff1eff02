//! Statuses that somebody else writes: removed, or put back to an earlier one. They are repaired, and nobody else believes them.

use anyhow::{Context, Result, ensure};
use kube::Api;
use kube::api::{Patch, PatchParams};
use meta_channel_operator::api::{FacebookChannel, MetaApp, MetaGrant};
use serde_json::{Value, json};
use testkit::wait_for;

use crate::granted_props::*;
use crate::props::*;
use crate::world::*;

/// Conditions of channels that ever were something else than connected.
struct Watcher {
    channels: Api<FacebookChannel>,
    versions: std::collections::BTreeMap<String, String>,
}

/// Versions of the channels of a namespace: who wrote none did not change its mind.
async fn channels(world: &World) -> Result<Watcher> {
    let channels = world.channels(&world.tenant_a);
    let versions = versions_of(&channels).await?;
    Ok(Watcher { channels, versions })
}

async fn versions_of(channels: &Api<FacebookChannel>) -> Result<std::collections::BTreeMap<String, String>> {
    let all = channels.list(&Default::default()).await?.items;
    Ok(all
        .into_iter()
        .map(|it| (it.metadata.name.unwrap_or_default(), it.metadata.resource_version.unwrap_or_default()))
        .collect())
}

impl Watcher {
    async fn nobody_changed(&self) -> Result<()> {
        ensure!(versions_of(&self.channels).await? == self.versions, "a channel changed its status");
        Ok(())
    }
}

fn status_of(object: &impl serde::Serialize) -> Value {
    serde_json::to_value(object).unwrap()["status"].clone()
}

async fn write_status<K>(api: &Api<K>, name: &str, status: Option<&Value>) -> Result<()>
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let patch = json!([{ "op": "replace", "path": "/status", "value": status.unwrap_or(&json!({})) }]);
    let patch: Patch<()> = Patch::Json(serde_json::from_value(patch)?);
    api.patch_status(name, &PatchParams::default(), &patch).await?;
    Ok(())
}

/// Waits until a status is as it was.
async fn repaired<K>(api: &Api<K>, name: &str, before: &Value) -> Result<()>
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug + serde::Serialize,
{
    wait_for("the status to be repaired", PATIENCE, async || {
        let now = status_of(&api.get(name).await?);
        ensure!(now == *before, "{now:#}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metaapp_whose_status_is_removed_or_put_back_is_looked_at_and_its_channels_do_not_notice() -> Result<()> {
    let world = World::new().await?;
    let operator = world.operator();
    world
        .put_secret(&world.platform, "acme-app", "app-secret", "app-secret", "another-secret-00000000000000000000")
        .await?;
    world.apply(&world.app_manifest()).await?;
    wait_for("the wrong secret to be told", PATIENCE, async || {
        world.advance(1);
        let app = world.apps().get("acme").await?;
        crate::world::missing(&app.status.context("no status")?.conditions, &["CredentialsValid=False"])
    })
    .await?;
    let broken = status_of(&world.apps().get("acme").await?);
    world.put_app().await?;
    world.put_channels(&world.tenant_a, &[("shop", PAGE_A, TOKEN_A), ("support", PAGE_B, TOKEN_B)]).await?;
    for name in ["shop", "support"] {
        world.channel_is(&world.tenant_a, name, &["Ready=True"]).await?;
    }
    world.app_is(&["Ready=True"]).await?;
    quiet(&operator).await?;
    let (watcher, well) = (channels(&world).await?, status_of(&world.apps().get("acme").await?));
    let apps: Api<MetaApp> = world.apps();
    for foreign in [None, Some(&broken), None] {
        // At most once a minute, and it is never raced with.
        world.advance(2);
        quiet(&operator).await?;
        world.sandbox.clear_ledger();
        write_status(&apps, "acme", foreign).await?;
        repaired(&apps, "acme", &well).await?;
        quiet(&operator).await?;
        assert!(!world.sandbox.ledger().is_empty(), "Meta was asked");
        assert_eq!(world.writes(), []);
        watcher.nobody_changed().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_whose_status_is_removed_or_put_back_is_looked_at_and_its_channels_do_not_notice() -> Result<()> {
    let world = World::seeded(person_manages_pages).await?;
    let operator = world.operator();
    connected(&world, &operator).await?;
    quiet(&operator).await?;
    let grants: Api<MetaGrant> = Api::namespaced(world.client.clone(), &world.tenant_a);
    let well = status_of(&grants.get("acme-grant").await?);
    let mut dead = well.clone();
    for condition in dead["conditions"].as_array_mut().context("no conditions")? {
        if condition["type"] == "Valid" || condition["type"] == "Ready" {
            condition["status"] = json!("False");
            condition["reason"] = json!("TokenExpired");
        }
    }
    let watcher = channels(&world).await?;
    for foreign in [None, Some(&dead)] {
        world.advance(2);
        quiet(&operator).await?;
        write_status(&grants, "acme-grant", foreign).await?;
        repaired(&grants, "acme-grant", &well).await?;
        quiet(&operator).await?;
        watcher.nobody_changed().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_whose_status_is_removed_or_put_back_is_looked_at_at_once() -> Result<()> {
    let world = World::new().await?;
    let operator = world.operator();
    world.put_app().await?;
    world.put_channel(&world.tenant_a, "shop", PAGE_A, "EAAthis-token-was-never-issued-by-anybody").await?;
    let dead = world.channel_is(&world.tenant_a, "shop", &["Disconnected=True/TokenUnknown"]).await?;
    world.put_token(&world.tenant_a, "shop", TOKEN_A).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True"]).await?;
    world.app_is(&["Ready=True"]).await?;
    quiet(&operator).await?;
    let channels = world.channels(&world.tenant_a);
    let well = status_of(&channels.get("shop").await?);
    let mut more = well.clone();
    more["restrictedSince"] = json!("2026-01-01T00:00:00Z");
    let dead = status_of(&dead);
    for foreign in [None, Some(&dead), Some(&more)] {
        world.advance(2);
        quiet(&operator).await?;
        world.sandbox.clear_ledger();
        write_status(&channels, "shop", foreign).await?;
        repaired(&channels, "shop", &well).await?;
        quiet(&operator).await?;
        assert!(!world.sandbox.ledger().is_empty(), "Meta was asked");
        assert_eq!(world.writes(), []);
    }
    Ok(())
}
