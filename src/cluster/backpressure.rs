//! How many writes to the API server may be in flight at once: one more as long as it is quick, half as many when it is slow.
//!
//! An overloaded API server answers everyone late, including the renewal of a Lease or a kubelet that reads the configuration
//! of a Pod. More writes at once make it slower without getting more done. The time spent in this line is ours, and says
//! nothing about the API server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::{Body, ClientBuilder};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tower::service_fn;

use crate::metrics::Metrics;

/// From when on a write is slow. Kubernetes means to answer 99 of 100 writes faster than that.
const SLOW: Duration = Duration::from_secs(1);

/// So many are always let through.
const LEAST: usize = 2;

/// How long a write may take.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// In line, before it is sent.
    pub(crate) line: Duration,
    pub(crate) answer: Duration,
}

impl Patience {
    pub(crate) const DEFAULT: Self = Self { line: Duration::from_secs(60), answer: Duration::from_secs(15) };
}

/// A write waited too long for others, and was never sent.
#[derive(Debug, thiserror::Error)]
#[error("too many writes wait for the API server; this one was not sent")]
pub(crate) struct Unsent;

impl Unsent {
    /// Whether this is why a request failed.
    pub(crate) fn is(error: &kube::Error) -> bool {
        matches!(error, kube::Error::Service(cause) if cause.is::<Self>())
    }
}

/// A bound that follows the API server. Clones share it.
#[derive(Clone)]
pub(crate) struct Pressure {
    patience: Patience,
    permits: Arc<Semaphore>,
    bound: Arc<Mutex<Bound>>,
    metrics: Metrics,
}

struct Bound {
    most: usize,
    limit: usize,
    /// Quick answers since the limit changed.
    quick: usize,
    /// Permits that go when they come back.
    surplus: usize,
    /// When the limit fell last. How long writes take that began before says nothing about the new one.
    fell: Option<Instant>,
}

/// A write that is under way. One that is given up counts as slow.
struct Write {
    pressure: Pressure,
    permit: Option<OwnedSemaphorePermit>,
    began: Instant,
    is_quick: bool,
}

/// A client whose writes are as many at once as the API server can take, and `most` at most.
pub(crate) fn eased(client: Client, most: u16, metrics: &Metrics) -> Client {
    let (pressure, namespace) =
        (Pressure::new(most.into(), Patience::DEFAULT, metrics), client.default_namespace().to_owned());
    let service = service_fn(move |request: Request<Body>| {
        let (client, pressure) = (client.clone(), pressure.clone());
        async move {
            if request.method() == Method::GET {
                return client.send(request).await;
            }
            pressure.send(client.send(request)).await
        }
    });
    ClientBuilder::new(service, namespace).build()
}

impl Pressure {
    pub(crate) fn new(most: usize, patience: Patience, metrics: &Metrics) -> Self {
        let most = most.max(LEAST);
        metrics.api_server().write_limit(most);
        let bound = Bound { most, limit: most, quick: 0, surplus: 0, fell: None };
        let (permits, bound) = (Arc::new(Semaphore::new(most)), Arc::new(Mutex::new(bound)));
        Self { patience, permits, bound, metrics: metrics.clone() }
    }

    /// Sends a write when its turn comes.
    pub(crate) async fn send<T>(
        self,
        sending: impl Future<Output = Result<Response<T>, kube::Error>>,
    ) -> Result<Response<T>, kube::Error> {
        let Patience { line, answer } = self.patience;
        let write = timeout(line, self.begin()).await.map_err(|_| kube::Error::Service(Unsent.into()))?;
        let answer = timeout(answer, sending).await.unwrap_or_else(|late| Err(kube::Error::Service(late.into())));
        write.end(answer.as_ref().ok().map(Response::status));
        answer
    }

    fn bound(&self) -> MutexGuard<'_, Bound> {
        self.bound.lock()
    }

    async fn begin(self) -> Write {
        // It is never closed.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
        Write { pressure: self, permit, began: Instant::now(), is_quick: false }
    }
}

impl Write {
    fn end(mut self, status: Option<StatusCode>) {
        let overloaded = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
        self.is_quick = self.began.elapsed() < SLOW && status.is_some_and(|status| !overloaded.contains(&status));
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        let mut bound = self.pressure.bound();
        let before = bound.limit;
        if !self.is_quick {
            bound.fall(self.began);
            let idle = self.pressure.permits.forget_permits(bound.surplus);
            bound.surplus -= idle;
        } else if bound.rise() {
            self.pressure.permits.add_permits(1);
        }
        if bound.surplus > 0
            && let Some(permit) = self.permit.take()
        {
            bound.surplus -= 1;
            permit.forget();
        }
        if bound.limit != before {
            self.pressure.metrics.api_server().write_limit(bound.limit);
            tracing::debug!(limit = bound.limit, "writes to the API server at once");
        }
    }
}

impl Bound {
    /// One more at once after as many quick answers as there may be; whether that takes another permit.
    fn rise(&mut self) -> bool {
        self.quick += 1;
        if self.quick < self.limit || self.limit == self.most {
            return false;
        }
        (self.quick, self.limit) = (0, self.limit + 1);
        let kept = self.surplus > 0;
        self.surplus -= usize::from(kept);
        !kept
    }

