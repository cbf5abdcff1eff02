//! A registry on this machine, with what `make release` laid out in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::{ControlPlane, Image, Process, free_port};

use crate::support::installed::PATIENCE;
use crate::support::{Chart, helm, path, run};

pub(super) const OPERATOR: &str = "meta-channel-operator";
pub(super) const SANDBOX: &str = "graph-sandbox";

/// The registry, and a folder for what is pulled.
pub(super) struct Registry {
    host: String,
    folder: tempfile::TempDir,
    _server: Process,
}

impl Registry {
    /// Starts one and pushes images and charts as a release does.
    pub(super) async fn filled() -> Result<Self> {
        let host = format!("127.0.0.1:{}", free_port());
        let mut server = Command::new(testkit::crane()?);
        server.args(["registry", "serve", "--address", &host]);
        let server = Process::spawn(&server)?;
        server.wait_ready(&format!("http://{host}/v2/"), PATIENCE).await?;
        let registry = Self { host, folder: tempfile::tempdir()?, _server: server };
        registry.fill()?;
        Ok(registry)
    }

    fn fill(&self) -> Result<()> {
        let dist = dist()?;
        let helm = helm()?;
        let mut push = direct(Command::new(path("hack/release/push.sh")));
        push.arg(format!("{}/acme", self.host)).arg(dist).arg(self.pushed());
        push.env("CRANE", testkit::crane()?).env("HELM", helm.get_program());
        for (name, value) in helm.get_envs().filter_map(|(name, value)| Some((name, value?))) {
            push.env(name, value);
        }
        run(&mut push).map(drop)
    }

    /// The file with the digests of what was pushed.
    pub(super) fn pushed(&self) -> PathBuf {
        self.folder.path().join("pushed.sha256")
    }

    /// An image's name in this registry.
    pub(super) fn name(&self, image: &str) -> String {
        format!("{}/acme/{image}", self.host)
    }

    /// The same, with the version.
    pub(super) fn tagged(&self, image: &str) -> String {
        format!("{}:{}", self.name(image), env!("CARGO_PKG_VERSION"))
    }

    /// Pulls an image, as a node does, and unpacks it.
    pub(super) fn pull(&self, image: &str) -> Result<Image> {
        let layout = self.folder.path().join(image);
        run(crane()?
            .args(["pull", "--format=oci", "--insecure", "--annotate-ref", "--platform=linux/amd64"])
            .arg(self.tagged(image))
            .arg(&layout))?;
        Image::unpack(&layout, &tag(&layout)?)
    }

    /// The files of an image for arm64.
    pub(super) fn files_for_arm64(&self, image: &str) -> Result<PathBuf> {
        let folder = self.folder.path().join(format!("{image}-arm64"));
        let archive = folder.with_extension("tar");
        fs::create_dir(&folder)?;
        run(crane()?.args(["export", "--insecure", "--platform=linux/arm64", &self.tagged(image)]).arg(&archive))?;
        run(Command::new("tar").arg("--extract").arg("--file").arg(archive).arg("--directory").arg(&folder))?;
        Ok(folder)
    }

    /// What the registry says about something pushed: `crane VERB REFERENCE`.
    pub(super) fn ask(&self, verb: &str, reference: &str) -> Result<String> {
        run(crane()?.args([verb, "--insecure", reference]))
    }

    pub(super) fn install(&self, cluster: &ControlPlane, release: &str, chart: &Chart, more: &[&str]) -> Result<()> {
        let reference = format!("oci://{}/acme/charts/{}", self.host, chart.name());
        let version = format!("--version={}", env!("CARGO_PKG_VERSION"));
        run(helm()?
            .args(["install", release, &reference, &version, "--plain-http"])
            .args(more)
            .arg("--kubeconfig")
            .arg(cluster.kubeconfig()))
        .map(drop)
    }
}

/// Where `make release` puts what it lays out.
pub(super) fn dist() -> Result<PathBuf> {
    let dist = path("target/dist");
    ensure!(dist.join("SHA256SUMS").is_file(), "{} is not there: run make release", dist.display());
    Ok(dist)
}

fn crane() -> Result<Command> {
    Ok(direct(Command::new(testkit::crane()?)))
}

/// The registry is on this machine, without a proxy before it.
fn direct(mut command: Command) -> Command {
    for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
        command.env_remove(proxy);
    }
    command
}

/// The name of the one image in a layout.
fn tag(layout: &Path) -> Result<String> {
    let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json"))?)?;
    let name = index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"].as_str();
    Ok(name.with_context(|| format!("{index}: no name"))?.to_owned())
}
