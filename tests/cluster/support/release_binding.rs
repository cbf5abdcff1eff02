//! Which release a namespace belongs to.

use std::collections::BTreeMap;

use anyhow::Result;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::{Api, Client};
use meta_channel_operator::api::{RELEASE_BINDING, RELEASE_KEY};

use crate::support::env::*;

/// Says which release a namespace belongs to.
pub async fn bind(client: &Client, namespace: &str, release: &str) -> Result<()> {
    let binding = ConfigMap {
        metadata: ObjectMeta { name: Some(RELEASE_BINDING.to_owned()), ..ObjectMeta::default() },
        data: Some(BTreeMap::from([(RELEASE_KEY.to_owned(), release.to_owned())])),
        immutable: Some(true),
        ..ConfigMap::default()
    };
    let bindings: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    bindings.create(&PostParams::default(), &binding).await?;
    Ok(())
}

/// Says that all these namespaces belong to a release.
pub async fn bind_all(client: &Client, namespaces: &[String], release: &str) -> Result<()> {
    for namespace in namespaces {
        bind(client, namespace, release).await?;
    }
    Ok(())
}

/// Takes the binding of a namespace away.
pub async fn unbind(client: &Client, namespace: &str) -> Result<()> {
    let bindings: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    bindings.delete(RELEASE_BINDING, &DeleteParams::default()).await?;
    Ok(())
}

/// Declares the application once more, in the namespace of another release. The callback at Meta stays with the first MetaApp: an
/// application has only one.
pub async fn put_another_app(env: &Env, namespace: &str) -> Result<()> {
    env.put_secret(namespace, "acme-app", "app-secret", "app-secret", APP_SECRET).await?;
    env.apply(&env.app_manifest_with("audience: Everyone").replace(&env.platform, namespace)).await
}
