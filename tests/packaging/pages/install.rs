//! docs/install.md: from a registry and from source, with a gateway, and from one version to the next and back.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use testkit::pages::{commands, text};
use testkit::{ControlPlane, Process, free_port};

use crate::support::cluster::make_namespaces;
use crate::support::installed::PATIENCE;
use crate::support::terminal::Terminal;
use crate::support::{Chart, helm, run};

const PAGE: &str = "docs/install.md";
const HELM_OF_A_TENANT: [&str; 2] = ["--namespace=acme-system", "acme"];

/// A file that the page shows, with its name in the first line.
fn file(name: &str) -> Result<String> {
    let page = text(PAGE)?;
    let (_, rest) = page.split_once(&format!("```yaml\n# {name}\n")).with_context(|| format!("no {name}"))?;
    Ok(rest.split_once("```").context("an open end")?.0.to_owned())
}

/// What the container of the tenant's operator or gateway is started with.
async fn arguments(cluster: &ControlPlane, deployment: &str) -> Result<String> {
    let path = "-o=jsonpath={.spec.template.spec.containers[0]['image','imagePullPolicy','args']}";
    cluster.kubectl().text(&["get", "deployment", deployment, "--namespace=acme-system", path]).await
}

/// A registry on this machine with the charts of a release, and its address.
async fn registry() -> Result<(Process, String)> {
    let host = format!("127.0.0.1:{}", free_port());
    let mut server = Command::new(testkit::crane()?);
    server.args(["registry", "serve", "--address", &host]);
    let server = Process::spawn(&server)?;
    server.wait_ready(&format!("http://{host}/v2/"), PATIENCE).await?;
    let folder = tempfile::tempdir()?;
    for chart in [Chart::OPERATOR, Chart::ADMIN] {
        run(helm()?.arg("package").arg(chart.path()).arg("--destination").arg(folder.path()))?;
        let package = folder.path().join(format!("{}-{}.tgz", chart.name(), env!("CARGO_PKG_VERSION")));
        run(helm()?.arg("push").arg(package).arg(format!("oci://{host}/charts")).arg("--plain-http"))?;
    }
    Ok((server, host))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_charts_are_installed_from_a_registry() -> Result<()> {
    let blocks = commands("docs/install.md", "the_charts_are_installed_from_a_registry")?;
    let (_registry, host) = registry().await?;
    let cluster = ControlPlane::start().await?;
    let terminal = Terminal::at(&cluster)?;
    let [install] = &blocks[..] else { panic!("other commands: {blocks:#?}") };
    // The registry of a release has a certificate, this one has none.
    let local = install.replace("ghcr.io/meta-channel-operator", &host).replace("--version", "--plain-http --version");
    ensure!(local.matches(&host).count() == 2, "{local}");
    terminal.type_in(&local)?;
    let started = arguments(&cluster, "acme-meta-channel-operator").await?;
    let image = format!("ghcr.io/meta-channel-operator/meta-channel-operator:{}", env!("CARGO_PKG_VERSION"));
    ensure!(started.contains(&image) && started.contains("--watch-namespaces=acme"), "{started}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_from_source_gets_a_gateway_and_is_upgraded_and_rolled_back() -> Result<()> {
    let blocks = commands("docs/install.md", "a_release_from_source_gets_a_gateway_and_is_upgraded_and_rolled_back")?;
    let [install, gateway, upgrade, rollback] = &blocks[..] else { panic!("other commands: {blocks:#?}") };
    let cluster = ControlPlane::start().await?;
    let terminal = Terminal::at(&cluster)?;
    let kubectl = cluster.kubectl();
    terminal.type_in(install)?;
    let first = arguments(&cluster, "acme-meta-channel-operator").await?;
    ensure!(first.contains("Never") && !first.contains("--gateway-url"), "{first}");

    for name in ["acme.yaml", "ingress.yaml"] {
        terminal.write(name, &file(name)?)?;
    }
    terminal.type_in(gateway)?;
    let ingress = kubectl.get(&["ingress", "meta-channels", "--namespace=acme-system"]).await?;
    let service = kubectl.get(&["service", "acme-meta-channel-operator-gateway", "--namespace=acme-system"]).await?;
    for path in ["/webhooks/", "/oauth/"] {
        let paths = ingress["spec"]["rules"][0]["http"]["paths"].as_array().context("paths")?;
        let backend = paths.iter().find(|it| it["path"] == path).context(path)?["backend"]["service"].clone();
        ensure!(backend["name"] == service["metadata"]["name"], "{backend}");
        ensure!(backend["port"]["name"] == service["spec"]["ports"][0]["name"], "{backend}");
    }
    let second = arguments(&cluster, "acme-meta-channel-operator").await?;
    ensure!(second.contains("--gateway-url=https://hooks.example.com"), "{second}");

    // What a tenant declares survives both.
    make_namespaces(&kubectl, &["elsewhere"]).await?;
    let tenant = "config/samples/tenant/tenant.yaml";
    terminal.type_in(&format!("kubectl apply --namespace acme --filename {tenant}"))?;
    let uid = ["get", "fbc", "shop", "--namespace=acme", "-o=jsonpath={.metadata.uid}"];
    let before = kubectl.text(&uid).await?;
    let values = terminal.read("acme.yaml")?.replace("[acme]", "[acme, elsewhere]");
    terminal.write("acme.yaml", &values)?;
    terminal.type_in(upgrade)?;
    let third = arguments(&cluster, "acme-meta-channel-operator").await?;
    ensure!(third.contains("--watch-namespaces=acme,elsewhere"), "{third}");
    terminal.type_in(rollback)?;
    ensure!(arguments(&cluster, "acme-meta-channel-operator").await? == second);
    let bound = kubectl.run(&["get", "configmap", "metachannels-release", "--namespace=elsewhere"]).await;
    ensure!(bound.is_err(), "the namespace is free again");
    ensure!(kubectl.text(&uid).await? == before);
    let history = terminal.type_in(&format!("helm history {}", HELM_OF_A_TENANT.join(" ")))?;
    ensure!(history.contains("Rollback to 2"), "{history}");
    Ok(())
}
