//! Releases on a cluster: made with either version of Helm, and what is there of them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use testkit::{ControlPlane, Kubectl};

use crate::support::cluster::make_namespaces;
use crate::support::{Manifests, run};

/// Begins a call of one version of Helm.
pub(crate) type Helm = fn() -> Result<Command>;

/// A Helm on a cluster.
pub(crate) struct Releases<'a> {
    pub(crate) cluster: &'a ControlPlane,
    pub(crate) helm: Helm,
}

impl Releases<'_> {
    pub(crate) fn run(&self, verb: &str, release: &str, namespace: &str, rest: &[&Path]) -> Result<String> {
        let mut helm = (self.helm)()?;
        helm.args([verb, release, "--namespace", namespace, "--kubeconfig"]).arg(self.cluster.kubeconfig()).args(rest);
        run(&mut helm)
    }

    pub(crate) fn put(
        &self,
        verb: &str,
        release: &str,
        namespace: &str,
        chart: &Path,
        values: &Path,
    ) -> Result<String> {
        self.run(verb, release, namespace, &[chart, Path::new("--values"), values])
    }

    pub(crate) fn uninstall(&self, release: &str, namespace: &str) -> Result<String> {
        self.run("uninstall", release, namespace, &[])
    }
}

/// Everything in the cluster that carries the label of a release, of whatever kind.
pub(crate) async fn labeled(kubectl: &Kubectl, release: &str) -> Result<BTreeSet<String>> {
    let kinds = kubectl.text(&["api-resources", "--verbs=list,delete", "--output=name", "--no-headers"]).await?;
    let kinds: Vec<_> = kinds.split_whitespace().collect();
    assert!(kinds.contains(&"deployments.apps") && kinds.contains(&"facebookchannels.metachannels.io"), "{kinds:?}");
    let selector = format!("--selector=app.kubernetes.io/instance={release}");
    let list = kubectl.get(&[&kinds.join(","), "--all-namespaces", &selector]).await?;
    Ok(Manifests::list(&list)?.names().into_iter().collect())
}

/// What Helm itself remembers of a release.
pub(crate) async fn remembered(kubectl: &Kubectl, release: &str) -> Result<usize> {
    let selector = format!("--selector=owner=helm,name={release}");
    let list = kubectl.get(&["secrets", "--all-namespaces", &selector]).await?;
    Ok(list["items"].as_array().context("a list")?.len())
}

pub(crate) async fn cluster() -> ControlPlane {
    let cluster = ControlPlane::start().await.unwrap();
    make_namespaces(&cluster.kubectl(), &["ops", "platform", "tenant-a", "tenant-b"]).await.unwrap();
    cluster
}
