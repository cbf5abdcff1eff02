//! Subscriptions at Meta: how others change them, and how often they were read and written.

use anyhow::{Result, ensure};
use testkit::sandbox::{AppChange, AppSubscriptionChange, PageChange, PageSubscriptionChange};
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;

pub const FOREIGN: &str = "https://old.example/bot";

/// Changes an application's row at a page; `None` removes it.
pub fn change_row(world: &World, page: &str, app: &str, fields: Option<&[String]>) -> Result<()> {
    let subscription = Some(PageSubscriptionChange { app: app.parse()?, fields: fields.map(<[_]>::to_vec) });
    world.sandbox.change_page(page, PageChange { subscription, ..PageChange::default() })?;
    Ok(())
}

pub fn change_app(world: &World, change: AppSubscriptionChange) -> Result<()> {
    world.sandbox.change_app(APP_ID, AppChange { subscription: Some(change), ..AppChange::default() })?;
    Ok(())
}

pub fn row(world: &World, page: &str) -> Vec<String> {
    let mut fields = world.sandbox.state().pages[page].subscriptions.get(APP_ID).cloned().unwrap_or_default();
    fields.sort();
    fields
}

pub async fn connected(world: &World) -> Result<()> {
    world.put_app().await?;
    world.put_channels(&world.tenant_a, &[("shop", PAGE_A, TOKEN_A), ("support", PAGE_B, TOKEN_B)]).await?;
    for name in ["shop", "support"] {
        world.channel_is(&world.tenant_a, name, &["Ready=True"]).await?;
    }
    world.app_is(&["Ready=True"]).await?;
    world.sandbox.clear_ledger();
    Ok(())
}

/// The requests with this template, by their methods.
pub fn methods(world: &World, template: &str, node: &str) -> Vec<String> {
    let ledger = world.sandbox.ledger().into_iter();
    let ours = ledger.filter(|it| it.template.as_deref() == Some(template) && it.node.as_deref() == Some(node));
    ours.map(|it| it.method).collect()
}

/// Moves the clock and waits for this many writes and for the end of the pass that made the last one.
pub async fn repaired(world: &World, operator: &Running, minutes: i64, template: &str, count: usize) -> Result<()> {
    quiet(operator).await?;
    world.advance(minutes);
    wait_for(&format!("{count} writes"), PATIENCE, async || {
        let writes = world.writes().into_iter().filter(|it| it.template.as_deref() == Some(template)).count();
        ensure!(writes == count, "{writes} writes");
        Ok(())
    })
    .await?;
    quiet(operator).await
}
