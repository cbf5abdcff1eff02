//! Installed by Helm, run as the installed Deployments say, with the rights of their accounts and no others: the samples
//! get connected.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::sandbox::{Options, Sandbox, Seed};
use testkit::{ControlPlane, Process, free_port, wait_for};

use crate::cluster::{established, make_namespaces};
use crate::launch::Launch;
use crate::tools::{Chart, Manifests, helm_at, path};

pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// The Graph API; what it sends to the samples' public callback goes to this port.
pub(crate) async fn graph(gateway_port: u16) -> Result<Sandbox> {
    let gateway = ("hooks.example.com".to_owned(), format!("http://127.0.0.1:{gateway_port}"));
    let options = Options { resolve: BTreeMap::from([gateway]), ..Options::default() };
    Sandbox::start(Seed::demo()?, options).await
}

/// A cluster with both charts and the samples. Roles can only be made in namespaces that exist, and the samples bring them.
async fn installed(graph_url: &str) -> Result<ControlPlane> {
    installed_with(graph_url, &[]).await
}

/// The same with other values for the admin chart.
pub(crate) async fn installed_with(graph_url: &str, admin: &[&str]) -> Result<ControlPlane> {
    let cluster = ControlPlane::start().await?;
    let kubectl = cluster.kubectl();
    helm_at(&cluster, &[&["install", "admin"], admin].concat(), &Chart::ADMIN, &Chart::ADMIN.example("default"))?;
    established(&kubectl).await?;
    let samples = path("config/samples").display().to_string();
    kubectl.run(&["apply", "--server-side", "--kustomize", &samples]).await?;
    make_namespaces(&kubectl, &["ops"]).await?;
    let graph = format!("--set=graph.url={graph_url},graph.loginUrl={graph_url}");
    let acme = ["install", "acme", "--namespace=ops", "--set=operator.leaderElection.enabled=true", &graph];
    helm_at(&cluster, &acme, &Chart::OPERATOR, &Chart::OPERATOR.example("sandbox"))?;
    Ok(cluster)
}

/// Starts the container of an installed Deployment and waits until it is ready. Addresses move to loopback, since all
/// processes share this machine's.
pub(crate) async fn start(cluster: &ControlPlane, component: &str, listen: Option<u16>) -> Result<Process> {
    start_in(cluster, "ops", component, listen).await
}

/// The same for a release in another namespace.
pub(crate) async fn start_in(
    cluster: &ControlPlane,
    home: &str,
    component: &str,
    listen: Option<u16>,
) -> Result<Process> {
    let launch = installed_launch(cluster, home, component).await?;
    let launch = match listen {
        Some(port) => launch.with("--listen-addr", &format!("127.0.0.1:{port}"))?,
        None => launch,
    };
    run_as_installed(cluster, launch).await
}

/// How the container of an installed Deployment is started.
pub(crate) async fn installed_launch(cluster: &ControlPlane, home: &str, component: &str) -> Result<Launch> {
    let deployments = Manifests::list(&cluster.kubectl().get(&["deployments", "--namespace", home]).await?)?;
    Launch::of(&deployments, component, &format!("{component}-0"))
}

/// Starts it with the rights of its account, its metrics on a port that is free, and waits until it is ready.
pub(crate) async fn run_as_installed(cluster: &ControlPlane, launch: Launch) -> Result<Process> {
    let metrics = format!("127.0.0.1:{}", free_port());
    let launch = launch.with("--metrics-addr", &metrics)?;
    let kubeconfig = cluster.service_account_kubeconfig(&launch.namespace, &launch.service_account).await?;
    let program = Path::new(env!("CARGO_BIN_EXE_meta-channel-operator"));
    let process = Process::spawn(&launch.command(program, &kubeconfig))?;
    process.wait_ready(&format!("http://{metrics}/readyz"), PATIENCE).await?;
    Ok(process)
}

