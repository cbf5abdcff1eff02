//! What the gateway knows about applications: the MetaApps themselves, and their verify tokens and app secrets from the keyring
//! that the operator writes. Watches keep all of it in memory; what the API server fails to answer is not forgotten.
//!
//! # What the gateway gets to know
//!
//! The gateway faces the Internet, so it reads no Secret of a tenant. The operator writes everything that the gateway needs for
//! its answers into one Secret of the release's namespace (`api/keyring.rs`, `meta_app/keyring_secret.rs`): an entry for each
//! MetaApp, by namespace and UID, with the verify token and the app secrets that may have made a signature. This is the first
//! thing that a pass does (`meta_app/decide/mod.rs`: `beforehand`), before it asks Meta and under every policy, so that another
//! app secret counts at once; while this write is refused, no webhook is subscribed. An application gets an entry once Meta
//! accepted its secret. Entries are changed one by one with merge patches and compared with what the watch shows, so nothing is
//! read or written while nothing changes. `meta_app/keyring.rs` removes entries that no longer belong to a MetaApp of ours;
//! where MetaApps cannot be listed, nothing is removed. The Secret bears the name of its release, so that no two releases take
//! turns in it. If someone changes it all the time, the operator restores it once a minute.
//!
//! The gateway (`gateway/keyring.rs`) calls a signature wrong only if the entry comes from the Secret that the MetaApp names
//! and holds what Meta accepted last, according to the status. Otherwise it answers 503, and Meta tries again. It becomes ready
//! once each accepted MetaApp has an entry, or after half a minute.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::core::DeserializeGuard;
use kube::{Api, Client, ResourceExt};
use kube_runtime::reflector::{self, Store};
use kube_runtime::watcher::Config;
use subtle::ConstantTimeEq;
use tokio::task::JoinSet;

use super::isolation::Isolation;
use super::watched_namespaces::{List, WatchedNamespaces};
use crate::api::MetaApp;
use crate::api::keyring::{FORWARDING_KEY, KEYRING_TYPE, KeyringEntry};
use crate::api::references::{APP_SECRET_KEY, PREVIOUS_APP_SECRET_KEY};
use crate::base::key::{Key, KindName};
use crate::base::signing_key::ForwardingKey;
use crate::cluster::scoped;
use crate::cluster::surplus::Surplus;
use crate::cluster::watch;
use crate::cluster::watch::{Change, View};
use crate::graph::{AppSecret, Token};
use crate::meta_app::keyring_secret::key_of;
use crate::metrics::Metrics;

/// The applications that webhooks are answered for.
pub(super) struct Keyring {
    apps: Vec<Store<MetaApp>>,
    secret: Store<Secret>,
    key: Key,
    /// Whether the Secret was listed.
    listed: Arc<AtomicBool>,
    namespaces: Arc<WatchedNamespaces>,
    isolation: Isolation,
}

/// What a request to one application is checked against.
pub(super) struct AppKeys {
    /// The application itself.
    pub(super) app: Arc<MetaApp>,
    /// What the operator wrote of it, once it did.
    entry: Option<KeyringEntry>,
    /// Whether what is known of the verify token is all that there is, so that another one is wrong.
    pub(super) verify_token_is_known: bool,
    /// Whether what is known of the app secret is all that there is, so that a signature made with another one is wrong.
    pub(super) app_secret_is_known: bool,
}

impl AppKeys {
    /// What there is of an application; `knows_app` says whether the application itself is known as it is.
    fn new(app: Arc<MetaApp>, entry: Option<KeyringEntry>, knows_app: bool) -> Self {
        let mut keys = Self { app, entry, verify_token_is_known: true, app_secret_is_known: true };
        keys.verify_token_is_known = knows_app && keys.entry.is_some();
        keys.app_secret_is_known = keys.verify_token_is_known && keys.is_up_to_date();
        keys
    }

    /// Namespace and name of the application.
    pub(super) fn key(&self) -> Key {
        Key::of(self.app.as_ref())
    }

    /// Whether this is the generated verify token, or the one that Meta was given last. Meta goes on asking with that one
    /// until it is given the new one; its Secret may be gone, so it is known by the fingerprint in the status.
    /// Compares in constant time; how long a token is, is no secret.
    pub(super) fn knows_verify_token(&self, token: &str) -> bool {
        let current = self.entry.as_ref().and_then(|entry| entry.verify_token.as_deref());
        let given = || {
            let given = self.app.status.as_ref()?.subscription.as_ref()?.verify_token_fingerprint.as_ref()?;
            let found = Token::parse(token.as_bytes()).ok()?.fingerprint(&self.app.uid()?);
            Some(found.as_bytes().ct_eq(given.as_bytes()).into())
        };
        let is_current = |current: &str| !current.is_empty() && token.as_bytes().ct_eq(current.as_bytes()).into();
        current.is_some_and(is_current) || given().unwrap_or_default()
    }

