//! Installed by Helm, run as the installed Deployments say, with the rights of their accounts and no others: the samples
//! get connected.

use anyhow::{Context, Result, ensure};
use testkit::sandbox::Sandbox;
use testkit::{ControlPlane, free_port, wait_for};

use crate::support::installed::{PATIENCE, graph, installed_with, start, wait};

/// A cluster with both charts and the samples. Roles can only be made in namespaces that exist, and the samples bring them.
async fn installed(graph_url: &str) -> Result<ControlPlane> {
    installed_with(graph_url, &[]).await
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
