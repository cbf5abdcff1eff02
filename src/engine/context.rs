//! What every pass shares.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Client, ResourceExt};
use kube_runtime::reflector::Store;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::answer::{PageNews, Refusal};
use super::bindings::Bindings;
use super::breakers::{Breakers, Reach};
use super::budgets::{Budget, Budgets};
use super::clock::{Clock, Moment};
use super::counts::Counts;
use super::departed::Departed;
use super::doubts::Doubts;
use super::edits::Edits;
use super::events::Events;
use super::failure::Failure;
use super::fence::Fence;
use super::grants::{Granted, Grants};
use super::handover::Handover;
use super::index::{Dependency, Index};
use super::key::{Key, KindName, version};
use super::keyring::Keyring;
use super::labels::NamespaceLabels;
use super::last_look::LastLook;
use super::mailbox::Mailbox;
use super::memory::Memories;
use super::misfits::Misfits;
use super::objects::Objects;
use super::obstacle::Proof;
use super::own_secrets::Written;
use super::pace::Pace;
use super::panics::PanicOver;
use super::ration::Ear;
use super::requests::Taken;
use super::safeguards::Safeguards;
use super::secrets::Secrets;
use super::served::Served;
use super::skew::Skew;
use super::surplus::Surplus;
use super::timer::Timer;
use crate::api::{
    AssetClaim, AssetClaimStatus, ChannelCounts, FacebookChannel, FacebookChannelStatus, MetaApp, MetaAppStatus,
    MetaGrant, MetaGrantStatus,
};
use crate::graph::{GraphClient, Meter};
use crate::metrics::Metrics;

/// Settings that decisions depend on.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Namespace of the claims.
    pub claims_namespace: String,
    /// Namespace of the gateway's mail, the release's own.
    pub mailbox_namespace: String,
    /// Name of the Secret there with what the gateway knows of MetaApps.
    pub keyring: String,
    /// Base URL of the Graph API, as it is shown in statuses.
    pub graph_url: String,
    /// Public base URL of the gateway, without a slash at the end; absent when none is installed.
    pub gateway_url: Option<String>,
    /// How often a working channel is looked at.
    pub channel_period: Duration,
    /// How often the token of a channel is looked at; more often near its end.
    pub token_period: Duration,
    /// How often a working application is looked at.
    pub app_period: Duration,
    /// How often something broken is looked at; every two hours are twelve looks a day.
    pub broken_period: Duration,
    /// How often an object that is edited over and over is looked at, after the first few edits.
    pub edit_interval: Duration,
    /// How often the channels of an application are counted.
    pub count_period: Duration,
    /// How long a value may be kept without an answer from Meta before it becomes Unknown.
    pub staleness_limit: Duration,
    /// What only tests set.
    pub panic_over: PanicOver,
    /// What is made sure of: all of it, but in tests.
    #[doc(hidden)]
    pub safeguards: Safeguards,
}

