//! etcd and kube-apiserver on loopback.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::audit::{self, AuditEvent};
use crate::binaries::Binaries;
use crate::certificates::{Authority, token_signing_key};
use crate::controllers;
use crate::kubeconfig::{Credentials, kubeconfig};
use crate::kubectl::Kubectl;
use crate::process::Process;
use crate::wait::{free_port, wait_for};

/// Longer than any start that was ever seen, even while compilers hold all cores.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(180);

/// A free port may be taken by someone else before the server gets it.
const ATTEMPTS: usize = 3;

const AUDIT_LOG: &str = "audit.log";

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// A Kubernetes API server with RBAC, TLS, TokenRequest and admission policies, and its etcd.
///
/// There are no nodes, and no controllers unless they are asked for: nothing creates default ServiceAccounts, deletes the
/// content of namespaces or collects garbage. Everything is stopped and deleted on drop, and by a guard when this process
/// ends otherwise.
#[derive(Debug)]
pub struct ControlPlane {
    url: String,
    authority: Authority,
    kubeconfig: PathBuf,
    kubectl: Kubectl,
    pub(crate) launch: Launch,
    // In the order in which they are stopped.
    _controllers: Option<Process>,
    pub(crate) restarted: Mutex<Restarted>,
    api_server: Process,
    etcd: Process,
    directory: TempDir,
}

impl ControlPlane {
    /// Starts a control plane of one's own and waits until it is ready. Builds the programs if that is still to be
    /// done.
    pub async fn start() -> Result<Self> {
        crate::install_crypto_provider();
        let programs = tokio::task::spawn_blocking(Programs::locate).await??;
        let mut attempt = 1;
        loop {
            let result = Self::start_once(&programs).await;
            match result {
                Err(error) if attempt < ATTEMPTS && lost_its_port(&error) => attempt += 1,
                result => return result,
            }
        }
    }

    /// Starts a control plane with the controllers that delete the content of namespaces, collect garbage, aggregate
    /// ClusterRoles and check the types of admission policies.
    pub async fn start_with_controllers() -> Result<Self> {
        let program = tokio::task::spawn_blocking(|| Binaries::locate()?.kube_controller_manager()).await??;
        let mut control_plane = Self::start().await?;
        control_plane._controllers = Some(controllers::start(&control_plane, &program).await?);
        Ok(control_plane)
    }

    /// One control plane for all tests of this process, started on first use.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    async fn start_once(programs: &Programs) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("control-plane-").tempdir()?;
        let authority = Authority::new()?;
        write_files(directory.path(), &authority)?;

        let etcd_url = format!("http://127.0.0.1:{}", free_port());
        let etcd = Process::spawn_in(&etcd_command(&programs.etcd, directory.path(), &etcd_url), directory.path())?;
        etcd.wait_ready(&format!("{etcd_url}/readyz"), START_TIMEOUT).await?;

        let port = free_port();
        let url = format!("https://127.0.0.1:{port}");
        let api_server = Process::spawn_in(
            &api_server_command(&programs.kube_apiserver, directory.path(), &etcd_url, port),
            directory.path(),
        )?;
        let admin = Credentials::Certificate(authority.client("admin", "system:masters")?);
        let path = directory.path().join("admin.kubeconfig");
        fs::write(&path, kubeconfig(&url, &authority.certificate(), "admin", &admin)?)?;