    /// The app secrets that a signature may be made with and the keys of their entries: the current one and, during a
    /// rotation, the former.
    pub(super) fn secrets(&self) -> impl Iterator<Item = (&'static str, AppSecret)> {
        let secrets = self.entry.as_ref().map(|entry| &entry.app_secrets);
        let parsed = move |key| Some((key, AppSecret::parse(secrets?.get(key)?.as_bytes()).ok()?));
        [APP_SECRET_KEY, PREVIOUS_APP_SECRET_KEY].into_iter().filter_map(parsed)
    }

    /// The app secret that Meta is asked with: the one that it accepted last, or else the current one.
    pub(super) fn current_secret(&self) -> Option<AppSecret> {
        let accepted = self.secrets().find(|(_, secret)| self.is_in_use(secret));
        accepted.or_else(|| self.secrets().next()).map(|(_, secret)| secret)
    }

    /// Whether this is the secret that Meta accepted last, as the application says.
    fn is_in_use(&self, secret: &AppSecret) -> bool {
        let known = self.app.status.as_ref().and_then(|status| status.secret_in_use.as_ref());
        known.is_some_and(|known| known.fingerprint == secret.fingerprint(&self.app.uid().unwrap_or_default()))
    }

    /// Whether the operator wrote what there is, as far as the application tells: it names this Secret, and what Meta accepted last
    /// is in it. That nothing can be used in it is known too.
    fn is_up_to_date(&self) -> bool {
        let names = |entry: &KeyringEntry| entry.app_secret_ref == self.app.spec.app_secret_ref.name;
        let accepted = self.app.status.as_ref().is_some_and(|status| status.secret_in_use.is_some());
        let mut secrets = self.secrets().peekable();
        let holds = !accepted || secrets.peek().is_none() || secrets.any(|(_, secret)| self.is_in_use(&secret));
        self.entry.as_ref().is_some_and(names) && holds
    }
}

impl Keyring {
    /// Starts the watches; they end when the set is dropped.
    pub(super) fn start(
        client: &Client,
        key: Key,
        namespaces: &Arc<WatchedNamespaces>,
        metrics: &Metrics,
        isolation: Isolation,
        surplus: &Arc<Surplus>,
        watches: &mut JoinSet<()>,
    ) -> Arc<Self> {
        let apps = namespaces.names().into_iter().map(|namespace| {
            let (store, writer) = reflector::store();
            let all: Api<DeserializeGuard<MetaApp>> = scoped(client, &namespace);
            let (counters, known) = (metrics.clone(), Arc::clone(namespaces));
            let room = surplus.room(KindName::META_APP.as_str(), &namespace);
            watches.spawn(async move {
                let report = |change: Change<'_, MetaApp>| {
                    known.note(&namespace, List::Apps, &change);
                    match change {
                        Change::Applied(app) => counters.gateway().expect_signatures(&Key::of(app)),
                        Change::Deleted(key) => counters.gateway().forget_signatures(key),
                        _ => {}
                    }
                };
                let view = View { store: writer, room };
                watch::run(all, Config::default(), view, &counters, |_| (), report).await;
            });
            store
        });
        let apps = apps.collect();
        let (secret, writer) = reflector::store();
        let (counters, listed) = (metrics.clone(), Arc::new(AtomicBool::default()));
        let named = Config::default().fields(&format!("metadata.name={}", key.name));
        let (api, noted) = (Api::namespaced(client.clone(), &key.namespace), Arc::clone(&listed));
        watches.spawn(async move {
            let report = |change: Change<'_, Secret>| {
                if matches!(change, Change::Listed) {
                    noted.store(true, Ordering::Relaxed);
                }
            };
            watch::run(api, named, writer, &counters, |_| (), report).await;
        });
        Arc::new(Self { apps, secret, key, listed, namespaces: Arc::clone(namespaces), isolation })
    }

    /// Waits until the Secret was listed: without it nothing can be answered.
    pub(super) async fn wait_until_listed(&self) {
        wait_until(|| self.listed.load(Ordering::Relaxed)).await;
    }

    /// Waits until each application that Meta accepts is in it. The operator may be about to write it.
    pub(super) async fn wait_until_complete(&self) {
        let accepted = |app: &MetaApp| app.status.as_ref().is_some_and(|status| status.secret_in_use.is_some());
        let has_entry = |app: Arc<MetaApp>| !accepted(&app) || self.entry(&app).is_some();
        wait_until(|| self.apps.iter().flat_map(Store::state).all(has_entry)).await;
    }

    /// Whether all applications of a namespace are known, so that another one does not exist.
    pub(super) fn knows_apps(&self, key: &Key) -> bool {
        !self.isolation.unknown || self.namespaces.knows(&key.namespace, List::Apps)
    }

    fn find(&self, key: &Key) -> Option<Arc<MetaApp>> {
        let reference = key.to_ref();
        self.apps.iter().find_map(|store| store.get(&reference))
    }

    /// What the operator wrote of an application.
    fn entry(&self, app: &MetaApp) -> Option<KeyringEntry> {
        serde_json::from_slice(&self.data(&key_of(app))?).ok()
    }

    /// What the keys of endpoints are made of, once the operator wrote it.
    pub(super) fn forwarding_key(&self) -> Option<ForwardingKey> {
        ForwardingKey::parse(&self.data(FORWARDING_KEY)?)
    }

    /// What the operator wrote under a key.
    fn data(&self, key: &str) -> Option<Vec<u8>> {
        let secret = self.secret.get(&self.key.to_ref())?;
        let is_ours = secret.type_.as_deref() == Some(KEYRING_TYPE);
        let data = secret.data.as_ref().filter(|_| is_ours)?;
        Some(data.get(key)?.0.clone())
    }

    /// What a request to an application is checked against; `None` if it is not known.
    pub(super) fn app(&self, key: &Key) -> Option<AppKeys> {
        let app = self.find(key)?;
        let entry = self.entry(&app);
        Some(AppKeys::new(app, entry, self.knows_apps(key)))
    }

    /// What is known of an application by its id at Meta.
    pub(super) fn app_of_id(&self, app_id: &str) -> Option<AppKeys> {
        let mut apps = self.apps.iter().flat_map(Store::state);
        self.app(&Key::of(&*apps.find(|app| app.spec.app_id == app_id)?))
    }
}

