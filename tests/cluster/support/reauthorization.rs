//! A grant that the operator manages and whose token is about to end, and the browser of a person who can authorize it again.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use meta_channel_operator::api::MetaGrant;
use meta_channel_operator::api::inbox::INBOX_TYPE;
use reqwest::StatusCode;
use testkit::sandbox::Seed;
use testkit::wait_for;

use crate::support::browser::Browser;
use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::oauth_fixture::*;

/// Alias of the token that the grant begins with. It lives for another five days.
pub const ENDING: &str = "ending";

fn ending(seed: &mut Seed) {
    people(seed);
    let text = text(ENDING);
    let yaml = format!(
        "{{alias: {ENDING}, token: {text}, kind: user, app: {APP_ID}, user: {PERSON}, scopes: [{SCOPES}], issued_at: -55d, expires_at: +5d}}"
    );
    seed.tokens.push(serde_yaml_ng::from_str(&yaml).unwrap());
}

/// A grant that the operator manages.
pub async fn env() -> Result<(Env, Running)> {
    let env = Env::seeded(ending).await?;
    let operator = env.operator();
    env.put_app().await?;
    env.app_is(&["Ready=True"]).await?;
    env.put_secret(&env.tenant_a, "acme-grant", "grant-token", "token", &text(ENDING)).await?;
    env.apply(&grant_manifest(&env, &env.tenant_a)).await?;
    grant_is(&env, "True/ExpiresSoon").await?;
    Ok((env, operator))
}

pub async fn grant_is(env: &Env, ready: &str) -> Result<MetaGrant> {
    let grants: Api<MetaGrant> = Api::namespaced(env.client.clone(), &env.tenant_a);
    wait_for(&format!("the grant to be {ready}"), PATIENCE, async || {
        let grant = grants.get("acme").await?;
        let shown = shown(&grant.status.as_ref().context("no status")?.conditions);
        ensure!(shown.contains(&format!("Ready={ready}")), "{shown:?}");
        Ok(grant)
    })
    .await
}

pub async fn living(env: &Env) -> Result<String> {
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.tenant_a);
    let secret = secrets.get("metagrant-acme-token").await?;
    Ok(String::from_utf8(secret.data.context("no data")?["token"].0.clone())?)
}

pub async fn mail(env: &Env) -> Result<Vec<Secret>> {
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.inbox);
    let all = secrets.list(&Default::default()).await?;
    Ok(all.into_iter().filter(|it| it.type_.as_deref() == Some(INBOX_TYPE)).collect())
}

/// The browser of a person, once the gateway knows the grant.
pub async fn browser(env: &Env) -> Result<Browser> {
    let mut browser = Browser::new(&env.sandbox.resolve()["hooks.example.com"]);
    browser.cluster = Some(env.client.clone());
    let name = format!("{}/acme", env.tenant_a);
    wait_for("the start page", PATIENCE, async || {
        let path = browser.start(&name).await?;
        browser.get(&path).await?.is(StatusCode::OK, "Authorize again")
    })
    .await?;
    Ok(browser)
}