        let control_plane = Self {
            kubectl: Kubectl::new(programs.kubectl.clone(), &path, directory.path().join("kubectl-cache")),
            kubeconfig: path,
            url,
            authority,
            _controllers: None,
            launch: Launch { programs: programs.clone(), etcd_url, port },
            restarted: Mutex::default(),
            api_server,
            etcd,
            directory,
        };
        control_plane.wait_ready().await?;
        Ok(control_plane)
    }

    async fn wait_ready(&self) -> Result<()> {
        let client = self.client().await?;
        let poll = async || {
            if let Some(status) = self.api_server.exit_status()? {
                return Ok(Some(status));
            }
            client.request_text(http_get("/readyz")?).await?;
            Ok(None)
        };
        let ended = wait_for("the API server to be ready", START_TIMEOUT, poll).await;
        let log = || format!("the API server's last lines:\n{}", self.api_server.last_lines(20));
        let ended = ended.with_context(log)?;
        ensure!(ended.is_none(), "the API server ended; {}", log());
        Ok(())
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The address of the API server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A directory that is deleted with the control plane.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The API server's process, for its log and process id.
    pub fn api_server(&self) -> &Process {
        &self.api_server
    }

    /// etcd's process.
    pub fn etcd(&self) -> &Process {
        &self.etcd
    }

    /// What ServiceAccounts asked of the API server so far.
    pub fn audit(&self) -> Result<Vec<AuditEvent>> {
        self.audit_since(0).map(|(events, _)| events)
    }

    /// What they asked since a former call, which said up to where that went; 0 is the begin.
    pub fn audit_since(&self, from: u64) -> Result<(Vec<AuditEvent>, u64)> {
        audit::read(&self.directory().join(AUDIT_LOG), from)
    }

    /// kubectl as administrator.
    pub fn kubectl(&self) -> Kubectl {
        self.kubectl.clone()
    }

    /// A client of the administrator.
    pub async fn client(&self) -> Result<kube::Client> {
        client(&self.kubeconfig).await
    }

    /// A kubeconfig that authenticates as this ServiceAccount with a token from TokenRequest, so that RBAC decides
    /// what it may do. The ServiceAccount is created if it is missing; its namespace must exist.
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client().await?, namespace);
        if accounts.get_opt(name).await?.is_none() {
            let account = ServiceAccount {
                metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
                ..ServiceAccount::default()
            };
            accounts
                .create(&PostParams::default(), &account)
                .await
                .with_context(|| format!("create ServiceAccount {namespace}/{name}"))?;
        }
        let request = TokenRequest {
            spec: Some(TokenRequestSpec { expiration_seconds: Some(12 * 3600), ..TokenRequestSpec::default() }),
            ..TokenRequest::default()
        };
        let answer = accounts.create_token_request(name, &PostParams::default(), &request).await?;
        let token = answer.status.and_then(|status| status.token);
        let token = token.context("the answer to a TokenRequest has no token")?;
        self.write_kubeconfig(&format!("{namespace}-{name}"), name, &Credentials::Token(token))
    }

    /// A kubeconfig that authenticates as this user by certificate.
    pub fn user_kubeconfig(&self, user: &str, group: &str) -> Result<PathBuf> {
        let credentials = Credentials::Certificate(self.authority.client(user, group)?);
        self.write_kubeconfig(&user.replace(':', "-"), user, &credentials)
    }

    fn write_kubeconfig(&self, file: &str, user: &str, credentials: &Credentials) -> Result<PathBuf> {
        let path = self.directory().join(format!("{file}.kubeconfig"));
        fs::write(&path, kubeconfig(&self.url, &self.authority.certificate(), user, credentials)?)?;
        Ok(path)
    }

    /// Applies the CRDs in `directory` and waits until they are served. A `kustomization.yaml` beside them is not one.
    pub async fn install_crds(&self, directory: &Path) -> Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))? {
            let path = entry?.path();
            let yaml = path.extension().is_some_and(|extension| extension == "yaml");
            if yaml && !path.ends_with("kustomization.yaml") {
                files.push(format!("--filename={}", path.display()));
            }
        }
        ensure!(!files.is_empty(), "no CRDs in {}", directory.display());
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        self.kubectl.run(&[&["apply", "--server-side"], &files[..]].concat()).await?;
        let wait = ["wait", "--for=condition=Established", "--timeout=180s"];
        self.kubectl.run(&[&wait, &files[..]].concat()).await?;
        Ok(())
    }
}

/// A client for this kubeconfig. Proxies of the environment do not count: the server is on loopback.
pub async fn client(kubeconfig: &Path) -> Result<kube::Client> {
    crate::install_crypto_provider();
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.proxy_url = None;
    Ok(kube::Client::try_from(config)?)
}

/// What the servers are started with.
#[derive(Debug)]
pub(crate) struct Launch {
    programs: Programs,
    pub(crate) etcd_url: String,
    port: u16,
}

impl Launch {
    pub(crate) fn etcd(&self, directory: &Path) -> Result<Process> {
        Process::spawn_in(&etcd_command(&self.programs.etcd, directory, &self.etcd_url), directory)
    }

    pub(crate) fn api_server(&self, directory: &Path) -> Result<Process> {
        let program = &self.programs.kube_apiserver;
        Process::spawn_in(&api_server_command(program, directory, &self.etcd_url, self.port), directory)
    }
}

