//! A control plane with the controllers of a real cluster, on which what is in use is protected from deletion.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use kube::Api;
use kube::api::DeleteParams;
use serde::de::DeserializeOwned;
use testkit::sandbox::Seed;
use testkit::{ControlPlane, wait_for};
use tokio::sync::OnceCell;

use crate::support::admission_policies;
use crate::support::env::*;

/// An env on a control plane with controllers, on which what is in use cannot simply be deleted.
pub async fn governed_with(add: impl FnOnce(&mut Seed)) -> Result<Env> {
    static PLANE: OnceCell<ControlPlane> = OnceCell::const_new();
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let plane = PLANE.get_or_try_init(async || {
        let plane = ControlPlane::start_with_controllers().await?;
        admission_policies::prepare(&plane).await?;
        admission_policies::of_what_is_in_use(&plane).await?;
        anyhow::Ok(plane)
    });
    let (plane, number) = (plane.await?, NUMBER.fetch_add(1, Ordering::Relaxed));
    Env::on(plane, |role| format!("{role}-{number}"), add).await
}

/// What a refusal says of a channel.
pub const HELD: &str = "holds its page and is not declared Disconnected: it is not deleted";

/// Waits until an object would not be deleted, for this reason.
pub async fn protected<K: Clone + std::fmt::Debug + DeserializeOwned>(
    api: &Api<K>,
    name: &str,
    why: &str,
) -> Result<()> {
    wait_for(&format!("{name} to be protected"), PATIENCE, async || {
        let refusal = api.delete(name, &DeleteParams::default().dry_run()).await.map(drop);
        let refusal = refusal.err().context("it would be deleted")?.to_string();
        ensure!(refusal.contains(why), "{refusal}");
        Ok(())
    })
    .await
}
