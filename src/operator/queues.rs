//! The queues of the controllers: which objects have a pass now.

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use kube_runtime::reflector::Store;

use super::kinds::Kinds;
use crate::api::{AssetClaim, FacebookChannel, MetaApp, MetaGrant};
use crate::base::key::{Key, KindName};
use crate::controller::reconciler::Reconciler;
use crate::controller::run;
use crate::controller::timer::Timer;

/// Claims that may be cleaned up after at once: it is nothing that people wait for.
const CLEANUP_CONCURRENCY: u16 = 2;

/// The timers of each kind and watched namespace.
pub(super) type Timers = HashMap<(KindName, String), Timer<Key>>;

/// A store, and which of its objects are woken.
pub(super) type Queue<K> = (Store<K>, BoxStream<'static, Key>);

/// The queues of each kind, one for each watched namespace.
#[derive(Default)]
pub(super) struct Queues {
    pub(super) apps: Vec<Queue<MetaApp>>,
    pub(super) grants: Vec<Queue<MetaGrant>>,
    pub(super) channels: Vec<Queue<FacebookChannel>>,
    pub(super) claims: Vec<Queue<AssetClaim>>,
}

impl Queues {
    /// The controllers that work them off until the shutdown.
    pub(super) fn controllers(
        self,
        kinds: &Kinds,
        concurrency: u16,
    ) -> impl Iterator<Item = BoxFuture<'static, ()>> + use<> {
        let apps = controllers(&kinds.apps, self.apps, concurrency);
        let grants = controllers(&kinds.grants, self.grants, concurrency);
        let channels = controllers(&kinds.channels, self.channels, concurrency);
        let claims = controllers(&kinds.claims, self.claims, CLEANUP_CONCURRENCY);
        apps.chain(grants).chain(channels).chain(claims)
    }
}

fn controllers<K: Reconciler>(
    kind: &Arc<K>,
    queues: Vec<Queue<K::Object>>,
    concurrency: u16,
) -> impl Iterator<Item = BoxFuture<'static, ()>> + use<K> {
    let kind = Arc::clone(kind);
    queues.into_iter().map(move |(store, wakes)| run::run(Arc::clone(&kind), store, wakes, concurrency).boxed())
}
