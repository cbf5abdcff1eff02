//! The operator's side of the keyring: the gateway's entry for each MetaApp, in one Secret of the release's namespace.
//!
//! A watch shows the content, and a write counts until the watch shows it: nothing is read or written while nothing changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::DeserializeGuard;
use kube::{Api, Client};
use kube_runtime::reflector::store::Writer;
use kube_runtime::reflector::{self, Store};
use kube_runtime::watcher::Config;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::Notify;
use tokio::sync::watch as state;

use crate::api::keyring::{FORWARDING_KEY, KEYRING_TYPE, key, namespace_of};
use crate::api::references::Purpose;
use crate::api::{MetaApp, PURPOSE_LABEL};
use crate::base::key::{Key, KindName, version};
use crate::base::signing_key::ForwardingKey;
use crate::cluster::error::Failure;
use crate::cluster::secrets::KIND;
use crate::cluster::watch::Change;
use crate::cluster::write_refused::{Cause, Verb, Write, WriteRefused};
use crate::cluster::{error, watch};
use crate::controller::context::Context;
use crate::limits::token_bucket::TokenBucket;
use crate::metrics::Metrics;

const KIB: usize = 1 << 10;

/// The most that it holds: half of what a Secret can.
const LARGEST: usize = 512 * KIB;

/// The most that it holds of one namespace, some five hundred MetaApps: nobody fills it alone.
const SHARE: usize = 128 * KIB;

/// Annotation with the name of the release that the keyring is of.
const RELEASE: &str = "metachannels.io/release";

/// How often what someone else changed is put right at once; and how often after that, while they go on.
const BURST: i32 = 10;
const EVERY: SignedDuration = SignedDuration::from_mins(1);

/// The keyring of the release.
pub struct Keyring {
    key: Key,
    release: String,
    api: Api<Secret>,
    shown: Store<Secret>,
    /// What was written last, which the watch may not show yet.
    written: Mutex<Option<Arc<Secret>>>,
    /// Whether there was an answer to what it holds.
    answered: state::Sender<bool>,
    /// Bounds how often it is put right.
    repairs: Mutex<TokenBucket>,
    /// As it was seen last.
    forwarding_key: Mutex<Option<ForwardingKey>>,
    /// Told when there may be an entry in it of a MetaApp that is not there.
    pub(crate) news: Notify,
    metrics: Metrics,
}

impl Keyring {
    /// The keyring of this name and release, to be filled by [`watch`].
    pub fn new(client: &Client, key: Key, release: &str, metrics: &Metrics) -> (Self, Writer<Secret>) {
        let (shown, writer) = reflector::store();
        let (api, metrics) = (Api::namespaced(client.clone(), &key.namespace), metrics.clone());
        let (written, answered, news, forwarding_key) = Default::default();
        let (release, repairs) = (release.to_owned(), Mutex::new(TokenBucket::full(Timestamp::UNIX_EPOCH)));
        let keyring = Self { key, release, api, shown, written, answered, repairs, forwarding_key, news, metrics };
        (keyring, writer)
    }

    /// Waits until there was an answer to what it holds.
    pub async fn is_answered(&self) {
        // It lives as long as this does.
        let _ = self.answered.subscribe().wait_for(|answered| *answered).await;
    }

    /// The Secret as it is, as far as is known.
    fn current(&self) -> Option<Arc<Secret>> {
        let written = self.written.lock().clone();
        let at = |secret: &Arc<Secret>| version(&secret.metadata);
        [written, self.shown.get(&self.key.to_ref())].into_iter().flatten().max_by_key(at)
    }

    /// What the keys of all endpoints are made of, once it was made. Whoever removes it removes it from the Secret alone.
    pub fn forwarding_key(&self) -> Option<ForwardingKey> {
        let shown = self.entry(FORWARDING_KEY).and_then(|text| ForwardingKey::parse(&text));
        let mut known = self.forwarding_key.lock();
        if shown.is_some() {
            known.clone_from(&shown);
        }
        shown
    }

    /// Makes it, or writes again what was there: bots were told the keys that are made of it.
    ///
    /// # Errors
    /// When the Kubernetes API refuses or does not answer.
    pub async fn put_forwarding_key(&self) -> Result<(), Failure> {
        if !*self.answered.borrow() {
            let detail = "the watch has brought nothing yet".to_owned();
            return Err(Failure::Kubernetes { what: "reading the keyring", detail, conflict: true });
        }
        if self.forwarding_key().is_some() {
            return Ok(());
        }
        let key = self.forwarding_key.lock().get_or_insert_with(ForwardingKey::generate).text();
        self.put(FORWARDING_KEY, key.into_bytes()).await
    }

    /// What it holds under a key.
    pub fn entry(&self, key: &str) -> Option<Vec<u8>> {
        self.current()?.data.as_ref()?.get(key).map(|value| value.0.clone())
    }

