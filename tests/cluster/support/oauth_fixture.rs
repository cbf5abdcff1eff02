//! Two tenants with a grant each, of the same application, as the operator would have described them.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use meta_channel_operator::api::MetaGrant;
use meta_channel_operator::api::inbox::INBOX_TYPE;
use serde_json::json;
use testkit::sandbox::Seed;
use testkit::wait_for;

use crate::support::browser::Browser;
use crate::support::env::*;

pub const PERSON: &str = "6600000000000001";
/// Has a role on page B only, and never authorized anything.
pub const COLLEAGUE: &str = "6600000000000002";
pub const CALLBACK: &str = "https://hooks.example.com/oauth/callback";
/// The redirect URI of the other application, on the same host.
pub const APP_REDIRECT: &str = "https://hooks.example.com/other/callback";
pub const SCOPES: &str = "pages_show_list,pages_manage_metadata,pages_messaging";
/// The part of the grants' addresses that cannot be guessed.
const ADDRESS: &str = "YS1yYW5kb20tYWRkcmVzcw";
pub const MARKUP: &str = "<b onclick=\"x\">'&amp;</b>";

/// The path of the start page of a grant that no operator manages.
pub fn start(grant: &str) -> String {
    format!("/oauth/{grant}/{ADDRESS}/start")
}

/// What the tests need beyond the demonstration: an application that people can log in to, and roles.
pub fn people(seed: &mut Seed) {
    for (app, uri) in seed.apps.iter_mut().zip([CALLBACK, APP_REDIRECT]) {
        app.redirect_uris = [uri.to_owned()].into();
    }
    let yaml = format!("{{id: {COLLEAGUE}, name: {}}}", serde_json::to_string(MARKUP).unwrap());
    seed.people.push(serde_yaml_ng::from_str(&yaml).unwrap());
    for page in &mut seed.pages {
        let all = format!("{{{PERSON}: [MODERATE, MESSAGING, MANAGE]}}");
        let both = format!("{{{PERSON}: [MODERATE, MESSAGING, MANAGE], {COLLEAGUE}: [MODERATE, MESSAGING]}}");
        let tasks = if page.id == *PAGE_B { both } else { all };
        page.tasks = Some(serde_yaml_ng::from_str(&tasks).unwrap());
    }
}

/// A grant of the application, whose seed lies in Secret acme-grant.
pub fn grant_manifest(env: &Env, namespace: &str) -> String {
    format!(
        "apiVersion: metachannels.io/v1alpha1\nkind: MetaGrant\nmetadata: {{name: acme, namespace: {namespace}}}\nspec:\n  appRef: {{name: acme, namespace: {}}}\n  tokenSecretRef: {{name: acme-grant}}\n",
        env.platform
    )
}

pub struct Fixture {
    pub env: Env,
    /// The grant of tenant-a, which relies on pages A and B.
    pub grant: String,
    /// The grant of tenant-b, which relies on page B.
    pub other: String,
}

impl Fixture {
    pub async fn new() -> Result<Self> {
        Self::seeded(people).await
    }

    pub async fn seeded(add: impl FnOnce(&mut Seed)) -> Result<Self> {
        let env = Env::seeded(add).await?;
        env.apply(&env.app_manifest()).await?;
        env.tell_gateway(&env.platform, &[("app-secret", APP_SECRET)]).await?;
        let app = json!({"status": {"appName": "Acme <i>Messaging</i>", "oauthRedirectUri": CALLBACK}});
        env.apps().patch_status("acme", &PatchParams::default(), &Patch::Merge(&app)).await?;
        let fixture = Self { grant: format!("{}/acme", env.tenant_a), other: format!("{}/acme", env.tenant_b), env };
        fixture.put_grant(&fixture.env.tenant_a, &[(PAGE_A, "Acme Shop"), (PAGE_B, MARKUP)]).await?;
        fixture.put_grant(&fixture.env.tenant_b, &[(PAGE_B, MARKUP)]).await?;
        for grant in [&fixture.grant, &fixture.other] {
            fixture.is_served(grant).await?;
        }
        Ok(fixture)
    }

    async fn put_grant(&self, namespace: &str, pages: &[(&str, &str)]) -> Result<()> {
        self.env.apply(&grant_manifest(&self.env, namespace)).await?;
        let rows: Vec<_> = pages.iter().map(|(id, name)| json!({"id": id, "name": name, "inUse": true})).collect();
        let unused = json!({"id": PAGE_C, "name": "Not in use"});
        let pages: Vec<_> = rows.into_iter().chain([unused]).collect();
        let address = format!("https://hooks.example.com{}", start(&format!("{namespace}/acme")));
        let status = json!({"status": {"pages": pages, "reauthorizeUrl": address}});
        let grants: Api<MetaGrant> = Api::namespaced(self.env.client.clone(), namespace);
        grants.patch_status("acme", &PatchParams::default(), &Patch::Merge(&status)).await?;
        Ok(())
    }

    /// Waits until the gateway offers a grant's page.
    pub async fn is_served(&self, grant: &str) -> Result<()> {
        let mut browser = self.browser();
        wait_for("the gateway to know the grant", PATIENCE, async || {
            let answer = browser.get(&start(grant)).await?;
            ensure!(answer.status.is_success() && answer.text.contains(PAGE_B), "{}: {}", answer.status, answer.text);
            Ok(())
        })
        .await
    }

    pub fn browser(&self) -> Browser {
        Browser::new(&self.env.sandbox.resolve()["hooks.example.com"])
    }

    fn inbox(&self) -> Api<Secret> {
        Api::namespaced(self.env.client.clone(), &self.env.inbox)
    }

    /// What lies in the inbox.
    pub async fn mail(&self) -> Result<Vec<Secret>> {
        let all = self.inbox().list(&Default::default()).await?;
        Ok(all.into_iter().filter(|it| it.type_.as_deref() == Some(INBOX_TYPE)).collect())
    }

    /// What lies in the inbox but notes of used states, by what the annotation says of it.
    pub async fn told(&self) -> Result<Vec<String>> {
        let content = |mail: &Secret| mail.annotations().get("metachannels.io/message").cloned().unwrap_or_default();
        let all = self.mail().await?;
        Ok(all.iter().map(content).filter(|content| content != "SpentState").collect())
    }

    /// Codes that were exchanged, by the status of their answers.
    pub fn exchanges(&self) -> Vec<u16> {
        let all = self.env.requests("POST", "/{version}/oauth/access_token");
        all.iter().filter_map(|entry| entry.status).collect()
    }

    /// Waits until the exchanges ended so. Of a code that came to the wrong browser nobody waits for it.
    pub async fn exchanged(&self, expected: &[u16]) -> Result<()> {
        wait_for(&format!("the exchanges {expected:?}"), PATIENCE, async || {
            anyhow::ensure!(self.exchanges() == expected, "{:?}", self.exchanges());
            Ok(())
        })
        .await
    }

    /// How often a step ended so.
    pub fn outcomes(&self, outcome: &str) -> u64 {
        let label = format!("meta_channel_operator_reauthorizations_total{{outcome=\"{outcome}\"}} ");
        let text = self.env.gateway_metrics().text();
        text.lines().find_map(|line| line.strip_prefix(&label)?.parse().ok()).unwrap_or_default()
    }
}
