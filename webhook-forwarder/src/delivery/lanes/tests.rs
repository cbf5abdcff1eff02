#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::*;
use crate::address::Reach;
use crate::delivery::endpoint::{Endpoint, SigningKey};
use crate::delivery::outcome::{Failure, Unreachable};
use crate::event::{DeadLetterReason, QueuedEvent};
use crate::testing::{MemoryQueue, event};

const DOWN: Failure = Failure::Unreachable(Unreachable::Connection);
const REFUSED: Failure = Failure::Answered { status: 400, retry_after: None };

/// What an endpoint does with a request.
type Behavior = Box<dyn Fn(&[String]) -> Result<(), Failure> + Send + Sync>;

/// Endpoints by their host, and everything they were sent.
#[derive(Default)]
struct World {
    hosts: Mutex<HashMap<ChannelId, String>>,
    behaviors: Mutex<HashMap<String, Behavior>>,
    sent: Mutex<Vec<Sent>>,
    /// How many requests to a host may run to their end; without an entry all may.
    gates: Mutex<HashMap<String, Arc<Semaphore>>>,
    under_way: Mutex<HashMap<String, usize>>,
}

#[derive(Clone, Debug)]
struct Sent {
    at: Instant,
    host: String,
    channel: ChannelId,
    items: Vec<String>,
    accepted: bool,
}

#[derive(Clone, Default)]
struct Shared(Arc<World>);

impl Endpoints for Shared {
    fn endpoint(&self, channel: ChannelId) -> Option<Arc<Endpoint>> {
        let host = self.0.hosts.lock().get(&channel)?.clone();
        Some(Arc::new(Endpoint {
            url: format!("https://{host}/").parse().unwrap(),
            reach: Reach::External,
            key: SigningKey::new("key"),
            max_batch: 16,
            cloud_events: false,
        }))
    }
}

impl Transport for Shared {
    async fn send(&self, endpoint: &Endpoint, events: &[QueuedEvent], _: SystemTime) -> Result<(), Failure> {
        let host = endpoint.url.host_str().unwrap().to_owned();
        *self.0.under_way.lock().entry(host.clone()).or_default() += 1;
        let gate = self.0.gates.lock().get(&host).cloned();
        if let Some(gate) = gate {
            gate.acquire().await.unwrap().forget();
        }
        *self.0.under_way.lock().get_mut(&host).unwrap() -= 1;
        let items: Vec<_> = events.iter().map(|of| String::from_utf8(of.event.item.to_vec()).unwrap()).collect();
        let result = self.0.behaviors.lock().get(&host).map_or(Ok(()), |behavior| behavior(&items));
        let channel = events[0].event.channel;
        self.0.sent.lock().push(Sent { at: Instant::now(), host, channel, items, accepted: result.is_ok() });
        result
    }
}

struct Silent;
impl Observer for Silent {}

struct Bench {
    world: Shared,
    queue: Arc<MemoryQueue>,
    wakes: Wakes,
    run: tokio::task::JoinHandle<QueueError>,
}

impl Bench {
    fn start(limits: Limits) -> Self {
        Self::with(limits, Shared::default(), Arc::default())
    }

    fn with(limits: Limits, world: Shared, queue: Arc<MemoryQueue>) -> Self {
        let (observer, wakes) = (Arc::new(Silent), Wakes::default());
        let (endpoints, transport) = (world.clone(), world.clone());
        let forwarder =
            Forwarder::new(Arc::clone(&queue), endpoints, transport, observer, wakes.clone(), limits, SystemTime::now);
        Self { world, queue, wakes, run: tokio::spawn(forwarder.run()) }
    }

    fn endpoint(&self, channel: u128, host: &str) {
        self.world.0.hosts.lock().insert(ChannelId(channel), host.to_owned());
        self.wakes.endpoint_changed(ChannelId(channel));
    }

    fn behave(&self, host: &str, behavior: impl Fn(&[String]) -> Result<(), Failure> + Send + Sync + 'static) {
        self.world.0.behaviors.lock().insert(host.to_owned(), Box::new(behavior));
    }

    async fn append(&self, channel: u128, items: impl IntoIterator<Item = impl AsRef<str>>) {
        let channel = ChannelId(channel);
        let events = items.into_iter().map(|item| event(channel, item.as_ref())).collect();
        self.queue.append(events).await.unwrap();
        self.wakes.appended(channel);
    }

    fn accepted(&self, channel: u128) -> Vec<String> {
        let sent = self.world.0.sent.lock();
        let of = sent.iter().filter(|sent| sent.channel == ChannelId(channel) && sent.accepted);
        of.flat_map(|sent| sent.items.clone()).collect()
    }

    fn sent(&self, host: &str) -> Vec<Sent> {
        self.world.0.sent.lock().iter().filter(|sent| sent.host == host).cloned().collect()
    }

    fn under_way(&self, host: &str) -> usize {
        self.world.0.under_way.lock().get(host).copied().unwrap_or_default()
    }
}

