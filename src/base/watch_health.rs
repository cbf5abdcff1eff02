//! When the API server was heard last, by each watch and at all, and that no watch ends.
//!
//! A connection may stay open and go silent, as behind a load balancer that forgot it. Nobody tells then, so silence itself
//! has to be noticed. The API server sends a bookmark about once a minute, though it promises none, and ends each
//! watch after the time that it was asked for; both are signs of life, as is any answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::http::Response;
use http_body_util::BodyExt;
use jiff::Timestamp;
use kube::client::{Body, ClientBuilder};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use kube_runtime::watcher::{self, Config};
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::task::JoinSet;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_http::timeout::{ResponseBodyTimeoutLayer, TimeoutError};

/// How long silence is put up with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Patience {
    /// On a watch, before it is begun anew; in whole seconds, and more than [`MARGIN`].
    pub watch: Duration,
    /// Of the API server as a whole, before this process counts as cut off from it.
    pub server: Duration,
}

impl Default for Patience {
    /// A bookmark and a half, and two minutes.
    fn default() -> Self {
        Self { watch: Duration::from_secs(90), server: Duration::from_secs(120) }
    }
}

/// How much earlier than our patience ends the API server is asked to end a watch on its own. Bookmarks are
/// promised by nobody, so this end may be all that is heard. Less than the five seconds that kube adds to it before it gives up
/// a watch without a word.
const MARGIN: Duration = Duration::from_secs(4);

/// When the API server was heard last. Clones hear together.
#[derive(Clone, Debug, Default)]
pub struct WatchHealth(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    patience: Patience,
    server: Ear,
    watches: Mutex<Vec<(String, Arc<Ear>)>>,
}

/// A time that only moves forward: milliseconds since a beginning.
#[derive(Debug)]
struct Ear {
    since: Instant,
    heard: AtomicU64,
}

impl Default for Ear {
    fn default() -> Self {
        Self { since: Instant::now(), heard: AtomicU64::new(0) }
    }
}

impl Ear {
    fn hear(&self) {
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard.fetch_max(now, Ordering::Relaxed);
    }

    /// How long nothing was heard.
    fn silence(&self) -> Duration {
        self.since.elapsed().saturating_sub(Duration::from_millis(self.heard.load(Ordering::Relaxed)))
    }
}

impl WatchHealth {
    /// One that puts up with silence for so long.
    pub fn new(patience: Patience) -> Self {
        Self(Arc::new(Inner { patience, ..Inner::default() }))
    }

    /// Notes a sign of life.
    pub fn hear(&self) {
        self.0.server.hear();
    }

    /// Whether the API server has been silent for longer than this process can go on without it.
    pub fn is_cut_off(&self) -> bool {
        self.0.server.silence() > self.0.patience.server
    }

    /// What a watch works with: the API with a client that notes every sign of life and fails a request on which nothing
    /// was heard for too long, and the configuration with a time after which the API server ends the watch.
    pub(crate) fn watch<K>(&self, api: Api<K>, config: Config) -> (Api<K>, Config)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        let ear = Arc::new(Ear::default());
        let mut watches = self.0.watches.lock();
        watches.push((K::kind(&()).into_owned(), Arc::clone(&ear)));
        let namespace = api.namespace().map(str::to_owned);
        let client = self.listening(api.into_client(), ear);
        let api = match namespace {
            Some(namespace) => Api::namespaced(client, &namespace),
            None => Api::all(client),
        };
        let lasts = self.0.patience.watch.saturating_sub(MARGIN).as_secs();
        (api, config.timeout(u32::try_from(lasts).unwrap_or(u32::MAX)))
    }

    fn listening(&self, client: Client, ear: Arc<Ear>) -> Client {
        let (patience, namespace) = (self.0.patience.watch, client.default_namespace().to_owned());
        let hearing = self.clone();
        let hear = move || {
            ear.hear();
            hearing.hear();
        };
        let client = service_fn(move |request| {
            let client = client.clone();
            async move { client.send(request).await }
        });
        let client = client.map_response(move |answer: Response<Body>| {
            hear();
            let hear = hear.clone();
            answer.map(|body| {
                body.map_frame(move |frame| {
                    hear();
                    frame
                })
            })
        });
        let patient =
            ServiceBuilder::new().layer(ResponseBodyTimeoutLayer::new(patience)).timeout(patience).service(client);
        ClientBuilder::new(patient, namespace).build()
    }

    /// When a watch of each kind was heard last; of several, the one that has been silent for longest.
    fn heard(&self) -> Vec<(String, f64)> {
        let watches = self.0.watches.lock();
        let mut silences = BTreeMap::<&str, Duration>::new();
        for (kind, ear) in watches.iter() {
            let silence = silences.entry(kind).or_default();
            *silence = ear.silence().max(*silence);
        }
        let now = Timestamp::now().as_duration().as_secs_f64();
        silences.into_iter().map(|(kind, silence)| (kind.to_owned(), now - silence.as_secs_f64())).collect()
    }
}