    /// The keys of MetaApps in it.
    pub fn keys(&self) -> Vec<String> {
        let current = self.current().filter(|it| self.is_ours(it));
        let all = current.iter().flat_map(|it| it.data.iter().flatten()).map(|(key, _)| key);
        all.filter(|key| *key != FORWARDING_KEY).cloned().collect()
    }

    /// Writes what is under one key.
    ///
    /// # Errors
    /// When there is no room for it, or the Kubernetes API refuses or does not answer.
    pub async fn put(&self, key: &str, value: Vec<u8>) -> Result<(), Failure> {
        let current = self.current();
        let refused = |cause| {
            let refused = WriteRefused { write: Write::new(Verb::Update, KIND, &self.key), cause, words: None };
            self.metrics.write_refused(refused.write.kind, refused.reason());
            Err(Failure::Refused(Box::new(refused)))
        };
        if current.as_deref().is_some_and(|it| !self.is_ours(it)) {
            return refused(Cause::Taken);
        }
        let data = current.as_ref().and_then(|it| it.data.as_ref());
        if !data.is_none_or(|data| has_room(data, key, value.len())) {
            return refused(Cause::Full);
        }
        let entry = BTreeMap::from([(key.to_owned(), Some(ByteString(value)))]);
        // It may have been made or removed since.
        let written = match current {
            None => self.create(&entry).await? || self.patch(&entry).await?,
            Some(_) => self.patch(&entry).await? || self.create(&entry).await?,
        };
        if written { Ok(()) } else { Err(overtaken()) }
    }

    /// Removes these keys.
    ///
    /// # Errors
    /// When the Kubernetes API refuses or does not answer.
    pub async fn remove(&self, keys: &[String]) -> Result<(), Failure> {
        let entries = keys.iter().map(|key| (key.clone(), None)).collect();
        self.patch(&entries).await.map(drop)
    }

    /// Creates it with this in it; whether that was possible, since there was none.
    async fn create(&self, entry: &BTreeMap<String, Option<ByteString>>) -> Result<bool, Failure> {
        let labels = [
            ("app.kubernetes.io/name", "meta-channel-operator"),
            ("app.kubernetes.io/component", "gateway"),
            (PURPOSE_LABEL, Purpose::GatewayKeyring.as_str()),
        ];
        let metadata = ObjectMeta {
            name: Some(self.key.name.clone()),
            labels: Some(labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into()),
            annotations: Some(BTreeMap::from([(RELEASE.to_owned(), self.release.clone())])),
            ..ObjectMeta::default()
        };
        let data = entry.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect();
        let secret = Secret { metadata, type_: Some(KEYRING_TYPE.to_owned()), data: Some(data), ..Secret::default() };
        let request = async {
            match self.api.create(&PostParams::default(), &secret).await {
                Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(None),
                made => made.map(Some),
            }
        };
        self.send(Verb::Create, request).await
    }

    /// Changes these keys and nothing else; whether that was possible, since it is there. The type keeps it from changing a Secret
    /// of someone else's that has its name now.
    async fn patch(&self, entries: &BTreeMap<String, Option<ByteString>>) -> Result<bool, Failure> {
        let patch = Patch::Merge(json!({
            "metadata": {"annotations": {RELEASE: self.release}}, "type": KEYRING_TYPE, "data": entries,
        }));
        let request = async {
            match self.api.patch(&self.key.name, &PatchParams::default(), &patch).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => Ok(None),
                changed => changed.map(Some),
            }
        };
        self.send(Verb::Update, request).await
    }

    async fn send(
        &self,
        verb: Verb,
        request: impl Future<Output = kube::Result<Option<Secret>>>,
    ) -> Result<bool, Failure> {
        let written = error::write(&self.metrics, Write::new(verb, KIND, &self.key), request).await?;
        let mut known = self.written.lock();
        let Some(written) = written else {
            *known = None;
            return Ok(false);
        };
        // Of two answers the later one may come first.
        if known.as_deref().is_none_or(|known| version(&known.metadata) < version(&written.metadata)) {
            *known = Some(Arc::new(written));
        }
        Ok(true)
    }

    /// Whether a Secret is of the type that only operators make, and not of another release: two would take turns to remove what
    /// the other one wrote.
    fn is_ours(&self, secret: &Secret) -> bool {
        let release = secret.metadata.annotations.as_ref().and_then(|all| all.get(RELEASE));
        secret.type_.as_deref() == Some(KEYRING_TYPE) && release.is_none_or(|release| *release == self.release)
    }

    /// When it may be put right.
    fn repair_from(&self, now: Timestamp) -> Timestamp {
        let mut repairs = self.repairs.lock();
        repairs.take(now, BURST, EVERY).err().unwrap_or(now)
    }

    /// The MetaApps, of these, whose entry someone else changes by this version of the Secret.
    fn changed_by(&self, secret: &Secret, apps: Vec<Arc<MetaApp>>) -> Vec<Key> {
        let before = self.current();
        if before.as_ref().is_some_and(|before| version(&before.metadata) >= version(&secret.metadata)) {
            return Vec::new();
        }
        let under = |secret: &Secret, key: &str| secret.data.as_ref().and_then(|data| data.get(key).cloned());
        let is_changed = |key: &String| before.as_deref().and_then(|it| under(it, key)) != under(secret, key);
        let changed = apps.iter().filter(|app| is_changed(&key_of(app)));
        changed.map(|app| Key::of(&**app)).collect()
    }
}

