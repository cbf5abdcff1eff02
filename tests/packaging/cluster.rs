//! A real API server takes what Helm and kustomize make, and grants the rights that are meant.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use kube::Client;
use serde_json::{Value, json};
use testkit::{ControlPlane, Kubectl, client};

use crate::support::cluster::{check, established, make_namespaces};
use crate::support::launch::Launch;
use crate::support::{Chart, Manifests, helm, helm_at, kustomize, path, run};

/// A client that has no rights but those of this ServiceAccount, which must exist.
async fn acting_as(cluster: &ControlPlane, namespace: &str, account: &str) -> Result<Client> {
    cluster.kubectl().run(&["get", "serviceaccount", account, "--namespace", namespace]).await?;
    client(&cluster.service_account_kubeconfig(namespace, account).await?).await
}

/// Applies objects for trial, unknown fields refused.
async fn try_out(kubectl: &Kubectl, manifests: &Manifests) -> Result<()> {
    if manifests.iter().next().is_none() {
        // kubectl calls that a mistake; for a tenant who has declared nothing yet it is none.
        return Ok(());
    }
    let arguments = ["apply", "--server-side", "--validate=strict", "--dry-run=server", "--filename=-"];
    kubectl.run_with_input(&arguments, Some(&manifests.to_yaml())).await?;
    Ok(())
}

/// The kinds of ours, and those of the Prometheus operator and of the Gateway API as they are released.
async fn every_kind(kubectl: &Kubectl) -> Result<()> {
    let folder = path("config/crd").display().to_string();
    kubectl.run(&["apply", "--server-side", "--kustomize", &folder]).await?;
    let crds = testkit::prometheus_operator_crds()?;
    let of_prometheus = ["servicemonitors", "podmonitors", "prometheusrules"];
    let mut files = of_prometheus.map(|kind| crds.join(format!("monitoring.coreos.com_{kind}.yaml"))).to_vec();
    files.push(testkit::gateway_api_crds()?.join("gateway.networking.k8s.io_httproutes.yaml"));
    for file in files {
        kubectl.run(&["apply", "--server-side", "--filename", &file.display().to_string()]).await?;
    }
    established(kubectl).await
}

/// Nothing is left out: every object of every example of every chart, and every kustomization.
#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_rendered_is_valid_to_the_api_server() {
    let cluster = ControlPlane::start().await.unwrap();
    let kubectl = cluster.kubectl();
    every_kind(&kubectl).await.unwrap();
    let namespaces = ["ops", "platform", "tenant-a", "tenant-b", "meta-channels", "page-claims", "meta-channel-system"];
    make_namespaces(&kubectl, &[&namespaces[..], &["argocd"]].concat()).await.unwrap();
    for chart in Chart::ALL {
        for values in chart.examples().unwrap() {
            let manifests = chart.render(&values).unwrap();
            try_out(&kubectl, &manifests).await.with_context(|| values.display().to_string()).unwrap();
        }
    }
    try_out(&kubectl, &crate::chart_metadata::examples()).await.context("examples for Artifact Hub").unwrap();
    // Components are rendered by the overlays that use them.
    let folders = ["config", "tests/packaging/overlays"].map(|folder| kustomizations(&path(folder)).unwrap());
    for folder in folders.concat() {
        let manifests = kustomize(&folder).unwrap();
        try_out(&kubectl, &manifests).await.context(folder).unwrap();
    }
}

/// The folders below this one that kubectl can render on their own.
fn kustomizations(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?.path();
        if entry.is_dir() {
            found.extend(kustomizations(&entry)?);
        } else if entry.ends_with("kustomization.yaml") && !std::fs::read_to_string(&entry)?.contains("kind: Component")
        {
            found.push(folder.display().to_string());
        }
    }
    Ok(found)
}

