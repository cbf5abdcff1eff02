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
use crate::engine::secrets::{self as stored, Released, Secrets};
use crate::engine::surplus::Surplus;
use crate::engine::watch::{self, Change, View};
use crate::engine::{Key, KindName};
use crate::graph::{AppSecret, Token};
use crate::meta_app::{secrets, verify_token_secret_name};
use crate::metrics::Metrics;
use crate::operator::api;

use super::loading::Loading;
use super::scopes::{List, Scopes};
use super::{Isolation, challenge};

/// The applications that webhooks are answered for.
pub(super) struct Keyring {
    apps: Vec<Store<MetaApp>>,
    secrets: Arc<Secrets>,
    loading: Arc<Loading>,
    scopes: Arc<Scopes>,
    isolation: Isolation,
}

/// What a request to one application is checked against.
pub(super) struct AppKeys {
    /// The application itself.
    pub(super) app: Arc<MetaApp>,
    verify_token: Option<Arc<Released>>,
    app_secret: Option<Arc<Released>>,
    /// Whether what is known of the verify token is all that there is, so that another one is wrong.
    pub(super) verify_token_is_known: bool,
    /// Whether what is known of the app secret is all that there is, so that a signature made with another one is wrong.
    pub(super) app_secret_is_known: bool,
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

impl Keyring {
    /// Starts the watches; they end when the set is dropped.
    pub(super) fn start(
        client: Client,
        scopes: &Arc<Scopes>,
        metrics: &Metrics,
        isolation: Isolation,
        surplus: &Arc<Surplus>,
        watches: &mut JoinSet<()>,
    ) -> Arc<Self> {
        let (changed, changes) = mpsc::unbounded_channel();
        let (mut apps, mut secrets) = (Vec::new(), Vec::new());
        for namespace in scopes.names() {
            let (store, writer) = reflector::store();
            apps.push(store);
            let all: Api<DeserializeGuard<MetaApp>> = api(&client, &namespace);
            let (counters, known, scope) = (metrics.clone(), Arc::clone(scopes), namespace.clone());
            let room = surplus.room(KindName::MetaApp.as_str(), &namespace);
            watches.spawn(async move {
                let report = |change: Change<'_, MetaApp>| {
                    known.note(&scope, List::Apps, &change);
                    match change {
                        Change::Applied(app) => counters.expect_signatures(&Key::of(app)),
                        Change::Deleted(key) => counters.forget_signatures(key),
                        _ => {}
                    }
                };
                let view = View { store: writer, room };
                watch::run(all, Config::default(), view, &counters, |_| (), report).await;
            });
            let (store, writer) = reflector::store();
            secrets.push(store);
            let all: Api<PartialObjectMeta<Secret>> = api(&client, &namespace);
            let (counters, known, changed) = (metrics.clone(), Arc::clone(scopes), changed.clone());
            let view = View { store: writer, room: surplus.room(stored::KIND, &namespace) };
            watches.spawn(async move {
                let report = |change: Change<'_, PartialObjectMeta<Secret>>| {
                    known.note(&namespace, List::Secrets, &change);
                    let key = match change {
                        Change::Applied(secret) => Key::of(secret),
                        Change::Deleted(key) | Change::Misfit { key, .. } => key.clone(),
                        // Of one without a place nothing is read, nor was it.
                        _ => return,
                    };
                    // Fails only at the end of the process.
                    let _ = changed.send(key);
                };
                watch::run_metadata(all, Config::default().labels(&released_for_us()), view, &counters, |_| (), report)
                    .await;
            });
        }
        let secrets = Arc::new(Secrets::new(client, Objects::unbound(secrets), surplus, metrics.clone()));
        let loading = Arc::new(Loading::new(Arc::clone(&secrets)));
        watches.spawn(Arc::clone(&loading).run(changes, isolation.loading));
        Arc::new(Self { apps, secrets, loading, scopes: Arc::clone(scopes), isolation })
    }

    /// Waits until every Secret that is there was read, or at least tried.
    pub(super) async fn wait_until_tried(&self) {
        self.wait_until(|| self.loading.was_tried()).await;
    }

    /// Waits until every Secret that is there was read.
    pub(super) async fn wait_until_loaded(&self) {
        self.wait_until(|| self.secrets.shown_in("").iter().all(|key| self.secrets.is_current(key))).await;
    }

    async fn wait_until(&self, holds: impl Fn() -> bool) {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Whether all applications of a namespace are known, so that another one does not exist.
    pub(super) fn knows_apps(&self, key: &Key) -> bool {
        !self.isolation.unknown || self.scopes.knows(&key.namespace, List::Apps)
    }

    fn find(&self, key: &Key) -> Option<Arc<MetaApp>> {
        let reference = key.to_ref();
        self.apps.iter().find_map(|store| store.get(&reference))
    }

    /// What a request to an application is checked against; `None` if it is not known.
    pub(super) fn app(&self, key: &Key) -> Option<AppKeys> {
        let app = self.find(key)?;
        let token = Key::new(&key.namespace, verify_token_secret_name(&key.name));
        let secret = Key::new(&key.namespace, &app.spec.app_secret_ref.name);
        // The application says which Secret counts.
        let knows_app = self.scopes.knows(&key.namespace, List::Apps);
        Some(AppKeys {
            verify_token: self.secrets.loaded(&token, Purpose::VerifyToken),
            app_secret: self.secrets.loaded(&secret, Purpose::AppSecret),
            verify_token_is_known: !self.isolation.unknown || knows_app && self.knows(&token),
            app_secret_is_known: !self.isolation.unknown || knows_app && self.knows(&secret),
            app,
        })
    }

    /// What is known of an application by its id at Meta.
    pub(super) fn app_of_id(&self, app_id: &str) -> Option<AppKeys> {
        let mut apps = self.apps.iter().flat_map(Store::state);
        self.app(&Key::of(&*apps.find(|app| app.spec.app_id == app_id)?))
    }

    /// Whether what is known of a Secret is what is there.
    fn knows(&self, key: &Key) -> bool {
        self.scopes.knows(&key.namespace, List::Secrets) && self.secrets.is_current(key)
    }
}

/// The gateway has no business with page tokens, so it does not even watch for them.
fn released_for_us() -> String {
    format!("{PURPOSE_LABEL} in ({}, {})", Purpose::AppSecret.as_str(), Purpose::VerifyToken.as_str())
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
        AppKeys {
            app: Arc::new(app.unwrap()),
            verify_token,
            app_secret: None,
            verify_token_is_known: true,
            app_secret_is_known: true,
        }
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
