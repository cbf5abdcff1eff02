//! What is in use is not deleted by mistake, and nothing ever hangs for it.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use meta_channel_operator::api::{FacebookChannel, MetaApp, MetaGrant};
use serde_json::{Value, json};

use crate::support::admission_env::*;
use crate::support::cluster::make_namespaces;

fn channels(who: &Client, namespace: &str) -> Api<FacebookChannel> {
    Api::namespaced(who.clone(), namespace)
}

async fn delete(who: &Client, name: &str) -> kube::Result<()> {
    channels(who, "tenant-a").delete(name, &DeleteParams::default()).await.map(drop)
}

fn allowing(value: &Value) -> Value {
    json!({ "metadata": { "annotations": { "metachannels.io/allow-deletion": value } } })
}

const HELD: &str = "holds its page and is not declared Disconnected: it is not deleted";

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_holds_its_page_stays_however_it_is_and_the_refusal_says_what_to_do() -> Result<()> {
    let cluster = admission_env().await?;
    for connection in ["Connected", "Expired", "Disconnected", "Pending"] {
        let name = format!("is-{}", connection.to_lowercase());
        cluster.holding("tenant-a", &name, json!({ "connection": connection })).await?;
        for who in [&cluster.ed, &cluster.ann, &cluster.root] {
            refused(delete(who, &name).await, &format!("FacebookChannel tenant-a/{name} {HELD}"))?;
        }
        let disconnect = format!(
            "kubectl patch --namespace tenant-a facebookchannels {name} --type=merge --patch='{{\"spec\":{{\"connection\":\"Disconnected\"}}}}'."
        );
        refused(delete(&cluster.ed, &name).await, &disconnect)?;
        let command = format!(
            "kubectl annotate --namespace tenant-a facebookchannels {name} metachannels.io/allow-deletion=true"
        );
        refused(delete(&cluster.ed, &name).await, &command)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_declared_disconnected_or_holds_nothing_is_deleted_freely() -> Result<()> {
    let cluster = admission_env().await?;
    cluster.holding("tenant-a", "declared", json!({"connection": "Connected"})).await?;
    refused(delete(&cluster.ed, "declared").await, HELD)?;
    let declared = json!({"spec": {"connection": "Disconnected"}});
    patch::<FacebookChannel>(&cluster.ed, "tenant-a", "declared", declared).await?;
    delete(&cluster.ed, "declared").await?;

    let create = async |name: &str| {
        channels(&cluster.ed, "tenant-a").create(&PostParams::default(), &object(channel(name))).await
    };
    create("fresh").await?;
    delete(&cluster.ed, "fresh").await?;
    // What gave its page away, or never got it.
    create("given-away").await?;
    let status = json!({"observedGeneration": 1, "connection": "Disconnected"});
    cluster.status::<FacebookChannel>("tenant-a", "given-away", status).await?;
    delete(&cluster.ed, "given-away").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_purge_can_say_that_a_deletion_is_meant_and_then_anybody_with_the_right_deletes() -> Result<()> {
    let cluster = admission_env().await?;
    let words = "needs the verb purge on facebookchannels in namespace tenant-a";
    let annotate =
        async |who: &Client, value: Value| patch::<FacebookChannel>(who, "tenant-a", "meant", allowing(&value)).await;
    cluster.holding("tenant-a", "meant", json!({})).await?;
    refused(annotate(&cluster.ed, "true".into()).await, words)?;
    // Another value allows nothing, so that anybody may write it.
    annotate(&cluster.ed, "yes".into()).await?;
    refused(delete(&cluster.ed, "meant").await, HELD)?;
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
async fn deleting_all_at_once_spares_what_holds_its_page() -> Result<()> {
    let cluster = admission_env().await?;
    make_namespaces(&cluster.plane.kubectl(), &["many"]).await?;
    for name in ["one", "two", "three"] {
        cluster.holding("many", name, json!({})).await?;
    }
    let declared = json!({"spec": {"connection": "Disconnected"}});
    patch::<FacebookChannel>(&cluster.root, "many", "two", declared).await?;
    let api = channels(&cluster.root, "many");
    let answer = api.delete_collection(&DeleteParams::default(), &ListParams::default()).await.map(|_| ());
    refused(answer, "is not deleted")?;
    let command = ["delete", "facebookchannels", "--all", "--namespace=many", "--wait=false"];
    let error = format!("{:#}", cluster.plane.kubectl().run(&command).await.unwrap_err());
    ensure!(error.contains("many/one holds its page") && error.contains("many/three holds its page"), "{error}");
    ensure!(names(&api).await? == ["one", "three"], "{:?}", names(&api).await?);
    Ok(())
}

/// A MetaApp or a MetaGrant with this name.
fn user<K: serde::de::DeserializeOwned>(kind: &str, name: &str) -> K {
    let spec = match kind {
        "MetaApp" => json!({"appId": "1111000011110000", "appSecretRef": {"name": "acme-app"}}),
        _ => json!({"appRef": {"name": "acme"}, "tokenSecretRef": {"name": "acme-grant"}}),
    };
    let api_version = "metachannels.io/v1alpha1";
    object(json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec}))
}

/// What the status of a kind says of this many channels.
fn counted(kind: &str, total: i32) -> Value {
    match kind {
        "MetaApp" => json!({"total": total, "connected": 0, "expired": 0, "disconnected": total}),
        _ => total.into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_and_a_grant_stay_while_channels_use_them_and_until_they_are_counted() -> Result<()> {
    let cluster = admission_env().await?;
    used::<MetaApp>(&cluster, "MetaApp", "metaapps").await?;
    used::<MetaGrant>(&cluster, "MetaGrant", "metagrants").await
}

async fn used<K>(cluster: &AdmissionEnv, kind: &str, plural: &str) -> Result<()>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + serde::Serialize,
{
    let api: Api<K> = Api::namespaced(cluster.ed.clone(), "tenant-a");
    let delete = async || api.delete("used", &DeleteParams::default()).await.map(drop);
    let create = async || api.create(&PostParams::default(), &user::<K>(kind, "used")).await;
    let says = async |status| cluster.status::<K>("tenant-a", "used", status).await;
    // No operator has seen it.
    create().await?;
    delete().await?;

    create().await?;
    says(json!({"observedGeneration": 1})).await?;
    for who in [&cluster.ed, &cluster.root] {
        let api: Api<K> = Api::namespaced(who.clone(), "tenant-a");
        let words = format!(
            "{kind} tenant-a/used counts as used until its channels are counted: it is not deleted. Wait a minute"
        );
        refused(api.delete("used", &DeleteParams::default()).await.map(drop), &words)?;
    }
    says(json!({"channels": counted(kind, 2)})).await?;
    let words = "is used by 2 channels: it is not deleted. Delete its channels first and wait a minute";
    refused(delete().await, &format!("{kind} tenant-a/used {words}"))?;
    says(json!({"channels": counted(kind, 1)})).await?;
    refused(delete().await, &format!("{kind} tenant-a/used is used by 1 channel: it is not deleted"))?;
    says(json!({"channels": counted(kind, 0)})).await?;
    delete().await?;

    create().await?;
    says(json!({"observedGeneration": 0})).await?;
    refused(
        patch::<K>(&cluster.ed, "tenant-a", "used", allowing(&"true".into())).await,
        &format!("purge on {plural}"),
    )?;
    patch::<K>(&cluster.ann, "tenant-a", "used", allowing(&"true".into())).await?;
    delete().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_deleted_takes_all_with_it_whoever_watches() -> Result<()> {
    let cluster = admission_env().await?;
    make_namespaces(&cluster.plane.kubectl(), &["leaving"]).await?;
    cluster.holding("leaving", "shop", json!({"connection": "Connected"})).await?;
    cluster.holding("leaving", "outlet", json!({"connection": "Expired"})).await?;
    let (apps, grants) =
        (Api::namespaced(cluster.root.clone(), "leaving"), Api::namespaced(cluster.root.clone(), "leaving"));
    apps.create(&PostParams::default(), &user::<MetaApp>("MetaApp", "acme")).await?;
    grants.create(&PostParams::default(), &user::<MetaGrant>("MetaGrant", "acme")).await?;
    cluster.status::<MetaApp>("leaving", "acme", json!({"observedGeneration": 1})).await?;
    cluster.status::<MetaGrant>("leaving", "acme", json!({"observedGeneration": 1})).await?;
    let namespaces: Api<Namespace> = Api::all(cluster.root.clone());
    namespaces.delete("leaving", &DeleteParams::default()).await?;
    gone(&namespaces, "leaving").await
}
