//! What a tenant writes into Secrets and annotations does not fill the memory that the tenants of a release share.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use futures::stream;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use meta_channel_operator::api::{MetaGrant, PURPOSE_LABEL};
use serde_json::json;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::memory::memory;
use crate::support::server::PATIENCE;

const MIB: usize = 1 << 20;
const SECRETS: usize = 120;
const OBJECTS: usize = 250;

/// Secrets as large as they may be, released as app secrets: half of it under the key that is read, half beside it.
async fn put_secrets(env: &Env) -> Result<()> {
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.tenant);
    let put = |number: usize| {
        let half = || ByteString(vec![b'x'; 450_000]);
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(format!("large-{number}")),
                labels: Some(BTreeMap::from([(PURPOSE_LABEL.to_owned(), "app-secret".to_owned())])),
                ..ObjectMeta::default()
            },
            data: Some(BTreeMap::from([("app-secret".to_owned(), half()), ("other".to_owned(), half())])),
            ..Secret::default()
        };
        let secrets = &secrets;
        async move { secrets.create(&PostParams::default(), &secret).await.map(drop) }
    };
    stream::iter(0..SECRETS)
        .map(put)
        .buffered(4)
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .collect::<kube::Result<()>>()?;
    Ok(())
}

/// Objects with annotations as large as they may be, of ours and of others.
async fn put_objects(env: &Env) -> Result<()> {
    let grants: Api<MetaGrant> = Api::namespaced(env.client.clone(), &env.tenant);
    let put = |number: usize| {
        let grants = &grants;
        async move {
            let name = if number.is_multiple_of(2) { "example.com/note" } else { "metachannels.io/requested-at" };
            let grant = serde_json::from_value(json!({
                "metadata": {"name": format!("large-{number}"), "annotations": {name: "x".repeat(240_000)}},
                "spec": {"appRef": {"name": "acme", "namespace": env.platform}, "tokenSecretRef": {"name": "not-there"}},
            }))?;
            anyhow::Ok(grants.create(&PostParams::default(), &grant).await.map(drop)?)
        }
    };
    stream::iter(0..OBJECTS).map(put).buffered(4).collect::<Vec<_>>().await.into_iter().collect::<Result<()>>()
}

#[tokio::test(flavor = "multi_thread")]
async fn large_secrets_and_annotations_of_a_tenant_fill_neither_gateway_nor_operator() -> Result<()> {
    let env = Env::new().await?;
    env.apply(&(env.app("") + &env.channel("shop", PAGE_A, TOKEN_A))).await?;
    let (gateway, _) = env.gateway(&[]).await?;
    let operator = env.operator("first", &["--leader-elect=false"]).await?;
    operator.leads().await?;
    env.channel_is("shop", "Ready=True/ReconcileSucceeded").await?;
    let (empty, _) = memory(&gateway.process)?;
    let (empty_operator, _) = memory(&operator.process)?;

    put_secrets(&env).await?;
    put_objects(&env).await?;
    // It reads no Secret of a tenant; of grants it keeps what pages need.
    let (again, _) = env.gateway(&[]).await?;
    let (restarted, peak) = memory(&again.process)?;
    let (full, _) = memory(&gateway.process)?;
    let grown = [full, restarted, peak].map(|it| it.saturating_sub(empty) / MIB);
    println!(
        "gateway: {} MiB when empty, more: running, restarted, at most while starting: {grown:?} MiB",
        empty / MIB
    );
    ensure!(grown.iter().all(|grown| *grown < 32), "the gateway grew by {grown:?} MiB");

    wait_for("the operator to have seen all", PATIENCE, async || {
        let grants: Api<MetaGrant> = Api::namespaced(env.client.clone(), &env.tenant);
        for name in [format!("large-{}", OBJECTS - 1), format!("large-{}", OBJECTS - 2)] {
            let status = grants.get(&name).await?.status.context("no status")?;
            ensure!(status.observed_generation == 1, "{name}");
        }
        Ok(())
    })
    .await?;
    let (full, _) = memory(&operator.process)?;
    drop(operator);
    let again = env.operator("second", &["--leader-elect=false"]).await?;
    again.leads().await?;
    let (restarted, peak) = memory(&again.process)?;
    let grown = [full, restarted, peak].map(|it| it.saturating_sub(empty_operator) / MIB);
    println!("operator: {} MiB when empty, more: {grown:?} MiB", empty_operator / MIB);
    ensure!(grown.iter().all(|grown| *grown < 32), "the operator grew by {grown:?} MiB");
    Ok(())
}
