//! Grants in tests: whose tokens there are at the simulated Graph, and what a MetaGrant is to become.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use meta_channel_operator::api::MetaGrant;
use meta_channel_operator::graph::{AppCredentials, AppSecret, GraphClient, GraphOptions, Token, Version};
use testkit::sandbox::{LedgerEntry, Seed, SeedToken};
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;

pub const SYSTEM_USER: &str = "6600000000000009";
pub const PERSON: &str = "6600000000000001";
pub const ACCOUNTS: &str = "/{version}/{user-id}/accounts";
pub const EXCHANGE: &str = "/{version}/oauth/access_token";
pub const REVOKE: &str = "/{version}/oauth/revoke";
pub const DAY: i64 = 24 * 60;

/// A token of a person or system user for our application; `more` adds to it or overrides it.
pub fn grant_token(alias: &str, kind: &str, user: &str, more: &str) -> SeedToken {
    let text = text(alias);
    let scopes = "[pages_show_list, pages_manage_metadata, pages_messaging]";
    let yaml =
        format!("{{alias: {alias}, token: {text}, kind: {kind}, app: {APP_ID}, user: {user}, scopes: {scopes}{more}}}");
    serde_yaml_ng::from_str(&yaml).unwrap()
}

/// A system user's token that was issued so many days ago and lives for 60.
pub fn system_token(alias: &str, age: i64) -> SeedToken {
    let life = format!(", issued_at: -{age}d, expires_at: +{}d", 60 - age);
    grant_token(alias, "system_user", SYSTEM_USER, &life)
}

/// Adds the system user and its token.
pub fn add_system_user(seed: &mut Seed, alias: &str, age: i64) {
    seed.system_users.push(serde_yaml_ng::from_str(&format!("{{id: {SYSTEM_USER}, name: Robot}}")).unwrap());
    seed.tokens.push(system_token(alias, age));
}

impl Env {
    /// An operator that looks at tokens once a day, as by default.
    pub fn daily(&self) -> Running {
        self.operator_with(|operator| operator.policy.token_period = Duration::from_secs(24 * 60 * 60))
    }

    pub fn grants(&self) -> Api<MetaGrant> {
        Api::namespaced(self.client.clone(), &self.tenant_a)
    }

    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.tenant_a)
    }

    pub async fn put_seed(&self, token: &str) -> Result<()> {
        self.put_secret(&self.tenant_a, "acme-grant", "grant-token", "token", token).await
    }

    /// The grant `acme` of the first tenant; `renewal` as in `{before: 20d}`.
    pub async fn put_grant(&self, token: &str, renewal: &str) -> Result<()> {
        self.put_seed(token).await?;
        self.apply(&self.grant_manifest(renewal)).await
    }

    pub fn grant_manifest(&self, renewal: &str) -> String {
        format!(
            "apiVersion: metachannels.io/v1alpha1\nkind: MetaGrant\nmetadata: {{name: acme, namespace: {}}}\nspec:\n  appRef: {{name: acme, namespace: {}}}\n  tokenSecretRef: {{name: acme-grant}}\n  renewal: {renewal}\n",
            self.tenant_a, self.platform
        )
    }

    /// Waits until the grant shows these conditions for its generation.
    pub async fn grant_is(&self, expected: &[&str]) -> Result<MetaGrant> {
        wait_for(&format!("the MetaGrant to be {expected:?}"), PATIENCE, async || {
            let grant = self.grants().get("acme").await?;
            let status = grant.status.as_ref().context("no status")?;
            anyhow::ensure!(Some(status.observed_generation) == grant.metadata.generation, "not observed");
            missing(&status.conditions, expected)?;
            Ok(grant)
        })
        .await
    }

    /// Asks for a look at the grant, as a person would.
    pub async fn request_grant_look(&self, at: &str) -> Result<()> {
        let annotation = format!("metachannels.io/requested-at={at}");
        self.kubectl()
            .run(&["-n", &self.tenant_a, "annotate", "--overwrite", "metagrant", "acme", &annotation])
            .await?;
        Ok(())
    }

    /// The text under a key of the Secret with the token in use.
    pub async fn kept(&self, key: &str) -> Result<Option<String>> {
        let Some(secret) = self.secrets().get_opt("metagrant-acme-token").await? else { return Ok(None) };
        let value = secret.data.unwrap_or_default().remove(key);
        Ok(value.map(|value| String::from_utf8(value.0).unwrap()))
    }

    /// The token that the next process would begin with: the one that is kept, else the seed.
    pub async fn in_use(&self) -> Result<String> {
        if let Some(kept) = self.kept("token").await? {
            return Ok(kept);
        }
        let seed = self.secrets().get("acme-grant").await?.data.unwrap_or_default().remove("token");
        Ok(String::from_utf8(seed.context("no seed")?.0)?)
    }

    /// Calls with this template, with or without success.
    pub fn calls(&self, template: &str) -> Vec<LedgerEntry> {
        self.requests("GET", template)
    }

    /// Whether Meta accepts a token now.
    pub async fn works(&self, token: &str) -> Result<bool> {
        let graph = GraphClient::new(GraphOptions::new(&self.sandbox.url())?, Arc::new(()))?;
        let app = AppCredentials::new(APP_ID.into(), AppSecret::parse(APP_SECRET.as_bytes())?);
        let info = graph.debug_token(&Version::DEFAULT, &app, &Token::parse(token.as_bytes())?).await?;
        Ok(info.is_valid && info.expires_at.is_none_or(|end| end > self.sandbox.now()))
    }
}
