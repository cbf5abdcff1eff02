//! What is applied: an app and its channels, with a grant or with page tokens.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use anyhow::Result;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::{Api, Client};
use serde_json::json;
use testkit::ControlPlane;
use testkit::sandbox::Seed;
use tokio::task::JoinSet;

pub const PLATFORM: &str = "platform";
pub const CLAIMS: &str = "claims";
pub const RELEASE: &str = "release";
pub const LEASE: &str = "meta-channel-operator";

const APP_ID: &str = "1111000011110000";
const PERSON: &str = "6600000000000001";
const TOKEN: &str = "EAAbench-grant-0000000000000000000000";
const PAGE_TOKEN: &str = "EAAbench-page-000000000-";
const FIRST_PAGE: usize = 2_300_000_000_000_001;
const SCOPES: &str = "[pages_show_list, pages_manage_metadata, pages_messaging]";

/// Creations at once.
const AT_ONCE: usize = 16;

/// What authorizes the channels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum By {
    /// One grant of the first tenant.
    Grant,
    /// A token of each page, in a Secret of its own.
    PageTokens,
}

/// Channels, one for each page, that take turns in being of the tenants.
#[derive(Clone, Debug)]
pub struct Crowd {
    pub by: By,
    /// Namespaces of the channels.
    pub tenants: Vec<String>,
    /// How many pages there are at Meta.
    pub pages: usize,
}

impl Crowd {
    /// The demonstration, with many pages.
    pub fn seed(&self) -> Result<Seed> {
        let mut seed = Seed::demo()?;
        let pages = self.pages;
        match self.by {
            By::Grant => {
                let mut yaml = String::from("[");
                for page in FIRST_PAGE..FIRST_PAGE + pages {
                    let tasks = format!("{{{PERSON}: [MODERATE, MESSAGING, MANAGE]}}");
                    write!(yaml, "{{id: {page}, name: Crowd {page}, tasks: {tasks}}},")?;
                }
                seed.pages.extend(serde_yaml_ng::from_str::<Vec<_>>(&(yaml + "]"))?);
                let token = format!("{{token: {TOKEN}, kind: user, app: {APP_ID}, user: {PERSON}, scopes: {SCOPES}}}");
                seed.tokens.push(serde_yaml_ng::from_str(&token)?);
            }
            By::PageTokens => {
                let of_app = format!("app: {APP_ID}, user: {PERSON}, scopes: {SCOPES}");
                let crowd = format!("pages: {pages}, first_page: {FIRST_PAGE}, token_prefix: {PAGE_TOKEN}, {of_app}");
                seed.crowd = Some(serde_yaml_ng::from_str(&format!("{{{crowd}}}"))?);
            }
        }
        Ok(seed)
    }

    /// Applies everything but the channels and their Secrets.
    pub async fn prepare(&self, plane: &ControlPlane) -> Result<()> {
        let tenants = self.tenants.iter().map(String::as_str);
        let mut yaml = String::new();
        for namespace in tenants.clone().chain([PLATFORM, CLAIMS, RELEASE]) {
            writeln!(yaml, "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}")?;
        }
        for namespace in tenants.chain([PLATFORM]) {
            let release = format!("{{release: {RELEASE}/{LEASE}}}");
            let metadata = format!("{{name: metachannels-release, namespace: {namespace}}}");
            writeln!(yaml, "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {metadata}\ndata: {release}")?;
        }
        yaml += &secret(PLATFORM, "acme-app", "app-secret", "{app-secret: sandbox-app-secret-0000000000000000}");
        // Requests of an account are queued by the API server, those of its administrator are not.
        yaml += &format!(
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: operator}}\nroleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}}\nsubjects: [{{kind: ServiceAccount, name: operator, namespace: {RELEASE}}}]\n"
        );
        yaml += &format!(
            "---\napiVersion: metachannels.io/v1alpha1\nkind: MetaApp\nmetadata: {{name: acme, namespace: {PLATFORM}}}\nspec: {{appId: \"{APP_ID}\", appSecretRef: {{name: acme-app}}, allowedNamespaces: {{from: All}}}}\n"
        );
        if self.by == By::Grant {
            let tenant = &self.tenants[0];
            yaml += &secret(tenant, "acme-grant", "grant-token", &format!("{{token: {TOKEN}}}"));
            yaml += &format!(
                "---\napiVersion: metachannels.io/v1alpha1\nkind: MetaGrant\nmetadata: {{name: acme-grant, namespace: {tenant}}}\nspec: {{appRef: {{name: acme, namespace: {PLATFORM}}}, tokenSecretRef: {{name: acme-grant}}}}\n"
            );
        }
        plane.kubectl().apply(&yaml).await.map(|_| ())
    }

    /// Creates these channels with their Secrets, many at once.
    pub async fn create(&self, client: &Client, numbers: Range<usize>) -> Result<()> {
        let crowd = Arc::new(self.clone());
        let mut creations = JoinSet::new();
        for worker in 0..AT_ONCE {
            let (crowd, client) = (Arc::clone(&crowd), client.clone());
            let numbers = numbers.clone().skip(worker).step_by(AT_ONCE);
            creations.spawn(async move {
                for number in numbers {
                    crowd.create_secret(&client, number).await?;
                    crowd.create_channel(&client, number).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(created) = creations.join_next().await {
            created??;
        }
        Ok(())
    }

    /// Creates the Secret with the page token of a channel, if it needs one.
    pub async fn create_secret(&self, client: &Client, number: usize) -> Result<()> {
        if self.by == By::PageTokens {
            let (tenant, token) = (self.tenant(number), format!("{PAGE_TOKEN}{}", FIRST_PAGE + number));
            let secret = secret(tenant, &name(number), "page-token", &format!("{{token: {token}}}"));
            let secret: Secret = serde_yaml_ng::from_str(secret.trim_start_matches("---\n"))?;
            Api::namespaced(client.clone(), tenant).create(&PostParams::default(), &secret).await?;
        }
        Ok(())
    }

    /// Creates a channel.
    pub async fn create_channel(&self, client: &Client, number: usize) -> Result<()> {
        let app = json!({"name": "acme", "namespace": PLATFORM});
        let spec = json!({
            "pageId": (FIRST_PAGE + number).to_string(),
            "credentials": match self.by {
                By::Grant => json!({"grantRef": {"name": "acme-grant"}}),
                By::PageTokens => json!({"pageToken": {"secretRef": {"name": name(number)}, "appRef": app}}),
            },
            "endpoint": {"direct": {}},
        });
        let kind = channel_resource();
        let channel = DynamicObject::new(&name(number), &kind).data(json!({ "spec": spec }));
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), self.tenant(number), &kind);
        api.create(&PostParams::default(), &channel).await?;
        Ok(())
    }

    fn tenant(&self, number: usize) -> &str {
        &self.tenants[number % self.tenants.len()]
    }
}

/// The name of a channel and of its Secret.
pub fn name(number: usize) -> String {
    format!("channel-{}", FIRST_PAGE + number)
}

/// How FacebookChannels are asked for; the crate with their type is the one that is measured.
pub fn channel_resource() -> ApiResource {
    ApiResource {
        group: "metachannels.io".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "metachannels.io/v1alpha1".to_owned(),
        kind: "FacebookChannel".to_owned(),
        plural: "facebookchannels".to_owned(),
    }
}

fn secret(namespace: &str, name: &str, purpose: &str, data: &str) -> String {
    let labels = format!("{{metachannels.io/purpose: {purpose}}}");
    format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}, labels: {labels}}}\nstringData: {data}\n"
    )
}
