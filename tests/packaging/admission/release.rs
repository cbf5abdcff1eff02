//! Who may say which release a namespace belongs to.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client, ResourceExt};
use meta_channel_operator::api::RELEASE_BINDING;
use serde_json::{Value, json};

use crate::support::admission_env::*;
use crate::support::cluster::make_namespaces;

fn bindings(who: &Client, namespace: &str) -> Api<ConfigMap> {
    Api::namespaced(who.clone(), namespace)
}

fn binding() -> Value {
    json!({"metadata": {"name": RELEASE_BINDING}, "immutable": true, "data": {"release": "evil/evil"}})
}

async fn create(who: &Client, namespace: &str) -> kube::Result<()> {
    bindings(who, namespace).create(&PostParams::default(), &object(binding())).await.map(drop)
}

const WORDS: &str = "says which release namespace tenant-a belongs to: writing or deleting it needs the verb bind on releases.metachannels.io there";

#[tokio::test(flavor = "multi_thread")]
async fn who_may_edit_or_administer_a_namespace_does_not_take_it_from_its_release() -> Result<()> {
    let cluster = admission_env().await?;
    let before = bindings(&cluster.root, "tenant-a").get(RELEASE_BINDING).await?;
    for who in [&cluster.ed, &cluster.ann] {
        let ours = bindings(who, "tenant-a");
        refused(ours.delete(RELEASE_BINDING, &DeleteParams::default()).await.map(drop), WORDS)?;
        let owned = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "someone"}}});
        refused(patch::<ConfigMap>(who, "tenant-a", RELEASE_BINDING, owned).await, WORDS)?;
        // Of what is deleted at once, each is judged.
        let all = ListParams::default().fields(&format!("metadata.name={RELEASE_BINDING}"));
        refused(ours.delete_collection(&DeleteParams::default(), &all).await.map(drop), WORDS)?;
        let other = json!({"metadata": {"name": "settings"}, "data": {"a": "b"}});
        ours.create(&PostParams::default(), &object(other)).await?;
        ours.delete("settings", &DeleteParams::default()).await?;
    }
    let after = bindings(&cluster.root, "tenant-a").get(RELEASE_BINDING).await?;
    ensure!(after.resource_version() == before.resource_version());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_is_bound_by_who_has_the_verb_and_its_binding_goes_with_it() -> Result<()> {
    let cluster = admission_env().await?;
    let kubectl = cluster.plane.kubectl();
    make_namespaces(&kubectl, &["unbound"]).await?;
    let admin = ["create", "rolebinding", "nat", "--clusterrole=admin", "--user=nat", "--namespace=unbound"];
    kubectl.run(&admin).await?;
    let nat = testkit::client(&cluster.plane.user_kubeconfig("nat", "people")?).await?;
    let words = "which the ClusterRole metachannels-bind gives: ask a cluster administrator";
    testkit::wait_for("the role to count", PATIENCE, async || refused(create(&nat, "unbound").await, words)).await?;
    let installer = ["create", "rolebinding", "installer", "--clusterrole=metachannels-bind", "--user=nat"];
    kubectl.run(&[&installer[..], &["--namespace=unbound"]].concat()).await?;
    testkit::wait_for("the verb to count", PATIENCE, async || Ok(create(&nat, "unbound").await?)).await?;
    let namespaces: Api<Namespace> = Api::all(cluster.root.clone());
    namespaces.delete("unbound", &DeleteParams::default()).await?;
    gone(&namespaces, "unbound").await
}
