//! Who may give a page away.

use anyhow::Result;
use kube::Api;
use kube::api::PostParams;
use meta_channel_operator::api::FacebookChannel;
use serde_json::json;

use crate::support::admission_env::*;

#[tokio::test(flavor = "multi_thread")]
async fn giving_a_page_away_takes_the_verb_transfer_and_taking_it_back_does_not() -> Result<()> {
    let cluster = admission_env().await?;
    let words = "spec.transferTo needs the verb transfer on facebookchannels in namespace tenant-a";
    let give = async |who, to: &str| {
        let to = if to.is_empty() { json!(null) } else { json!(to) };
        patch::<FacebookChannel>(who, "tenant-a", "given", json!({"spec": {"transferTo": to}})).await
    };
    cluster.holding("tenant-a", "given", json!({"connection": "Connected"})).await?;
    refused(give(&cluster.ed, "tenant-b").await, words)?;
    give(&cluster.ann, "tenant-b").await?;
    refused(give(&cluster.ed, "platform").await, words)?;
    patch::<FacebookChannel>(&cluster.ed, "tenant-a", "given", json!({"spec": {"publishToken": true}})).await?;
    give(&cluster.ed, "").await?;
    refused(give(&cluster.ed, "tenant-b").await, words)?;

    let mut from_the_start = channel("given-at-once");
    from_the_start["spec"]["transferTo"] = "tenant-b".into();
    let create = async |who: &kube::Client| {
        let channels: Api<FacebookChannel> = Api::namespaced(who.clone(), "tenant-a");
        channels.create(&PostParams::default(), &object(from_the_start.clone())).await
    };
    refused(create(&cluster.ed).await, words)?;
    create(&cluster.ann).await?;
    Ok(())
}