/// Lets everything happen that needs no time; time itself stands still in these tests but for this.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn events_of_a_channel_arrive_once_in_their_order_and_a_backlog_in_few_requests() {
    let bench = Bench::start(Limits::default());
    bench.append(1, numbers(40)).await;
    bench.endpoint(1, "bot.example");
    settle().await;
    assert_eq!(bench.accepted(1), numbers(40));
    let sizes: Vec<_> = bench.sent("bot.example").iter().map(|sent| sent.items.len()).collect();
    assert_eq!(sizes, [16, 16, 8]);
    assert_eq!(bench.queue.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_process_left_is_forwarded_at_the_start() {
    let (world, queue) = (Shared::default(), Arc::<MemoryQueue>::default());
    world.0.hosts.lock().insert(ChannelId(1), "bot.example".to_owned());
    queue.append(vec![event(ChannelId(1), "left")]).await.unwrap();
    let bench = Bench::with(Limits::default(), world, queue);
    settle().await;
    assert_eq!(bench.accepted(1), ["left"]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_down_is_asked_after_growing_pauses_and_delays_nobody_else() {
    let bench = Bench::start(Limits::default());
    bench.behave("down.example", |_| Err(DOWN));
    bench.endpoint(1, "down.example");
    bench.endpoint(2, "up.example");
    settle().await;
    bench.append(1, numbers(20)).await;
    settle().await;
    bench.append(2, ["at once"]).await;
    settle().await;
    assert_eq!(bench.accepted(2), ["at once"]);

    tokio::time::sleep(Duration::from_secs(60)).await;
    let sent = bench.sent("down.example");
    let pauses: Vec<_> = sent.windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs_f64()).collect();
    assert!(pauses.len() >= 4, "{pauses:?}");
    for (pause, expected) in pauses.iter().zip([1.0, 2.0, 5.0, 10.0, 20.0, 40.0]) {
        assert!((pause / expected - 1.0).abs() < 0.21, "{pauses:?}");
    }
    // After the first failure each request carries one event, so that it is known whose fault a failure is.
    let sizes: Vec<_> = sent.iter().map(|sent| sent.items.len()).collect();
    assert!(sizes[0] == 16 && sizes[1..].iter().all(|size| *size == 1), "{sizes:?}");

    bench.behave("down.example", |_| Ok(()));
    tokio::time::sleep(Duration::from_secs(80)).await;
    assert_eq!(bench.accepted(1), numbers(20));
    assert!(bench.queue.buried().is_empty());
}

#[tokio::test(start_paused = true)]
async fn new_events_do_not_shorten_the_pause_of_an_endpoint_that_fails() {
    let bench = Bench::start(Limits::default());
    bench.behave("down.example", |_| {
        Err(Failure::Answered { status: 503, retry_after: Some(Duration::from_secs(200)) })
    });
    bench.endpoint(1, "down.example");
    settle().await;
    for number in numbers(50) {
        bench.append(1, [number]).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(bench.sent("down.example").len(), 1);
    let attempts = bench.queue.attempts(ChannelId(1)).unwrap();
    assert_eq!((attempts.failed, attempts.refused), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_the_endpoint_refuses_is_given_up_once_the_next_one_is_accepted() {
    let bench = Bench::start(Limits::default());
    bench.behave("picky.example", |items| if items.iter().any(|item| item == "1") { Err(REFUSED) } else { Ok(()) });
    bench.endpoint(1, "picky.example");
    bench.append(1, numbers(4)).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(bench.accepted(1), ["0", "2", "3"]);
    assert!(matches!(*bench.queue.buried(), [(ChannelId(1), _, DeadLetterReason::Refused)]));
    let alone = bench.sent("picky.example").iter().filter(|sent| sent.items == ["1"]).count();
    assert_eq!(alone, 5);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_refuses_everything_loses_nothing() {
    let bench = Bench::start(Limits::default());
    bench.behave("broken.example", |_| Err(Failure::Answered { status: 500, retry_after: None }));
    bench.endpoint(1, "broken.example");
    bench.append(1, numbers(3)).await;
    tokio::time::sleep(Duration::from_secs(1800)).await;
    assert!(bench.queue.buried().is_empty());
    bench.behave("broken.example", |_| Ok(()));
    tokio::time::sleep(Duration::from_secs(80)).await;
    assert_eq!(bench.accepted(1), numbers(3));
}

#[tokio::test(start_paused = true)]
async fn a_single_event_is_never_given_up_for_being_refused() {
    let bench = Bench::start(Limits::default());
    bench.behave("picky.example", |_| Err(REFUSED));
    bench.endpoint(1, "picky.example");
    bench.append(1, ["only"]).await;
    tokio::time::sleep(Duration::from_secs(1800)).await;
    assert!(bench.queue.buried().is_empty());
    assert!(bench.sent("picky.example").len() > 5);
}

#[tokio::test(start_paused = true)]
async fn another_endpoint_takes_over_at_once_and_nothing_is_doubled_that_was_accepted() {
    let bench = Bench::start(Limits::default());
    bench.endpoint(1, "old.example");
    bench.append(1, numbers(3)).await;
    settle().await;
    bench.behave("old.example", |_| Err(Failure::Gone));
    bench.append(1, ["3", "4"]).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(bench.sent("old.example").len(), 2, "an endpoint that is gone is not asked again");
    bench.endpoint(1, "new.example");
    settle().await;
    assert_eq!(bench.accepted(1), numbers(5));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_changes_while_a_request_is_under_way_gets_what_that_did_not_deliver() {
    let bench = Bench::start(Limits::default());
    let gate = Arc::new(Semaphore::new(0));
    bench.world.0.gates.lock().insert("old.example".to_owned(), Arc::clone(&gate));
    bench.behave("old.example", |_| Err(DOWN));
    bench.endpoint(1, "old.example");
    bench.append(1, numbers(2)).await;
    settle().await;
    bench.endpoint(1, "new.example");
    settle().await;
    assert!(bench.sent("new.example").is_empty(), "one request of a channel at a time");
    gate.add_permits(1);
    settle().await;
    assert_eq!(bench.accepted(1), numbers(2));
}

#[tokio::test(start_paused = true)]
async fn a_host_has_few_requests_at_once_and_silent_ones_leave_the_rest_to_others() {
    let bench = Bench::start(Limits { requests: 20, per_host: 3, failing: 2 });
    bench.world.0.gates.lock().insert("silent.example".to_owned(), Arc::new(Semaphore::new(0)));
    for channel in 1..=30 {
        bench.endpoint(channel, "silent.example");
        bench.append(channel, ["x"]).await;
    }
    bench.endpoint(99, "up.example");
    bench.append(99, ["y"]).await;
    settle().await;
    assert_eq!(bench.under_way("silent.example"), 3);
    assert_eq!(bench.accepted(99), ["y"]);
}

#[tokio::test(start_paused = true)]
async fn all_channels_of_a_crowded_host_have_their_turn() {
    let bench = Bench::start(Limits { requests: 20, per_host: 3, failing: 2 });
    for channel in 1..=50 {
        bench.endpoint(channel, "crowded.example");
        bench.append(channel, numbers(17)).await;
    }
    settle().await;
    for channel in 1..=50 {
        assert_eq!(bench.accepted(channel), numbers(17));
    }
    // Each had its first turn before any had its second.
    let sent = bench.sent("crowded.example");
    assert!(sent[..50].iter().all(|sent| sent.items.len() == 16));
}

#[tokio::test(start_paused = true)]
async fn channels_whose_endpoints_fail_share_a_part_of_all_requests() {
    let bench = Bench::start(Limits { requests: 10, per_host: 8, failing: 4 });
    for channel in 1..=40 {
        let host = format!("slow-{channel}.example");
        bench.behave(&host, |_| Err(Failure::TimedOut));
        bench.endpoint(channel, &host);
        bench.append(channel, ["x"]).await;
    }
    settle().await;
    // From now on all of them are silent.
    for channel in 1..=40 {
        bench.world.0.gates.lock().insert(format!("slow-{channel}.example"), Arc::new(Semaphore::new(0)));
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let under_way: usize = (1..=40).map(|channel| bench.under_way(&format!("slow-{channel}.example"))).sum();
    assert_eq!(under_way, 4);
    bench.endpoint(99, "up.example");
    bench.append(99, ["y"]).await;
    settle().await;
    assert_eq!(bench.accepted(99), ["y"]);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_panics_ends_no_other() {
    let bench = Bench::start(Limits::default());
    bench.behave("panic.example", |_| panic!("as told"));
    bench.endpoint(1, "panic.example");
    bench.append(1, ["x"]).await;
    settle().await;
    bench.endpoint(2, "up.example");
    bench.append(2, ["y"]).await;
    settle().await;
    assert_eq!(bench.accepted(2), ["y"]);
    bench.behave("panic.example", |_| Ok(()));
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(bench.accepted(1), ["x"]);
}

#[tokio::test(start_paused = true)]
async fn a_broken_store_ends_the_forwarder() {
    let bench = Bench::start(Limits::default());
    bench.endpoint(1, "up.example");
    bench.queue.break_it();
    bench.append(1, ["x"]).await;
    assert_eq!(bench.run.await.unwrap(), QueueError::Broken("as told".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn events_of_a_channel_without_an_endpoint_wait_for_one() {
    let bench = Bench::start(Limits::default());
    bench.append(1, numbers(2)).await;
    settle().await;
    assert_eq!(bench.queue.len(), 2);
    assert_eq!(bench.queue.attempts(ChannelId(1)).unwrap().failed, 0);
    bench.endpoint(1, "up.example");
    settle().await;
    assert_eq!(bench.accepted(1), numbers(2));
}
