//! What is applied: an app, a grant, and its channels.

use std::fmt::Write as _;

use anyhow::Result;
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::{Api, Client};
use serde_json::json;
use testkit::ControlPlane;
use testkit::sandbox::Seed;
use tokio::task::JoinSet;

pub const PLATFORM: &str = "platform";
pub const TENANT: &str = "tenant";
pub const CLAIMS: &str = "claims";
pub const RELEASE: &str = "release";
pub const LEASE: &str = "meta-channel-operator";

const APP_ID: &str = "1111000011110000";
const PERSON: &str = "6600000000000001";
const TOKEN: &str = "EAAbench-grant-0000000000000000000000";
const FIRST_PAGE: usize = 2_300_000_000_000_001;
const SCOPES: &str = "[pages_show_list, pages_manage_metadata, pages_messaging]";

/// Creations at once.
const AT_ONCE: usize = 16;

/// The demonstration, with many pages that a person manages.
pub fn seed(channels: usize) -> Result<Seed> {
    let mut pages = String::from("[");
    for page in FIRST_PAGE..FIRST_PAGE + channels {
        write!(pages, "{{id: {page}, name: Crowd {page}, tasks: {{{PERSON}: [MODERATE, MESSAGING, MANAGE]}}}},")?;
    }
    let mut seed = Seed::demo()?;
    seed.pages.extend(serde_yaml_ng::from_str::<Vec<_>>(&(pages + "]"))?);
    let token = format!("{{token: {TOKEN}, kind: user, app: {APP_ID}, user: {PERSON}, scopes: {SCOPES}}}");
    seed.tokens.push(serde_yaml_ng::from_str(&token)?);
    Ok(seed)
}

/// Everything but the channels.
pub async fn prepare(plane: &ControlPlane) -> Result<()> {
    let mut yaml = String::new();
    for namespace in [PLATFORM, TENANT, CLAIMS, RELEASE] {
        writeln!(yaml, "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}")?;
    }
    for namespace in [PLATFORM, TENANT] {
        let release = format!("{{release: {RELEASE}/meta-channel-operator}}");
        let metadata = format!("{{name: metachannels-release, namespace: {namespace}}}");
        writeln!(yaml, "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {metadata}\ndata: {release}")?;
    }
    yaml += &secret(PLATFORM, "acme-app", "app-secret", "{app-secret: sandbox-app-secret-0000000000000000}");
    yaml += &secret(TENANT, "acme-grant", "grant-token", &format!("{{token: {TOKEN}}}"));
    // Requests of an account are queued by the API server, those of its administrator are not.
    yaml += &format!(
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: operator}}\nroleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}}\nsubjects: [{{kind: ServiceAccount, name: operator, namespace: {RELEASE}}}]\n"
    );
    yaml += &format!(
        "---\napiVersion: metachannels.io/v1alpha1\nkind: MetaApp\nmetadata: {{name: acme, namespace: {PLATFORM}}}\nspec: {{appId: \"{APP_ID}\", appSecretRef: {{name: acme-app}}, allowedNamespaces: {{from: All}}}}\n"
    );
    yaml += &format!(
        "---\napiVersion: metachannels.io/v1alpha1\nkind: MetaGrant\nmetadata: {{name: acme-grant, namespace: {TENANT}}}\nspec: {{appRef: {{name: acme, namespace: {PLATFORM}}}, tokenSecretRef: {{name: acme-grant}}}}\n"
    );
    plane.kubectl().apply(&yaml).await.map(|_| ())
}

fn secret(namespace: &str, name: &str, purpose: &str, data: &str) -> String {
    let labels = format!("{{metachannels.io/purpose: {purpose}}}");
    format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}, labels: {labels}}}\nstringData: {data}\n"
    )
}

/// The channels.
pub async fn apply(client: &Client, channels: usize) -> Result<()> {
    let resource = ApiResource {
        group: "metachannels.io".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "metachannels.io/v1alpha1".to_owned(),
        kind: "FacebookChannel".to_owned(),
        plural: "facebookchannels".to_owned(),
    };
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), TENANT, &resource);
    let mut creations = JoinSet::new();
    for worker in 0..AT_ONCE {
        let (api, resource) = (api.clone(), resource.clone());
        creations.spawn(async move {
            for page in (FIRST_PAGE..FIRST_PAGE + channels).skip(worker).step_by(AT_ONCE) {
                let spec = json!({
                    "pageId": page.to_string(),
                    "credentials": {"grantRef": {"name": "acme-grant"}},
                    "endpoint": {"direct": {}},
                });
                let channel = DynamicObject::new(&format!("channel-{page}"), &resource).data(json!({ "spec": spec }));
                api.create(&PostParams::default(), &channel).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(created) = creations.join_next().await {
        created??;
    }
    Ok(())
}
