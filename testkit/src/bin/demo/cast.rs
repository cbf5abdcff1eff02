//! Who plays in the demo: the Graph sandbox in this process, operator and gateway as children. All of them are on loopback,
//! and so is everything that they are told to call or to send people to.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use testkit::sandbox::{Options, Sandbox, Seed};
use testkit::{ControlPlane, Process, TlsFront, free_port};

/// The gateway's public name, which browsers on this machine resolve too.
const PUBLIC_NAME: &str = "localhost";

const CLAIMS_NAMESPACE: &str = "meta-channels";

/// Short, so that drift made by hand is repaired while someone looks.
const PROBE_PERIOD: &str = "15s";

const START_TIMEOUT: Duration = Duration::from_secs(120);

pub(crate) struct Cast {
    operator: Process,
    gateway: Process,
    /// Browsers keep the gateway's cookies only over HTTPS.
    _front: TlsFront,
    gateway_url: String,
    sandbox: Sandbox,
}

impl Cast {
    pub(crate) async fn start(root: &Path, program: &Path, control_plane: &ControlPlane) -> Result<Self> {
        let claims = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {CLAIMS_NAMESPACE}}}\n");
        control_plane.kubectl().apply(&claims).await?;

        let gateway_address = loopback(free_port());
        let front = TlsFront::start(HashMap::from([(PUBLIC_NAME.to_owned(), gateway_address)])).await?;
        let public_host = format!("{PUBLIC_NAME}:{}", front.address.port());
        let gateway_url = format!("https://{public_host}");
        let seed = seed(root, &gateway_url)?;
        // The sandbox calls callbacks without TLS.
        let resolve = BTreeMap::from([(public_host, format!("http://{gateway_address}"))]);
        let sandbox = Sandbox::start(seed, Options { resolve, ..Options::default() }).await?;

        let metrics = loopback(free_port());
        let mut gateway = Command::new(program);
        gateway
            .arg("gateway")
            .arg(format!("--listen-addr={gateway_address}"))
            .arg(format!("--metrics-addr={metrics}"))
            .arg(format!("--graph-url={}", sandbox.url()))
            .arg(format!("--login-url={}", sandbox.url()))
            .arg("--allow-test-graph")
            // What is in front of it passes bytes on, and adds no address.
            .arg("--trusted-proxies=0");
        let gateway = start_ready(gateway, control_plane, metrics).await?;

        let metrics = loopback(free_port());
        let mut operator = Command::new(program);
        operator
            .arg("run")
            .arg(format!("--claims-namespace={CLAIMS_NAMESPACE}"))
            .arg(format!("--graph-url={}", sandbox.url()))
            .arg("--allow-test-graph")
            .arg(format!("--gateway-url={gateway_url}"))
            .arg(format!("--metrics-addr={metrics}"))
            .arg(format!("--probe-period={PROBE_PERIOD}"))
            // There is only one.
            .arg("--leader-elect=false");
        let operator = start_ready(operator, control_plane, metrics).await?;

        Ok(Self { operator, gateway, _front: front, gateway_url, sandbox })
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

/// The sandbox's demo, whose app may send people back to this gateway.
fn seed(root: &Path, gateway_url: &str) -> Result<Seed> {
    let path = root.join("graph-sandbox/seeds/demo.yaml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let mut seed = Seed::from_yaml(&text).with_context(|| format!("read {}", path.display()))?;
    for app in &mut seed.apps {
        app.redirect_uris.push(format!("{gateway_url}/oauth/callback"));
    }
    Ok(seed)
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
