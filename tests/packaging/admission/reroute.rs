//! Who may say where the events of an application go.

use anyhow::Result;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client};
use meta_channel_operator::api::MetaApp;
use serde_json::{Value, json};

use crate::support::admission_env::*;

const OWN: &str = "https://bots.example.com/meta";

async fn create(who: &Client, name: &str, webhook: &Value) -> kube::Result<()> {
    let app = json!({
        "metadata": {"name": name},
        "spec": {"appId": "1111000011110000", "appSecretRef": {"name": "acme-app"}, "webhook": webhook},
    });
    let apps: Api<MetaApp> = Api::namespaced(who.clone(), "tenant-a");
    apps.create(&PostParams::default(), &object(app)).await.map(drop)
}

/// Changes the webhook of an application by a merge, in which null takes away.
async fn change(who: &Client, name: &str, webhook: Value) -> kube::Result<()> {
    patch::<MetaApp>(who, "tenant-a", name, json!({"spec": {"webhook": webhook}})).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn saying_where_events_go_takes_the_verb_reroute_and_all_else_does_not() -> Result<()> {
    let cluster = admission_env().await?;
    let words = |field: &str| {
        format!(
            "spec.webhook.{field} says where Meta sends the events of all pages of MetaApp tenant-a/routed: setting or changing it needs the verb reroute on metaapps in namespace tenant-a, which the role admin has"
        )
    };
    let (ed, ann) = (&cluster.ed, &cluster.ann);
    refused(create(ed, "routed", &json!({"callbackUrl": OWN})).await, &words("callbackUrl"))?;
    refused(create(ed, "routed", &json!({"takeOverFrom": OWN})).await, &words("takeOverFrom"))?;
    create(ann, "routed", &json!({"callbackUrl": OWN})).await?;
    let elsewhere = json!({"callbackUrl": "https://evil.example/collect"});
    refused(change(ed, "routed", elsewhere.clone()).await, &words("callbackUrl"))?;
    // Not in two steps either.
    for away in [json!({"callbackUrl": null}), json!(null)] {
        refused(change(ed, "routed", away).await, &words("callbackUrl"))?;
    }
    refused(
        change(ed, "routed", json!({"takeOverFrom": "https://hooks.example.com/x"})).await,
        &words("takeOverFrom"),
    )?;
    change(ed, "routed", json!({"fields": ["messages"]})).await?;
    patch::<MetaApp>(ed, "tenant-a", "routed", json!({"spec": {"audience": "Testers"}})).await?;

    change(ann, "routed", elsewhere).await?;
    change(ann, "routed", json!({"takeOverFrom": OWN})).await?;
    change(ed, "routed", json!({"takeOverFrom": null})).await?;
    change(ann, "routed", json!({"callbackUrl": null})).await?;
    // To the gateway, or to nobody, and no further.
    change(ed, "routed", json!(null)).await?;
    change(ed, "routed", json!({"fields": ["messages"]})).await?;
    refused(change(ed, "routed", json!({"callbackUrl": OWN})).await, &words("callbackUrl"))?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_was_given_up_is_not_taken_over_elsewhere_by_another_application() -> Result<()> {
    let cluster = admission_env().await?;
    let ed = &cluster.ed;
    create(ed, "gives-up", &json!({"fields": ["messages"]})).await?;
    change(ed, "gives-up", json!(null)).await?;
    let takes_over = json!({"callbackUrl": OWN, "takeOverFrom": "https://hooks.example.com/x"});
    refused(create(ed, "takes-over", &takes_over).await, "needs the verb reroute")?;
    create(ed, "takes-over", &json!({"fields": ["messages"]})).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_in_use_is_not_made_anew() -> Result<()> {
    let cluster = admission_env().await?;
    create(&cluster.ed, "anew", &json!({})).await?;
    let used =
        json!({"observedGeneration": 1, "channels": {"total": 1, "connected": 0, "disconnected": 0, "expired": 0}});
    cluster.status::<MetaApp>("tenant-a", "anew", used).await?;
    let apps: Api<MetaApp> = Api::namespaced(cluster.ed.clone(), "tenant-a");
    refused(apps.delete("anew", &DeleteParams::default()).await.map(drop), "is used by 1 channel: it is not deleted")
}
