//! How many writes to the API server may be under way at once: one more as long as it is quick, half as many when it is slow.
//!
//! An API server that is overloaded answers everybody late, also whoever renews a Lease or reads a Pod's configuration. More writes
//! at once make it slower, and not more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{Method, Request, StatusCode};
use kube::Client;
use kube::client::{Body, ClientBuilder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::service_fn;

use crate::metrics::Metrics;

/// From when on a write is slow. Kubernetes means to answer 99 of 100 writes faster than that.
const SLOW: Duration = Duration::from_secs(1);

/// So many are always let through.
const LEAST: usize = 2;

/// A bound that follows the API server. Clones share it.
#[derive(Clone)]
struct Pressure {
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
    let (pressure, namespace) = (Pressure::new(most.into(), metrics), client.default_namespace().to_owned());
    let service = service_fn(move |request: Request<Body>| {
        let (client, pressure) = (client.clone(), pressure.clone());
        async move {
            if request.method() == Method::GET {
                return client.send(request).await;
            }
            let write = pressure.begin().await;
            let answer = client.send(request).await;
            write.end(answer.as_ref().ok().map(|answer| answer.status()));
            answer
        }
    });
    ClientBuilder::new(service, namespace).build()
}

impl Pressure {
    fn new(most: usize, metrics: &Metrics) -> Self {
        let most = most.max(LEAST);
        metrics.write_limit(most);
        let bound = Bound { most, limit: most, quick: 0, surplus: 0, fell: None };
        let (permits, bound) = (Arc::new(Semaphore::new(most)), Arc::new(Mutex::new(bound)));
        Self { permits, bound, metrics: metrics.clone() }
    }

    fn bound(&self) -> MutexGuard<'_, Bound> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
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
            self.pressure.metrics.write_limit(bound.limit);
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
        let pressure = Pressure::new(16, &Metrics::default());
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
            let pressure = Pressure::new(16, &Metrics::default());
            hinder(begin(&pressure).unwrap());
            assert_eq!(all(&pressure).len(), 8);
        }
    }
}
