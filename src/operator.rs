//! Wires the operator together: stores and their watches, triggers, controllers.

mod gauges;
mod misfits;
mod namespaces;
mod surplus;
mod triggers;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use k8s_openapi::api::core::v1::Secret;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::{Api, Client};
use kube_runtime::reflector::{self, Store};
use kube_runtime::watcher::Config;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api::{AssetClaim, FacebookChannel, MetaApp, MetaGrant, PURPOSE_LABEL, RELEASE_BINDING};
use crate::claims::{self, AssetClaimKind};
use crate::engine::bindings::{Bindings, List};
use crate::engine::breakers::Breakers;
use crate::engine::context::Policy;
use crate::engine::doubts::Doubts;
use crate::engine::edits::Edits;
use crate::engine::events::Events;
use crate::engine::fence::{Fence, Lease};
use crate::engine::guard::Guard;
use crate::engine::index::Index;
use crate::engine::keyring::{self, Keyring};
use crate::engine::labels::NamespaceLabels;
use crate::engine::last_look::LastLook;
use crate::engine::mailbox::{self, Mailbox};
use crate::engine::objects::Objects;
use crate::engine::run::Kind;
use crate::engine::secrets::{self, Secrets};
use crate::engine::surplus::Surplus;
use crate::engine::timer::wakes;
use crate::engine::watch::View;
use crate::engine::{
    Clock, Context, Failure, Key, KindName, hearing, own_status, pressure, ration, run, skew, sweep, watch,
};
use crate::facebook_channel::FacebookChannelKind;
use crate::graph::GraphClient;
use crate::meta_app::{self, MetaAppKind, allowed, census};
use crate::meta_grant::{self, MetaGrantKind, users};
use crate::metrics::Metrics;
use crate::server::Readiness;
use gauges::Gauges;
use triggers::Triggers;

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

/// Claims that may be cleaned up after at once: it is nothing that people wait for.
const CLEANUP_CONCURRENCY: u16 = 2;

/// The stores of one watched namespace.
struct Scope {
    namespace: String,
    apps: (Store<MetaApp>, reflector::store::Writer<MetaApp>),
    grants: (Store<MetaGrant>, reflector::store::Writer<MetaGrant>),
    channels: (Store<FacebookChannel>, reflector::store::Writer<FacebookChannel>),
    secrets: (Store<PartialObjectMeta<Secret>>, reflector::store::Writer<PartialObjectMeta<Secret>>),
}