/// The servers that took the place of those before, the present ones last. None is dropped before the others: the directory
/// would go with it.
#[derive(Debug, Default)]
pub(crate) struct Restarted {
    pub(crate) api_servers: Vec<Process>,
    pub(crate) etcds: Vec<Arc<Process>>,
}

#[derive(Clone, Debug)]
struct Programs {
    etcd: PathBuf,
    kube_apiserver: PathBuf,
    kubectl: PathBuf,
}

impl Programs {
    fn locate() -> Result<Self> {
        let binaries = Binaries::locate()?;
        Ok(Self { etcd: binaries.etcd()?, kube_apiserver: binaries.kube_apiserver()?, kubectl: binaries.kubectl()? })
    }
}

/// Writes the keys and certificates that the servers need.
fn write_files(directory: &Path, authority: &Authority) -> Result<()> {
    let server = authority.server()?;
    let (signing_key, verification_key) = token_signing_key()?;
    for (name, content) in [
        ("ca.crt", authority.certificate()),
        ("server.crt", server.certificate),
        ("server.key", server.key),
        ("service-accounts.key", signing_key),
        ("service-accounts.pub", verification_key),
        ("audit-policy.yaml", audit::POLICY.to_owned()),
    ] {
        fs::write(directory.join(name), content)?;
    }
    Ok(())
}

fn etcd_command(program: &Path, directory: &Path, url: &str) -> Command {
    let mut etcd = Command::new(program);
    etcd.arg(format!("--data-dir={}", directory.join("etcd").display()))
        .arg(format!("--listen-client-urls={url}"))
        .arg(format!("--advertise-client-urls={url}"))
        // A single member has no peers: any port will do.
        .arg("--listen-peer-urls=http://127.0.0.1:0")
        // Nothing here has to survive a crash of the machine.
        .arg("--unsafe-no-fsync")
        .arg("--log-level=warn");
    etcd
}

fn api_server_command(program: &Path, directory: &Path, etcd_url: &str, port: u16) -> Command {
    let file = |flag: &str, name: &str| format!("--{flag}={}", directory.join(name).display());
    let mut api_server = Command::new(program);
    api_server
        .arg(format!("--etcd-servers={etcd_url}"))
        .arg("--bind-address=127.0.0.1")
        .arg(format!("--secure-port={port}"))
        .arg(file("cert-dir", "certificates"))
        .arg(file("tls-cert-file", "server.crt"))
        .arg(file("tls-private-key-file", "server.key"))
        .arg(file("client-ca-file", "ca.crt"))
        .arg("--authorization-mode=Node,RBAC")
        .arg(format!("--service-account-issuer={ISSUER}"))
        .arg(file("service-account-signing-key-file", "service-accounts.key"))
        .arg(file("service-account-key-file", "service-accounts.pub"))
        .arg("--service-cluster-ip-range=10.0.0.0/24")
        // Nobody reaches the Service `kubernetes`, and loopback is no valid endpoint for it.
        .arg("--endpoint-reconciler-type=none")
        .arg("--advertise-address=127.0.0.1")
        .arg(file("audit-policy-file", "audit-policy.yaml"))
        .arg(file("audit-log-path", AUDIT_LOG))
        // In MiB. At 100 it would be put aside, with what was to be counted.
        .arg("--audit-log-maxsize=16384")
        .arg("--profiling=false")
        .arg("--v=1")
        // Measured: a start takes a seventh less CPU for a tenth more memory.
        .env("GOGC", "200");
    api_server
}

fn lost_its_port(error: &anyhow::Error) -> bool {
    format!("{error:#}").contains("address already in use")
}

fn http_get(path: &str) -> Result<http::Request<Vec<u8>>> {
    Ok(http::Request::get(path).body(Vec::new())?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// `ls` does not know the flag that each of the servers gets first, and says so.
    #[tokio::test]
    async fn a_server_that_does_not_come_up_is_quoted() {
        let ls = || PathBuf::from("/bin/ls");
        let etcd = Binaries::locate().unwrap().etcd().unwrap();
        let programs = |etcd: PathBuf| Programs { etcd, kube_apiserver: ls(), kubectl: ls() };
        for (programs, flag) in [(programs(ls()), "data-dir"), (programs(etcd), "etcd-servers")] {
            let error = ControlPlane::start_once(&programs).await.unwrap_err();
            let text = format!("{error:#}");
            assert!(text.contains("ended") && text.contains(flag), "{text}");
        }
    }
}
