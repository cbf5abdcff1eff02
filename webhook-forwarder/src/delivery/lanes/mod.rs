//! Which channel takes its turn when. Turns are taken one after another, so that who has much to send delays nobody; channels whose
//! endpoints fail share a part of all requests, so that however many there are, the others go on.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::{FutureExt, StreamExt};
use tokio::task::JoinSet;
use tokio_util::time::{DelayQueue, delay_queue};

use super::endpoint::{Endpoints, Host};
use super::turn::{Observer, Step, Transport, Turns};
use super::wakes::{Wake, Wakes};
use crate::event::ChannelId;
use crate::queue::{Queue, QueueError};

/// Pause of a lane whose turn ended unexpectedly.
const AFTER_PANIC: Duration = Duration::from_secs(60);
/// Pause of a lane that the queue did not answer in time.
const AFTER_SILENCE: Duration = Duration::from_secs(1);

/// How many requests run at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// In all.
    pub requests: usize,
    /// To one host and port.
    pub per_host: usize,
    /// Of channels whose last request failed.
    pub failing: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { requests: 256, per_host: 8, failing: 64 }
    }
}

/// Forwards what a queue keeps.
pub struct Forwarder<Q, E, T> {
    turns: Arc<Turns<Q, T>>,
    endpoints: E,
    wakes: Wakes,
    limits: Limits,
    lanes: HashMap<ChannelId, Lane>,
    /// Lanes that may take their turn, in order.
    ready: VecDeque<ChannelId>,
    /// Such whose last request failed.
    ready_again: VecDeque<ChannelId>,
    waiting: DelayQueue<ChannelId>,
    hosts: HashMap<Host, Busy>,
    running: JoinSet<Finished>,
    running_again: usize,
}

/// The state of a channel that has something to do.
enum Lane {
    Ready,
    Running { again: bool, woken: Option<Wake> },
    Waiting(delay_queue::Key),
    Paused,
}

/// The requests to a host, and who waits for one of them to end.
#[derive(Default)]
struct Busy {
    requests: usize,
    waiting: VecDeque<(ChannelId, bool)>,
}

/// A turn that was taken.
struct Finished {
    channel: ChannelId,
    host: Host,
    step: Result<Step, QueueError>,
}

impl<Q: Queue, E: Endpoints, T: Transport> Forwarder<Q, E, T> {
    /// `wakes` tell it what to do, `now` the time of day.
    pub fn new(
        queue: Arc<Q>,
        endpoints: E,
        transport: T,
        observer: Arc<dyn Observer>,
        wakes: Wakes,
        limits: Limits,
        now: fn() -> SystemTime,
    ) -> Self {
        Self {
            turns: Arc::new(Turns { queue, transport, observer, now }),
            endpoints,
            wakes,
            limits,
            lanes: HashMap::new(),
            ready: VecDeque::new(),
            ready_again: VecDeque::new(),
            waiting: DelayQueue::new(),
            hosts: HashMap::new(),
            running: JoinSet::new(),
            running_again: 0,
        }
    }

    /// Forwards for good, first what an earlier process left. Ends only when the store is broken. To be dropped at shutdown: what is
    /// under way then is sent again later.
    pub async fn run(mut self) -> QueueError {
        match self.turns.queue.channels_with_events().await {
            Ok(channels) => channels.into_iter().for_each(|channel| self.wake(channel, Wake::Event)),
            Err(error) => return error,
        }
        loop {
            self.start();
            tokio::select! {
                said = self.wakes.take() => said.into_iter().for_each(|(channel, wake)| self.wake(channel, wake)),
                Some(due) = self.waiting.next(), if !self.waiting.is_empty() => self.make_ready(due.into_inner(), true),
                Some(Ok(finished)) = self.running.join_next(), if !self.running.is_empty() => {
                    if let Err(error @ QueueError::Broken(_)) = &finished.step {
                        return error.clone();
                    }
                    self.finish(finished);
                }
            }
        }
    }

    fn wake(&mut self, channel: ChannelId, wake: Wake) {
        match self.lanes.get_mut(&channel) {
            None => self.make_ready(channel, false),
            Some(Lane::Ready) => {}
            Some(Lane::Running { woken, .. }) => *woken = Some(wake).max(*woken),
            Some(Lane::Waiting(key)) if wake == Wake::Endpoint => {
                self.waiting.remove(key);
                self.make_ready(channel, false);
            }
            Some(Lane::Paused) if wake == Wake::Endpoint => self.make_ready(channel, false),
            Some(Lane::Waiting(_) | Lane::Paused) => {}
        }
    }

    fn make_ready(&mut self, channel: ChannelId, again: bool) {
        self.lanes.insert(channel, Lane::Ready);
        if again { &mut self.ready_again } else { &mut self.ready }.push_back(channel);
    }

    /// Starts what may run.
    fn start(&mut self) {
        while self.running.len() < self.limits.requests {
            let may_run_again = self.running_again < self.limits.failing && !self.ready_again.is_empty();
            // In turns, so that neither kind waits for all of the other.
            let prefers_again = may_run_again && (self.ready.is_empty() || self.running_again == 0);
            let (next, again) = if prefers_again {
                (self.ready_again.pop_front(), true)
            } else if let Some(channel) = self.ready.pop_front() {
                (Some(channel), false)
            } else {
                (None, false)
            };
            let Some(channel) = next else { return };
            self.take_turn(channel, again);
        }
    }

    fn take_turn(&mut self, channel: ChannelId, again: bool) {
        let Some(endpoint) = self.endpoints.endpoint(channel) else {
            self.lanes.remove(&channel);
            return;
        };
        let host = endpoint.host();
        let busy = self.hosts.entry(host.clone()).or_default();
        if busy.requests >= self.limits.per_host {
            busy.waiting.push_back((channel, again));
            return;
        }
        busy.requests += 1;
        self.running_again += usize::from(again);
        self.lanes.insert(channel, Lane::Running { again, woken: None });
        let turns = Arc::clone(&self.turns);
        self.running.spawn(async move {
            // What one event makes panic ends its turn, and no other.
            let turn = AssertUnwindSafe(turns.take(channel, &endpoint)).catch_unwind().await;
            Finished { channel, host, step: turn.unwrap_or(Ok(Step::Wait(AFTER_PANIC))) }
        });
    }

    fn finish(&mut self, Finished { channel, host, step }: Finished) {
        self.leave(host);
        let Some(Lane::Running { again, woken }) = self.lanes.remove(&channel) else { return };
        self.running_again -= usize::from(again);
        match step.unwrap_or(Step::Wait(AFTER_SILENCE)) {
            Step::Again => self.make_ready(channel, false),
            Step::End if woken.is_some() => self.make_ready(channel, false),
            Step::End => {}
            Step::Wait(_) | Step::Pause if woken == Some(Wake::Endpoint) => self.make_ready(channel, false),
            Step::Wait(pause) => {
                let key = self.waiting.insert(channel, pause);
                self.lanes.insert(channel, Lane::Waiting(key));
            }
            Step::Pause => {
                self.lanes.insert(channel, Lane::Paused);
            }
        }
    }

    /// One request less to this host: who waited longest for it is next.
    fn leave(&mut self, host: Host) {
        let Entry::Occupied(mut busy) = self.hosts.entry(host) else { return };
        busy.get_mut().requests -= 1;
        if let Some((channel, again)) = busy.get_mut().waiting.pop_front() {
            if again { &mut self.ready_again } else { &mut self.ready }.push_front(channel);
        } else if busy.get().requests == 0 {
            busy.remove();
        }
    }
}

#[cfg(test)]
mod tests;
