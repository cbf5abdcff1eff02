//! What a person with only a cluster installs: charts and images from a registry. The containers run without a container engine, as a
//! user that the images do not know and with a read-only root; nothing of `target/debug` is used but kubectl and Helm.
//!
//! The images take minutes to build, so that these tests run with `make image-check` and not with the others.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::{ControlPlane, Image, Process, free_port};

use crate::support::cluster::{established, make_namespaces};
use crate::support::installed::{PATIENCE, installed_launch, wait};
use crate::support::{Chart, helm, path, run};

/// Where `make image` puts the images.
const LAYOUTS: &str = "target/image";
const OPERATOR: &str = "meta-channel-operator";
const SANDBOX: &str = "graph-sandbox";

/// A registry on this machine, with the images and the packaged charts in it.
struct Registry {
    host: String,
    folder: tempfile::TempDir,
    _server: Process,
}

impl Registry {
    async fn start() -> Result<Self> {
        let host = format!("127.0.0.1:{}", free_port());
        let mut server = crane()?;
        server.args(["registry", "serve", "--address", &host]);
        let server = Process::spawn(&server)?;
        server.wait_ready(&format!("http://{host}/v2/"), PATIENCE).await?;
        Ok(Self { host, folder: tempfile::tempdir()?, _server: server })
    }

    fn reference(&self, image: &str) -> String {
        format!("{}/acme/{image}:{}", self.host, env!("CARGO_PKG_VERSION"))
    }

    /// Pushes both images and the charts.
    fn fill(&self) -> Result<()> {
        for image in [OPERATOR, SANDBOX] {
            let layout = path(LAYOUTS).join(image);
            ensure!(layout.is_dir(), "{} is not there: run make image", layout.display());
            run(crane()?.arg("push").arg(layout).arg(self.reference(image)).arg("--insecure"))?;
        }
        for chart in [Chart::OPERATOR, Chart::ADMIN] {
            run(helm()?.arg("package").arg(chart.path()).arg("--destination").arg(self.folder.path()))?;
            let package = format!("{}-{}.tgz", chart.name(), env!("CARGO_PKG_VERSION"));
            let registry = format!("oci://{}/charts", self.host);
            run(helm()?.arg("push").arg(self.folder.path().join(package)).args([&registry, "--plain-http"]))?;
        }
        Ok(())
    }

    /// Pulls an image, as a node does, and unpacks it.
    fn pull(&self, image: &str) -> Result<Image> {
        let layout = self.folder.path().join(image);
        run(crane()?
            .args(["pull", "--format=oci", "--insecure", "--annotate-ref", "--platform=linux/amd64"])
            .arg(self.reference(image))
            .arg(&layout))?;
        Image::unpack(&layout, &tag(&layout)?)
    }

    fn install(&self, cluster: &ControlPlane, release: &str, chart: &Chart, more: &[&str]) -> Result<()> {
        let reference = format!("oci://{}/charts/{}", self.host, chart.name());
        let version = format!("--version={}", env!("CARGO_PKG_VERSION"));
        run(helm()?
            .args(["install", release, &reference, &version, "--plain-http"])
            .args(more)
            .arg("--kubeconfig")
            .arg(cluster.kubeconfig()))
        .map(drop)
    }
}

fn crane() -> Result<std::process::Command> {
    let mut crane = std::process::Command::new(testkit::crane()?);
    // The registry is on this machine.
    for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
        crane.env_remove(proxy);
    }
    Ok(crane)
}

/// The name of the one image in a layout.
fn tag(layout: &Path) -> Result<String> {
    let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json"))?)?;
    let name = index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"].as_str();
    Ok(name.with_context(|| format!("{index}: no name"))?.to_owned())
}

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
    let registry = Registry::start().await.unwrap();
    registry.fill().unwrap();
    let (operator_image, sandbox_image) = (registry.pull(OPERATOR).unwrap(), registry.pull(SANDBOX).unwrap());
    holds_no_more_than_it_needs(&operator_image, OPERATOR).unwrap();
    holds_no_more_than_it_needs(&sandbox_image, SANDBOX).unwrap();
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
    let repository = format!("--set=image.repository={}/acme/{OPERATOR}", registry.host);
    registry
        .install(&cluster, "acme", &Chart::OPERATOR, &["--namespace=ops", &values, &graph_values, &repository])
        .unwrap();
    let deployments = kubectl.get(&["deployments", "--namespace=ops"]).await.unwrap();
    for deployment in deployments["items"].as_array().unwrap() {
        let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
        assert_eq!(image, &Value::from(registry.reference(OPERATOR)), "what the chart names is what was pushed");
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
fn holds_no_more_than_it_needs(image: &Image, name: &str) -> Result<()> {
    let mut found = files(&image.root(), &image.root())?;
    found.sort();
    ensure!(found == ["etc/ssl/certs/ca-certificates.crt", name], "{found:?}");
    let program = fs::read(image.root().join(name))?;
    // A program that needs a loader names it.
    ensure!(!program.windows(8).any(|it| it == b"ld-musl-" || it == b"ld-linux"), "{name} is not static");
    Ok(())
}

/// The files below a folder, relative to `root`.
fn files(root: &Path, folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?.path();
        if entry.is_dir() {
            found.extend(files(root, &entry)?);
        } else {
            found.push(entry.strip_prefix(root)?.display().to_string());
        }
    }
    Ok(found)
}
