//! What people ask a release that runs, and tell it.

use anyhow::{Context, Result, bail, ensure};
use testkit::pages::{commands, text};
use testkit::{free_port, wait_for};

use crate::support::cluster::make_namespaces;
use crate::support::installed::{PATIENCE, graph, installed_with, start, wait};
use crate::support::terminal::{Terminal, filled};

const SHOP: [(&str, &str); 4] =
    [("NAMESPACE", "tenant-a"), ("NAME", "shop"), ("SECRET", "shop-page-token"), ("PAGE_ID", "2200000000000002")];
const GRANT: [(&str, &str); 2] = [("NAMESPACE", "tenant-a"), ("NAME", "acme")];
const APP: [(&str, &str); 2] = [("NAMESPACE", "platform"), ("NAME", "acme")];

#[tokio::test(flavor = "multi_thread")]
async fn a_running_release_is_asked_and_told_by_the_commands_of_the_pages() -> Result<()> {
    let test = "a_running_release_is_asked_and_told_by_the_commands_of_the_pages";
    let port = free_port();
    let graph = graph(port).await?;
    let cluster = installed_with(&graph.url(), &[]).await?;
    let gateway = start(&cluster, "gateway", Some(port)).await?;
    let operator = start(&cluster, "operator", None).await?;
    wait(&cluster, &operator, "Ready", "metaapp/acme", "platform").await?;
    wait(&cluster, &operator, "Ready", "metagrant/acme", "tenant-a").await?;
    wait(&cluster, &operator, "Ready", "facebookchannel/shop", "tenant-a").await?;
    wait(&cluster, &operator, "Ready", "facebookchannel/support", "tenant-a").await?;
    make_namespaces(&cluster.kubectl(), &["argocd"]).await?;
    let terminal = Terminal::at(&cluster)?;
    let shows = |page: &str, number: usize, words: &[(&str, &str)], shown: &[&str]| -> Result<()> {
        let blocks = commands(page, test)?;
        let printed = terminal.type_in(&filled(&blocks[number], words))?;
        match shown.iter().find(|word| !printed.contains(**word)) {
            Some(word) => bail!("{page}: no {word:?} in {printed}"),
            None => Ok(()),
        }
    };

    shows("docs/conditions.md", 0, &SHOP, &["ReconcileSucceeded", "acme", "Conditions:"])?;
    shows("docs/conditions.md", 1, &SHOP, &["condition met"])?;
    shows("docs/conditions.md", 2, &SHOP, &["annotated"])?;
    shows("docs/conditions.md", 3, &[], &["PAGES", "platform"])?;
    terminal.write("token", "EAAsandbox-page-a-000000000000000000")?;
    shows("docs/conditions.md", 4, &SHOP, &["secret/shop-page-token"])?;
    shows("docs/kubectl.md", 0, &[], &["condition met"])?;
    shows("docs/troubleshooting.md", 0, &SHOP, &["ReconcileSucceeded"])?;
    shows("docs/grants.md", 0, &GRANT, &["True"])?;
    shows("docs/grants.md", 2, &GRANT, &["annotated"])?;
    shows("docs/reauthorize.md", 0, &GRANT, &["https://hooks.example.com/oauth/"])?;
    shows("docs/reauthorize.md", 1, &APP, &["https://hooks.example.com/oauth/"])?;
    shows("docs/privacy.md", 0, &SHOP, &["patched"])?;
    shows("docs/gitops.md", 0, &[], &["argocd-cm"])?;
    shows("docs/app-review.md", 0, &[], &["pages_messaging\tlive"])?;
    shows("docs/app-review.md", 1, &[], &["condition met"])?;
    shows("docs/app-review.md", 2, &[], &["condition met"])?;
    shows("docs/app-review.md", 3, &[], &["annotated"])?;

    // Last, since these take something away, which comes back.
    shows("docs/grants.md", 1, &GRANT, &["deleted"])?;
    let token = ["get", "secret", "metagrant-acme-token", "--namespace=tenant-a"];
    wait_for("the token in use to be stored again", PATIENCE, async || cluster.kubectl().run(&token).await).await?;
    shows("docs/conditions.md", 5, &SHOP, &["facebook-page-2200000000000001", "deleted"])?;
    let claimed = || shows("docs/conditions.md", 5, &[("PAGE_ID", "2200000000000002 --dry-run=server")], &["deleted"]);
    wait_for("the page to be claimed again", PATIENCE, async || claimed()).await?;
    drop((operator, gateway));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_objects_of_a_tenant_come_from_values_by_the_commands_of_the_chart() -> Result<()> {
    let page = "charts/meta-channels/README.md";
    let blocks = commands(page, "the_objects_of_a_tenant_come_from_values_by_the_commands_of_the_chart")?;
    let [commands] = &blocks[..] else { panic!("other commands: {blocks:#?}") };
    let readme = text(page)?;
    let (_, values) = readme.split_once("```yaml\n# values-shops.yaml\n").context("the values")?;
    let port = free_port();
    let graph = graph(port).await?;
    let cluster = installed_with(&graph.url(), &[]).await?;
    // Helm takes over nothing that is declared by other means.
    let samples = ["delete", "facebookchannels,metagrants", "--all", "--namespace=tenant-a"];
    cluster.kubectl().run(&samples).await?;
    let _gateway = start(&cluster, "gateway", Some(port)).await?;
    let operator = start(&cluster, "operator", None).await?;
    wait(&cluster, &operator, "Ready", "metaapp/acme", "platform").await?;
    let terminal = Terminal::at(&cluster)?;
    terminal.write("values-shops.yaml", values.split_once("```").context("an open end")?.0)?;
    let printed = terminal.type_in(commands)?;
    for object in
        ["metagrant.metachannels.io/acme", "facebookchannel.metachannels.io/shop", "channel.metachannels.io/support"]
    {
        ensure!(printed.contains(&format!("{object} condition met")), "{printed}");
    }
    Ok(())
}
