//! Starting a container of a rendered Deployment as a plain process: with its arguments, its environment and its
//! account, so that a test finds a wrong flag or a missing right in the chart.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::support::{Chart, Manifests};

/// How the kubelet would start the only container of a Deployment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Launch {
    /// Namespace of the Pod and its account.
    pub(crate) namespace: String,
    /// Name of the account that the Pod acts as.
    pub(crate) service_account: String,
    /// Arguments for the image's entry point.
    pub(crate) args: Vec<String>,
    /// Environment variables, the downward API resolved.
    pub(crate) env: BTreeMap<String, String>,
}

impl Launch {
    /// Reads the Deployment or StatefulSet whose Pods carry this `app.kubernetes.io/component`. `pod` is the name the Pod shall have.
    pub(crate) fn of(manifests: &Manifests, component: &str, pod: &str) -> Result<Self> {
        let wanted =
            |it: &&Value| it["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"] == component;
        let deployment = manifests.of_kind("Deployment").chain(manifests.of_kind("StatefulSet")).find(wanted);
        let deployment = deployment.with_context(|| format!("nothing starts the {component}"))?;
        let spec = &deployment["spec"]["template"]["spec"];
        let containers = spec["containers"].as_array().context("a Pod has containers")?;
        ensure!(containers.len() == 1, "the {component} has {} containers, one was expected", containers.len());
        ensure!(containers[0]["command"].is_null(), "the image's entry point is not to be replaced");

        let namespace = text(&deployment["metadata"]["namespace"])?;
        let args = containers[0]["args"].as_array().context("args")?.iter().map(text).collect::<Result<_>>()?;
        let mut env = BTreeMap::new();
        for entry in containers[0]["env"].as_array().into_iter().flatten() {
            env.insert(text(&entry["name"])?, resolve(entry, &namespace, pod)?);
        }
        Ok(Self { service_account: text(&spec["serviceAccountName"])?, namespace, args, env })
    }

    /// The container as a process of this machine: `program` for the image's entry point, a kubeconfig for the token that
    /// a Pod has mounted.
    pub(crate) fn command(&self, program: &Path, kubeconfig: &Path) -> Command {
        let mut command = Command::new(program);
        command.args(&self.args).envs(&self.env).env("KUBECONFIG", kubeconfig);
        command
    }

    /// The value of a flag, if it is given.
    pub(crate) fn flag(&self, name: &str) -> Option<&str> {
        self.args.iter().find_map(|arg| arg.strip_prefix(name)?.strip_prefix('='))
    }

    /// The same with another value for a flag that is given already: a port, say, which is fixed in a Pod of its own and
    /// taken on a machine where everything shares an address.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Result<Self> {
        let prefix = format!("{name}=");
        let arg = self.args.iter_mut().find(|arg| arg.starts_with(&prefix));
        *arg.with_context(|| format!("{name} is not among the arguments"))? = format!("{prefix}{value}");
        Ok(self)
    }
}

fn resolve(entry: &Value, namespace: &str, pod: &str) -> Result<String> {
    if let Some(value) = entry["value"].as_str() {
        return Ok(value.to_owned());
    }
    match entry["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
        Some("metadata.name") => Ok(pod.to_owned()),
        Some("metadata.namespace") => Ok(namespace.to_owned()),
        _ => bail!("no value for {entry}"),
    }
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().with_context(|| format!("{value} is not a string"))?.to_owned())
}

#[test]
fn the_charts_deployments_can_be_started_as_processes() {
    let manifests = Chart::OPERATOR.render(&Chart::OPERATOR.example("sandbox")).unwrap();

    let operator = Launch::of(&manifests, "operator", "acme-0").unwrap();
    assert_eq!(operator.service_account, "acme-meta-channel-operator");
    assert_eq!(operator.args[0], "run");
    assert_eq!(operator.flag("--graph-url"), Some("http://127.0.0.1:8080"));
    let env = [("POD_NAME", "acme-0"), ("POD_NAMESPACE", "ops")];
    assert_eq!(operator.env, env.map(|(name, value)| (name.to_owned(), value.to_owned())).into());

    let command = operator.command(Path::new("/operator"), Path::new("/kubeconfig"));
    assert_eq!(command.get_args().next().unwrap(), "run");
    let names: Vec<_> = command.get_envs().map(|(name, _)| name).collect();
    assert_eq!(names, ["KUBECONFIG", "POD_NAME", "POD_NAMESPACE"]);

    let gateway = Launch::of(&manifests, "gateway", "hooks-0").unwrap();
    assert_eq!(
        (gateway.namespace.as_str(), gateway.service_account.as_str()),
        ("ops", "acme-meta-channel-operator-gateway")
    );
    assert_eq!(gateway.args[0], "gateway");
    let moved = gateway.with("--listen-addr", "127.0.0.1:1").unwrap();
    assert_eq!(moved.flag("--listen-addr"), Some("127.0.0.1:1"));
    assert!(moved.with("--not-there", "x").is_err());
}
