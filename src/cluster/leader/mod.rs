//! Leader election; the only file that names the crate behind it.
//!
//! The Lease is renewed on its own thread, with its own client and connection: whatever the work does to the runtime, its
//! connections and the queue of its client, the lease is not lost because of it.
//!
//! # Under load
//!
//! The Lease is renewed on a thread with its own runtime and connection (`cluster/leader/mod.rs`): the passes of all kinds run
//! in one task, and what they do to its runtime, or to the connections and the queue of its client, must not cost the lease.
//! `Tenure` reports when the Lease was last renewed. All writes go through a client that lets fewer through at once while the
//! API server is slow (`cluster/backpressure.rs`): the API server's time starts when a write is sent, and a write that was not
//! sent within a minute is abandoned and says nothing about the API server (`Failure::Unsent`). An object that waits for
//! another one to be verified does not repeat each change of its words (`controller/pass/mod.rs`: `puts_off`).

pub mod refused;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use axum::http::{Method, Request, Response};
use http_body_util::BodyExt;
use k8s_controller::LeaderElection;
use kube::Client;
use kube::client::{Body, ClientBuilder};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tower::{ServiceBuilder, service_fn};

use crate::base::clock::Stamp;
use crate::metrics::Metrics;
use refused::Teller;

/// Where and as whom to stand for election.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub lease: String,
    /// Unique name of this instance, the pod's.
    pub identity: String,
    /// When to renew it and when to give up.
    pub timing: Timing,
}

/// How long a renewal counts at least, however often it is renewed: an API server may take seconds for one.
const LEAST_FRESH: Duration = Duration::from_secs(10);

/// What clocks that run apart, and the way of a request, may take.
const MARGIN: Duration = Duration::from_secs(1);

/// The times of an election; all candidates for a Lease must have the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// How long a Lease that is not renewed is left to its holder.
    pub lease: Duration,
    /// How long the holder goes on without a renewal. Shorter than the lease, so that it has ended when another begins.
    pub renew_deadline: Duration,
    /// How often the holder renews, and the others look.
    pub retry_period: Duration,
}

impl Timing {
    /// How long one request about the Lease may take. A connection that went silent must not use up the deadline.
    fn request(self) -> Duration {
        self.renew_deadline / 4
    }

    /// How long a renewal counts for a write at Meta whose answer is waited for so long: one that fails or comes late keeps nothing
    /// from being written, and what is on its way is over before another instance may lead. Nought if that cannot be had.
    pub fn fresh(self, answer: Duration) -> Duration {
        let wanted = LEAST_FRESH.max(2 * self.retry_period);
        wanted.min(self.lease.saturating_sub(answer).saturating_sub(MARGIN))
    }
}

/// What this instance knows of its lease. Clones know the same.
#[derive(Clone, Debug, Default)]
pub struct Tenure(Arc<Mutex<Option<Stamp>>>);

impl Tenure {
    /// How long ago the request was sent that renewed the lease last; `None` while it is not held. Others count from later, so who
    /// holds the lease by this time does.
    pub fn age(&self) -> Option<Duration> {
        let renewal = *self.0.lock();
        renewal.map(Stamp::age)
    }

    /// Notes a renewal that was sent now.
    pub fn renewed(&self) {
        self.set(Some(Stamp::now()));
    }

    fn set(&self, renewal: Option<Stamp>) {
        *self.0.lock() = renewal;
    }
}

/// Longest wait for an answer of Meta that may be set, well below how long a request counts as on its way.
pub const LONGEST_ANSWER: Duration = Duration::from_secs(30);

/// The Lease under which this process works.
#[derive(Clone, Debug)]
pub struct Lease {
    /// What is known of it.
    pub tenure: Tenure,
    /// How long a renewal counts.
    pub fresh: Duration,
}

impl Lease {
    /// Whether it was renewed lately, so that no other replica can lead yet.
    pub fn is_fresh(&self) -> bool {
        self.tenure.age().is_some_and(|age| age < self.fresh)
    }
}

/// An election on a thread of its own.
struct Election {
    /// Told when the lease is won.
    won: oneshot::Sender<()>,
    /// Told when the work is done, so that the lease is released.
    done: oneshot::Receiver<()>,
    /// Cancelled when nobody waits for the outcome any more.
    abandoned: CancellationToken,
}

