//! State that all kinds share.

use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tokio_util::sync::CancellationToken;

use super::safeguards::{PanicOver, Safeguards};
use super::wakeups::Wakeups;
use crate::base::clock::{Clock, Moment};
use crate::base::key::version;
use crate::cluster::Cluster;
use crate::cluster::error::Failure;
use crate::graph::GraphClient;
use crate::limits::Limits;
use crate::metrics::Metrics;

/// Settings that decisions depend on.
#[derive(Clone, Debug)]
pub struct Policy {
    pub claims_namespace: String,
    /// Namespace of the gateway's mail, the release's own.
    pub inbox_namespace: String,
    /// Name of the Secret there with what the gateway knows of MetaApps.
    pub keyring: String,
    /// Base URL of the Graph API, as it is shown in statuses.
    pub graph_url: String,
    /// Public base URL of the gateway, without a slash at the end; absent when none is installed.
    pub gateway_url: Option<String>,
    /// Whether that gateway forwards events.
    pub forwarding: bool,
    /// How often a working channel is checked.
    pub channel_period: Duration,
    /// How often the token of a channel is checked; more often near its end.
    pub token_period: Duration,
    /// How often a working application is checked.
    pub app_period: Duration,
    /// How often something broken is checked; every two hours are twelve looks a day.
    pub broken_period: Duration,
    /// How often an object that is edited over and over is checked, after the first few edits.
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

impl Policy {
    /// Whether there is a gateway that forwards events.
    pub fn forwards(&self) -> bool {
        self.forwarding && self.gateway_url.is_some()
    }
}

/// What every kind shares.
pub struct Context {
    /// The API server.
    pub cluster: Cluster,
    /// Client of the Graph API.
    pub graph: GraphClient,
    /// What keeps Meta from being asked too often, or in vain.
    pub limits: Limits,
    /// When objects get their next pass.
    pub wakeups: Wakeups,
    pub clock: Clock,
    /// Settings that decisions depend on.
    pub policy: Policy,
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
                "the API server shows an older version of an object: its storage was restored to an earlier state; exiting because the remembered facts are outdated"
            );
            self.shutdown.cancel();
        }
    }

    /// Waits for so long by the clock; `false` if the shutdown comes first.
    pub async fn rest(&self, period: Duration) -> bool {
        let end = self.clock.now().later(SignedDuration::try_from(period).unwrap_or(SignedDuration::MAX));
        self.read(self.clock.sleep_until(end)).await.is_ok()
    }
}