async fn wait_until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    const OLD: &str = "old-secret-0000000000000000000000";
    const NEW: &str = "new-secret-1111111111111111111111";

    fn app(uid: &str, status: serde_json::Value) -> Arc<MetaApp> {
        let app = serde_json::from_value(json!({
            "metadata": {"name": "acme", "namespace": "platform", "uid": uid},
            "spec": {"appId": "1111000011110000", "appSecretRef": {"name": "x"}},
            "status": status,
        }));
        Arc::new(app.unwrap())
    }

    /// An application of this UID with this verify token, whose status says that Meta was given another one.
    fn keys(uid: &str, given: Option<(&str, &str)>, current: Option<&str>) -> AppKeys {
        let given = given.map(|(token, uid)| Token::parse(token.as_bytes()).unwrap().fingerprint(uid));
        let app = app(uid, json!({"subscription": {"active": true, "verifyTokenFingerprint": given}}));
        let verify_token = current.map(str::to_owned);
        let entry = KeyringEntry { app_secret_ref: "x".to_owned(), verify_token, app_secrets: Default::default() };
        AppKeys::new(app, Some(entry), true)
    }

    /// An application of which Meta accepted this secret last, and what the operator wrote of it: which Secret, and the secrets in it.
    fn with_secrets(accepted: Option<&str>, entry: Option<(&str, &[(&str, &str)])>) -> AppKeys {
        let known = |secret: &str| {
            let fingerprint = AppSecret::parse(secret.as_bytes()).unwrap().fingerprint("u1");
            json!({"key": APP_SECRET_KEY, "fingerprint": fingerprint})
        };
        let app = app("u1", json!({ "secretInUse": accepted.map(known) }));
        let entry = entry.map(|(secret, entries)| KeyringEntry {
            app_secret_ref: secret.to_owned(),
            verify_token: None,
            app_secrets: entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        });
        AppKeys::new(app, entry, true)
    }

    #[test]
    fn a_signature_is_wrong_only_if_the_operator_wrote_what_the_app_says() {
        let (new, both) = (&[(APP_SECRET_KEY, NEW)][..], &[(APP_SECRET_KEY, NEW), (PREVIOUS_APP_SECRET_KEY, OLD)][..]);
        let rows = [
            (None, None, false),
            (Some(NEW), None, false),
            (None, Some(("x", new)), true),
            (Some(NEW), Some(("x", new)), true),
            (Some(OLD), Some(("x", both)), true),
            // Meta accepted one that the operator could not write here.
            (Some(OLD), Some(("x", new)), false),
            // It names another Secret by now.
            (Some(NEW), Some(("y", new)), false),
            // There is none that could be used.
            (Some(NEW), Some(("x", &[][..])), true),
        ];
        for (accepted, entry, expected) in rows {
            assert_eq!(with_secrets(accepted, entry).app_secret_is_known, expected, "{accepted:?} {entry:?}");
        }
        let unknown = AppKeys::new(app("u1", json!({})), with_secrets(None, Some(("x", new))).entry, false);
        assert!(!unknown.app_secret_is_known && !unknown.verify_token_is_known);
    }

    #[test]
    fn the_secret_that_meta_accepted_last_is_used_whatever_its_key() {
        let both = &[(APP_SECRET_KEY, NEW), (PREVIOUS_APP_SECRET_KEY, OLD)][..];
        let rows = [
            (None, both, Some(NEW)),
            (Some(OLD), both, Some(OLD)),
            (Some(NEW), both, Some(NEW)),
            (Some(OLD), &both[..1], Some(NEW)),
            (None, &both[1..], Some(OLD)),
            (Some(OLD), &[], None),
        ];
        for (accepted, entries, expected) in rows {
            let used = with_secrets(accepted, Some(("x", entries))).current_secret();
            assert_eq!(used.as_ref().map(AppSecret::expose), expected, "{accepted:?}");
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