impl Election {
    /// Stands for election, holds the lease until the work is done, and releases it.
    fn run(
        self,
        config: kube::Config,
        candidate: &Candidate,
        tenure: &Tenure,
        metrics: &Metrics,
    ) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let client = listening(Client::try_from(config)?, candidate, tenure, metrics);
            let Candidate { namespace, lease, identity, timing } = candidate;
            let election = LeaderElection::new(client, namespace, lease, identity)
                .with_lease_duration(timing.lease)
                .with_renew_deadline(timing.renew_deadline)
                .with_retry_period(timing.retry_period);
            let held = election.with_lease(async {
                // Fails if nobody waits; then nobody says that the work is done either.
                let _ = self.won.send(());
                let _ = self.done.await;
            });
            tokio::select! {
                _ = held => {}
                () = self.abandoned.cancelled() => {}
            }
            anyhow::Ok(())
        })
    }
}

/// Waits for the lease, runs `work` while holding it, and releases it when `work` is done.
///
/// `None` means that the lease was lost: the process must end, since spawned tasks outlive the dropped work.
///
/// # Errors
/// When the election cannot be begun.
pub async fn lead<T>(
    mut config: kube::Config,
    candidate: &Candidate,
    tenure: &Tenure,
    metrics: &Metrics,
    work: impl Future<Output = T>,
) -> anyhow::Result<Option<T>> {
    // The election tries again on its own, and knows until when.
    config.default_retry = false;
    let (won, is_won) = oneshot::channel();
    let (done, is_done) = oneshot::channel();
    let (ended, mut has_ended) = oneshot::channel();
    let abandoned = CancellationToken::new();
    let _abandon = abandoned.clone().drop_guard();
    let election = Election { won, done: is_done, abandoned };
    let (candidate, knows, counts) = (candidate.clone(), tenure.clone(), metrics.clone());
    thread::Builder::new().name("election".to_owned()).spawn(move || {
        // Fails if nobody waits for it.
        let _ = ended.send(election.run(config, &candidate, &knows, &counts));
    })?;
    let outcome = async {
        if is_won.await.is_err() {
            return None;
        }
        Some(work.await)
    };
    let outcome = tokio::select! {
        biased;
        lost = &mut has_ended => return lost?.map(|()| None),
        outcome = outcome => outcome,
    };
    let _ = done.send(());
    let released = has_ended.await;
    tenure.set(None);
    released??;
    Ok(outcome)
}

/// A client that notes each renewal, each refusal and every sign of life, and waits for no answer for long.
fn listening(client: Client, candidate: &Candidate, tenure: &Tenure, metrics: &Metrics) -> Client {
    let namespace = client.default_namespace().to_owned();
    let teller = Arc::new(Mutex::new(Teller::new(client.clone(), candidate, metrics)));
    let (tenure, hearing) = (tenure.clone(), metrics.api_server().hearing().clone());
    let service = service_fn(move |request: Request<Body>| {
        let (client, teller) = (client.clone(), Arc::clone(&teller));
        let (tenure, hearing) = (tenure.clone(), hearing.clone());
        async move {
            let (started, method) = (Stamp::now(), request.method().clone());
            let answer = client.send(request).await?;
            hearing.hear();
            if method == Method::GET {
                return Ok(answer);
            }
            if answer.status().is_success() {
                tenure.set(Some(started));
                teller.lock().written();
                return Ok(answer);
            }
            let (parts, body) = answer.into_parts();
            let body = body.collect().await?.to_bytes();
            teller.lock().refused(&method, parts.status, &body);
            Ok::<_, kube::Error>(Response::from_parts(parts, Body::from(body.to_vec())))
        }
    });
    let patience = candidate.timing.request();
    ClientBuilder::new(ServiceBuilder::new().timeout(patience).service(service), namespace).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_counts_for_as_long_as_it_was_renewed_lately() {
        let lease = |fresh| Lease { tenure: Tenure::default(), fresh };
        let held = lease(Duration::from_secs(10));
        assert!(!held.is_fresh(), "it is not held yet");
        held.tenure.renewed();
        assert!(held.is_fresh());
        let short = lease(Duration::ZERO);
        short.tenure.renewed();
        assert!(!short.is_fresh(), "it was renewed too long ago");
    }
}