pub fn key_of(app: &MetaApp) -> String {
    let metadata = &app.metadata;
    key(metadata.namespace.as_deref().unwrap_or_default(), metadata.uid.as_deref().unwrap_or_default())
}

/// Whether there is room for so many bytes under a key. What becomes no larger always has it.
fn has_room(data: &BTreeMap<String, ByteString>, key: &str, bytes: usize) -> bool {
    if data.get(key).is_some_and(|before| bytes <= before.0.len()) {
        return true;
    }
    let namespace = namespace_of(key);
    let (mut all, mut share) = (key.len() + bytes, key.len() + bytes);
    for (other, value) in data.iter().filter(|(other, _)| *other != key) {
        let size = other.len() + value.0.len();
        all += size;
        share += if namespace_of(other) == namespace { size } else { 0 };
    }
    all <= LARGEST && share <= SHARE
}

/// That someone else was faster: the next look says what is there.
fn overtaken() -> Failure {
    Failure::Kubernetes { what: "writing the keyring", detail: "someone else wrote first".to_owned(), conflict: true }
}

/// Keeps the keyring filled, and wakes the MetaApps whose entries someone else changed.
pub async fn watch(ctx: &Context, keyring: &Keyring, writer: Writer<Secret>) {
    let apps = &ctx.cluster.stores.apps;
    let secrets: Api<DeserializeGuard<Secret>> = Api::namespaced(ctx.cluster.client.clone(), &keyring.key.namespace);
    let named = Config::default().fields(&format!("metadata.name={}", keyring.key.name));
    let review = |secret: &Secret| {
        let known = keyring.shown.get(&keyring.key.to_ref());
        ctx.compare(known.as_ref().map(|it| &it.metadata), &secret.metadata);
        wake(ctx, keyring, keyring.changed_by(secret, apps.all()));
    };
    let report = |change: Change<'_, Secret>| {
        match change {
            Change::Deleted(_) => {
                *keyring.written.lock() = None;
                wake(ctx, keyring, apps.all().iter().map(|app| Key::of(&**app)).collect());
            }
            Change::Listed | Change::Unlisted(_) => {
                keyring.answered.send_replace(true);
            }
            // There is a place for it.
            Change::Applied(_) | Change::Misfit { .. } | Change::Surplus(_) | Change::SurplusGone { .. } => {}
        }
        keyring.news.notify_one();
    };
    watch::run(secrets, named, writer, &ctx.metrics, review, report).await;
}

/// Wakes these MetaApps to put right what someone else changed. Who changes it all the time is not answered each time.
fn wake(ctx: &Context, keyring: &Keyring, apps: Vec<Key>) {
    if apps.is_empty() {
        return;
    }
    let from = keyring.repair_from(ctx.clock.now());
    for app in apps {
        if let Some(timer) = ctx.wakeups.timer(KindName::META_APP, &app.namespace) {
            timer.no_later(app, from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(entries: &[(&str, usize)]) -> BTreeMap<String, ByteString> {
        entries.iter().map(|(key, size)| ((*key).to_owned(), ByteString(vec![b'x'; *size]))).collect()
    }

    #[test]
    fn one_namespace_takes_its_share_and_all_together_half_of_what_a_secret_can_hold() {
        let share = SHARE - 10;
        let rows = [
            (data(&[]), "a.1", SHARE - 3, true),
            (data(&[]), "a.1", SHARE, false),
            (data(&[("a.1", share)]), "a.2", 100, false),
            (data(&[("a.1", share)]), "b.1", 100, true),
            (data(&[("a.1", share), ("b.1", share), ("c.1", share), ("d.1", share)]), "e.1", 100, false),
            (data(&[("a.1", share)]), "a.1", share + 1, true),
            (data(&[("a.1", share)]), "a.1", share + 100, false),
            // It was written when there was more room.
            (data(&[("a.1", SHARE), ("a.2", SHARE)]), "a.1", 100, true),
        ];
        for (data, key, bytes, expected) in rows {
            assert_eq!(has_room(&data, key, bytes), expected, "{key} {bytes}");
        }
    }
}
