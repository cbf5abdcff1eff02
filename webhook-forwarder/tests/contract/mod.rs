//! What every store promises, whatever it keeps the events in.
//!
//! A store is tested by `contract_tests!(TYPE)`, where the type is a [`Store`].

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use webhook_forwarder::event::{Attempts, ChannelId, DeadLetterReason, EventKind, NewEvent, QueuedEvent, Sequence};
use webhook_forwarder::queue::{Limit, Queue};

/// Something that opens a queue.
pub trait Store: Sized {
    type Queue: Queue;

    /// A new, empty queue that keeps so many events of a channel.
    fn new(events_of_a_channel: u64) -> impl Future<Output = Self>;

    fn queue(&self) -> &Self::Queue;

    /// The same queue in a new process.
    fn reopen(self) -> impl Future<Output = Self>;
}

pub const ALL: Limit = Limit { events: usize::MAX, bytes: usize::MAX };
const A: ChannelId = ChannelId(0xa);
const B: ChannelId = ChannelId(u128::MAX);

#[macro_export]
macro_rules! contract_tests {
    ($store:ty: $($name:ident)*) => {
        $(#[tokio::test]
        async fn $name() {
            $crate::contract::$name::<$store>().await;
        })*
    };
    ($store:ty) => {
        $crate::contract_tests!($store:
            events_are_read_in_the_order_of_their_channel
            an_event_is_read_as_it_was_appended
            a_read_is_limited_but_has_one_event
            a_read_begins_after_an_event
            what_was_delivered_is_forgotten
            what_is_not_there_is_no_error
            attempts_are_kept
            what_is_buried_is_not_read
            channels_with_events_are_known
            everything_outlives_the_process
            places_are_never_given_twice
            a_channel_over_its_quota_loses_its_oldest
            calls_at_the_same_time_lose_nothing
        );
    };
}

pub fn event(channel: ChannelId, item: &str) -> NewEvent {
    NewEvent {
        channel,
        kind: EventKind::Messaging,
        entry_id: "1234567890".into(),
        entry_time: 1_700_000_000_000,
        item: item.as_bytes().into(),
        received: at(1000),
    }
}

pub fn at(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(second)
}

fn events(channel: ChannelId, items: &[&str]) -> Vec<NewEvent> {
    items.iter().map(|it| event(channel, it)).collect()
}

pub async fn all(queue: &impl Queue, channel: ChannelId) -> Vec<QueuedEvent> {
    queue.next(channel, None, ALL).await.unwrap()
}

pub fn items(events: &[QueuedEvent]) -> Vec<String> {
    events.iter().map(|it| String::from_utf8_lossy(&it.event.item).into_owned()).collect()
}

async fn holds(queue: &impl Queue, channel: ChannelId, expected: &[&str]) {
    let found = all(queue, channel).await;
    assert_eq!(items(&found), expected);
    assert!(found.is_sorted_by(|a, b| a.sequence < b.sequence), "{found:?}");
}

fn sorted<T: Ord + Debug>(mut them: Vec<T>) -> Vec<T> {
    them.sort();
    them
}

pub async fn events_are_read_in_the_order_of_their_channel<S: Store>() {
    let store = S::new(100).await;
    let queue = store.queue();
    queue.append(vec![event(A, "1"), event(B, "x"), event(A, "2")]).await.unwrap();
    queue.append(events(A, &["3"])).await.unwrap();
    queue.append(vec![]).await.unwrap();
    holds(queue, A, &["1", "2", "3"]).await;
    holds(queue, B, &["x"]).await;
    holds(queue, ChannelId(0), &[]).await;
}

pub async fn an_event_is_read_as_it_was_appended<S: Store>() {
    let store = S::new(100).await;
    let kinds = [EventKind::Messaging, EventKind::Standby, EventKind::Change];
    let items: [&[u8]; 3] = [b"", b"{\"text\":\"\\ud83d\"}", &[0, 255, 10, 128]];
    let times = [UNIX_EPOCH, at(1_800_000_000) + Duration::from_micros(123_456), at(5)];
    let appended: Vec<_> = (0..3)
        .map(|i| NewEvent {
            channel: A,
            kind: kinds[i],
            entry_id: ["", "178\u{e9}", "page"][i].into(),
            entry_time: [i64::MIN, 0, i64::MAX][i],
            item: items[i].into(),
            received: times[i],
        })
        .collect();
    store.queue().append(appended.clone()).await.unwrap();
    for store in [store.reopen().await] {
        let found = all(store.queue(), A).await;
        assert!(found.iter().all(|it| it.attempts == Attempts::default()));
        assert_eq!(found.into_iter().map(|it| it.event).collect::<Vec<_>>(), appended);
    }
}

