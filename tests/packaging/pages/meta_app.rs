//! docs/meta-app.md: from nothing to an application that is live.

use anyhow::{Result, ensure};
use testkit::pages::commands;
use testkit::sandbox::{Options, Sandbox, Seed};
use testkit::{ControlPlane, wait_for};

use crate::pages::bot;
use crate::support::cluster::{established, make_namespaces};
use crate::support::installed::{PATIENCE, start, wait};
use crate::support::terminal::Terminal;
use crate::support::{Chart, helm_at};

const SECRET: &str = "sandbox-app-secret-0000000000000000";

/// A cluster with a release that has nothing to do yet.
async fn installed(graph: &Sandbox) -> Result<ControlPlane> {
    let cluster = ControlPlane::start().await?;
    let kubectl = cluster.kubectl();
    helm_at(&cluster, &["install", "admin"], &Chart::ADMIN, &Chart::ADMIN.example("default"))?;
    established(&kubectl).await?;
    make_namespaces(&kubectl, &["ops", "platform", "tenant-a"]).await?;
    let graph = format!("--set=graph.url={}", graph.url());
    let install = ["install", "acme", "--namespace=ops", "--set=watchNamespaces={platform,tenant-a}", &graph];
    helm_at(&cluster, &install, &Chart::OPERATOR, &Chart::OPERATOR.example("sandbox"))?;
    Ok(cluster)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_goes_live_by_the_commands_of_the_page() -> Result<()> {
    let blocks = commands("docs/meta-app.md", "an_application_goes_live_by_the_commands_of_the_page")?;
    let [show, app, webhook, channel, attest, live, rotate] = &blocks[..] else {
        panic!("other commands: {blocks:#?}")
    };
    let (_bot, address) = bot(SECRET).await?;
    let resolve = [("bot.example.com".to_owned(), address)].into();
    let graph = Sandbox::start(Seed::demo()?, Options { resolve, ..Options::default() }).await?;
    let cluster = installed(&graph).await?;
    let operator = start(&cluster, "operator", None).await?;
    let terminal = Terminal::at(&cluster)?;

    terminal.write("app-secret", SECRET)?;
    let table = terminal.type_in(app)?;
    ensure!(table.contains("Acme Messaging"), "{table}");
    terminal.type_in(webhook)?;
    let subscribed = &graph.state().apps["1111000011110000"].subscriptions["page"].callback_url;
    ensure!(subscribed == "https://bot.example.com/messenger", "{subscribed}");
    terminal.write("token", "EAAsandbox-page-a-000000000000000000")?;
    let table = terminal.type_in(channel)?;
    ensure!(table.contains("Connected"), "{table}");
    let shown = terminal.type_in(show)?;
    ensure!(shown.contains("CredentialsValid\tTrue") && shown.contains("Authorized\tTrue"), "{shown}");
    terminal.type_in(attest)?;
    let attested = "jsonpath={.status.conditions[?(@.type==\"PrimaryReceiver\")].reason}=Attested";
    let attested = ["wait", "fbc/shop", "--namespace=tenant-a", "--for", attested, "--timeout=180s"];
    cluster.kubectl().run(&attested).await?;
    terminal.type_in(live)?;

    terminal.write("old", SECRET)?;
    terminal.write("new", "sandbox-app-secret-of-tomorrow-00000")?;
    terminal.type_in(rotate)?;
    wait_for("the former entry to be in use", PATIENCE, async || {
        let app = cluster.kubectl().get(&["metaapp", "acme", "--namespace=platform"]).await?;
        ensure!(app["status"]["secretInUse"]["key"] == "previous-app-secret", "{}", app["status"]);
        Ok(())
    })
    .await?;
    wait(&cluster, &operator, "Ready", "metaapp/acme", "platform").await
}
