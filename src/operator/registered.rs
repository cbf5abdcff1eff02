//! Any kind that people declare: what the operator does with all of them alike.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use kube::api::DynamicObject;
use kube::core::{ApiResource, DeserializeGuard};
use kube_runtime::watcher::Config;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use super::feeds::Feed;
use super::triggers::{self, Triggers};
use crate::api::conditions::{ConditionType, Status, find};
use crate::base::key::{Key, KindName};
use crate::base::redact::redact;
use crate::cluster::scoped;
use crate::cluster::watch::{self, View};
use crate::controller::declared::{ConnectedThrough, Declared};
use crate::controller::reconciler::Reconciler;
use crate::controller::{foreign_status, run};
use crate::ownership::Ownership;

/// A kind with its feeds, as long as nothing else has taken them.
pub(super) struct Registered<K: Declared> {
    kind: Arc<K>,
    ownership: Arc<Ownership>,
    feeds: Mutex<Vec<Feed<K::Object>>>,
}

/// A kind that people declare.
pub(super) trait AnyKind: Send + Sync {
    fn name(&self) -> KindName;

    /// Begins its watches, and returns the controllers that work until the shutdown.
    fn start(&self, watches: &mut JoinSet<()>, concurrency: u16) -> Vec<BoxFuture<'static, ()>>;

    fn resource(&self) -> ApiResource;

    /// The field of an object that cannot be decoded.
    fn unreadable(&self, object: &DynamicObject) -> Option<String>;

    /// Wakes everything that its watches show in a namespace, "" for all, and who depends on it.
    fn wake_all(&self, namespace: &str);

    /// Forgets everything that its watches show in a namespace, "" for all.
    fn forget_all(&self, namespace: &str);

    /// Hears that a labeled Secret is gone.
    fn secret_went(&self, key: &Key);

    /// What Ready says of its objects.
    fn readiness(&self) -> Vec<Readiness>;

    /// Its objects that are channels of an application.
    fn channels(&self) -> Vec<ConnectedThrough>;
}

impl<K: Declared> Registered<K> {
    pub(super) fn any(kind: &Arc<K>, ownership: &Arc<Ownership>, feeds: Vec<Feed<K::Object>>) -> Box<dyn AnyKind> {
        Box::new(Self { kind: Arc::clone(kind), ownership: Arc::clone(ownership), feeds: Mutex::new(feeds) })
    }
}

impl<K: Declared> AnyKind for Registered<K> {
    fn name(&self) -> KindName {
        K::NAME
    }

    fn start(&self, watches: &mut JoinSet<()>, concurrency: u16) -> Vec<BoxFuture<'static, ()>> {
        let feeds = std::mem::take(&mut *self.feeds.lock());
        let start = |Feed { namespace, store, writer, wakes }: Feed<K::Object>| {
            let ctx = self.kind.ctx();
            let objects: kube::Api<DeserializeGuard<K::Object>> = scoped(&ctx.cluster.client, &namespace);
            let view = View { store: writer, room: ctx.cluster.surplus.room(K::NAME.as_str(), &namespace) };
            let (kind, ownership) = (Arc::clone(&self.kind), Arc::clone(&self.ownership));
            watches.spawn(async move {
                let (mut triggers, ctx) = (Triggers::default(), kind.ctx());
                let review = |object: &K::Object| foreign_status::review(&*kind, object);
                let report = |change: watch::Change<'_, K::Object>| {
                    triggers::note(ctx, &namespace, K::NAME.as_str(), &change);
                    triggers.report(&*kind, &ownership, change);
                };
                watch::run(objects, Config::default(), view, &ctx.metrics, review, report).await;
            });
            run::run(Arc::clone(&self.kind), store, wakes, concurrency).boxed()
        };
        feeds.into_iter().map(start).collect()
    }

    fn resource(&self) -> ApiResource {
        ApiResource::erase::<K::Object>(&())
    }

    fn unreadable(&self, object: &DynamicObject) -> Option<String> {
        unreadable::<K::Object>(object)
    }

    fn wake_all(&self, namespace: &str) {
        let ctx = self.kind.ctx();
        for object in self.kind.objects().shown_in(namespace) {
            let key = Key::of(&*object);
            foreign_status::wake_dependents(&*self.kind, &key);
            ctx.wakeups.wake(K::NAME, key);
        }
        ctx.cluster.surplus.tell_all_again(K::NAME.as_str(), namespace);
    }

    fn forget_all(&self, namespace: &str) {
        for object in self.kind.objects().shown_in(namespace) {
            let _ = triggers::went(&*self.kind, &self.ownership, &Key::of(&*object));
        }
    }

    fn secret_went(&self, key: &Key) {
        self.kind.secret_went(key);
    }

    fn readiness(&self) -> Vec<Readiness> {
        self.kind.objects().all().iter().filter_map(|object| readiness::<K>(object)).collect()
    }

    fn channels(&self) -> Vec<ConnectedThrough> {
        self.kind.channels()
    }
}

/// What Ready says of an object.
pub(super) struct Readiness {
    pub(super) kind: KindName,
    pub(super) of: Key,
    pub(super) reason: String,
    pub(super) ready: bool,
}

/// What Ready says of an object; `None` before its first pass.
fn readiness<K: Reconciler>(of: &K::Object) -> Option<Readiness> {
    let ready = find(K::conditions(K::status(of)?), ConditionType::Ready)?;
    let is_ready = ready.status == Status::True.as_str();
    Some(Readiness { kind: K::NAME, of: Key::of(of), reason: ready.reason.clone(), ready: is_ready })
}

/// The field that cannot be read. What serde says about it quotes the value, so only the place is told.
fn unreadable<K: DeserializeOwned>(object: &DynamicObject) -> Option<String> {
    let value = serde_json::to_value(object).ok()?;
    let error = serde_path_to_error::deserialize::<_, K>(value).err()?;
    Some(redact(&error.path().to_string(), &[]))
}