/// kubectl wait, with the logs of the operator if it waits in vain.
pub(crate) async fn wait(
    cluster: &ControlPlane,
    operator: &Process,
    condition: &str,
    object: &str,
    namespace: &str,
) -> Result<()> {
    let condition = format!("--for=condition={condition}");
    let timeout = format!("--timeout={}s", PATIENCE.as_secs());
    let arguments = ["wait", &condition, &timeout, object, "--namespace", namespace];
    let result = cluster.kubectl().run(&arguments).await;
    result.map(drop).with_context(|| format!("the operator's last lines:\n{}", operator.last_lines(20)))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_charts_install_connects_the_samples() {
    let port = free_port();
    let graph = graph(port).await.unwrap();
    let cluster = installed(&graph.url()).await.unwrap();
    let gateway = start(&cluster, "gateway", Some(port)).await.unwrap();
    let operator = start(&cluster, "operator", None).await.unwrap();

    wait(&cluster, &operator, "Ready", "metaapp/acme", "platform").await.unwrap();
    wait(&cluster, &operator, "Ready", "metagrant/acme", "tenant-a").await.unwrap();
    wait(&cluster, &operator, "Ready", "facebookchannel/shop", "tenant-a").await.unwrap();
    wait(&cluster, &operator, "Ready", "facebookchannel/support", "tenant-a").await.unwrap();
    wait(&cluster, &operator, "Expired", "facebookchannel/outlet", "tenant-b").await.unwrap();
    owners(&cluster).await.unwrap();
    reauthorized(&cluster, &graph, &format!("http://127.0.0.1:{port}")).await.unwrap();

    let exit = operator.terminate(PATIENCE).await.unwrap();
    assert!(exit.status.success(), "{}\n{}", exit.status, operator.last_lines(20));
    let exit = gateway.terminate(PATIENCE).await.unwrap();
    assert!(exit.status.success(), "{}\n{}", exit.status, gateway.last_lines(20));
    for logs in [operator.logs(), gateway.logs()] {
        assert!(!logs.to_lowercase().contains("forbidden"), "a right is missing:\n{logs}");
        assert!(
            !logs.contains("EAAsandbox-") && !logs.contains("sandbox-app-secret"),
            "a secret is in the logs:\n{logs}"
        );
    }
}

/// A person authorizes in the browser for a grant that has no token yet: the gateway may leave what came of it, and the
/// operator may take it and throw it away.
async fn reauthorized(cluster: &ControlPlane, graph: &Sandbox, gateway: &str) -> Result<()> {
    let grant = "apiVersion: metachannels.io/v1alpha1\nkind: MetaGrant\nmetadata: {name: people, namespace: tenant-a}\nspec:\n  appRef: {name: acme, namespace: platform}\n  tokenSecretRef: {name: not-there}\n";
    let kubectl = cluster.kubectl();
    kubectl.apply(grant).await?;
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
    let begun = wait_for("the gateway to know the grant", PATIENCE, async || {
        let found = kubectl.get(&["metagrant", "people", "--namespace=tenant-a"]).await?;
        let address = found["status"]["reauthorizeUrl"].as_str().context("no address")?;
        let (_, path) = address.split_once("/oauth/").context(address.to_owned())?;
        let start = format!("{gateway}/oauth/{path}");
        let answer = http.post(&start).header("sec-fetch-site", "same-origin").send().await?;
        ensure!(answer.status() == 303, "{}", answer.status());
        Ok(answer)
    })
    .await?;
    let dialog = reqwest::Url::parse(header(&begun, "location")?)?;
    ensure!(dialog.as_str().starts_with(&graph.url()), "{dialog}");
    let mut form: Vec<(String, String)> = dialog.query_pairs().into_owned().collect();
    form.extend([("decision", "continue"), ("person", "6600000000000001")].map(|(k, v)| (k.to_owned(), v.to_owned())));
    let decided = http.post(dialog).form(&form).send().await?;
    let callback = header(&decided, "location")?;
    let called = http.get(callback).header("cookie", cookie(&begun)?).send().await?;
    let shown = format!("{gateway}{}", header(&called, "location")?);
    let offer = http.get(shown).header("cookie", cookie(&called)?).send().await?.text().await?;
    let flow =
        offer.split("name=\"flow\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).context(offer.clone())?;
    let agreed = http.post(format!("{gateway}/oauth/confirm")).form(&[("flow", flow), ("decision", "use")]);
    let agreed = agreed.header("sec-fetch-site", "same-origin").header("cookie", cookie(&called)?).send().await?;
    ensure!(agreed.status() == 303, "{}", agreed.text().await?);
    wait_for("the token to be kept and the mail to be thrown away", PATIENCE, async || {
        kubectl.get(&["secret", "metagrant-people-token", "--namespace=tenant-a"]).await?;
        let mail =
            kubectl.get(&["secrets", "--namespace=ops", "--selector=metachannels.io/purpose=grant-inbox"]).await?;
        let left: Vec<_> =
            mail["items"].as_array().context("a list")?.iter().map(|it| &it["metadata"]["name"]).collect();
        ensure!(left.len() == 1 && left[0].as_str().is_some_and(|name| name.starts_with("grant-state-")), "{left:?}");
        Ok(())
    })
    .await
}

fn header<'a>(answer: &'a reqwest::Response, name: &str) -> Result<&'a str> {
    Ok(answer.headers().get(name).with_context(|| format!("{}: no {name}", answer.status()))?.to_str()?)
}

fn cookie(answer: &reqwest::Response) -> Result<&str> {
    header(answer, "set-cookie")?.split(';').next().context("a cookie")
}

/// Who holds the pages, and who holds the lease: the Pod, by its name, in the release's namespace.
async fn owners(cluster: &ControlPlane) -> Result<()> {
    let lease = cluster.kubectl().get(&["lease", "acme-meta-channel-operator", "--namespace=ops"]).await?;
    ensure!(lease["spec"]["holderIdentity"] == "operator-0", "the lease: {lease}");
    let claims = cluster.kubectl().get(&["assetclaims", "--namespace=meta-channels"]).await?;
    let names = claims["items"].as_array().context("a list")?.iter().map(|claim| claim["metadata"]["name"].as_str());
    let names: Vec<_> = names.flatten().collect();
    for name in ["meta-app-1111000011110000", "facebook-page-2200000000000001", "facebook-page-2200000000000002"] {
        ensure!(names.contains(&name), "there is no claim {name} among {names:?}");
    }
    Ok(())
}
