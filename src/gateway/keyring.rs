//! What the gateway knows of applications: their verify tokens and app secrets, kept in memory by watches.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::{Api, Client, ResourceExt};
use kube_runtime::reflector::{self, Store};
use kube_runtime::watcher::Config;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::api::references::{Purpose, VERIFY_TOKEN_KEY};
use crate::api::{MetaApp, PURPOSE_LABEL};
use crate::engine::objects::Objects;
use crate::engine::secrets::{Released, Secrets};
use crate::engine::watch::{self, Change};
use crate::engine::{Key, failure};
use crate::graph::{AppSecret, Token};
use crate::meta_app::{secrets, verify_token_secret_name};
use crate::metrics::Metrics;
use crate::operator::api;

use super::challenge;

/// The applications that webhooks are answered for.
pub(super) struct Keyring {
    apps: Vec<Store<MetaApp>>,
    secrets: Secrets,
}

/// What a request to one application is checked against.
pub(super) struct AppKeys {
    /// The application itself.
    pub(super) app: Arc<MetaApp>,
    verify_token: Option<Arc<Released>>,
    app_secret: Option<Arc<Released>>,
}

impl AppKeys {
    /// Namespace and name of the application.
    pub(super) fn key(&self) -> Key {
        Key::of(self.app.as_ref())
    }

    /// Whether this is the generated verify token, or the one that Meta was given last. Meta goes on asking with that one
    /// until it is given the new one; its Secret may be gone, so it is known by the fingerprint in the status.
    pub(super) fn knows_verify_token(&self, token: &str) -> bool {
        let current = self.verify_token.as_deref().and_then(|released| released.value(VERIFY_TOKEN_KEY));
        let given = || {
            let given = self.app.status.as_ref()?.subscription.as_ref()?.verify_token_fingerprint.as_ref()?;
            let found = Token::parse(token.as_bytes()).ok()?.fingerprint(&self.app.uid()?);
            Some(challenge::is_same(found.as_bytes(), given.as_bytes()))
        };
        current.is_some_and(|current| !current.is_empty() && challenge::is_same(token.as_bytes(), current))
            || given().unwrap_or_default()
    }

    /// The app secrets that a signature may be made with and the keys of their entries: the current one and, during a
    /// rotation, the former.
    pub(super) fn secrets(&self) -> impl Iterator<Item = (&'static str, AppSecret)> {
        self.app_secret.as_deref().into_iter().flat_map(secrets::usable)
    }

    /// The app secret that Meta is asked with: the one that it accepted last.
    pub(super) fn current_secret(&self) -> Option<AppSecret> {
        secrets::in_use(self.app_secret.as_deref()?, &self.app)
    }
}

/// Pause before a Secret that could not be read is tried again.
const AGAIN: Duration = Duration::from_secs(2);

impl Keyring {
    /// Starts the watches; they end when the returned set is dropped.
    pub(super) fn start(client: Client, scopes: &[String], metrics: Metrics) -> (Arc<Self>, JoinSet<()>) {
        let mut watches = JoinSet::new();
        let (changed, changes) = mpsc::unbounded_channel();
        let (mut apps, mut secrets) = (Vec::new(), Vec::new());
        for namespace in scopes {
            let (store, writer) = reflector::store();
            apps.push(store);
            let (all, counters): (Api<DeserializeGuard<MetaApp>>, _) = (api(&client, namespace), metrics.clone());
            watches.spawn(async move {
                let report = |change: Change<'_, MetaApp>| match change {
                    Change::Applied(app) => counters.expect_signatures(&Key::of(app)),
                    Change::Deleted(key) => counters.forget_signatures(key),
                    Change::Misfit { .. } | Change::Listed | Change::Unlisted(_) => {}
                };
                watch::run(all, Config::default(), writer, &counters, report).await;
            });
            let (store, writer) = reflector::store();
            secrets.push(store);
            let all: Api<PartialObjectMeta<Secret>> = api(&client, namespace);
            let (counters, changed) = (metrics.clone(), changed.clone());
            watches.spawn(async move {
                let report = |change: Change<'_, PartialObjectMeta<Secret>>| {
                    let key = match change {
                        Change::Applied(secret) => Key::of(secret),
                        Change::Deleted(key) | Change::Misfit { key, .. } => key.clone(),
                        Change::Listed | Change::Unlisted(_) => return,
                    };
                    // Fails only at the end of the process.
                    let _ = changed.send(key);
                };
                watch::run_metadata(all, Config::default().labels(&released_for_us()), writer, &counters, report).await;
            });
        }
        let keyring = Arc::new(Self { apps, secrets: Secrets::new(client, Objects::unbound(secrets), metrics) });
        watches.spawn(load(Arc::clone(&keyring), changes));
        (keyring, watches)
    }

    /// Waits until every application and its Secrets are known.
    pub(super) async fn wait_until_filled(&self) {
        let apps = futures::future::try_join_all(self.apps.iter().map(Store::wait_until_ready));
        let _ = tokio::join!(apps, self.secrets.wait_until_ready());
        while !self.secrets.is_loaded() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn find(&self, key: &Key) -> Option<Arc<MetaApp>> {
        let reference = key.to_ref();
        self.apps.iter().find_map(|store| store.get(&reference))
    }

    /// What a request to an application is checked against; `None` if it is not known.
    pub(super) fn app(&self, key: &Key) -> Option<AppKeys> {
        let app = self.find(key)?;
        let token = Key::new(&key.namespace, verify_token_secret_name(&key.name));
        let verify_token = self.secrets.loaded(&token, Purpose::VerifyToken);
        let secret = Key::new(&key.namespace, &app.spec.app_secret_ref.name);
        Some(AppKeys { verify_token, app_secret: self.secrets.loaded(&secret, Purpose::AppSecret), app })
    }
}

