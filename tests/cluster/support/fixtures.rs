//! What tests put into the simulated Graph and connect channels to.

use anyhow::Result;
use testkit::sandbox::{AppChange, Fault, Seed, SeedPage, SeedToken};

use crate::support::env::*;

pub const APP_ID: &str = "1111000011110000";
pub const PAGE_ROWS: &str = "/{version}/{page-id}/subscribed_apps";
pub const DEBUG_TOKEN: &str = "/{version}/debug_token";
pub const APP_ROWS: &str = "/{version}/{app-id}/subscriptions";

/// The text of the token with this alias, among those that tests add.
pub fn text(alias: &str) -> String {
    format!("EAAtest-{alias}-000000000000000000")
}

/// A page token of our application for this page; `more` adds to it or overrides it.
pub fn page_token(alias: &str, page: &str, more: &str) -> SeedToken {
    let text = text(alias);
    let scopes = "[pages_show_list, pages_manage_metadata, pages_messaging]";
    let yaml = format!(
        "{{alias: {alias}, token: {text}, kind: page, app: {APP_ID}, user: 6600000000000001, page: {page}, scopes: {scopes}, issued_at: -2d{more}}}"
    );
    serde_yaml_ng::from_str(&yaml).unwrap()
}

/// The id of the page with this number, among those that tests add.
pub fn page(number: usize) -> String {
    format!("33000000000001{number:02}")
}

/// Adds pages, each with a token whose alias is `page-` and the number.
pub fn add_pages(seed: &mut Seed, count: usize) {
    for number in 0..count {
        let id = page(number);
        let node: SeedPage = serde_yaml_ng::from_str(&format!("{{id: {id}, name: Page {number}}}")).unwrap();
        seed.pages.push(node);
        seed.tokens.push(page_token(&format!("page-{number}"), &id, ""));
    }
}

/// Connects channels, one to each of so many added pages; their names and the ids of their pages.
pub async fn connect_pages(env: &Env, count: usize) -> Result<Vec<(String, String)>> {
    env.put_app().await?;
    let names: Vec<_> = (0..count).map(|number| (format!("channel-{number}"), page(number))).collect();
    let tokens: Vec<_> = (0..count).map(|number| text(&format!("page-{number}"))).collect();
    let channels: Vec<_> =
        names.iter().zip(&tokens).map(|((name, page), token)| (name.as_str(), page.as_str(), token.as_str())).collect();
    env.put_channels(&env.tenant_a, &channels).await?;
    for (name, _) in &names {
        env.channel_is(&env.tenant_a, name, &["Ready=True/ReconcileSucceeded"]).await?;
    }
    Ok(names)
}

/// A fault, as a seed writes it.
pub fn fault(yaml: &str) -> Fault {
    serde_yaml_ng::from_str(yaml).unwrap()
}

/// Meta has another app secret from now on, and signs with it.
pub fn change_app_secret(env: &Env, secret: &str) -> Result<()> {
    let change = AppChange { secret: Some(secret.into()), ..AppChange::default() };
    Ok(env.sandbox.change_app(APP_ID, change)?)
}
