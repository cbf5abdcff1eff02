//! An operator that watches single namespaces takes no claim before it saw that the API server protects them.

use anyhow::{Context, Result, ensure};
use testkit::{free_port, wait_for};

use crate::support::admission_env::CLAIMS;
use crate::support::installed::{graph, installed_with, start, wait};
use crate::support::{Chart, helm_at};

#[tokio::test(flavor = "multi_thread")]
async fn without_the_policy_no_claim_is_taken_and_with_it_the_channels_connect() -> Result<()> {
    let port = free_port();
    let graph = graph(port).await?;
    let cluster = installed_with(&graph.url(), &["--set=policies.enabled=false"]).await?;
    let _gateway = start(&cluster, "gateway", Some(port)).await?;
    let operator = start(&cluster, "operator", None).await?;
    let kubectl = cluster.kubectl();
    for (object, namespace, type_) in
        [("facebookchannel/shop", "tenant-a", "Claimed"), ("metaapp/acme", "platform", "WebhookSubscribed")]
    {
        wait(&cluster, &operator, "Reconciling", object, namespace).await?;
        wait_for(
            "the channel to say that claims are not protected",
            crate::support::admission_env::PATIENCE,
            async || {
                let object = kubectl.get(&[object, "--namespace", namespace]).await?;
                let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
                let claimed = conditions.iter().find(|it| it["type"] == type_);
                ensure!(
                    claimed.is_some_and(|it| it["status"] == "Unknown" && it["reason"] == "ClaimPolicyMissing"),
                    "{conditions:?}"
                );
                let step = object["status"]["nextStep"].as_str().unwrap_or_default();
                ensure!(step.contains("meta-channel-operator-admin with policies.enabled"), "{step}");
                Ok(())
            },
        )
        .await?;
    }
    let in_claims = format!("--namespace={CLAIMS}");
    ensure!(kubectl.get(&["assetclaims", &in_claims]).await?["items"].as_array().is_some_and(Vec::is_empty));
    ensure!(operator.logs().contains("so the operator claims none"), "{}", operator.last_lines(20));

    helm_at(
        &cluster,
        &["upgrade", "admin", "--set=policies.enabled=true"],
        &Chart::ADMIN,
        &Chart::ADMIN.example("default"),
    )?;
    // The operator checks again at growing distances, three minutes at most.
    let ready = ["wait", "--for=condition=Ready", "--timeout=240s", "facebookchannel/shop", "--namespace=tenant-a"];
    kubectl.run(&ready).await.with_context(|| format!("the operator's last lines:\n{}", operator.last_lines(20)))?;
    ensure!(operator.logs().contains("claims are protected"), "{}", operator.last_lines(20));
    Ok(())
}