/// The gateway has no business with page tokens, so it does not even watch for them.
fn released_for_us() -> String {
    format!("{PURPOSE_LABEL} in ({}, {})", Purpose::AppSecret.as_str(), Purpose::VerifyToken.as_str())
}

/// Reads each Secret when it changed, so that no request has to.
async fn load(keyring: Arc<Keyring>, mut changes: mpsc::UnboundedReceiver<Key>) {
    while let Some(key) = changes.recv().await {
        // Which purpose is asked for does not matter for loading.
        while let Err(failure) = keyring.secrets.get(&key, Purpose::AppSecret).await {
            tracing::warn!(secret = %key, %failure, "a Secret could not be read; trying again");
            tokio::time::sleep(AGAIN).await;
            if matches!(failure, failure::Failure::ShuttingDown) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use k8s_openapi::ByteString;
    use serde_json::json;

    use super::*;

    /// An application of this UID whose Secrets hold these, and whose status says that Meta was given this verify token.
    fn keys(uid: &str, given: Option<(&str, &str)>, current: Option<&str>) -> AppKeys {
        let given = given.map(|(token, uid)| Token::parse(token.as_bytes()).unwrap().fingerprint(uid));
        let app = serde_json::from_value(json!({
            "metadata": {"name": "acme", "namespace": "platform", "uid": uid},
            "spec": {"appId": "1111000011110000", "appSecretRef": {"name": "x"}},
            "status": {"subscription": {"active": true, "verifyTokenFingerprint": given}},
        }));
        let verify_token = current.map(|text| {
            let secret: Secret = serde_json::from_value(json!({
                "metadata": {"labels": {PURPOSE_LABEL: "verify-token"}},
                "data": {VERIFY_TOKEN_KEY: ByteString(text.as_bytes().to_vec())},
            }))
            .unwrap();
            Arc::new(Released::read(secret).unwrap())
        });
        AppKeys { app: Arc::new(app.unwrap()), verify_token, app_secret: None }
    }

    #[test]
    fn the_present_verify_token_counts_and_the_one_that_meta_was_given_last() {
        let [a, b, c] = ["a", "b", "c"].map(|letter| letter.repeat(48));
        let known = |keys: &AppKeys| [&a, &b, &c].map(|token| keys.knows_verify_token(token));
        assert_eq!(known(&keys("u1", None, None)), [false; 3]);
        assert_eq!(known(&keys("u1", None, Some(&a))), [true, false, false], "Meta was given none yet");
        assert_eq!(known(&keys("u1", Some((&a, "u1")), Some(&a))), [true, false, false]);
        assert_eq!(known(&keys("u1", Some((&a, "u1")), None)), [true, false, false], "its Secret is gone");
        assert_eq!(known(&keys("u1", Some((&a, "u1")), Some(&b))), [true, true, false], "Meta does not have b yet");
        // Replaced once more before Meta was given it: Meta still knows the first.
        assert_eq!(known(&keys("u1", Some((&a, "u1")), Some(&c))), [true, false, true]);
        assert_eq!(known(&keys("u1", Some((&c, "u1")), Some(&c))), [false, false, true], "Meta was given it");
        assert_eq!(known(&keys("u2", Some((&a, "u1")), Some(&b))), [false, true, false], "of another application");
    }

    #[test]
    fn what_can_be_no_token_is_none() {
        let given = keys("u1", Some((&"a".repeat(48), "u1")), Some(""));
        for token in ["", " ", "a", &"a".repeat(47), &"a".repeat(2000)] {
            assert!(!given.knows_verify_token(token), "{token:?}");
        }
    }
}
