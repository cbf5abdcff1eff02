//! Who plays in the demo: the Graph sandbox in this process, operator and gateway as children.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use testkit::sandbox::{Options, Sandbox, Seed};
use testkit::{ControlPlane, Process, free_port};

/// The gateway's public name in the samples. Only the sandbox resolves it.
const PUBLIC_HOST: &str = "hooks.example.com";

const CLAIMS_NAMESPACE: &str = "meta-channels";

/// Short, so that drift made by hand is repaired while someone looks.
const PROBE_PERIOD: &str = "15s";

const START_TIMEOUT: Duration = Duration::from_secs(120);

pub(crate) struct Cast {
    operator: Process,
    gateway: Process,
    gateway_url: String,
    sandbox: Sandbox,
}

impl Cast {
    pub(crate) async fn start(root: &Path, program: &Path, control_plane: &ControlPlane) -> Result<Self> {
        let claims = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {CLAIMS_NAMESPACE}}}\n");
        control_plane.kubectl().apply(&claims).await?;

        let gateway_address = loopback(free_port());
        let gateway_url = format!("http://{gateway_address}");
        let sandbox = start_sandbox(root, &gateway_url).await?;

        let metrics = loopback(free_port());
        let mut gateway = Command::new(program);
        gateway.arg("gateway").arg(format!("--listen-addr={gateway_address}")).arg(format!("--metrics-addr={metrics}"));
        let gateway = start_ready(gateway, control_plane, metrics).await?;

        let metrics = loopback(free_port());
        let mut operator = Command::new(program);
        operator
            .arg("run")
            .arg(format!("--claims-namespace={CLAIMS_NAMESPACE}"))
            .arg(format!("--graph-url={}", sandbox.url()))
            .arg("--allow-test-graph")
            .arg(format!("--gateway-url=https://{PUBLIC_HOST}"))
            .arg(format!("--metrics-addr={metrics}"))
            .arg(format!("--probe-period={PROBE_PERIOD}"))
            // There is only one.
            .arg("--leader-elect=false");
        let operator = start_ready(operator, control_plane, metrics).await?;

        Ok(Self { operator, gateway, gateway_url, sandbox })
    }

    /// The processes with their roles.
    pub(crate) fn children(&self) -> [(&'static str, &Process); 2] {
        [("operator", &self.operator), ("gateway", &self.gateway)]
    }

    pub(crate) fn gateway_url(&self) -> &str {
        &self.gateway_url
    }

    pub(crate) fn sandbox_url(&self) -> String {
        self.sandbox.url()
    }

    /// Says which of the children ended on its own, if one did.
    pub(crate) fn ended(&self) -> Result<Option<String>> {
        for (role, process) in self.children() {
            if let Some(status) = process.exit_status()? {
                return Ok(Some(format!("the {role} ended on its own: {status}")));
            }
        }
        Ok(None)
    }
}

async fn start_sandbox(root: &Path, gateway_url: &str) -> Result<Sandbox> {
    let seed = root.join("graph-sandbox/seeds/demo.yaml");
    let text = std::fs::read_to_string(&seed).with_context(|| format!("read {}", seed.display()))?;
    let options =
        Options { resolve: BTreeMap::from([(PUBLIC_HOST.to_owned(), gateway_url.to_owned())]), ..Options::default() };
    let seed = Seed::from_yaml(&text).with_context(|| format!("read {}", seed.display()))?;
    Sandbox::start(seed, options).await
}

async fn start_ready(mut command: Command, control_plane: &ControlPlane, metrics: SocketAddr) -> Result<Process> {
    command.env("KUBECONFIG", control_plane.kubeconfig()).arg("--log-format=human");
    let process = Process::spawn(&command)?;
    process.wait_ready(&format!("http://{metrics}/readyz"), START_TIMEOUT).await?;
    Ok(process)
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
