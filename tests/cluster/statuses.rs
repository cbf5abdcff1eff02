//! Statuses that someone else writes: removed, or put back to an earlier one. They are repaired, and nobody else believes them.

use anyhow::{Context, Result, ensure};
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use meta_channel_operator::api::outcome::Class;
use meta_channel_operator::api::{FacebookChannel, MetaApp, MetaGrant};
use meta_channel_operator::cluster::status::StatusOf;
use meta_channel_operator::metrics::Metrics;
use serde_json::{Value, json};
use testkit::sandbox::Invalidation;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::grant_channels::*;
use crate::support::holding_proxy::{Hold, HoldingProxy};
use crate::support::observe::*;

/// Versions of the channels of a namespace: who wrote none did not change its mind.
async fn channel_versions(env: &Env) -> Result<Vec<(String, Option<String>)>> {
    let all = env.channels(&env.tenant_a).list(&Default::default()).await?;
    Ok(all.into_iter().map(|it| (it.name_any(), it.resource_version())).collect())
}

async fn nobody_changed(env: &Env, before: &[(String, Option<String>)]) -> Result<()> {
    ensure!(channel_versions(env).await? == before, "a channel changed its status");
    Ok(())
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

/// Writes another status, or removes it, and waits until it is as it was. The ledger is of that alone.
async fn is_put_right<K>(
    env: &Env,
    operator: &Running,
    (api, name): (&Api<K>, &str),
    foreign: Option<&Value>,
    well: &Value,
) -> Result<()>
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug + serde::Serialize,
{
    // At most once a minute, and it is never raced with.
    env.advance(2);
    quiet(operator).await?;
    env.sandbox.clear_ledger();
    write_status(api, name, foreign).await?;
    repaired(api, name, well).await?;
    quiet(operator).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metaapp_whose_status_is_removed_or_put_back_is_looked_at_and_its_channels_do_not_notice() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    env.put_secret(&env.platform, "acme-app", "app-secret", "app-secret", "another-secret-00000000000000000000")
        .await?;
    env.apply(&env.app_manifest()).await?;
    wait_for("the wrong secret to be told", PATIENCE, async || {
        env.advance(1);
        let app = env.apps().get("acme").await?;
        missing(&app.status.context("no status")?.conditions, &["CredentialsValid=False"])
    })
    .await?;
    let broken = status_of(&env.apps().get("acme").await?);
    env.put_app().await?;
    env.put_channels(&env.tenant_a, &[("shop", PAGE_A, TOKEN_A), ("support", PAGE_B, TOKEN_B)]).await?;
    for name in ["shop", "support"] {
        env.channel_is(&env.tenant_a, name, &["Ready=True"]).await?;
    }
    env.app_is(&["Ready=True"]).await?;
    quiet(&operator).await?;
    let (before, well) = (channel_versions(&env).await?, status_of(&env.apps().get("acme").await?));
    let apps: Api<MetaApp> = env.apps();
    for foreign in [None, Some(&broken), None] {
        is_put_right(&env, &operator, (&apps, "acme"), foreign, &well).await?;
        assert!(!env.sandbox.ledger().is_empty(), "Meta was asked");
        assert_eq!(env.writes(), []);
        nobody_changed(&env, &before).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_whose_status_is_removed_or_put_back_is_looked_at_and_its_channels_do_not_notice() -> Result<()> {
    let env = Env::seeded(person_manages_pages).await?;
    let operator = env.operator();
    connected(&env, &operator).await?;
    quiet(&operator).await?;
    let grants: Api<MetaGrant> = Api::namespaced(env.client.clone(), &env.tenant_a);
    let well = status_of(&grants.get("acme-grant").await?);
    let mut dead = well.clone();
    for condition in dead["conditions"].as_array_mut().context("no conditions")? {
        if condition["type"] == "Valid" || condition["type"] == "Ready" {
            condition["status"] = json!("False");
            condition["reason"] = json!("TokenExpired");
        }
    }
    let before = channel_versions(&env).await?;
    for foreign in [None, Some(&dead)] {
        is_put_right(&env, &operator, (&grants, "acme-grant"), foreign, &well).await?;
        nobody_changed(&env, &before).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_whose_status_is_removed_or_put_back_is_looked_at_at_once() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, "EAAthis-token-was-never-issued-by-anybody").await?;
    let dead = env.channel_is(&env.tenant_a, "shop", &["Disconnected=True/TokenUnknown"]).await?;
    env.put_token(&env.tenant_a, "shop", TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    env.app_is(&["Ready=True"]).await?;
    quiet(&operator).await?;
    let channels = env.channels(&env.tenant_a);
    let well = status_of(&channels.get("shop").await?);
    let mut more = well.clone();
    more["restrictedSince"] = json!("2026-01-01T00:00:00Z");
    let dead = status_of(&dead);
    for foreign in [None, Some(&dead), Some(&more)] {
        is_put_right(&env, &operator, (&channels, "shop"), foreign, &well).await?;
        assert!(!env.sandbox.ledger().is_empty(), "Meta was asked");
        assert_eq!(env.writes(), []);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_decided_about_an_object_is_not_written_to_another_one_of_its_name() -> Result<()> {
    let env = Env::new().await?;
    let api = env.channels(&env.tenant_a);
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    let before = api.get("shop").await?;
    api.delete("shop", &DeleteParams::default()).await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    let metrics = Metrics::default();
    let write = async |object: &FacebookChannel| {
        let status = json!({ "pageName": "Acme Shop" });
        let ours = StatusOf { metrics: &metrics, kind: "FacebookChannel", api: api.clone(), object };
        ours.write(&status).await
    };
    let Err(failure) = write(&before).await else { anyhow::bail!("it was written") };
    assert_eq!(failure.class(), Class::Conflict, "{failure}");
    let now = api.get("shop").await?;
    assert_eq!(now.status.as_ref().and_then(|it| it.page_name.as_deref()), None);
    assert_eq!(write(&now).await?.status.unwrap_or_default().page_name.as_deref(), Some("Acme Shop"));
    Ok(())
}

/// It was decided before, by a leader that stood still. Its fingerprint of what it depended on hides nothing from the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_a_former_leader_writes_over_a_newer_one_is_repaired_by_the_one_that_leads() -> Result<()> {
    let env = Env::new().await?;
    let way = HoldingProxy::new(&env.account.client, Hold::Statuses).await?;
    let former = env.operator_with(|operator| operator.client = way.client.clone());
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    quiet(&former).await?;
    way.hold();
    env.request_look(&env.tenant_a, "shop", "now").await?;
    wait_for("a write of a status", PATIENCE, async || {
        ensure!(way.waiting() == 1);
        Ok(())
    })
    .await?;

    env.sandbox.invalidate_token("page-a", Invalidation { subcode: Some(460), message: None })?;
    let next = env.operator();
    let newer = ["Ready=False/PasswordChanged", "Expired=True"];
    let channel = env.channel_is(&env.tenant_a, "shop", &newer).await?;
    quiet(&next).await?;
    former.shutdown.cancel();
    way.release();
    former.stop().await;
    wait_for("the older status to be there and gone", PATIENCE, async || {
        let now = env.channels(&env.tenant_a).get("shop").await?;
        let version = |channel: &FacebookChannel| channel.resource_version().and_then(|it| it.parse::<u64>().ok());
        ensure!(version(&now) > version(&channel), "nothing was written");
        ensure!(status_of(&now) == status_of(&channel), "{:#}", status_of(&now));
        Ok(())
    })
    .await
}