pub async fn a_read_is_limited_but_has_one_event<S: Store>() {
    let store = S::new(100).await;
    let queue = store.queue();
    queue.append(events(A, &["1234", "56", "789", "0"])).await.unwrap();
    for (events, bytes, expected) in [(2, 100, 2), (100, 9, 3), (100, 8, 2), (100, 1, 1), (0, 0, 1), (100, 10, 4)] {
        let found = queue.next(A, None, Limit { events, bytes }).await.unwrap();
        assert_eq!(found.len(), expected, "{events} events, {bytes} bytes");
    }
}

pub async fn a_read_begins_after_an_event<S: Store>() {
    let store = S::new(100).await;
    let queue = store.queue();
    queue.append(vec![event(A, "1"), event(B, "x"), event(A, "2"), event(A, "3")]).await.unwrap();
    let found = all(queue, A).await;
    let after = async |sequence| items(&queue.next(A, Some(sequence), ALL).await.unwrap());
    assert_eq!(after(found[0].sequence).await, ["2", "3"]);
    assert!(after(found[2].sequence).await.is_empty());
    assert!(after(Sequence(u64::MAX)).await.is_empty());
    // The place of an event that is gone is a place.
    queue.delivered(A, vec![found[1].sequence]).await.unwrap();
    assert_eq!(after(found[1].sequence).await, ["3"]);
}

pub async fn what_was_delivered_is_forgotten<S: Store>() {
    let store = S::new(100).await;
    let queue = store.queue();
    queue.append(vec![event(A, "1"), event(A, "2"), event(A, "3"), event(B, "x")]).await.unwrap();
    let found = all(queue, A).await;
    queue.delivered(A, vec![found[0].sequence, found[2].sequence]).await.unwrap();
    holds(queue, A, &["2"]).await;
    holds(queue, B, &["x"]).await;
    let store = store.reopen().await;
    holds(store.queue(), A, &["2"]).await;
}

pub async fn what_is_not_there_is_no_error<S: Store>() {
    let store = S::new(100).await;
    let queue = store.queue();
    queue.append(events(A, &["1", "2"])).await.unwrap();
    let sequence = all(queue, A).await[0].sequence;
    queue.delivered(A, vec![sequence, sequence]).await.unwrap();
    queue.delivered(B, vec![sequence]).await.unwrap();
    queue.failed(A, sequence, Attempts::default()).await.unwrap();
    queue.bury(A, sequence, DeadLetterReason::Refused).await.unwrap();
    queue.delivered(A, vec![]).await.unwrap();
    holds(queue, A, &["2"]).await;
    assert_eq!(queue.channels_with_events().await.unwrap(), [A]);
}

pub async fn attempts_are_kept<S: Store>() {
    let store = S::new(100).await;
    let queue = store.queue();
    queue.append(events(A, &["1", "2"])).await.unwrap();
    let sequence = all(queue, A).await[0].sequence;
    let first_failure = Some(at(2000) + Duration::from_millis(5));
    for failed in [1, u32::MAX] {
        queue.failed(A, sequence, Attempts { failed, refused: failed, first_failure }).await.unwrap();
        let found = all(queue, A).await;
        assert_eq!(found[0].attempts, Attempts { failed, refused: failed, first_failure });
        assert_eq!(found[1].attempts, Attempts::default());
    }
    let store = store.reopen().await;
    let found = all(store.queue(), A).await;
    assert_eq!(items(&found), ["1", "2"]);
    assert_eq!(found[0].attempts, Attempts { failed: u32::MAX, refused: u32::MAX, first_failure });
}

