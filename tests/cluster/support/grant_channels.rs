//! Channels that a grant authorizes: what is put into the cluster and the simulated Graph, and what came of it.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use meta_channel_operator::api::MetaGrant;
use serde_json::json;
use testkit::sandbox::Seed;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
pub use crate::support::grant_fixtures::{ACCOUNTS, PERSON};
use crate::support::observe::*;

/// The person's own token, good for 58 days.
pub const USER_TOKEN: &str = "EAAsandbox-user-00000000000000000000";
pub const PUBLISHED: &str = "facebookchannel-shop-page-token";

impl Env {
    /// The manifest of a channel that a MetaGrant authorizes.
    pub fn granted_manifest(&self, namespace: &str, name: &str, page: &str, grant: &str) -> String {
        format!(
            "apiVersion: metachannels.io/v1alpha1\nkind: FacebookChannel\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  pageId: \"{page}\"\n  credentials: {{grantRef: {{name: {grant}}}}}\n  endpoint: {{direct: {{}}}}\n"
        )
    }
}

/// Lets the person manage all three pages, and gives page C a token of its own.
pub fn person_manages_pages(seed: &mut Seed) {
    for page in &mut seed.pages {
        page.tasks = serde_yaml_ng::from_str(&format!("{PERSON}: [MODERATE, MESSAGING, MANAGE]")).unwrap();
    }
    seed.tokens.push(page_token("outlet", PAGE_C, ""));
}

pub fn secret_manifest(namespace: &str, name: &str, purpose: &str, key: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}, labels: {{metachannels.io/purpose: {purpose}}}}}\nstringData: {{{key}: {value}}}\n"
    )
}

pub fn grant_manifest(env: &Env) -> String {
    format!(
        "apiVersion: metachannels.io/v1alpha1\nkind: MetaGrant\nmetadata: {{name: acme-grant, namespace: {}}}\nspec:\n  appRef: {{name: acme, namespace: {}}}\n  tokenSecretRef: {{name: acme-grant}}\n",
        env.tenant_a, env.platform
    )
}

/// The channels of the pages A and B by the grant, A with its token published.
pub fn channels(env: &Env) -> [String; 2] {
    let granted = |name, page| env.granted_manifest(&env.tenant_a, name, page, "acme-grant");
    [format!("{}  publishToken: true\n", granted("shop", PAGE_A)), granted("support", PAGE_B)]
}

pub fn secrets(env: &Env) -> [String; 3] {
    [
        secret_manifest(&env.platform, "acme-app", "app-secret", "app-secret", APP_SECRET),
        secret_manifest(&env.tenant_a, "acme-grant", "grant-token", "token", USER_TOKEN),
        secret_manifest(&env.tenant_a, "outlet-token", "page-token", "token", &text("outlet")),
    ]
}

pub fn grants(env: &Env) -> Api<MetaGrant> {
    Api::namespaced(env.client.clone(), &env.tenant_a)
}

pub async fn grant_is(env: &Env, expected: &[&str]) -> Result<MetaGrant> {
    wait_for(&format!("the grant to be {expected:?}"), PATIENCE, async || {
        let grant = grants(env).get("acme-grant").await?;
        let status = grant.status.as_ref().context("no status")?;
        let shown = shown(&status.conditions);
        ensure!(
            expected.iter().all(|it| shown.iter().any(|had| had == it || had.split('/').next() == Some(it))),
            "{shown:?}"
        );
        Ok(grant)
    })
    .await
}

/// Has the grant look now, as a person would.
pub async fn look_at_grant(env: &Env, at: &str) -> Result<()> {
    let patch = json!({ "metadata": { "annotations": { "metachannels.io/requested-at": at } } });
    grants(env).patch("acme-grant", &PatchParams::default(), &Patch::Merge(&patch)).await?;
    Ok(())
}

pub async fn published(env: &Env) -> Result<Secret> {
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.tenant_a);
    wait_for("the published token", PATIENCE, async || Ok(secrets.get(PUBLISHED).await?)).await
}

pub async fn withdrawn(env: &Env) -> Result<()> {
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.tenant_a);
    wait_for("the published token to go", PATIENCE, async || {
        ensure!(secrets.get_opt(PUBLISHED).await?.is_none());
        Ok(())
    })
    .await
}

pub async fn both_are(env: &Env, expected: &[&str]) -> Result<()> {
    for name in ["shop", "support"] {
        env.channel_is(&env.tenant_a, name, expected).await?;
    }
    Ok(())
}

/// The channels of pages A and B, connected by the grant; the ledger is empty.
pub async fn connected(env: &Env, operator: &Running) -> Result<()> {
    let mut all = vec![env.app_manifest(), grant_manifest(env)];
    all.extend(channels(env));
    all.extend(secrets(env));
    env.apply(&all.join("---\n")).await?;
    both_are(env, &["Ready=True/ReconcileSucceeded", "Connected=True"]).await?;
    env.app_is(&["Ready=True"]).await?;
    quiet(operator).await?;
    env.sandbox.clear_ledger();
    Ok(())
}

/// Lets the person choose these pages anew.
pub fn regrant(env: &Env, pages: &[&str]) -> Result<()> {
    let change = format!("regrant: {{app: {APP_ID}, pages: [{}]}}", pages.join(", "));
    env.sandbox.change_person(PERSON, serde_yaml_ng::from_str(&change)?)?;
    Ok(())
}
