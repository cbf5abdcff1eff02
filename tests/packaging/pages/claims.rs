//! docs/claims.md: a page goes from one namespace to another.

use anyhow::{Result, ensure};
use testkit::pages::commands;
use testkit::{free_port, wait_for};

use crate::support::installed::{PATIENCE, graph, installed_with, start, wait};
use crate::support::terminal::Terminal;

/// The channel of tenant-b for the page of tenant-a.
const NEXT: &str = "
apiVersion: v1
kind: Secret
metadata: {name: shop-page-token, namespace: tenant-b, labels: {metachannels.io/purpose: page-token}}
stringData: {token: EAAsandbox-page-a-000000000000000000}
---
apiVersion: metachannels.io/v1alpha1
kind: FacebookChannel
metadata: {name: shop, namespace: tenant-b}
spec:
  pageId: \"2200000000000001\"
  credentials:
    pageToken: {secretRef: {name: shop-page-token, key: token}, appRef: {name: acme, namespace: platform}}
  endpoint: {direct: {}}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_page_changes_hands_by_the_commands_of_the_page() -> Result<()> {
    let blocks = commands("docs/claims.md", "a_page_changes_hands_by_the_commands_of_the_page")?;
    let [show, give, look, offer, r#move, forget] = &blocks[..] else { panic!("other commands: {blocks:#?}") };
    let port = free_port();
    let graph = graph(port).await?;
    let cluster = installed_with(&graph.url(), &[]).await?;
    let kubectl = cluster.kubectl();
    let _gateway = start(&cluster, "gateway", Some(port)).await?;
    let operator = start(&cluster, "operator", None).await?;
    let terminal = Terminal::at(&cluster)?;
    wait(&cluster, &operator, "Ready", "facebookchannel/shop", "tenant-a").await?;
    wait(&cluster, &operator, "Ready", "facebookchannel/support", "tenant-a").await?;
    let shown = terminal.type_in(show)?;
    ensure!(shown.contains("facebook-page-2200000000000001"), "{shown}");

    // Its people give it away.
    kubectl.apply(NEXT).await?;
    terminal.type_in(give)?;
    wait(&cluster, &operator, "Ready", "facebookchannel/shop", "tenant-b").await?;
    let holder = terminal.type_in(look)?;
    ensure!(holder.contains("namespace: tenant-b"), "{holder}");

    // An administrator moves it back, against the word of the channel that holds it.
    let back = "{\"spec\":{\"transferTo\":null}}";
    kubectl.run(&["patch", "fbc", "shop", "--namespace=tenant-a", "--type=merge", "--patch", back]).await?;
    terminal.type_in(&r#move.replace("tenant-b", "tenant-a"))?;
    wait(&cluster, &operator, "Ready", "facebookchannel/shop", "tenant-a").await?;
    let elsewhere = ["get", "fbc", "shop", "--namespace=tenant-b", "-o=jsonpath={.status.conditions[*].reason}"];
    wait_for("the other one to be told", PATIENCE, async || {
        let reasons = kubectl.text(&elsewhere).await?;
        ensure!(reasons.contains("ClaimedElsewhere"), "{reasons}");
        Ok(())
    })
    .await?;

    // An offer that the channel does not make is withdrawn; nobody waits for this page.
    terminal.type_in(&offer.replace("2200000000000001", "2200000000000002"))?;
    let claim = |page: &str| format!("assetclaim/facebook-page-{page}");
    let transfer = ["get", &claim("2200000000000002"), "--namespace=meta-channels", "-o=jsonpath={.spec.transferTo}"];
    wait_for("the offer to be withdrawn", PATIENCE, async || {
        ensure!(kubectl.text(&transfer).await?.is_empty());
        Ok(())
    })
    .await?;

    let uid = ["get", &claim("2200000000000001"), "--namespace=meta-channels", "-o=jsonpath={.metadata.uid}"];
    let before = kubectl.text(&uid).await?;
    terminal.type_in(forget)?;
    wait_for("the page to be claimed anew", PATIENCE, async || {
        ensure!(kubectl.text(&uid).await? != before);
        Ok(())
    })
    .await
}
