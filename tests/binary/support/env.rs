//! An environment of its own for each test, on one shared control plane: namespaces, a sandbox, and what tenants apply.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::{Api, Client};
use meta_channel_operator::api::{FacebookChannel, MetaApp, MetaGrant, RELEASE_BINDING, keyring};
use meta_channel_operator::settings::DEFAULT_KEYRING;
use serde_json::json;
use testkit::sandbox::{Fault, FaultEffect, FaultMatch, Options, Sandbox, Seed};
use testkit::{ControlPlane, Proxy, free_port, wait_for};
use tokio::sync::OnceCell;

use crate::support::server::{PATIENCE, Server, loopback, program};

pub const SEED: &str = include_str!("../../../graph-sandbox/seeds/demo.yaml");
pub const APP_ID: &str = "1111000011110000";
pub const PAGE_A: &str = "2200000000000001";
pub const PAGE_B: &str = "2200000000000002";
pub const TOKEN_A: &str = "EAAsandbox-page-a-000000000000000000";
pub const APP_SECRET: &str = "sandbox-app-secret-0000000000000000";
pub const SUBSCRIBED_APPS: &str = "/{version}/{page-id}/subscribed_apps";

const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");

pub struct Env {
    pub plane: &'static ControlPlane,
    pub client: Client,
    pub sandbox: Sandbox,
    pub platform: String,
    pub tenant: String,
    pub claims: String,
}

/// The control plane that all tests of this program share, with our kinds installed.
pub async fn plane() -> Result<&'static ControlPlane> {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let plane = ControlPlane::shared().await?;
    INSTALLED.get_or_try_init(|| plane.install_crds(Path::new(CRDS))).await?;
    Ok(plane)
}

pub async fn sandbox(seed: &str) -> Result<Sandbox> {
    Sandbox::start(Seed::from_yaml(seed)?, Options { callback_limit: PATIENCE, ..Options::default() }).await
}

impl Env {
    pub async fn new() -> Result<Self> {
        Self::with_seed(SEED).await
    }

