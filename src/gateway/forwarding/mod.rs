//! Events go to the endpoints that channels declare. They are durable before Meta hears 200, so that what comes of an endpoint is
//! never an answer to Meta: it delays its own channel alone.
//!
//! `gateway/route` is where the events of one channel go, as its object says; the channels themselves are known to `events/channels`.
//! The crate `webhook_forwarder` keeps and sends.

mod counts;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use axum::http::StatusCode;
use reqwest::dns::Resolve;
use tokio::task::JoinSet;
use webhook_forwarder::address::AddressPolicy;
use webhook_forwarder::delivery::{Endpoint, Endpoints, Forwarder, Limits, Sender, Wakes};
use webhook_forwarder::event::{ChannelId, NewEvent};
use webhook_forwarder::queue::embedded::{EmbeddedQueue, Settings};
use webhook_forwarder::queue::{Queue, QueueError};

use self::counts::Counts;
use super::events::Channels;
use super::keyring::Keyring;
use crate::metrics::Metrics;

/// How often what is too old is removed, and channels with events are reminded of.
const ROUND: Duration = Duration::from_secs(60);
/// How many events that are too old are removed in one transaction.
const AT_ONCE: usize = 1000;

/// What forwarding needs from outside.
pub struct ForwardingConfig {
    /// Directory of the queue, which exists and belongs to this gateway alone.
    pub directory: PathBuf,
    pub addresses: AddressPolicy,
    /// Where the addresses of hosts come from.
    pub names: Arc<dyn Resolve>,
    /// Domain of the cluster, as in names of Services.
    pub cluster_domain: String,
}

/// Keeps events that are to be forwarded.
pub(super) struct Forwarding {
    queue: Arc<EmbeddedQueue>,
    wakes: Wakes,
    metrics: Metrics,
}

/// Where the events of channels go at this moment.
struct Routes {
    channels: Arc<Channels>,
    keyring: Arc<Keyring>,
    cluster_domain: String,
}

impl Endpoints for Routes {
    fn endpoint(&self, channel: ChannelId) -> Option<Arc<Endpoint>> {
        let made_of = self.keyring.forwarding_key()?;
        self.channels.route(channel)?.endpoint(&made_of, &self.cluster_domain).map(Arc::new)
    }
}

impl Forwarding {
    /// Opens the queue and starts to send what is in it. The future ends when the queue is broken, with the reason: the process is
    /// to end then, since what it wrote last may not be on the disk.
    ///
    /// # Errors
    /// When the queue cannot be opened.
    pub(super) fn start(
        config: ForwardingConfig,
        channels: &Arc<Channels>,
        keyring: &Arc<Keyring>,
        metrics: &Metrics,
        tasks: &mut JoinSet<()>,
    ) -> anyhow::Result<(Self, impl Future<Output = QueueError> + use<>)> {
        let ForwardingConfig { directory, addresses, names, cluster_domain } = config;
        let counts = Counts(metrics.clone());
        let queue = EmbeddedQueue::open(&directory, Settings::default(), counts.clone())
            .with_context(|| format!("the queue in {} cannot be opened", directory.display()))?;
        let queue = Arc::new(queue);
        let user_agent = concat!("meta-channel-operator/", env!("CARGO_PKG_VERSION"));
        let sender = Sender::new(addresses, names, user_agent).map_err(|_| io::Error::other("no HTTP client"))?;
        let routes = Routes { channels: Arc::clone(channels), keyring: Arc::clone(keyring), cluster_domain };
        let wakes = channels.wakes.clone();
        let forwarder = Forwarder::new(
            Arc::clone(&queue),
            routes,
            sender,
            Arc::new(counts),
            wakes.clone(),
            Limits::default(),
            SystemTime::now,
        );
        tasks.spawn(rounds(Arc::clone(&queue), wakes.clone()));
        Ok((Self { queue, wakes, metrics: metrics.clone() }, forwarder.run()))
    }

    /// Keeps these events; the answer to Meta, which sends them again if they were not kept.
    pub(super) async fn keep(&self, events: Vec<NewEvent>) -> StatusCode {
        let mut channels: Vec<_> = events.iter().map(|event| event.channel).collect();
        channels.dedup();
        let count = events.len();
        match self.queue.append(events).await {
            Ok(()) => {
                self.metrics.forwarding().queued(count);
                channels.into_iter().for_each(|channel| self.wakes.appended(channel));
                StatusCode::OK
            }
            Err(error) => {
                self.metrics.forwarding().refused(reason(&error));
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }
}

fn reason(error: &QueueError) -> &'static str {
    match error {
        QueueError::Full => "full",
        QueueError::Late => "late",
        QueueError::Broken(_) => "broken",
    }
}

/// Removes what is too old, and reminds of channels with events, should anything have kept them from being sent. Until the queue is
/// broken, which ends the process.
async fn rounds(queue: Arc<EmbeddedQueue>, wakes: Wakes) {
    loop {
        tokio::time::sleep(ROUND).await;
        loop {
            match queue.expire(SystemTime::now(), AT_ONCE).await {
                Ok(expired) if expired.more => {}
                Ok(_) => break,
                Err(_) => return,
            }
        }
        let Ok(channels) = queue.channels_with_events().await else { return };
        channels.into_iter().for_each(|channel| wakes.appended(channel));
    }
}