/// What every pass shares.
pub struct Context {
    /// Client of the Kubernetes API.
    pub client: Client,
    /// Client of the Graph API.
    pub graph: GraphClient,
    /// The one clock.
    pub clock: Clock,
    /// Settings that decisions depend on.
    pub policy: Policy,
    /// Released Secrets.
    pub secrets: Secrets,
    /// Published Secrets as they were written.
    pub published: Written,
    /// Which release the watched namespaces belong to.
    pub bindings: Arc<Bindings>,
    /// The MetaApps.
    pub apps: Objects<MetaApp>,
    /// The MetaGrants.
    pub grant_objects: Objects<MetaGrant>,
    /// The FacebookChannels.
    pub channels: Objects<FacebookChannel>,
    /// All claims.
    pub claims: Store<AssetClaim>,
    /// What is known for certain before a write at Meta.
    pub fence: Fence,
    /// Who depends on what.
    pub index: Index,
    /// The labels of namespaces.
    pub labels: NamespaceLabels,
    /// What is remembered of applications.
    pub app_memories: Memories<MetaAppStatus>,
    /// How many channels each application has.
    pub counts: Counts<ChannelCounts>,
    /// What is remembered of grants.
    pub grant_memories: Memories<MetaGrantStatus>,
    /// How many channels rely on each grant.
    pub grant_counts: Counts<i64>,
    /// What grants give to channels.
    pub grants: Grants,
    /// What the gateway left for the operator.
    pub mailbox: Mailbox,
    /// What the gateway is told of the applications.
    pub keyring: Keyring,
    /// When somebody was reminded that a grant ends soon.
    pub grant_reminders: LastLook,
    /// What is remembered of channels.
    pub channel_memories: Memories<FacebookChannelStatus>,
    /// What a sweep read about channels that it wakes.
    pub channel_news: Handover<PageNews>,
    /// When evidence of the primary receiver was looked for.
    pub evidence_looks: LastLook,
    /// For which requests evidence was looked for.
    pub evidence_requests: Taken,
    /// How many channels of each application doubt their tokens.
    pub doubts: Doubts,
    /// Which channels were seen to go.
    pub departed: Departed,
    /// What is remembered of claims that are being cleaned up.
    pub claim_memories: Memories<AssetClaimStatus>,
    /// Objects that cannot be decoded.
    pub misfits: Misfits,
    /// Objects that are more than a namespace may have.
    pub surplus: Arc<Surplus>,
    /// Turns of those that clean up.
    pub pace: Pace,
    /// Whether claims are protected.
    pub proof: Proof,
    /// Whether the claims may not be listed.
    pub claims_forbidden: watch::Sender<bool>,
    /// Of which applications Meta answers nothing.
    pub breakers: Breakers,
    /// What Meta wants to be left alone, and how much of its limits is used.
    pub budgets: Arc<Budgets>,
    /// Which version of the Graph API answers for which.
    pub served: Arc<Served>,
    /// How far our clock is from Meta's.
    pub skew: Arc<Skew>,
    /// How often changed objects may be looked at.
    pub edits: Edits,
    /// Wake-ups: for each kind and watched namespace, "" for all.
    pub timers: HashMap<(KindName, String), Timer<Key>>,
    /// Bounds how many passes run at once, over all kinds.
    pub slots: Semaphore,
    /// Publisher of Events.
    pub events: Events,
    /// Counters.
    pub metrics: Metrics,
    /// Cancelled when the process shuts down.
    pub shutdown: CancellationToken,
}

