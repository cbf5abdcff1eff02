//! Many channels, each connected by a token of its own.

use anyhow::{Result, ensure};
use testkit::sandbox::LedgerEntry;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;

pub const PAGE_NODE: &str = "/{version}/{page-id}";

pub fn name(number: usize) -> String {
    format!("channel-{number}")
}

/// So many connected channels.
pub async fn connected(env: &Env, operator: &Running, count: usize) -> Result<()> {
    env.put_app().await?;
    let all: Vec<_> = (0..count).map(|number| (name(number), page(number), text(&format!("page-{number}")))).collect();
    let all: Vec<_> = all.iter().map(|(name, page, token)| (name.as_str(), page.as_str(), token.as_str())).collect();
    env.put_channels(&env.tenant_a, &all).await?;
    wait_for("every channel to be Ready", PATIENCE * 2, async || {
        let channels = env.channels(&env.tenant_a).list(&Default::default()).await?;
        let ready = |channel: &&meta_channel_operator::api::FacebookChannel| {
            let conditions = channel.status.as_ref().map(|status| shown(&status.conditions)).unwrap_or_default();
            conditions.iter().any(|it| it == "Ready=True/ReconcileSucceeded")
        };
        let ready = channels.iter().filter(ready).count();
        ensure!(ready == count, "{ready} of {count}");
        Ok(())
    })
    .await?;
    env.app_is(&["Ready=True"]).await?;
    // What was written last wakes once more.
    quiet(operator).await?;
    env.sandbox.clear_ledger();
    Ok(())
}

/// Reads of pages in the ledger.
pub fn reads(env: &Env) -> Vec<LedgerEntry> {
    env.requests("GET", PAGE_NODE)
}
