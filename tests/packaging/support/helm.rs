//! Charts, rendered by the real Helm.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use testkit::{Binaries, ControlPlane};

use super::{Manifests, path, run, yaml_files};

/// Helm, without any settings or plug-ins of whoever runs the tests.
pub(crate) fn helm() -> Result<Command> {
    Ok(at_home(Binaries::locate()?.helm()?, "helm"))
}

/// The same, of the version before.
pub(crate) fn helm3() -> Result<Command> {
    Ok(at_home(testkit::helm3()?, "helm3"))
}

fn at_home(program: PathBuf, folder: &str) -> Command {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let mut helm = Command::new(program);
    helm.env("HELM_CACHE_HOME", home.join("cache"))
        .env("HELM_CONFIG_HOME", home.join("config"))
        .env("HELM_DATA_HOME", home.join("data"))
        .env_remove("KUBECONFIG");
    helm
}

/// Helm on a cluster: `install` or `upgrade` of a chart with these values.
pub(crate) fn helm_at(cluster: &ControlPlane, arguments: &[&str], chart: &Chart, values: &Path) -> Result<String> {
    let mut helm = helm()?;
    helm.args(arguments).arg(chart.path()).arg("--values").arg(values).arg("--kubeconfig").arg(cluster.kubeconfig());
    run(&mut helm)
}

/// A chart of this repository.
pub(crate) struct Chart(&'static str);

impl Chart {
    /// A release per tenant.
    pub(crate) const OPERATOR: Self = Self("charts/meta-channel-operator");
    /// Once per cluster.
    pub(crate) const ADMIN: Self = Self("charts/meta-channel-operator-admin");

    /// What a tenant declares.
    pub(crate) const CHANNELS: Self = Self("charts/meta-channels");
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::OPERATOR, Self::ADMIN, Self::CHANNELS];

    /// The chart's folder.
    pub(crate) fn path(&self) -> PathBuf {
        path(self.0)
    }

    /// Its name, which is its folder's.
    pub(crate) fn name(&self) -> &'static str {
        self.0.rsplit('/').next().unwrap_or(self.0)
    }

    /// A file of the chart, relative to the repository.
    pub(crate) fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.0)
    }

    /// The sets of values that must work.
    pub(crate) fn examples(&self) -> Result<Vec<PathBuf>> {
        yaml_files(&self.file("ci"))
    }

    /// One of [`Chart::examples`].
    pub(crate) fn example(&self, name: &str) -> PathBuf {
        self.path().join(format!("ci/{name}-values.yaml"))
    }

    /// What release `acme` in namespace `ops` with these values consists of.
    pub(crate) fn render(&self, values: &Path) -> Result<Manifests> {
        self.render_with(values, &[])
    }

    /// The same with more arguments for `helm template`, such as `--set`.
    pub(crate) fn render_with(&self, values: &Path, arguments: &[&str]) -> Result<Manifests> {
        self.render_as("acme", "ops", values, arguments)
    }

    /// The same for another release or namespace.
    pub(crate) fn render_as(
        &self,
        release: &str,
        namespace: &str,
        values: &Path,
        arguments: &[&str],
    ) -> Result<Manifests> {
        let mut helm = helm()?;
        helm.arg("template").arg(release).arg(self.path()).args(["--namespace", namespace]);
        helm.arg("--values").arg(values).args(arguments);
        Manifests::parse(&run(&mut helm)?)
    }

    /// `helm lint --strict`.
    pub(crate) fn lint(&self, values: &Path) -> Result<String> {
        run(helm()?.args(["lint", "--strict"]).arg(self.path()).arg("--values").arg(values))
    }

    /// What an installation with these values tells the person at the keyboard.
    pub(crate) fn notes(&self, values: &Path) -> Result<String> {
        let mut helm = helm()?;
        helm.args(["install", "acme", "--namespace=ops", "--dry-run=client", "--output=json"]);
        let answer = run(helm.arg(self.path()).arg("--values").arg(values))?;
        let release: serde_json::Value = serde_json::from_str(&answer)?;
        Ok(release["info"]["notes"].as_str().unwrap_or_default().to_owned())
    }
}