impl Context {
    /// Waits for a read, unless the process shuts down: nothing is lost by giving up a read.
    ///
    /// # Errors
    /// [`Failure::ShuttingDown`].
    pub async fn read<T>(&self, request: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Err(Failure::ShuttingDown),
            answer = request => Ok(answer),
        }
    }

    /// Compares an object with what is known of it. Versions grow: an older one says that the API server was put back to an
    /// earlier state. Then nothing that this process remembers can be relied on, and it ends, so that the next one begins anew.
    pub fn compare(&self, known: Option<&ObjectMeta>, shown: &ObjectMeta) {
        let Some(known) = known.filter(|known| known.uid == shown.uid) else { return };
        let older = version(shown).zip(version(known)).is_some_and(|(shown, known)| shown < known);
        if older && !self.shutdown.is_cancelled() {
            tracing::error!(
                namespace = shown.namespace,
                name = shown.name,
                "the API server shows an object as it was before: its storage was put back to an earlier state; ending, so that nothing is done on what is not so any more"
            );
            self.shutdown.cancel();
        }
    }

    /// Waits for so long by the clock; `false` if the shutdown comes first.
    pub async fn rest(&self, period: Duration) -> bool {
        let end = self.clock.now().later(SignedDuration::try_from(period).unwrap_or(SignedDuration::MAX));
        self.read(self.clock.sleep_until(end)).await.is_ok()
    }

    /// The timer of a kind for objects of a namespace.
    pub fn timer(&self, kind: KindName, namespace: &str) -> Option<&Timer<Key>> {
        self.timers.get(&(kind, namespace.to_owned())).or_else(|| self.timers.get(&(kind, String::new())))
    }

    /// Wakes everything that depends on something that changed.
    pub fn wake_dependents(&self, dependency: &Dependency) {
        for (kind, key) in self.index.dependents(dependency) {
            self.wake(kind, key);
        }
    }

    /// Wakes everything that depends on the status of an object.
    pub fn wake_dependents_of(&self, kind: KindName, key: &Key) {
        match kind {
            KindName::MetaApp => self.wake_dependents(&Dependency::MetaApp(key.clone())),
            KindName::MetaGrant => self.wake_dependents(&Dependency::MetaGrant(key.clone())),
            KindName::FacebookChannel | KindName::AssetClaim => {}
        }
    }

    /// Wakes one object.
    pub fn wake(&self, kind: KindName, key: Key) {
        if let Some(timer) = self.timer(kind, &key.namespace) {
            timer.wake(key);
        }
    }

    /// Wakes an application for a look at Meta, though nothing about it changed; at most once a minute.
    pub fn look_at_app(&self, key: Key) {
        if self.app_memories.ask_for_look(&key, self.clock.now()) {
            self.wake(KindName::MetaApp, key);
        }
    }

    /// Wakes a grant for a look at Meta, though nothing about it changed; at most once a minute.
    pub fn look_at_grant(&self, key: Key) {
        if self.grant_memories.ask_for_look(&key, self.clock.now()) {
            self.wake(KindName::MetaGrant, key);
        }
    }

    /// Keeps what a grant gives now, and wakes the channels to which that is news.
    pub fn granted(&self, grant: &Key, granted: Granted) {
        let first = self.grants.get(grant).is_none();
        for page_id in self.grants.put(grant, granted) {
            self.wake_dependents(&Dependency::GrantedPage(grant.clone(), page_id));
        }
        if first {
            // Those that wait for it may be none of the listed.
            self.wake_dependents(&Dependency::MetaGrant(grant.clone()));
        }
    }

    /// Whether the object of this name and UID is there and one too many, so that nothing is done for it.
    pub fn is_surplus(&self, kind: KindName, key: &Key, uid: &str) -> bool {
        self.is_ours(&key.namespace) && self.surplus.holds_uid(kind.as_str(), key, uid)
    }

    /// Whether a namespace is ours; what lies in others is another release's.
    pub fn is_ours(&self, namespace: &str) -> bool {
        self.bindings.is_ours(namespace)
    }

    /// Whether a namespace is watched here, though it may be another release's.
    pub fn watches(&self, namespace: &str) -> bool {
        self.timer(KindName::FacebookChannel, namespace).is_some()
    }

    /// Wakes the claim of this name.
    pub fn wake_claim(&self, name: &str) {
        self.wake(KindName::AssetClaim, Key::new(&self.policy.claims_namespace, name));
    }

    /// Takes note of whether Meta answers for an application, by the calls of a pass for it or for one of its channels.
    pub fn reached(&self, app: &str, uid: &str, reach: Reach) {
        self.metrics.unreachable_apps(self.breakers.note(app, uid, reach, self.clock.now()));
    }

    /// Hears what Meta's answers say of the usage of an application, and of their version.
    pub fn meter(&self, app: &MetaApp) -> Meter {
        Meter::new(Arc::new(Ear {
            budgets: Arc::clone(&self.budgets),
            served: Arc::clone(&self.served),
            skew: Arc::clone(&self.skew),
            metrics: self.metrics.clone(),
            clock: self.clock.clone(),
            app: Key::of(app),
            uid: app.uid().unwrap_or_default(),
        }))
    }

    /// Takes note of limits among the refusals that a pass met, so that whatever they apply to is left alone.
    pub fn heed<'a>(&self, budgets: &[Budget], refusals: impl Iterator<Item = &'a Refusal>, now: Timestamp) {
        for refusal in refusals {
            self.budgets.heed(budgets, refusal, now);
        }
    }

    /// A MetaApp in a namespace of ours. A status that somebody else wrote is not believed: until the MetaApp was looked at, it is what
    /// it was before.
    pub fn app(&self, key: &Key) -> Option<Arc<MetaApp>> {
        let app = self.apps.get(key)?;
        Some(match self.app_memories.kept(key, app.metadata.uid.as_deref()) {
            Some(status) => Arc::new(MetaApp { status: Some(status), ..(*app).clone() }),
            None => app,
        })
    }

    /// A MetaGrant in a namespace of ours; its status as with [`Context::app`].
    pub fn grant(&self, key: &Key) -> Option<Arc<MetaGrant>> {
        let grant = self.grant_objects.get(key)?;
        Some(match self.grant_memories.kept(key, grant.metadata.uid.as_deref()) {
            Some(status) => Arc::new(MetaGrant { status: Some(status), ..(*grant).clone() }),
            None => grant,
        })
    }

    /// A FacebookChannel in a namespace of ours.
    pub fn channel(&self, key: &Key) -> Option<Arc<FacebookChannel>> {
        self.channels.get(key)
    }
}
