//! What a person with only a cluster installs: charts and images from a registry. The containers run without a container engine, as a
//! user that the images do not know and with a read-only root; nothing of `target/debug` is used but kubectl and Helm.
//!
//! What a release publishes takes minutes to build, so that these tests run with `make image-check` and not with the others.

mod arm64;
mod files;
mod registry;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::Value;
use testkit::{ControlPlane, Image, Process, free_port};

use crate::support::cluster::{established, make_namespaces};
use crate::support::installed::{PATIENCE, installed_launch, wait};
use crate::support::{Chart, path};
use registry::{OPERATOR, Registry, SANDBOX};

/// A copy of a kubeconfig that the user of a container can read, in a folder of its own.
fn readable(kubeconfig: &Path, folder: &Path) -> Result<std::path::PathBuf> {
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    let copy = folder.join("kubeconfig");
    fs::copy(kubeconfig, &copy)?;
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o644))?;
    Ok(copy)
}

/// Starts the container of an installed Deployment from the image, as its kubelet would.
async fn start(
    cluster: &ControlPlane,
    image: &Image,
    folder: &Path,
    component: &str,
    port: Option<u16>,
) -> Result<Process> {
    let launch = installed_launch(cluster, "ops", component).await?;
    let metrics = format!("127.0.0.1:{}", free_port());
    let mut launch = launch.with("--metrics-addr", &metrics)?;
    if let Some(port) = port {
        launch = launch.with("--listen-addr", &format!("127.0.0.1:{port}"))?;
    }
    let kubeconfig = cluster.service_account_kubeconfig(&launch.namespace, &launch.service_account).await?;
    let folder = folder.join(component);
    let kubeconfig = readable(&kubeconfig, &folder)?;
    let mut env: Vec<_> = launch.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    env.push(("KUBECONFIG".to_owned(), kubeconfig.display().to_string()));
    let process = Process::spawn(&image.command(&launch.args, &env, &[&folder])?)?;
    process.wait_ready(&format!("http://{metrics}/readyz"), PATIENCE).await?;
    Ok(process)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the images: make image-check"]
async fn charts_and_images_from_a_registry_connect_the_samples() {
    let registry = Registry::filled().await.unwrap();
    let (operator_image, sandbox_image) = (registry.pull(OPERATOR).unwrap(), registry.pull(SANDBOX).unwrap());
    holds_no_more_than_it_needs(&operator_image.root(), OPERATOR).unwrap();
    holds_no_more_than_it_needs(&sandbox_image.root(), SANDBOX).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();

    let (graph_port, port) = (free_port(), free_port());
    let graph_url = format!("http://127.0.0.1:{graph_port}");
    let args =
        [format!("--listen=127.0.0.1:{graph_port}"), format!("--resolve=hooks.example.com=http://127.0.0.1:{port}")];
    let graph = Process::spawn(&sandbox_image.command(&args, &[], &[]).unwrap()).unwrap();

    let cluster = ControlPlane::start().await.unwrap();
    let kubectl = cluster.kubectl();
    registry.install(&cluster, "admin", &Chart::ADMIN, &[]).unwrap();
    established(&kubectl).await.unwrap();
    let samples = path("config/samples").display().to_string();
    kubectl.run(&["apply", "--server-side", "--kustomize", &samples]).await.unwrap();
    make_namespaces(&kubectl, &["ops"]).await.unwrap();
    let values = format!("--values={}", Chart::OPERATOR.example("sandbox").display());
    let graph_values = format!("--set=graph.url={graph_url},graph.loginUrl={graph_url}");
    let repository = format!("--set=image.repository={}", registry.name(OPERATOR));
    registry
        .install(&cluster, "acme", &Chart::OPERATOR, &["--namespace=ops", &values, &graph_values, &repository])
        .unwrap();
    let deployments = kubectl.get(&["deployments", "--namespace=ops"]).await.unwrap();
    for deployment in deployments["items"].as_array().unwrap() {
        let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
        assert_eq!(image, &Value::from(registry.tagged(OPERATOR)), "what the chart names is what was pushed");
    }

    let gateway = start(&cluster, &operator_image, folder.path(), "gateway", Some(port)).await.unwrap();
    let operator = start(&cluster, &operator_image, folder.path(), "operator", None).await.unwrap();
    wait(&cluster, &operator, "Ready", "metaapp/acme", "platform").await.unwrap();
    wait(&cluster, &operator, "Ready", "facebookchannel/shop", "tenant-a").await.unwrap();
    wait(&cluster, &operator, "Expired", "facebookchannel/outlet", "tenant-b").await.unwrap();
    for process in [operator, gateway, graph] {
        let exit = process.terminate(PATIENCE).await.unwrap();
        assert!(exit.status.success(), "{}\n{}", exit.status, process.last_lines(20));
    }
}

/// An image holds a static program and the certificate authorities, and nothing else.
fn holds_no_more_than_it_needs(root: &Path, name: &str) -> Result<()> {
    let mut found = files_below(root, root)?;
    found.sort();
    ensure!(found == ["etc/ssl/certs/ca-certificates.crt", name], "{found:?}");
    let program = fs::read(root.join(name))?;
    // A program that needs a loader names it.
    let names = |text: &str| program.windows(text.len()).any(|it| it == text.as_bytes());
    ensure!(!names("ld-musl-") && !names("ld-linux"), "{name} is not static");
    ensure!(!names(env!("CARGO_MANIFEST_DIR")) && !names("/registry/src/"), "{name} knows where it was built");
    Ok(())
}

/// The files below a folder, relative to `root`.
fn files_below(root: &Path, folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?.path();
        if entry.is_dir() {
            found.extend(files_below(root, &entry)?);
        } else {
            found.push(entry.strip_prefix(root)?.display().to_string());
        }
    }
    Ok(found)
}
