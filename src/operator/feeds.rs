//! Where the controllers of a kind get their objects from: a store for each watched namespace, what fills it, and which objects
//! are woken.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use kube::Resource;
use kube_runtime::reflector::store::Writer;
use kube_runtime::reflector::{self, Store};

use crate::base::clock::Clock;
use crate::base::key::{Key, KindName};
use crate::cluster::namespace_ownership::Namespaces;
use crate::cluster::stores::Objects;
use crate::controller::timer::{Timer, wakes};

/// The timers of each kind and watched namespace.
pub(super) type Timers = HashMap<(KindName, String), Timer<Key>>;

/// The feed of one watched namespace, or of all if it has no name.
pub(super) struct Feed<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    pub(super) namespace: String,
    pub(super) store: Store<K>,
    pub(super) writer: Writer<K>,
    /// Which objects have a pass now.
    pub(super) wakes: BoxStream<'static, Key>,
}

/// The feed of a kind in a namespace, or in all if it has no name; its timer is put to the others.
pub(super) fn feed<K>(kind: KindName, namespace: &str, clock: &Clock, timers: &mut Timers) -> Feed<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let (timer, wakes) = wakes(clock.clone());
    timers.insert((kind, namespace.to_owned()), timer);
    let (store, writer) = reflector::store();
    Feed { namespace: namespace.to_owned(), store, writer, wakes: wakes.boxed() }
}

/// The feeds of a kind, one for each of these namespaces.
pub(super) fn feeds<K>(kind: KindName, namespaces: &[String], clock: &Clock, timers: &mut Timers) -> Vec<Feed<K>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    namespaces.iter().map(|namespace| feed(kind, namespace, clock, timers)).collect()
}

/// What the stores of a kind hold, as far as it is ours.
pub(super) fn objects<K>(feeds: &[Feed<K>], namespaces: &Arc<Namespaces>) -> Objects<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
{
    Objects::new(feeds.iter().map(|feed| feed.store.clone()).collect(), namespaces)
}