    /// Half as many at once, once for all that were under way then.
    fn fall(&mut self, began: Instant) {
        let limit = (self.limit / 2).max(LEAST);
        if self.fell.is_none_or(|fell| fell <= began) {
            self.surplus += self.limit - limit;
            (self.limit, self.quick, self.fell) = (limit, 0, Some(Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures::FutureExt;

    use super::*;
    use crate::base::key::Key;
    use crate::cluster::error;
    use crate::cluster::error::Failure;
    use crate::cluster::write_refused;
    use crate::cluster::write_refused::Cause;

    /// A moment, and what is much longer.
    const MOMENT: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_secs(600);

    fn patient(line: Duration, answer: Duration) -> Pressure {
        Pressure::new(LEAST, Patience { line, answer }, &Metrics::default())
    }

    /// What comes of a write of a status that is sent like this.
    async fn written(
        pressure: &Pressure,
        metrics: &Metrics,
        sending: impl Future<Output = Result<Response<()>, kube::Error>>,
    ) -> Result<(), Failure> {
        let what = write_refused::Write::status("FacebookChannel", &Key::new("a", "x"));
        error::write(metrics, what, pressure.clone().send(sending)).await.map(drop)
    }

    /// How many writes the metrics say were refused.
    fn refusals(metrics: &Metrics) -> u32 {
        let text = metrics.text();
        let counts = text.lines().filter(|line| line.contains("refused_writes_total{"));
        counts.map(|line| line.rsplit(' ').next().unwrap().parse::<u32>().unwrap()).sum()
    }

    #[tokio::test]
    async fn what_waits_in_line_has_all_its_time_when_it_is_sent() {
        let (pressure, metrics) = (patient(LONG, MOMENT), Metrics::default());
        let others = all(&pressure);
        let mut waiting = Box::pin(written(&pressure, &metrics, async { Ok(Response::default()) }));
        assert!(futures::poll!(&mut waiting).is_pending());
        tokio::time::sleep(10 * MOMENT).await;
        end(others, StatusCode::OK);
        waiting.await.unwrap();
        assert_eq!(refusals(&metrics), 0);
    }

    #[tokio::test]
    async fn what_was_never_sent_is_no_silence_of_the_server() {
        let (pressure, metrics) = (patient(MOMENT, LONG), Metrics::default());
        let others = all(&pressure);
        let failure = written(&pressure, &metrics, async { panic!("it was sent") }).await.unwrap_err();
        assert!(matches!(failure, Failure::Unsent), "{failure}");
        assert_eq!(refusals(&metrics), 0);
        assert!(others.iter().all(|it| it.pressure.bound().fell.is_none()), "it says nothing of the server");
    }

    #[tokio::test]
    async fn what_was_sent_and_not_answered_is_silence() {
        let (pressure, metrics) = (patient(LONG, MOMENT), Metrics::default());
        let failure = written(&pressure, &metrics, std::future::pending()).await.unwrap_err();
        assert!(matches!(&failure, Failure::Refused(it) if it.cause == Cause::NoAnswer), "{failure}");
        assert_eq!(refusals(&metrics), 1);
        assert!(pressure.bound().fell.is_some());
        assert_eq!(all(&pressure).len(), LEAST, "its place is free");
    }

    fn begin(pressure: &Pressure) -> Option<Write> {
        pressure.clone().begin().now_or_never()
    }

    /// As many as may be under way now.
    fn all(pressure: &Pressure) -> Vec<Write> {
        std::iter::from_fn(|| begin(pressure)).collect()
    }

    fn end(writes: Vec<Write>, status: StatusCode) {
        writes.into_iter().for_each(|write| write.end(Some(status)));
    }

    #[test]
    fn an_overloaded_server_gets_half_as_many_writes_at_once_and_a_quick_one_slowly_more() {
        let pressure = Pressure::new(16, Patience::DEFAULT, &Metrics::default());
        let writes = all(&pressure);
        assert_eq!(writes.len(), 16);
        end(writes, StatusCode::TOO_MANY_REQUESTS);
        for expected in [8, 4, 2, 2] {
            let writes = all(&pressure);
            assert_eq!(writes.len(), expected, "once for all that were under way");
            end(writes, StatusCode::SERVICE_UNAVAILABLE);
        }
        for expected in [2, 3, 4, 5] {
            let writes = all(&pressure);
            assert_eq!(writes.len(), expected);
            end(writes, StatusCode::OK);
        }
        for _ in 0..40 {
            end(all(&pressure), StatusCode::CONFLICT);
        }
        assert_eq!(all(&pressure).len(), 16, "no more than ever");
    }

    #[test]
    fn a_write_that_is_given_up_or_slow_or_not_answered_counts_against_it() {
        for hinder in [
            drop::<Write> as fn(Write),
            |write| write.end(None),
            |mut write| {
                write.began = Instant::now().checked_sub(SLOW).unwrap();
                write.end(Some(StatusCode::OK));
            },
        ] {
            let pressure = Pressure::new(16, Patience::DEFAULT, &Metrics::default());
            hinder(begin(&pressure).unwrap());
            assert_eq!(all(&pressure).len(), 8);
        }
    }
}