pub async fn what_is_buried_is_not_read<S: Store>() {
    let store = S::new(100).await;
    let queue = store.queue();
    queue.append(events(A, &["1", "2", "3"])).await.unwrap();
    let found = all(queue, A).await;
    queue.bury(A, found[1].sequence, DeadLetterReason::Refused).await.unwrap();
    holds(queue, A, &["1", "3"]).await;
    let store = store.reopen().await;
    holds(store.queue(), A, &["1", "3"]).await;
}

pub async fn channels_with_events_are_known<S: Store>() {
    let store = S::new(100).await;
    let queue = store.queue();
    assert_eq!(queue.channels_with_events().await.unwrap(), []);
    queue.append(vec![event(A, "1"), event(B, "x"), event(ChannelId(0), "o")]).await.unwrap();
    let (a, b) = (all(queue, A).await[0].sequence, all(queue, B).await[0].sequence);
    queue.delivered(A, vec![a]).await.unwrap();
    assert_eq!(sorted(queue.channels_with_events().await.unwrap()), [ChannelId(0), B]);
    queue.bury(B, b, DeadLetterReason::Expired).await.unwrap();
    assert_eq!(queue.channels_with_events().await.unwrap(), [ChannelId(0)]);
    let store = store.reopen().await;
    assert_eq!(store.queue().channels_with_events().await.unwrap(), [ChannelId(0)]);
}

pub async fn everything_outlives_the_process<S: Store>() {
    let mut store = S::new(100).await;
    let mut expected = vec![];
    for i in 0..5 {
        let items = [format!("{i}"), format!("{i} too")];
        store.queue().append(items.iter().map(|it| event(A, it)).collect()).await.unwrap();
        expected.extend(items);
        store = store.reopen().await;
        assert_eq!(items_of(&store, A).await, expected);
    }
}

async fn items_of<S: Store>(store: &S, channel: ChannelId) -> Vec<String> {
    items(&all(store.queue(), channel).await)
}

pub async fn places_are_never_given_twice<S: Store>() {
    let mut store = S::new(100).await;
    let mut greatest = None;
    for reopens in [false, true, true, false] {
        store.queue().append(events(A, &["1", "2"])).await.unwrap();
        let sequences: Vec<_> = all(store.queue(), A).await.iter().map(|it| it.sequence).collect();
        assert_eq!(sequences.len(), 2);
        assert!(greatest < sequences.first().copied(), "{greatest:?} {sequences:?}");
        greatest = sequences.last().copied();
        store.queue().delivered(A, sequences).await.unwrap();
        if reopens {
            store = store.reopen().await;
        }
    }
}

pub async fn a_channel_over_its_quota_loses_its_oldest<S: Store>() {
    let store = S::new(3).await;
    let queue = store.queue();
    queue.append(vec![event(A, "1"), event(B, "x"), event(A, "2"), event(A, "3")]).await.unwrap();
    holds(queue, A, &["1", "2", "3"]).await;
    queue.append(events(A, &["4", "5"])).await.unwrap();
    holds(queue, A, &["3", "4", "5"]).await;
    holds(queue, B, &["x"]).await;
    queue.append(events(A, &["6", "7", "8", "9"])).await.unwrap();
    holds(queue, A, &["7", "8", "9"]).await;
    let store = store.reopen().await;
    holds(store.queue(), A, &["7", "8", "9"]).await;
}

pub async fn calls_at_the_same_time_lose_nothing<S: Store>() {
    let store = S::new(10_000).await;
    let queue = store.queue();
    // Each caller waits for its answer before its next call, as a connection does.
    let caller = async |caller: usize| {
        for call in 0..5 {
            let item = |i: usize| event([A, B][i % 2], &format!("{caller} {}", call * 4 + i));
            queue.append((0..4).map(item).collect()).await.unwrap();
        }
    };
    join_all((0..40).map(caller)).await;
    let mut of_callers: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for channel in [A, B] {
        for item in items(&all(queue, channel).await) {
            let (caller, number) = item.split_once(' ').unwrap();
            of_callers.entry((channel, caller.to_owned())).or_default().push(number.parse().unwrap());
        }
    }
    assert_eq!(of_callers.len(), 80);
    for ((channel, _), numbers) in of_callers {
        let first = usize::from(channel == B);
        assert_eq!(numbers, (first..20).step_by(2).collect::<Vec<_>>());
    }
}