    pub async fn with_seed(seed: &str) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let plane = plane().await?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = |role: &str| format!("{role}-{number}");
        let env = Self {
            plane,
            client: plane.client().await?,
            sandbox: sandbox(seed).await?,
            platform: name("platform"),
            tenant: name("tenant"),
            claims: name("claims"),
        };
        let namespaces = [&env.platform, &env.tenant, &env.claims]
            .map(|name| format!("---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n"));
        env.apply(&namespaces.concat()).await?;
        let bindings = [&env.platform, &env.tenant].map(|namespace| {
            let release = format!("{}/meta-channel-operator", env.platform);
            format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {RELEASE_BINDING}, namespace: {namespace}}}\ndata: {{release: {release}}}\n")
        });
        env.apply(&bindings.concat()).await?;
        Ok(env)
    }

    pub async fn apply(&self, yaml: &str) -> Result<()> {
        self.plane.kubectl().apply(yaml).await.map(|_| ())
    }

    /// An operator with this identity, and these flags besides the usual ones.
    pub async fn operator(&self, identity: &str, flags: &[&str]) -> Result<Server> {
        self.operator_by(self.plane.kubeconfig(), identity, flags).await
    }

    /// The same with another way to the API server.
    pub async fn operator_by(&self, kubeconfig: &Path, identity: &str, flags: &[&str]) -> Result<Server> {
        Server::start(|| self.operator_command(kubeconfig, identity, flags)).await
    }

    /// The way to the API server that leads through a proxy.
    pub fn by(&self, proxy: &Proxy) -> Result<PathBuf> {
        proxy.kubeconfig(self.plane, self.plane.kubeconfig())
    }

    pub fn operator_command(&self, kubeconfig: &Path, identity: &str, flags: &[&str]) -> Command {
        let mut command = program("run", kubeconfig);
        command
            .arg(format!("--watch-namespaces={},{}", self.platform, self.tenant))
            .arg(format!("--claims-namespace={}", self.claims))
            .arg("--allow-test-graph")
            .arg("--gateway-url=https://hooks.example.com")
            .arg(format!("--inbox-namespace={}", self.claims))
            .arg(format!("--leader-election-namespace={}", self.platform))
            .arg(format!("--identity={identity}"))
            .args(flags);
        if !flags.iter().any(|flag| flag.starts_with("--graph-url")) {
            command.arg(format!("--graph-url={}", self.sandbox.url()));
        }
        command
    }

    /// Tells the gateway of the MetaApp what an operator would, where none does.
    pub async fn tell_gateway(&self) -> Result<()> {
        let apps: Api<MetaApp> = Api::namespaced(self.client.clone(), &self.platform);
        let key = keyring::key(&self.platform, &apps.get("acme").await?.metadata.uid.unwrap_or_default());
        let entry = json!({"appSecretRef": "acme-app", "appSecrets": {"app-secret": APP_SECRET}}).to_string();
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": keyring::KEYRING_TYPE, "stringData": {key: entry},
            "metadata": {"name": DEFAULT_KEYRING, "namespace": self.claims},
        });
        self.apply(&secret.to_string()).await
    }

    /// A gateway that the sandbox finds under the public name.
    pub async fn gateway(&self, flags: &[&str]) -> Result<(Server, String)> {
        self.gateway_by(self.plane.kubeconfig(), flags).await
    }

    /// The same with another way to the API server.
    pub async fn gateway_by(&self, kubeconfig: &Path, flags: &[&str]) -> Result<(Server, String)> {
        let mut public = loopback(0);
        let gateway = Server::start(|| {
            public = loopback(free_port());
            let mut command = program("gateway", kubeconfig);
            command
                .arg(format!("--listen-addr={public}"))
                .arg(format!("--watch-namespaces={},{}", self.platform, self.tenant))
                .arg(format!("--inbox-namespace={}", self.claims))
                .args(flags);
            command
        })
        .await?;
        gateway.ready().await?;
        let url = format!("http://{public}");
        self.sandbox.set_resolve(BTreeMap::from([("hooks.example.com".to_owned(), url.clone())]))?;
        Ok((gateway, url))
    }

    /// The MetaApp and its Secret. `more` is another line of its spec.
    pub fn app(&self, more: &str) -> String {
        let secret = secret(&self.platform, "acme-app", "app-secret", "app-secret", APP_SECRET);
        format!(
            "{secret}---\napiVersion: metachannels.io/v1alpha1\nkind: MetaApp\nmetadata: {{name: acme, namespace: {}}}\nspec:\n  appId: \"{APP_ID}\"\n  appSecretRef: {{name: acme-app}}\n  allowedNamespaces: {{from: All}}\n  {more}\n",
            self.platform
        )
    }

    /// A channel of the tenant with its Secret.
    pub fn channel(&self, name: &str, page: &str, token: &str) -> String {
        let secret = secret(&self.tenant, &format!("{name}-token"), "page-token", "token", token);
        format!(
            "{secret}---\napiVersion: metachannels.io/v1alpha1\nkind: FacebookChannel\nmetadata: {{name: {name}, namespace: {}}}\nspec:\n  pageId: \"{page}\"\n  credentials:\n    pageToken:\n      secretRef: {{name: {name}-token, key: token}}\n      appRef: {{name: acme, namespace: {}}}\n  endpoint: {{direct: {{}}}}\n",
            self.tenant, self.platform
        )
    }

    /// A channel of the tenant that the grant authorizes.
    pub fn granted(&self, name: &str, page: &str) -> String {
        format!(
            "---\napiVersion: metachannels.io/v1alpha1\nkind: FacebookChannel\nmetadata: {{name: {name}, namespace: {}}}\nspec:\n  pageId: \"{page}\"\n  credentials: {{grantRef: {{name: acme}}}}\n  endpoint: {{direct: {{}}}}\n",
            self.tenant
        )
    }

    /// A grant of the tenant with its Secret.
    pub fn grant(&self, token: &str) -> String {
        let secret = secret(&self.tenant, "acme-grant", "grant-token", "token", token);
        format!(
            "{secret}---\napiVersion: metachannels.io/v1alpha1\nkind: MetaGrant\nmetadata: {{name: acme, namespace: {}}}\nspec:\n  appRef: {{name: acme, namespace: {}}}\n  tokenSecretRef: {{name: acme-grant}}\n",
            self.tenant, self.platform
        )
    }

    /// Waits until the grant has a condition, `Type=Status/Reason`.
    pub async fn grant_is(&self, expected: &str) -> Result<MetaGrant> {
        let grants: Api<MetaGrant> = Api::namespaced(self.client.clone(), &self.tenant);
        wait_for(&format!("the grant to be {expected}"), PATIENCE, async || {
            let grant = grants.get("acme").await?;
            has(&grant.status.as_ref().context("no status")?.conditions, expected)?;
            Ok(grant)
        })
        .await
    }

    /// Waits until a channel has a condition, `Type=Status/Reason`.
    pub async fn channel_is(&self, name: &str, expected: &str) -> Result<FacebookChannel> {
        let channels: Api<FacebookChannel> = Api::namespaced(self.client.clone(), &self.tenant);
        wait_for(&format!("channel {name} to be {expected}"), PATIENCE, async || {
            let channel = channels.get(name).await?;
            has(&channel.status.as_ref().context("no status")?.conditions, expected)?;
            Ok(channel)
        })
        .await
    }

    pub async fn app_is(&self, expected: &str) -> Result<MetaApp> {
        let apps: Api<MetaApp> = Api::namespaced(self.client.clone(), &self.platform);
        // That its credentials are rejected counts once Meta has said so twice, a minute apart.
        wait_for(&format!("the MetaApp to be {expected}"), PATIENCE * 2, async || {
            let app = apps.get("acme").await?;
            has(&app.status.as_ref().context("no status")?.conditions, expected)?;
            Ok(app)
        })
        .await
    }

    pub fn leases(&self) -> Api<Lease> {
        Api::namespaced(self.client.clone(), &self.platform)
    }

    pub async fn lease(&self) -> Result<LeaseSpec> {
        self.leases().get("meta-channel-operator").await?.spec.context("a Lease has a spec")
    }

    /// Who holds the lease; empty when nobody does.
    pub async fn holder(&self) -> Result<String> {
        Ok(self.lease().await?.holder_identity.unwrap_or_default())
    }

    /// Makes calls go wrong from now on.
    pub fn fault(&self, method: &str, template: Option<&str>, effect: FaultEffect) {
        let matching =
            FaultMatch { method: Some(method.into()), template: template.map(Into::into), ..FaultMatch::default() };
        self.sandbox.add_fault(Fault::new(matching, effect));
    }

    /// Waits until a request that a fault strikes has arrived.
    pub async fn struck(&self, method: &str) -> Result<()> {
        wait_for("a request that goes wrong", PATIENCE, async || {
            let ledger = self.sandbox.ledger();
            ensure!(ledger.iter().any(|it| it.method == method && it.fault.is_some()), "{} requests", ledger.len());
            Ok(())
        })
        .await
    }
}

fn has(conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition], expected: &str) -> Result<()> {
    let shown: Vec<_> = conditions.iter().map(|it| format!("{}={}/{}", it.type_, it.status, it.reason)).collect();
    ensure!(shown.iter().any(|it| it == expected), "no {expected} in {shown:?}");
    Ok(())
}

/// A Secret that is released for a purpose.
pub fn secret(namespace: &str, name: &str, purpose: &str, key: &str, value: &str) -> String {
    // A JSON string is a YAML string, whatever is in it.
    let value = serde_json::Value::from(value);
    format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}, labels: {{metachannels.io/purpose: {purpose}}}}}\nstringData: {{{key}: {value}}}\n"
    )
}
