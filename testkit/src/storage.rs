//! What a control plane stores, past its API server: put back to an earlier state while whoever uses it goes on, or given to it.

use std::fs;
use std::path::Path;
use std::sync::{Arc, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use k8s_openapi::ByteString;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::control_plane::{ControlPlane, Restarted, START_TIMEOUT};
use crate::process::{Process, reqwest_client};
use crate::wait::wait_for;

/// Everything that was stored at a moment.
#[derive(Debug)]
pub struct Backup(TempDir);

impl ControlPlane {
    /// Copies everything that is stored. etcd is stopped meanwhile, and started again.
    pub async fn back_up(&self) -> Result<Backup> {
        self.stop_etcd().await?;
        let backup = Backup(tempfile::Builder::new().prefix("backup-").tempdir()?);
        copy(&self.directory().join("etcd"), backup.0.path())?;
        self.start_etcd().await?;
        Ok(backup)
    }

    /// Puts everything that is stored back to what it was. Both servers are started anew, where they were.
    pub async fn put_back(&self, backup: &Backup) -> Result<()> {
        self.stop_api_server();
        self.stop_etcd().await?;
        let directory = self.directory().join("etcd");
        fs::remove_dir_all(&directory)?;
        copy(backup.0.path(), &directory)?;
        self.start_etcd().await?;
        let api_server = self.launch.api_server(self.directory())?;
        self.restarted().api_servers.push(api_server);
        let client = self.client().await?;
        wait_for("the API server to be ready again", START_TIMEOUT, async || {
            client.request_text(http::Request::get("/readyz").body(Vec::new())?).await?;
            Ok(())
        })
        .await
    }

    /// Stores an object as it is, with the UID and the status that it has, as an API server stored it before. The resource is
    /// named as in etcd: with its group, but for the core's.
    pub async fn store(&self, resource: &str, object: &Value) -> Result<()> {
        let part = |name: &str| object["metadata"][name].as_str().context("an object has a name and a namespace");
        let key = format!("/registry/{resource}/{}/{}", part("namespace")?, part("name")?);
        let bytes = |text: String| ByteString(text.into_bytes());
        let put = json!({ "key": bytes(key), "value": bytes(object.to_string()) });
        let url = format!("{}/v3/kv/put", self.launch.etcd_url);
        reqwest_client()?.post(url).json(&put).send().await?.error_for_status()?;
        Ok(())
    }

    fn stop_api_server(&self) {
        self.api_server().kill();
        self.restarted().api_servers.iter().for_each(Process::kill);
    }

    /// In order, so that everything is written down.
    async fn stop_etcd(&self) -> Result<()> {
        let present = self.restarted().etcds.last().cloned();
        present.as_deref().unwrap_or(self.etcd()).terminate(START_TIMEOUT).await.map(drop)
    }

    async fn start_etcd(&self) -> Result<()> {
        let etcd = self.launch.etcd(self.directory())?;
        let ready = etcd.wait_ready(&format!("{}/readyz", self.launch.etcd_url), START_TIMEOUT).await;
        self.restarted().etcds.push(Arc::new(etcd));
        ready
    }

    fn restarted(&self) -> MutexGuard<'_, Restarted> {
        self.restarted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
