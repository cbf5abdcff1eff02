//! What is in use is not deleted by mistake, and nothing ever hangs for it.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client};
use meta_channel_operator::api::{FacebookChannel, MetaApp, MetaGrant};
use serde_json::{Value, json};

use super::governed::*;
use crate::cluster::make_namespaces;

fn channels(who: &Client, namespace: &str) -> Api<FacebookChannel> {
    Api::namespaced(who.clone(), namespace)
}

async fn delete(who: &Client, name: &str) -> kube::Result<()> {
    channels(who, "tenant-a").delete(name, &DeleteParams::default()).await.map(drop)
}

fn allowing(value: &Value) -> Value {
    json!({ "metadata": { "annotations": { "metachannels.io/allow-deletion": value } } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_connected_or_expired_stays_and_the_refusal_says_what_to_do() -> Result<()> {
    let cluster = governed().await?;
    for (name, connection) in [("connected", "Connected"), ("expired", "Expired")] {
        cluster.connect("tenant-a", name, connection).await?;
        for who in [&cluster.ed, &cluster.ann, &cluster.root] {
            refused(
                delete(who, name).await,
                &format!(
                    "FacebookChannel tenant-a/{name} is {connection} and is not deleted: set spec.connection to Disconnected"
                ),
            )?;
        }
        let command = format!(
            "kubectl annotate --namespace tenant-a facebookchannels {name} metachannels.io/allow-deletion=true"
        );
        refused(delete(&cluster.ed, name).await, &command)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_not_linked_is_deleted_freely() -> Result<()> {
    let cluster = governed().await?;
    for (name, connection) in [("disconnected", "Disconnected"), ("pending", "Pending")] {
        cluster.connect("tenant-a", name, connection).await?;
        delete(&cluster.ed, name).await?;
    }
    channels(&cluster.ed, "tenant-a").create(&PostParams::default(), &object(channel("fresh"))).await?;
    delete(&cluster.ed, "fresh").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_purge_can_say_that_a_deletion_is_meant_and_then_anybody_with_the_right_deletes() -> Result<()> {
    let cluster = governed().await?;
    let words = "needs the verb purge on facebookchannels in namespace tenant-a";
    let annotate =
        async |who: &Client, value: Value| patch::<FacebookChannel>(who, "tenant-a", "meant", allowing(&value)).await;
    cluster.connect("tenant-a", "meant", "Connected").await?;
    refused(annotate(&cluster.ed, "true".into()).await, words)?;
    // Another value allows nothing, so that anybody may write it.
    annotate(&cluster.ed, "yes".into()).await?;
    refused(delete(&cluster.ed, "meant").await, "is Connected")?;
    refused(annotate(&cluster.ed, "true".into()).await, words)?;

    annotate(&cluster.ann, "true".into()).await?;
    // It does not keep others from their work.
    patch::<FacebookChannel>(&cluster.ed, "tenant-a", "meant", json!({"spec": {"deletionPolicy": "Orphan"}})).await?;
    delete(&cluster.ed, "meant").await?;
    ensure!(channels(&cluster.root, "tenant-a").get_opt("meant").await?.is_none());

    let mut annotated = channel("meant");
    annotated["metadata"]["annotations"] = json!({"metachannels.io/allow-deletion": "true"});
    let create =
        async |who: &Client| channels(who, "tenant-a").create(&PostParams::default(), &object(annotated.clone())).await;
    refused(create(&cluster.ed).await, words)?;
    create(&cluster.ann).await?;
    delete(&cluster.ed, "meant").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_all_at_once_spares_what_is_connected() -> Result<()> {
    let cluster = governed().await?;
    make_namespaces(&cluster.plane.kubectl(), &["many"]).await?;
    for (name, connection) in [("one", "Connected"), ("two", "Disconnected"), ("three", "Expired")] {
        cluster.connect("many", name, connection).await?;
    }
    let api = channels(&cluster.root, "many");
    let answer = api.delete_collection(&DeleteParams::default(), &ListParams::default()).await.map(|_| ());
    refused(answer, "is not deleted")?;
    let command = ["delete", "facebookchannels", "--all", "--namespace=many", "--wait=false"];
    let error = format!("{:#}", cluster.plane.kubectl().run(&command).await.unwrap_err());
    ensure!(error.contains("many/one is Connected") && error.contains("many/three is Expired"), "{error}");
    ensure!(names(&api).await? == ["one", "three"], "{:?}", names(&api).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_and_a_grant_stay_while_channels_use_them() -> Result<()> {
    let cluster = governed().await?;
    let app = json!({
        "apiVersion": "metachannels.io/v1alpha1", "kind": "MetaApp", "metadata": {"name": "used"},
        "spec": {"appId": "1111000011110000", "appSecretRef": {"name": "acme-app"}},
    });
    let grant = json!({
        "apiVersion": "metachannels.io/v1alpha1", "kind": "MetaGrant", "metadata": {"name": "used"},
        "spec": {"appRef": {"name": "acme"}, "tokenSecretRef": {"name": "acme-grant"}},
    });
    let apps: Api<MetaApp> = Api::namespaced(cluster.ed.clone(), "tenant-a");
    let grants: Api<MetaGrant> = Api::namespaced(cluster.ed.clone(), "tenant-a");
    let now = DeleteParams::default();
    apps.create(&PostParams::default(), &object(app.clone())).await?;
    grants.create(&PostParams::default(), &object(grant.clone())).await?;
    let counts = |total| json!({"channels": {"total": total, "connected": 0, "expired": 0, "disconnected": total}});
    cluster.status::<MetaApp>("tenant-a", "used", counts(2)).await?;
    cluster.status::<MetaGrant>("tenant-a", "used", json!({"channels": 1})).await?;
    refused(
        apps.delete("used", &now).await.map(drop),
        "MetaApp tenant-a/used is used by 2 channels and is not deleted: delete its channels first",
    )?;
    refused(
        grants.delete("used", &now).await.map(drop),
        "MetaGrant tenant-a/used is used by 1 channel and is not deleted",
    )?;
    refused(patch::<MetaApp>(&cluster.ed, "tenant-a", "used", allowing(&"true".into())).await, "purge on metaapps")?;

    patch::<MetaApp>(&cluster.ann, "tenant-a", "used", allowing(&"true".into())).await?;
    apps.delete("used", &now).await?;
    cluster.status::<MetaGrant>("tenant-a", "used", json!({"channels": 0})).await?;
    grants.delete("used", &now).await?;
    apps.create(&PostParams::default(), &object(app)).await?;
    cluster.status::<MetaApp>("tenant-a", "used", counts(0)).await?;
    apps.delete("used", &now).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_deleted_takes_all_with_it_whoever_watches() -> Result<()> {
    let cluster = governed().await?;
    make_namespaces(&cluster.plane.kubectl(), &["leaving"]).await?;
    cluster.connect("leaving", "shop", "Connected").await?;
    cluster.connect("leaving", "outlet", "Expired").await?;
    let namespaces: Api<Namespace> = Api::all(cluster.root.clone());
    namespaces.delete("leaving", &DeleteParams::default()).await?;
    gone(&namespaces, "leaving").await
}
