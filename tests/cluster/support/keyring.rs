//! The Secret that tells the gateway what it has to know of each MetaApp.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use meta_channel_operator::api::MetaApp;
use meta_channel_operator::api::keyring::{KEYRING_TYPE, KeyringEntry, key};
use meta_channel_operator::settings::DEFAULT_KEYRING;
use serde_json::{Value, json};
use testkit::wait_for;

use crate::support::env::*;

impl Env {
    pub fn keyring(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.inbox)
    }

    /// Tells the gateway of MetaApp acme in a namespace what an operator would, where none does.
    pub async fn tell_gateway(&self, namespace: &str, secrets: &[(&str, &str)]) -> Result<()> {
        self.tell_gateway_of(namespace, "acme", secrets).await
    }

    pub async fn tell_gateway_of(&self, namespace: &str, name: &str, secrets: &[(&str, &str)]) -> Result<()> {
        let app = Api::<MetaApp>::namespaced(self.client.clone(), namespace).get(name).await?;
        let entry = KeyringEntry {
            app_secret_ref: app.spec.app_secret_ref.name.clone(),
            verify_token: None,
            app_secrets: secrets.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        };
        let value = ByteString(serde_json::to_vec(&entry)?);
        let data = BTreeMap::from([(key(namespace, &app.uid().context("no UID")?), value)]);
        let metadata = ObjectMeta { name: Some(DEFAULT_KEYRING.to_owned()), ..ObjectMeta::default() };
        let type_ = Some(KEYRING_TYPE.to_owned());
        let secret = Secret { metadata, type_, data: Some(data.clone()), ..Secret::default() };
        match self.keyring().create(&PostParams::default(), &secret).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                self.change_keyring(&json!({ "data": data })).await
            }
            made => Ok(made.map(drop)?),
        }
    }

    pub async fn change_keyring(&self, patch: &Value) -> Result<()> {
        let patch = Patch::Merge(patch);
        Ok(self.keyring().patch(DEFAULT_KEYRING, &PatchParams::default(), &patch).await.map(drop)?)
    }

    /// What the keyring holds, by its keys; nothing if it is not there.
    pub async fn told(&self) -> Result<BTreeMap<String, Value>> {
        let secret = self.keyring().get_opt(DEFAULT_KEYRING).await?;
        let data = secret.and_then(|secret| secret.data).unwrap_or_default();
        data.into_iter().map(|(key, value)| Ok((key, serde_json::from_slice(&value.0)?))).collect()
    }

    /// The key of MetaApp acme.
    pub async fn own_key(&self) -> Result<String> {
        Ok(key(&self.platform, &self.apps().get("acme").await?.uid().context("no UID")?))
    }

    /// Waits until the keyring holds exactly what these keys stand for.
    pub async fn keyring_holds(&self, expected: &BTreeMap<String, Value>) -> Result<()> {
        wait_for("the keyring", PATIENCE, async || {
            let told = self.told().await.unwrap_or_default();
            ensure!(told == *expected, "{:?} instead of {:?}", told.keys(), expected.keys());
            Ok(())
        })
        .await
    }
}
