//! Who may say whose authorizations a grant takes from the browser.

use anyhow::Result;
use kube::api::PostParams;
use kube::{Api, Client};
use meta_channel_operator::api::MetaGrant;
use serde_json::{Value, json};

use crate::support::admission_env::*;

const ALEX: &str = "6600000000000001";
const BO: &str = "6600000000000002";

fn grant(name: &str, grantors: &[&str]) -> Value {
    let mut grant = json!({
        "apiVersion": "metachannels.io/v1alpha1", "kind": "MetaGrant", "metadata": {"name": name},
        "spec": {"appRef": {"name": "acme"}, "tokenSecretRef": {"name": "acme-grant"}},
    });
    if !grantors.is_empty() {
        grant["spec"]["grantors"] = json!(grantors);
    }
    grant
}

#[tokio::test(flavor = "multi_thread")]
async fn saying_who_may_authorize_takes_the_verb_accept_and_taking_somebody_off_the_list_does_not() -> Result<()> {
    let cluster = admission_env().await?;
    let words = "spec.grantors needs the verb accept on metagrants in namespace tenant-a";
    let create = async |who: &Client, grant: Value| {
        let grants: Api<MetaGrant> = Api::namespaced(who.clone(), "tenant-a");
        grants.create(&PostParams::default(), &object(grant)).await
    };
    let say = async |who: &Client, ids: Value| {
        patch::<MetaGrant>(who, "tenant-a", "people", json!({"spec": {"grantors": ids}})).await
    };
    create(&cluster.ed, grant("people", &[])).await?;
    refused(say(&cluster.ed, json!([ALEX])).await, words)?;
    refused(create(&cluster.ed, grant("people-at-once", &[ALEX])).await, words)?;
    create(&cluster.ann, grant("people-at-once", &[ALEX])).await?;

    say(&cluster.ann, json!([ALEX, BO])).await?;
    refused(say(&cluster.ed, json!([ALEX, BO, "6600000000000003"])).await, words)?;
    let renewal = json!({"spec": {"renewal": {"policy": "Never"}}});
    patch::<MetaGrant>(&cluster.ed, "tenant-a", "people", renewal).await?;
    say(&cluster.ed, json!([BO])).await?;
    // Nobody declared is not nobody: the first one may.
    refused(say(&cluster.ed, json!([])).await, words)?;
    refused(say(&cluster.ed, json!(null)).await, words)?;
    say(&cluster.ann, json!(null)).await?;
    Ok(())
}