/// The Pod that a Deployment would start.
fn pod(manifests: &Manifests, component: &str) -> Value {
    let labels = |it: &&Value| it["metadata"]["labels"]["app.kubernetes.io/component"] == component;
    let deployment = manifests.of_kind("Deployment").find(labels).unwrap();
    let name = format!("trial-{component}");
    let metadata = json!({"name": name, "namespace": deployment["metadata"]["namespace"]});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": deployment["spec"]["template"]["spec"]})
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_installs_both_charts_and_what_must_stay_stays() {
    let cluster = ControlPlane::start().await.unwrap();
    let kubectl = cluster.kubectl();
    make_namespaces(&kubectl, &["ops", "platform", "tenant-a", "tenant-b", "elsewhere"]).await.unwrap();
    kubectl.run(&["label", "namespace", "ops", "pod-security.kubernetes.io/enforce=restricted"]).await.unwrap();

    let (admin, acme) = (["install", "admin"], ["install", "acme", "--namespace=ops"]);
    let (defaults, sandbox) = (Chart::ADMIN.example("default"), Chart::OPERATOR.example("sandbox"));
    helm_at(&cluster, &admin, &Chart::ADMIN, &defaults).unwrap();
    let notes = helm_at(&cluster, &acme, &Chart::OPERATOR, &sandbox).unwrap();
    assert!(!notes.contains("does not serve metachannels.io"), "{notes}");
    helm_at(&cluster, &["upgrade", "acme", "--namespace=ops"], &Chart::OPERATOR, &sandbox).unwrap();

    let manifests = Chart::OPERATOR.render(&sandbox).unwrap();
    let installed = Manifests::list(&kubectl.get(&["deployments", "--namespace=ops"]).await.unwrap()).unwrap();
    for component in ["operator", "gateway"] {
        let launch = |manifests| Launch::of(manifests, component, "pod").unwrap();
        assert_eq!(launch(&installed), launch(&manifests));
    }
    rights_of_the_operator(&cluster, &manifests).await.unwrap();
    rights_of_the_gateway(&cluster, &manifests).await.unwrap();
    restricted_pods(&kubectl, &manifests).await.unwrap();

    let uninstall =
        |arguments: &[&str]| run(helm().unwrap().args(arguments).arg("--kubeconfig").arg(cluster.kubeconfig()));
    uninstall(&["uninstall", "acme", "--namespace=ops"]).unwrap();
    uninstall(&["uninstall", "admin"]).unwrap();
    assert!(kubectl.run(&["get", "deployment", "--namespace=ops", "acme-meta-channel-operator"]).await.is_err());
    kubectl.run(&["get", "customresourcedefinition", "assetclaims.metachannels.io"]).await.unwrap();
    kubectl.run(&["get", "namespace", "meta-channels"]).await.unwrap();
    helm_at(&cluster, &admin, &Chart::ADMIN, &defaults).context("what was kept is taken up again").unwrap();
    // A kind takes its objects with it, whatever they are used for.
    let samples = path("config/samples").display().to_string();
    kubectl.run(&["apply", "--server-side", "--kustomize", &samples]).await.unwrap();
    let status = ["--subresource=status", "--type=merge", r#"--patch={"status":{"connection":"Connected"}}"#];
    kubectl.run(&[&["patch", "facebookchannel", "shop", "--namespace=tenant-a"], &status[..]].concat()).await.unwrap();
    let kind = ["delete", "customresourcedefinition", "facebookchannels.metachannels.io", "--timeout=180s"];
    kubectl.run(&kind).await.unwrap();
}

async fn rights_of_the_operator(cluster: &ControlPlane, manifests: &Manifests) -> Result<()> {
    let launch = Launch::of(manifests, "operator", "pod")?;
    let operator = acting_as(cluster, &launch.namespace, &launch.service_account).await?;
    check(
        &operator,
        &[
            ("watch", "facebookchannels.metachannels.io", "tenant-a", true),
            ("watch", "secrets", "tenant-b", true),
            ("create", "secrets", "platform", true),
            ("create", "assetclaims.metachannels.io", "meta-channels", true),
            ("create", "events.events.k8s.io", "tenant-a", true),
            ("update", "secrets", "platform", true),
            ("patch", "secrets", "platform", false),
            ("delete", "secrets", "platform", true),
            ("deletecollection", "secrets", "platform", false),
            ("patch", "facebookchannels.metachannels.io", "tenant-a", false),
            ("create", "assetclaims.metachannels.io", "tenant-a", false),
            ("get", "secrets", "meta-channels", false),
            ("get", "secrets", "ops", true),
            ("create", "secrets", "ops", true),
            ("update", "secrets", "ops", false),
            ("patch", "secrets", "ops", false),
            ("get", "secrets", "elsewhere", false),
            ("list", "facebookchannels.metachannels.io", "", false),
            ("get", "namespaces", "tenant-a", true),
            ("list", "namespaces", "", false),
            ("list", "configmaps", "tenant-a", false),
            ("create", "configmaps", "tenant-a", false),
        ],
    )
    .await
}

async fn rights_of_the_gateway(cluster: &ControlPlane, manifests: &Manifests) -> Result<()> {
    let launch = Launch::of(manifests, "gateway", "pod")?;
    let gateway = acting_as(cluster, &launch.namespace, &launch.service_account).await?;
    check(
        &gateway,
        &[
            ("watch", "metaapps.metachannels.io", "platform", true),
            ("watch", "metagrants.metachannels.io", "tenant-a", true),
            ("get", "secrets", "platform", false),
            ("list", "secrets", "tenant-a", false),
            ("watch", "secrets", "tenant-a", false),
            ("create", "secrets", "tenant-a", false),
            ("create", "secrets", "ops", true),
            ("get", "secrets", "ops", false),
            ("list", "secrets", "ops", false),
            ("patch", "metaapps.metachannels.io", "platform", false),
            ("watch", "facebookchannels.metachannels.io", "tenant-a", true),
            ("patch", "facebookchannels.metachannels.io", "tenant-a", false),
            ("patch", "facebookchannels/status.metachannels.io", "tenant-a", true),
            ("patch", "facebookchannels/status.metachannels.io", "elsewhere", false),
            ("get", "secrets", "elsewhere", false),
            ("get", "assetclaims.metachannels.io", "meta-channels", false),
        ],
    )
    .await
}

/// The Pods pass the restricted profile, which the namespace enforces; a Pod with less is refused there.
async fn restricted_pods(kubectl: &Kubectl, manifests: &Manifests) -> Result<()> {
    let arguments = ["create", "--dry-run=server", "--filename=-"];
    for component in ["operator", "gateway"] {
        let mut pod = pod(manifests, component);
        kubectl.run_with_input(&arguments, Some(&pod.to_string())).await?;
        pod["spec"]["securityContext"] = json!({});
        let refused = kubectl.run_with_input(&arguments, Some(&pod.to_string())).await;
        let error = refused.err().context("a Pod that might be root was let in")?.to_string();
        ensure!(error.contains("violates PodSecurity"), "{error}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kustomize_bases_and_the_samples_apply() {
    let cluster = ControlPlane::start().await.unwrap();
    let kubectl = cluster.kubectl();
    make_namespaces(&kubectl, &["elsewhere"]).await.unwrap();
    let apply = async |folder: &str| {
        let folder = path(folder).display().to_string();
        kubectl.run(&["apply", "--server-side", "--validate=strict", "--kustomize", &folder]).await
    };
    apply("config/crd").await.unwrap();
    established(&kubectl).await.unwrap();
    apply("config/samples").await.unwrap();
    let channels = kubectl.get(&["metachannels", "--all-namespaces"]).await.unwrap();
    assert_eq!(channels["items"].as_array().unwrap().len(), 3);

    apply("tests/packaging/overlays/with-gateway").await.unwrap();
    let operator = acting_as(&cluster, "meta-channel-system", "meta-channel-operator").await.unwrap();
    let expected = |everywhere| {
        [
            ("get", "secrets", "tenant-a", true),
            ("patch", "metaapps/status.metachannels.io", "platform", true),
            ("create", "assetclaims.metachannels.io", "meta-channels", true),
            ("create", "leases.coordination.k8s.io", "meta-channel-system", true),
            ("get", "secrets", "elsewhere", everywhere),
            ("list", "facebookchannels.metachannels.io", "", everywhere),
            ("create", "assetclaims.metachannels.io", "tenant-a", false),
        ]
    };
    let gateway = acting_as(&cluster, "meta-channel-system", "meta-channel-gateway").await.unwrap();
    let reads = |everywhere| {
        [
            ("list", "metaapps.metachannels.io", "tenant-a", true),
            ("list", "metaapps.metachannels.io", "elsewhere", everywhere),
            ("get", "secrets", "tenant-a", false),
            ("list", "secrets", "tenant-a", false),
            ("get", "secrets", "elsewhere", false),
        ]
    };
    check(&operator, &expected(false)).await.unwrap();
    check(&gateway, &reads(false)).await.unwrap();
    apply("tests/packaging/overlays/cluster-wide-with-gateway").await.unwrap();
    check(&operator, &expected(true)).await.unwrap();
    check(&gateway, &reads(true)).await.unwrap();
}