impl Operator {
    /// Reconciles until the shutdown, then lets running passes end.
    ///
    /// # Errors
    /// When a watch ended, which it never does by itself: what it shows would stay as it is.
    pub async fn run(mut self) -> anyhow::Result<()> {
        self.client = pressure::eased(self.client, self.concurrency, &self.metrics);
        let scopes: Vec<_> = self.scopes.iter().map(|namespace| Scope::new(namespace)).collect();
        let (claims, claims_writer) = reflector::store();
        let mut timers = HashMap::new();
        let mut queues = Vec::new();
        for scope in &scopes {
            let (app_timer, app_wakes) = wakes(self.clock.clone());
            let (grant_timer, grant_wakes) = wakes(self.clock.clone());
            let (channel_timer, channel_wakes) = wakes(self.clock.clone());
            timers.insert((KindName::MetaApp, scope.namespace.clone()), app_timer);
            timers.insert((KindName::MetaGrant, scope.namespace.clone()), grant_timer);
            timers.insert((KindName::FacebookChannel, scope.namespace.clone()), channel_timer);
            let grants = (scope.grants.0.clone(), grant_wakes);
            queues.push(((scope.apps.0.clone(), app_wakes), grants, (scope.channels.0.clone(), channel_wakes)));
        }
        let (claim_timer, claim_wakes) = wakes(self.clock.clone());
        timers.insert((KindName::AssetClaim, self.policy.claims_namespace.clone()), claim_timer);
        let (mailbox, mailbox_writer) = Mailbox::new(&self.client, &self.policy.mailbox_namespace, &self.metrics);
        let keyring = Key::new(&self.policy.mailbox_namespace, &self.policy.keyring);
        let (keyring, keyring_writer) = Keyring::new(&self.client, keyring, &self.release, &self.metrics);
        let bindings = Arc::new(Bindings::new(self.release, &self.scopes));
        let surplus = Arc::new(Surplus::new(self.max_objects));
        let secrets = scopes.iter().map(|scope| scope.secrets.0.clone()).collect();
        let ctx = Arc::new(Context {
            secrets: Secrets::new(
                self.client.clone(),
                Objects::new(secrets, &bindings),
                &surplus,
                self.metrics.clone(),
            ),
            surplus,
            published: Default::default(),
            apps: Objects::new(scopes.iter().map(|scope| scope.apps.0.clone()).collect(), &bindings),
            grant_objects: Objects::new(scopes.iter().map(|scope| scope.grants.0.clone()).collect(), &bindings),
            channels: Objects::new(scopes.iter().map(|scope| scope.channels.0.clone()).collect(), &bindings),
            bindings,
            claims: claims.clone(),
            fence: Fence::new(self.lease),
            labels: NamespaceLabels::new(self.client.clone()),
            index: Index::default(),
            app_memories: Default::default(),
            counts: Default::default(),
            grant_memories: Default::default(),
            grant_counts: Default::default(),
            grants: Default::default(),
            mailbox,
            keyring,
            grant_reminders: LastLook::new(self.clock.now()),
            channel_memories: Default::default(),
            channel_news: Default::default(),
            evidence_looks: LastLook::new(self.clock.now()),
            evidence_requests: Default::default(),
            served: Arc::default(),
            skew: Arc::default(),
            departed: Default::default(),
            doubts: Doubts::default(),
            claim_memories: Default::default(),
            misfits: Default::default(),
            pace: Default::default(),
            proof: Default::default(),
            claims_forbidden: Default::default(),
            breakers: Breakers::default(),
            budgets: Default::default(),
            timers,
            slots: Semaphore::new(self.concurrency.into()),
            events: Events::new(self.client.clone(), &self.instance, self.metrics.clone()),
            client: self.client,
            graph: self.graph,
            clock: self.clock,
            edits: Edits::new(self.policy.edit_interval),
            policy: self.policy,
            metrics: self.metrics,
            shutdown: self.shutdown,
        });
        let mut watches = JoinSet::new();
        spawn_claims_watch(&mut watches, &ctx, claims_writer);
        // Without a gateway there is neither mail nor a keyring, and no right to look for them.
        if ctx.policy.gateway_url.is_some() {
            watches.spawn(keyring::watch(Arc::clone(&ctx), keyring_writer));
            watches.spawn(mailbox::watch(Arc::clone(&ctx), mailbox_writer));
        }
        for scope in scopes {
            scope.spawn_watches(&mut watches, &ctx);
        }
        let told = tokio::select! {
            biased;
            error = hearing::first_end(&mut watches) => return Err(error),
            told = filled(&ctx) => told,
        };
        if let Some(told) = told {
            ctx.metrics.collect(Gauges::of(&ctx));
            self.ready.set(true);
            tracing::info!("every store is filled; reconciling");
            let controllers =
                queues.into_iter().map(|((apps, app_wakes), (grants, grant_wakes), (channels, channel_wakes))| {
                    let apps = run::run::<MetaAppKind>(Arc::clone(&ctx), apps, app_wakes, self.concurrency);
                    let grants = run::run::<MetaGrantKind>(Arc::clone(&ctx), grants, grant_wakes, self.concurrency);
                    let channels =
                        run::run::<FacebookChannelKind>(Arc::clone(&ctx), channels, channel_wakes, self.concurrency);
                    async move { tokio::join!(apps, grants, channels) }.map(drop).boxed()
                });
            // Each on the heap: all of them together are more than the stack of a thread holds.
            let others = [
                run::run::<AssetClaimKind>(Arc::clone(&ctx), claims, claim_wakes, CLEANUP_CONCURRENCY).boxed(),
                sweep::run::<FacebookChannelKind>(Arc::clone(&ctx)).boxed(),
                ration::run::<FacebookChannelKind>(Arc::clone(&ctx)).boxed(),
                census::run(Arc::clone(&ctx)).boxed(),
                users::run(Arc::clone(&ctx)).boxed(),
                meta_grant::mail::run(Arc::clone(&ctx)).boxed(),
                meta_app::keyring::run(Arc::clone(&ctx)).boxed(),
                misfits::run(Arc::clone(&ctx)).boxed(),
                surplus::run(Arc::clone(&ctx)).boxed(),
                namespaces::run(Arc::clone(&ctx), told).boxed(),
                allowed::run(Arc::clone(&ctx)).boxed(),
                claims::proof::run(&ctx).boxed(),
                ctx.read(Box::pin(guard(&ctx, &self.scopes).run())).map(drop).boxed(),
                skew::run(&ctx).boxed(),
            ];
            drain(&ctx, &mut watches, join_all(controllers.chain(others))).await?;
        }
        Ok(())
    }
}

/// Waits for every store to be filled; `None` if the shutdown came first. No pass starts before: an object that is not in
/// its store yet would be taken for a missing one. A namespace where something cannot be listed is not waited for, and
/// nothing is done there until it can. Nor are claims that may not be listed: who needs one asks for it, and says that there
/// is no answer. Whether claims are protected is asked as soon as they are known, so that the first passes know.
async fn filled(ctx: &Arc<Context>) -> Option<namespaces::Told> {
    let mut forbidden = ctx.claims_forbidden.subscribe();
    let claims = async {
        tokio::select! {
            _ = ctx.claims.wait_until_ready() => {}
            _ = forbidden.wait_for(|forbidden| *forbidden) => {}
        }
    };
    let proven = async {
        ctx.read(claims).await?;
        let _ = claims::proof::attempt(ctx).await;
        Ok::<_, Failure>(())
    };
    let answered = async {
        if ctx.policy.gateway_url.is_some() {
            ctx.read(ctx.keyring.is_answered()).await?;
        }
        Ok::<_, Failure>(())
    };
    let (told, proven, answered) = tokio::join!(namespaces::settled(ctx), proven, answered);
    proven.and(answered).ok()?;
    told
}

