//! Wires the operator together: stores and their watches, triggers, controllers.

mod channel_counts;
mod clock_skew;
mod gauges;
mod kinds;
mod misfits;
mod namespaces;
mod queue;
mod queues;
mod surplus;
mod triggers;
mod watches;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, StreamExt};
use gauges::Gauges;
use kinds::Kinds;
use kube::Client;
use kube_runtime::reflector::{self, Store};
use queues::{Queue, Queues, Timers};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use watches::Scope;

use crate::api::AssetClaim;
use crate::base::clock::Clock;
use crate::base::key::{Key, KindName};
use crate::base::watch_health;
use crate::cluster::error::Failure;
use crate::cluster::events::Events;
use crate::cluster::leader::Lease;
use crate::cluster::namespace_ownership::Namespaces;
use crate::cluster::secret_guard::Guard;
use crate::cluster::secrets::Secrets;
use crate::cluster::stores::Objects;
use crate::cluster::surplus::Surplus;
use crate::cluster::undecodable::Undecodable;
use crate::cluster::{Cluster, Stores, backpressure};
use crate::controller::batch_resync;
use crate::controller::context::{Context, Policy};
use crate::controller::timer::wakes;
use crate::controller::wakeups::Wakeups;
use crate::graph::GraphClient;
use crate::limits::Limits;
use crate::meta_app::keyring_secret::Keyring;
use crate::meta_app::{self, allowed, keyring_secret};
use crate::meta_grant::inbox::Inbox;
use crate::meta_grant::{self, dependents, inbox};
use crate::metrics::Metrics;
use crate::ownership;
use crate::server::Readiness;

/// Everything the operator needs from outside.
pub struct Operator {
    /// Client of the Kubernetes API.
    pub client: Client,
    /// Client of the Graph API.
    pub graph: GraphClient,
    /// The one clock.
    pub clock: Clock,
    /// Settings that decisions depend on.
    pub policy: Policy,
    /// Watched namespaces; one empty name stands for all.
    pub scopes: Vec<String>,
    /// How many objects of each kind a namespace may have.
    pub max_objects: usize,
    /// Name of this release: namespace and name of its Lease, with a slash between them.
    pub release: String,
    /// Passes that may run at once.
    pub concurrency: u16,
    /// Unique name of this instance.
    pub instance: String,
    /// Counters.
    pub metrics: Metrics,
    /// Where to say that the work has begun.
    pub ready: Readiness,
    /// The Lease under which it works, if there is an election.
    pub lease: Option<Lease>,
    /// Ends the work.
    pub shutdown: CancellationToken,
}

/// How long running passes may take to end after the shutdown began. Reads are given up at once; a write that Meta
/// does not answer is not waited for any longer, so that the lease can be released in time.
const DRAIN: Duration = Duration::from_secs(3);

impl Operator {
    /// Reconciles until the shutdown, then lets running passes end.
    ///
    /// # Errors
    /// When a watch ended, which it never does on its own: what it shows would stay as it is.
    pub async fn run(mut self) -> anyhow::Result<()> {
        self.client = backpressure::eased(self.client, self.concurrency, &self.metrics);
        let (concurrency, ready) = (self.concurrency, self.ready.clone());
        let guarded = self.scopes.clone();
        let scopes: Vec<_> = self.scopes.iter().map(|namespace| Scope::new(namespace)).collect();
        let (claims, claims_writer) = reflector::store();
        let (timers, queues) = self.queues(&scopes, &claims);
        let (inbox, inbox_writer) = Inbox::new(&self.client, &self.policy.inbox_namespace, &self.metrics);
        let keyring = Key::new(&self.policy.inbox_namespace, &self.policy.keyring);
        let (keyring, keyring_writer) = Keyring::new(&self.client, keyring, &self.release, &self.metrics);
        let kinds = Arc::new(Kinds::new(self.context(&scopes, claims, timers), keyring, inbox));
        let ctx = &kinds.ctx;
        let mut watches = JoinSet::new();
        watches::spawn_claims(&mut watches, &kinds, claims_writer);
        // Without a gateway there is neither inbox messages nor a keyring, and no right to look for them.
        if ctx.policy.gateway_url.is_some() {
            let (of_apps, of_grants) = (Arc::clone(&kinds.apps), Arc::clone(&kinds.grants));
            watches.spawn(async move { keyring_secret::watch(&of_apps.ctx, &of_apps.keyring, keyring_writer).await });
            watches.spawn(async move { inbox::watch(&of_grants.ctx, &of_grants.inbox, inbox_writer).await });
        }
        for scope in scopes {
            scope.spawn(&mut watches, &kinds);
        }
        let told = tokio::select! {
            biased;
            error = watch_health::first_end(&mut watches) => return Err(error),
            told = filled(&kinds) => told,
        };
        if let Some(told) = told {
            ctx.metrics.collect(Gauges::of(&kinds));
            ready.set(true);
            tracing::info!("every store is filled; reconciling");
            let work = queues.controllers(&kinds, concurrency).chain(loops(&kinds, told, &guarded));
            drain(ctx, &mut watches, join_all(work)).await?;
        }
        Ok(())
    }

