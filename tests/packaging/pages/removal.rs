//! docs/privacy.md, "Removing everything": nothing stays at Meta or in the cluster.

use anyhow::{Result, ensure};
use testkit::pages::commands;
use testkit::sandbox::{Options, Sandbox, Seed};
use testkit::{ControlPlane, free_port};

use crate::support::cluster::{established, make_namespaces};
use crate::support::installed::{start_in, wait};
use crate::support::releases::remembered;
use crate::support::terminal::{Terminal, filled};
use crate::support::{Chart, helm_at};

const WORDS: [(&str, &str); 6] = [
    ("NAMESPACE", "acme"),
    ("NAME", "acme"),
    ("PAGE_ID", "2200000000000001"),
    ("APP_ID", "1111000011110000"),
    ("RELEASE", "acme"),
    ("RELEASE_NAMESPACE", "acme-system"),
];

/// A cluster with a tenant of its own application and gateway.
async fn installed(graph: &Sandbox) -> Result<ControlPlane> {
    let cluster = ControlPlane::start_with_controllers().await?;
    let kubectl = cluster.kubectl();
    helm_at(&cluster, &["install", "meta-channels-admin"], &Chart::ADMIN, &Chart::ADMIN.example("default"))?;
    established(&kubectl).await?;
    make_namespaces(&kubectl, &["acme", "acme-system"]).await?;
    let url = graph.url();
    let graph = format!("--set=graph.url={url},graph.loginUrl={url}");
    let watched = "--set=watchNamespaces={acme},operator.leaderElection.enabled=true";
    let install = ["install", "acme", "--namespace=acme-system", watched, &graph];
    helm_at(&cluster, &install, &Chart::OPERATOR, &Chart::OPERATOR.example("sandbox"))?;
    let tenant = crate::support::path("config/samples/tenant/tenant.yaml").display().to_string();
    kubectl.run(&["apply", "--namespace=acme", "--filename", &tenant]).await?;
    let webhook = "--patch={\"spec\":{\"webhook\":{}}}";
    kubectl.run(&["patch", "metaapp", "acme", "--namespace=acme", "--type=merge", webhook]).await?;
    Ok(cluster)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_after_the_commands_that_remove_everything() -> Result<()> {
    let blocks = commands("docs/privacy.md", "nothing_is_left_after_the_commands_that_remove_everything")?;
    let [channels, app, secrets, release] = &blocks[..] else { panic!("other commands: {blocks:#?}") };
    let port = free_port();
    let mut seed = Seed::demo()?;
    // The page says what to add for an application that requires proofs.
    seed.apps[0].require_proof = false;
    let gateway = ("hooks.example.com".to_owned(), format!("http://127.0.0.1:{port}"));
    let graph = Sandbox::start(seed, Options { resolve: [gateway].into(), ..Options::default() }).await?;
    let cluster = installed(&graph).await?;
    let gateway = start_in(&cluster, "acme-system", "gateway", Some(port)).await?;
    let operator = start_in(&cluster, "acme-system", "operator", None).await?;
    wait(&cluster, &operator, "Ready", "metaapp/acme", "acme").await?;
    wait(&cluster, &operator, "Ready", "facebookchannel/shop", "acme").await?;
    let terminal = Terminal::at(&cluster)?;
    let type_in = |commands: &str| terminal.type_in(&filled(commands, &WORDS));

    type_in(channels)?;
    terminal.write("app-token", "1111000011110000|sandbox-app-secret-0000000000000000")?;
    let printed = type_in(&app.replace("https://graph.facebook.com", &graph.url()))?;
    ensure!(printed.contains("\"success\":true"), "{printed}");
    let state = graph.state();
    ensure!(!state.pages["2200000000000001"].subscriptions.contains_key("1111000011110000"), "{state:?}");
    ensure!(state.apps["1111000011110000"].subscriptions.is_empty(), "{state:?}");
    let deleted = type_in(secrets)?;
    ensure!(
        deleted.contains("\"acme-app\" deleted") && deleted.contains("\"metagrant-acme-token\" deleted"),
        "{deleted}"
    );

    drop((operator, gateway));
    type_in(release)?;
    let kubectl = cluster.kubectl();
    let left = kubectl.text(&["api-resources", "--api-group=metachannels.io", "--output=name"]).await?;
    ensure!(left.is_empty(), "{left}");
    for kind in ["secrets", "configmaps", "leases", "validatingadmissionpolicies", "clusterroles", "namespaces"] {
        let names = kubectl.text(&["get", kind, "--all-namespaces", "--output=name"]).await?;
        let ours = ["metachannels", "meta-channel", "metagrant", "metaapp"];
        ensure!(!ours.iter().any(|it| names.contains(it)), "{names}");
    }
    ensure!(remembered(&kubectl, "acme").await? + remembered(&kubectl, "meta-channels-admin").await? == 0);
    Ok(())
}
