//! kubectl as a child process.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// kubectl with a fixed kubeconfig.
#[derive(Debug, Clone)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    cache: PathBuf,
}

impl Kubectl {
    /// `cache` keeps the discovery cache away from the user's own, which is keyed by host and port and would go
    /// stale: ports are used again.
    pub(crate) fn new(program: PathBuf, kubeconfig: &Path, cache: PathBuf) -> Self {
        Self { program, kubeconfig: kubeconfig.to_owned(), cache }
    }

    /// The same program for someone else, for example a ServiceAccount.
    pub fn with_kubeconfig(&self, kubeconfig: &Path) -> Self {
        Self { kubeconfig: kubeconfig.to_owned(), ..self.clone() }
    }

    /// The path of the program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs kubectl. If it fails, the error carries what it wrote to standard error.
    pub async fn run(&self, args: &[&str]) -> Result<Output> {
        self.run_with_input(args, None).await
    }

    /// Runs kubectl and returns what it wrote to standard output.
    pub async fn text(&self, args: &[&str]) -> Result<String> {
        let output = self.run(args).await?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// `kubectl get` with these arguments, as JSON.
    pub async fn get(&self, args: &[&str]) -> Result<Value> {
        let args = [&["get", "--output=json"], args].concat();
        let output = self.run(&args).await?;
        serde_json::from_slice(&output.stdout).context("kubectl get --output=json")
    }

    /// `kubectl apply --server-side` of this YAML.
    pub async fn apply(&self, yaml: &str) -> Result<Output> {
        self.run_with_input(&["apply", "--server-side", "--filename=-"], Some(yaml)).await
    }

    /// Runs kubectl with `input` as its standard input. Errors as in [`Kubectl::run`].
    pub async fn run_with_input(&self, args: &[&str], input: Option<&str>) -> Result<Output> {
        let mut child = Command::new(&self.program)
            .arg(format!("--kubeconfig={}", self.kubeconfig.display()))
            .arg(format!("--cache-dir={}", self.cache.display()))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", self.program.display()))?;
        let mut stdin = child.stdin.take().context("a piped standard input was asked for")?;
        let feed = async move {
            // A kubectl that gives up early closes its end; its own message says why.
            let _ = stdin.write_all(input.unwrap_or_default().as_bytes()).await;
        };
        let ((), output) = tokio::join!(feed, child.wait_with_output());
        let output = output?;
        ensure!(
            output.status.success(),
            "kubectl {}: {}: {}",
            args.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(output)
    }
}