/// What keeps the operator from Secrets of others.
fn guard(ctx: &Context, scopes: &[String]) -> Guard {
    let namespaces = scopes.iter().map(|scope| if scope.is_empty() { &ctx.policy.mailbox_namespace } else { scope });
    Guard {
        client: ctx.client.clone(),
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
        error = hearing::first_end(watches) => return Err(error),
    }
    Ok(())
}

impl Scope {
    fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            apps: reflector::store(),
            grants: reflector::store(),
            channels: reflector::store(),
            secrets: reflector::store(),
        }
    }

    fn spawn_watches(self, watches: &mut JoinSet<()>, ctx: &Arc<Context>) {
        let (client, namespace) = (&ctx.client, &self.namespace);
        spawn_watch::<MetaAppKind>(watches, ctx, namespace, self.apps.1, List::Apps, Triggers::app);
        spawn_watch::<MetaGrantKind>(watches, ctx, namespace, self.grants.1, List::Grants, Triggers::grant);
        spawn_watch::<FacebookChannelKind>(watches, ctx, namespace, self.channels.1, List::Channels, Triggers::channel);
        let secrets: Api<PartialObjectMeta<Secret>> = api(client, namespace);
        let bindings: Api<DeserializeGuard<namespaces::Binding>> = api(client, namespace);
        let released = Config::default().labels(PURPOSE_LABEL);
        let named = Config::default().fields(&format!("metadata.name={RELEASE_BINDING}"));
        let (context, scope) = (Arc::clone(ctx), namespace.clone());
        let view = View { store: self.secrets.1, room: ctx.surplus.room(secrets::KIND, namespace) };
        watches.spawn(async move {
            let report = |change: watch::Change<'_, PartialObjectMeta<Secret>>| {
                namespaces::note(&context, &scope, List::Secrets, &change);
                triggers::secret(&context, change);
            };
            watch::run_metadata(
                secrets,
                released,
                view,
                &context.metrics,
                |it| context.compare(context.secrets.watched(&Key::of(it)).as_ref(), &it.metadata),
                report,
            )
            .await;
        });
        let (context, scope) = (Arc::clone(ctx), namespace.clone());
        watches.spawn(async move {
            let report = |change: watch::Change<'_, namespaces::Binding>| {
                namespaces::note(&context, &scope, List::Binding, &change);
                namespaces::binding(&context, change);
            };
            // What it holds is kept as what follows from it.
            let (_, unread) = reflector::store();
            watch::run(bindings, named, unread, &context.metrics, |_| (), report).await;
        });
    }
}

/// Watches the objects of a kind in one namespace, or in all if it has no name.
fn spawn_watch<K: Kind>(
    watches: &mut JoinSet<()>,
    ctx: &Arc<Context>,
    namespace: &str,
    store: reflector::store::Writer<K::Object>,
    list: List,
    trigger: fn(&mut Triggers, &Context, watch::Change<'_, K::Object>),
) {
    let objects: Api<DeserializeGuard<K::Object>> = api(&ctx.client, namespace);
    let (ctx, scope, mut triggers) = (Arc::clone(ctx), namespace.to_owned(), Triggers::default());
    let view = View { store, room: ctx.surplus.room(K::NAME.as_str(), namespace) };
    watches.spawn(async move {
        let review = |object: &K::Object| own_status::review::<K>(&ctx, object);
        let report = |change: watch::Change<'_, K::Object>| {
            namespaces::note(&ctx, &scope, list, &change);
            trigger(&mut triggers, &ctx, change);
        };
        watch::run(objects, Config::default(), view, &ctx.metrics, review, report).await;
    });
}

fn spawn_claims_watch(watches: &mut JoinSet<()>, ctx: &Arc<Context>, store: reflector::store::Writer<AssetClaim>) {
    let claims: Api<DeserializeGuard<AssetClaim>> = api(&ctx.client, &ctx.policy.claims_namespace);
    let context = Arc::clone(ctx);
    watches.spawn(async move {
        let report = |change: watch::Change<'_, AssetClaim>| triggers::claim(&context, change);
        let review = |claim: &AssetClaim| {
            let before = context.claims.get(&Key::of(claim).to_ref());
            context.compare(before.as_ref().map(|it| &it.metadata), &claim.metadata);
        };
        watch::run(claims, Config::default(), store, &context.metrics, review, report).await;
    });
}

/// The API of a kind in one namespace, or in all if it has no name.
pub(crate) fn api<K>(client: &Client, namespace: &str) -> Api<K>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
{
    if namespace.is_empty() { Api::all(client.clone()) } else { Api::namespaced(client.clone(), namespace) }
}