impl Collector for WatchHealth {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let help = "Time of the last sign of life from the API server on a watch, by kind; for several watches, that of the one silent for longest";
        let mut family = encoder.encode_descriptor("watch_heard_timestamp_seconds", help, None, MetricType::Gauge)?;
        for (kind, at) in self.heard() {
            ConstGauge::new(at).encode(family.encode_family(&[("kind", kind)])?)?;
        }
        Ok(())
    }
}

/// Waits for a watch that ends, which none does on its own: it panicked, or is wrong.
pub async fn first_end(watches: &mut JoinSet<()>) -> anyhow::Error {
    match watches.join_next().await {
        None => std::future::pending().await,
        // The text of a panic may quote what was watched.
        Some(Err(_)) => {
            anyhow::anyhow!("a watch panicked; exiting because its last state may be outdated")
        }
        Some(Ok(())) => anyhow::anyhow!("a watch ended; exiting because its last state may be outdated"),
    }
}

/// Whether a request failed since nothing was heard for too long.
pub(crate) fn is_silence(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source())
        .any(|error| error.is::<TimeoutError>() || error.is::<tower::timeout::error::Elapsed>())
}

/// The cause of an interruption without foreign text.
pub(crate) fn cause(error: &watcher::Error) -> &'static str {
    match error {
        error if is_silence(error) => "the API server was silent for too long",
        watcher::Error::InitialListFailed(_) => "listing failed",
        watcher::Error::WatchStartFailed(_) => "the watch could not be started",
        watcher::Error::WatchFailed(_) | watcher::Error::WatchError(_) => "watching failed",
        watcher::Error::NoResourceVersion => "the API server sent no resource version",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_is_begun_anew_after_90_seconds_of_silence_and_two_minutes_are_too_many_for_the_process() {
        let expected = Patience { watch: Duration::from_secs(90), server: Duration::from_secs(120) };
        assert_eq!(WatchHealth::default().0.patience, expected);
    }

    #[tokio::test]
    async fn a_watch_that_ends_or_panics_is_noticed_and_its_text_goes_nowhere() {
        let said = async |watch: fn()| {
            let mut watches = JoinSet::new();
            watches.spawn(std::future::pending());
            watches.spawn(async move { watch() });
            first_end(&mut watches).await.to_string()
        };
        assert!(said(|| ()).await.starts_with("a watch ended;"));
        let panicked = said(|| panic!("EAAsecret")).await;
        assert!(panicked.starts_with("a watch panicked;") && !panicked.contains("EAA"), "{panicked}");
    }

    #[test]
    fn any_sign_of_life_ends_being_cut_off() {
        let silent = WatchHealth::new(Patience { server: Duration::ZERO, ..Patience::default() });
        std::thread::sleep(Duration::from_millis(5));
        assert!(silent.is_cut_off());
        let patient = WatchHealth::default();
        patient.hear();
        assert!(!patient.is_cut_off());
    }
}
