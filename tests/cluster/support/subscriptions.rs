//! Subscriptions at Meta: how others change them, and how often they were read and written.

use anyhow::{Result, ensure};
use testkit::sandbox::{AppChange, AppSubscriptionChange, PageChange, PageSubscriptionChange};
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;

pub const FOREIGN: &str = "https://old.example/bot";

/// Changes an application's row at a page; `None` removes it.
pub fn change_row(env: &Env, page: &str, app: &str, fields: Option<&[String]>) -> Result<()> {
    let subscription = Some(PageSubscriptionChange { app: app.parse()?, fields: fields.map(<[_]>::to_vec) });
    env.sandbox.change_page(page, PageChange { subscription, ..PageChange::default() })?;
    Ok(())
}

pub fn change_app(env: &Env, change: AppSubscriptionChange) -> Result<()> {
    env.sandbox.change_app(APP_ID, AppChange { subscription: Some(change), ..AppChange::default() })?;
    Ok(())
}

pub fn row(env: &Env, page: &str) -> Vec<String> {
    let mut fields = env.sandbox.state().pages[page].subscriptions.get(APP_ID).cloned().unwrap_or_default();
    fields.sort();
    fields
}

pub async fn connected(env: &Env) -> Result<()> {
    env.put_app().await?;
    env.put_channels(&env.tenant_a, &[("shop", PAGE_A, TOKEN_A), ("support", PAGE_B, TOKEN_B)]).await?;
    for name in ["shop", "support"] {
        env.channel_is(&env.tenant_a, name, &["Ready=True"]).await?;
    }
    env.app_is(&["Ready=True"]).await?;
    env.sandbox.clear_ledger();
    Ok(())
}

/// The requests with this template, by their methods.
pub fn methods(env: &Env, template: &str, node: &str) -> Vec<String> {
    let ledger = env.sandbox.ledger().into_iter();
    let ours = ledger.filter(|it| it.template.as_deref() == Some(template) && it.node.as_deref() == Some(node));
    ours.map(|it| it.method).collect()
}

/// Moves the clock and waits for this many writes and for the end of the pass that made the last one.
pub async fn repaired(env: &Env, operator: &Running, minutes: i64, template: &str, count: usize) -> Result<()> {
    quiet(operator).await?;
    env.advance(minutes);
    wait_for(&format!("{count} writes"), PATIENCE, async || {
        let writes = env.writes().into_iter().filter(|it| it.template.as_deref() == Some(template)).count();
        ensure!(writes == count, "{writes} writes");
        Ok(())
    })
    .await?;
    quiet(operator).await
}
