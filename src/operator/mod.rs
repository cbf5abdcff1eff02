//! Wires the operator together: stores and their watches, triggers, controllers.

mod channel_counts;
mod clock_skew;
mod feeds;
mod gauges;
mod kinds;
mod misfits;
mod namespaces;
mod queue;
mod registered;
mod surplus;
mod triggers;
mod watches;

use std::sync::Arc;
use std::time::Duration;

use feeds::Timers;
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use gauges::Gauges;
use k8s_openapi::api::core::v1::Secret;
use kinds::{KindFeeds, Kinds};
use kube::Client;
use kube::core::PartialObjectMeta;
use kube_runtime::reflector;
use kube_runtime::reflector::store::Writer;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::base::clock::Clock;
use crate::base::key::Key;
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
use crate::cluster::{Cluster, backpressure};
use crate::controller::context::{Context, Policy};
use crate::controller::run;
use crate::controller::wakeups::Wakeups;
use crate::graph::GraphClient;
use crate::limits::Limits;
use crate::meta_app::keyring_secret::{self, Keyring};
use crate::meta_grant::inbox::{self, Inbox};
use crate::metrics::Metrics;
use crate::ownership;
use crate::server::Readiness;

/// Everything the operator needs from outside.
pub struct Operator {
    /// Client of the Kubernetes API.
    pub client: Client,
    /// Client of the Graph API.
    pub graph: GraphClient,
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

/// Claims that may be cleaned up after at once: it is nothing that people wait for.
const CLEANUP_CONCURRENCY: u16 = 2;

/// What fills the stores of labeled Secrets, by watched namespace.
type SecretWriters = Vec<(String, Writer<PartialObjectMeta<Secret>>)>;

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
        let (concurrency, ready, scopes) = (self.concurrency, self.ready.clone(), self.scopes.clone());
        let (inbox, inbox_writer) = Inbox::new(&self.client, &self.policy.inbox_namespace, &self.metrics);
        let keyring = Key::new(&self.policy.inbox_namespace, &self.policy.keyring);
        let (keyring, keyring_writer) = Keyring::new(&self.client, keyring, &self.release, &self.metrics);
        let (feeds, timers) = KindFeeds::new(&scopes, &self.policy.claims_namespace, &self.clock);
        let (ctx, secrets) = self.context(&feeds, timers);
        let (kinds, claims) = Kinds::new(ctx, feeds, keyring, inbox);
        let (kinds, mut watches) = (Arc::new(kinds), JoinSet::new());
        let ctx = &kinds.ctx;
        watches::spawn_claims(&mut watches, &kinds, claims.writer);
        // Without a gateway there is neither an inbox nor a keyring, and no right to look for them.
        if ctx.policy.gateway_url.is_some() {
            let (of_apps, of_grants) = (Arc::clone(&kinds.apps), Arc::clone(&kinds.grants));
            watches.spawn(async move { keyring_secret::watch(&of_apps.ctx, &of_apps.keyring, keyring_writer).await });
            watches.spawn(async move { inbox::watch(&of_grants.ctx, &of_grants.inbox, inbox_writer).await });
        }
        let mut work = Vec::new();
        for kind in &kinds.declared {
            work.extend(kind.start(&mut watches, concurrency));
        }
        for (namespace, writer) in secrets {
            watches::spawn_secrets(&mut watches, &kinds, &namespace, writer);
            watches::spawn_binding(&mut watches, &kinds, &namespace);
        }
        work.push(run::run(Arc::clone(&kinds.claims), claims.store, claims.wakes, CLEANUP_CONCURRENCY).boxed());
        let told = tokio::select! {
            biased;
            error = watch_health::first_end(&mut watches) => return Err(error),
            told = filled(&kinds) => told,
        };
        if let Some(told) = told {
            ctx.metrics.collect(Gauges::of(&kinds));
            ready.set(true);
            tracing::info!("every store is filled; reconciling starts");
            work.extend(loops(&kinds, told, &scopes));
            drain(ctx, &mut watches, join_all(work)).await?;
        }
        Ok(())
    }

    /// What the kinds share, and what fills the stores of labeled Secrets.
    fn context(self, feeds: &KindFeeds, timers: Timers) -> (Context, SecretWriters) {
        let namespaces = Arc::new(Namespaces::new(self.release, &self.scopes, feeds.declared.iter().copied()));
        let stores = feeds.stores(&namespaces);
        let surplus = Arc::new(Surplus::new(self.max_objects));
        let (secrets, writers): (Vec<_>, Vec<_>) = self.scopes.iter().map(|_| reflector::store()).unzip();
        let secrets = Objects::new(secrets, &namespaces);
        let cluster = Cluster {
            secrets: Secrets::new(self.client.clone(), secrets, &surplus, self.metrics.clone()),
            events: Events::new(self.client.clone(), &self.instance, self.metrics.clone()),
            client: self.client,
            lease: self.lease,
            namespaces,
            stores,
            undecodable: Undecodable::default(),
            surplus,
        };
        let ctx = Context {
            cluster,
            graph: self.graph,
            limits: Limits::new(self.policy.edit_interval, self.clock.clone(), self.metrics.clone()),
            wakeups: Wakeups::new(timers, self.concurrency),
            clock: self.clock,
            policy: self.policy,
            metrics: self.metrics,
            shutdown: self.shutdown,
        };
        (ctx, self.scopes.into_iter().zip(writers).collect())
    }
}

/// What runs beside the controllers until the shutdown. Each on the heap: all of them together are more than the stack of a thread
/// holds.
fn loops(kinds: &Arc<Kinds>, told: namespaces::Told, scopes: &[String]) -> Vec<BoxFuture<'static, ()>> {
    let (ctx, ownership) = (Arc::clone(&kinds.ctx), Arc::clone(&kinds.ownership));
    let guard = guard(&ctx, scopes);
    let mut loops = kinds.loops();
    loops.extend([
        queue::run(Arc::clone(kinds)).boxed(),
        channel_counts::run(Arc::clone(kinds)).boxed(),
        misfits::run(Arc::clone(kinds)).boxed(),
        surplus::run(Arc::clone(kinds)).boxed(),
        namespaces::run(Arc::clone(kinds), told).boxed(),
        async move { ownership::admission_check::run(&ownership).await }.boxed(),
        async move { drop(ctx.read(Box::pin(guard.run())).await) }.boxed(),
        clock_skew::run(Arc::clone(kinds)).boxed(),
    ]);
    loops
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
        () = overdue => tracing::warn!("a pass did not end in time and is abandoned"),
        error = watch_health::first_end(watches) => return Err(error),
    }
    Ok(())
}