    /// What the kinds share.
    fn context(self, scopes: &[Scope], claims: Store<AssetClaim>, timers: Timers) -> Context {
        let bindings = Arc::new(Namespaces::new(self.release, &self.scopes));
        let surplus = Arc::new(Surplus::new(self.max_objects));
        let secrets = Objects::new(scopes.iter().map(|scope| scope.secrets.0.clone()).collect(), &bindings);
        let stores = Stores {
            apps: Objects::new(scopes.iter().map(|scope| scope.apps.0.clone()).collect(), &bindings),
            grants: Objects::new(scopes.iter().map(|scope| scope.grants.0.clone()).collect(), &bindings),
            channels: Objects::new(scopes.iter().map(|scope| scope.channels.0.clone()).collect(), &bindings),
            claims,
        };
        let cluster = Cluster {
            secrets: Secrets::new(self.client.clone(), secrets, &surplus, self.metrics.clone()),
            events: Events::new(self.client.clone(), &self.instance, self.metrics.clone()),
            client: self.client,
            lease: self.lease,
            namespaces: bindings,
            stores,
            undecodable: Undecodable::default(),
            surplus,
        };
        Context {
            cluster,
            graph: self.graph,
            limits: Limits::new(self.policy.edit_interval, self.clock.clone(), self.metrics.clone()),
            wakeups: Wakeups::new(timers, self.concurrency),
            clock: self.clock,
            policy: self.policy,
            metrics: self.metrics,
            shutdown: self.shutdown,
        }
    }

    /// The timers of all kinds in all scopes, and what they feed.
    fn queues(&self, scopes: &[Scope], claims: &Store<AssetClaim>) -> (Timers, Queues) {
        let mut timers = HashMap::new();
        let mut queues = Queues::default();
        for Scope { namespace, apps, grants, channels, .. } in scopes {
            queues.apps.push(self.queue(&mut timers, KindName::MetaApp, namespace, &apps.0));
            queues.grants.push(self.queue(&mut timers, KindName::MetaGrant, namespace, &grants.0));
            queues.channels.push(self.queue(&mut timers, KindName::FacebookChannel, namespace, &channels.0));
        }
        let namespace = &self.policy.claims_namespace;
        queues.claims.push(self.queue(&mut timers, KindName::AssetClaim, namespace, claims));
        (timers, queues)
    }

    fn queue<K>(&self, timers: &mut Timers, kind: KindName, namespace: &str, store: &Store<K>) -> Queue<K>
    where
        K: kube::Resource<DynamicType = ()> + Clone + 'static,
    {
        let (timer, wakes) = wakes(self.clock.clone());
        timers.insert((kind, namespace.to_owned()), timer);
        (store.clone(), wakes.boxed())
    }
}

/// What runs beside the controllers until the shutdown. Each on the heap: all of them together are more than the stack of a thread
/// holds.
fn loops(kinds: &Arc<Kinds>, told: namespaces::Told, scopes: &[String]) -> Vec<BoxFuture<'static, ()>> {
    let (ctx, ownership) = (Arc::clone(&kinds.ctx), Arc::clone(&kinds.ownership));
    let guard = guard(&ctx, scopes);
    vec![
        batch_resync::run(Arc::clone(&kinds.channels)).boxed(),
        queue::run(Arc::clone(kinds)).boxed(),
        channel_counts::run(Arc::clone(kinds)).boxed(),
        dependents::run(Arc::clone(&kinds.grants)).boxed(),
        meta_grant::messages::run(Arc::clone(&kinds.grants)).boxed(),
        meta_app::keyring::run(Arc::clone(&kinds.apps)).boxed(),
        misfits::run(Arc::clone(&ctx)).boxed(),
        surplus::run(Arc::clone(&ctx)).boxed(),
        namespaces::run(Arc::clone(kinds), told).boxed(),
        allowed::run(Arc::clone(&kinds.apps)).boxed(),
        async move { ownership::admission_check::run(&ownership).await }.boxed(),
        async move { drop(ctx.read(Box::pin(guard.run())).await) }.boxed(),
        clock_skew::run(Arc::clone(kinds)).boxed(),
    ]
}

/// Waits for every store to be filled; `None` if the shutdown came first. No pass starts before: an object that is not in
/// its store yet would be taken for a missing one. A namespace where something cannot be listed is not waited for, and
/// nothing is done there until it can. Nor are claims that may not be listed: who needs one asks for it, and says that there
/// is no answer. Whether claims are protected is asked as soon as they are known, so that the first passes know.
async fn filled(kinds: &Arc<Kinds>) -> Option<namespaces::Told> {
    let mut forbidden = kinds.ownership.forbidden.subscribe();
    let claims = async {
        tokio::select! {
            _ = kinds.ctx.cluster.stores.claims.wait_until_ready() => {}
            _ = forbidden.wait_for(|forbidden| *forbidden) => {}
        }
    };
    let proven = async {
        kinds.ctx.read(claims).await?;
        let _ = ownership::admission_check::attempt(&kinds.ownership).await;
        Ok::<_, Failure>(())
    };
    let answered = async {
        if kinds.ctx.policy.gateway_url.is_some() {
            kinds.ctx.read(kinds.apps.keyring.is_answered()).await?;
        }
        Ok::<_, Failure>(())
    };
    let (told, proven, answered) = tokio::join!(namespaces::settled(kinds), proven, answered);
    proven.and(answered).ok()?;
    told
}

/// What keeps the operator from Secrets of others.
fn guard(ctx: &Context, scopes: &[String]) -> Guard {
    let namespaces = scopes.iter().map(|scope| if scope.is_empty() { &ctx.policy.inbox_namespace } else { scope });
    Guard {
        client: ctx.cluster.client.clone(),
        clock: ctx.clock.clone(),
        metrics: ctx.metrics.clone(),
        policy: "secrets.metachannels.io",
        namespaces: namespaces.cloned().collect(),
    }
}

/// Runs the work until it ends after the shutdown, but not much longer; or until a watch ends.
async fn drain(ctx: &Context, watches: &mut JoinSet<()>, work: impl Future) -> anyhow::Result<()> {
    let overdue = async {
        ctx.shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        _ = work => tracing::info!("every pass has ended"),
        () = overdue => tracing::warn!("a pass did not end in time and is given up"),
        error = watch_health::first_end(watches) => return Err(error),
    }
    Ok(())
}
