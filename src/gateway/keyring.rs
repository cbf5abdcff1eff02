//! What the gateway knows of applications: their verify tokens and app secrets, kept in memory by watches.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::{Api, Client};
use kube_runtime::reflector::{self, Store};
use kube_runtime::watcher::Config;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::api::references::{APP_SECRET_KEY, PREVIOUS_APP_SECRET_KEY, Purpose, VERIFY_TOKEN_KEY};
use crate::api::{MetaApp, PURPOSE_LABEL};
use crate::engine::objects::Objects;
use crate::engine::secrets::{Released, Secrets};
use crate::engine::watch::{self, Change};
use crate::engine::{Key, failure};
use crate::graph::AppSecret;
use crate::meta_app::{app_of_verify_token, secrets, verify_token_secret_name};
use crate::metrics::Metrics;
use crate::operator::api;

use super::former::FormerTokens;

/// The applications that webhooks are answered for.
pub(super) struct Keyring {
    apps: Vec<Store<MetaApp>>,
    secrets: Secrets,
    former: FormerTokens,
}

/// What a request to one application is checked against.
pub(super) struct AppKeys {
    /// The application itself.
    pub(super) app: Arc<MetaApp>,
    verify_tokens: Vec<Arc<Released>>,
    app_secret: Option<Arc<Released>>,
}

impl AppKeys {
    /// The generated verify token, and those before it of which Meta may still know one.
    pub(super) fn verify_tokens(&self) -> impl Iterator<Item = &[u8]> {
        self.verify_tokens.iter().filter_map(|released| released.value(VERIFY_TOKEN_KEY))
    }

    /// The app secrets that a signature may be made with: the current one and, during a rotation, the former.
    pub(super) fn secrets(&self) -> impl Iterator<Item = AppSecret> {
        let released = self.app_secret.as_deref();
        let raw = [APP_SECRET_KEY, PREVIOUS_APP_SECRET_KEY].into_iter().filter_map(move |key| released?.value(key));
        raw.filter_map(|raw| AppSecret::parse(raw).ok())
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
                watch::run(all, Config::default(), writer, &counters, |_: Change<'_, MetaApp>| ()).await;
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
        let keyring = Arc::new(Self {
            apps,
            secrets: Secrets::new(client, Objects::unbound(secrets), metrics),
            former: FormerTokens::default(),
        });
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

    /// Keeps a verify token that is there no more, if an application of ours used it.
    fn keep_former(&self, secret: &Key, before: Option<Arc<Released>>) {
        let app = app_of_verify_token(&secret.name).and_then(|name| self.find(&Key::new(&secret.namespace, name)));
        let (Some(app), Some(before)) = (app, before) else { return };
        let after = self.secrets.loaded(secret, Purpose::VerifyToken);
        let same = after.is_some_and(|after| after.value(VERIFY_TOKEN_KEY) == before.value(VERIFY_TOKEN_KEY));
        if !same {
            self.former.keep(secret, &app, before);
        }
    }

    /// What a request to an application is checked against; `None` if it is not known.
    pub(super) fn app(&self, key: &Key) -> Option<AppKeys> {
        let app = self.find(key)?;
        let token = Key::new(&key.namespace, verify_token_secret_name(&key.name));
        let current = self.secrets.loaded(&token, Purpose::VerifyToken);
        let verify_tokens =
            current.clone().into_iter().chain(self.former.of(&token, &app, current.as_deref())).collect();
        let secret = Key::new(&key.namespace, &app.spec.app_secret_ref.name);
        Some(AppKeys { verify_tokens, app_secret: self.secrets.loaded(&secret, Purpose::AppSecret), app })
    }
}

/// The gateway has no business with page tokens, so it does not even watch for them.
fn released_for_us() -> String {
    format!("{PURPOSE_LABEL} in ({}, {})", Purpose::AppSecret.as_str(), Purpose::VerifyToken.as_str())
}

/// Reads each Secret when it changed, so that no request has to.
async fn load(keyring: Arc<Keyring>, mut changes: mpsc::UnboundedReceiver<Key>) {
    while let Some(key) = changes.recv().await {
        let before = keyring.secrets.loaded(&key, Purpose::VerifyToken);
        // Which purpose is asked for does not matter for loading.
        while let Err(failure) = keyring.secrets.get(&key, Purpose::AppSecret).await {
            tracing::warn!(secret = %key, %failure, "a Secret could not be read; trying again");
            tokio::time::sleep(AGAIN).await;
            if matches!(failure, failure::Failure::ShuttingDown) {
                return;
            }
        }
        keyring.keep_former(&key, before);
    }
}
