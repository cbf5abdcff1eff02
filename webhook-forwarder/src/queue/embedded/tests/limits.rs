//! Quotas in bytes, the room of the volume, the deadline.

use std::sync::{Arc, Mutex};

use super::*;
use crate::event::{DeadLetterReason, Sequence};
use crate::queue::QueueError;
use crate::queue::embedded::{Kept, OVERHEAD, Quota, Reserve};

/// What an event of this test has besides its item.
const BESIDES: u64 = OVERHEAD + "page".len() as u64;

async fn dead(queue: &EmbeddedQueue, channel: u128) -> Vec<(DeadLetterReason, Vec<u8>)> {
    let dead = queue.dead_letters(ChannelId(channel), usize::MAX).await.unwrap();
    dead.into_iter().map(|(reason, it)| (reason, it.event.item.into_vec())).collect()
}

#[tokio::test]
async fn a_channel_over_its_bytes_loses_its_oldest_and_no_other_channel_does() {
    let channel = Quota { events: 100, bytes: 2 * (BESIDES + 1) };
    let queue = open(&Disk::default(), Settings { channel, ..Settings::default() });
    queue.append(vec![event(1, "a", 0), event(2, "x", 0), event(1, "b", 0)]).await.unwrap();
    assert_eq!(items(&queue, 1).await, [b"a", b"b"]);
    queue.append(vec![event(1, "c", 0), event(1, "d", 0)]).await.unwrap();
    assert_eq!(items(&queue, 1).await, [b"c", b"d"]);
    assert_eq!(items(&queue, 2).await, [b"x"]);
    let over = |item: &[u8]| (DeadLetterReason::OverQuota, item.to_vec());
    assert_eq!(dead(&queue, 1).await, [over(b"a"), over(b"b")]);

    // One that is greater than the quota cannot stay.
    queue.append(vec![event(1, [7; 1000], 0)]).await.unwrap();
    assert_eq!(items(&queue, 1).await, [] as [Vec<u8>; 0]);
    assert_eq!(dead(&queue, 1).await.len(), 5);
}

#[tokio::test]
async fn dead_letters_have_quotas_of_their_own() {
    let channel = Quota { events: 1, bytes: 1 << 20 };
    let dead_letters = Quota { events: 3, bytes: 1 << 20 };
    let total_dead_letter_bytes = 4 * (BESIDES + 1);
    let settings = Settings { channel, dead_letters, total_dead_letter_bytes, ..Settings::default() };
    let queue = open(&Disk::default(), settings);
    let many = |channel, items: &str| items.chars().map(|it| event(channel, it.to_string(), 0)).collect();
    queue.append(many(1, "abcdef")).await.unwrap();
    let over = |item: char| (DeadLetterReason::OverQuota, item.to_string().into_bytes());
    assert_eq!(dead(&queue, 1).await, [over('c'), over('d'), over('e')]);

    // One more fits into the room of all. After it, a channel makes room only by its own.
    queue.append(many(2, "uvw")).await.unwrap();
    assert_eq!(dead(&queue, 2).await, [over('v')]);
    assert_eq!(dead(&queue, 1).await.len(), 3);
    queue.append(many(3, "xy")).await.unwrap();
    assert_eq!(dead(&queue, 3).await, []);
    assert_eq!(items(&queue, 3).await, [b"y"]);
}

#[tokio::test]
async fn over_the_quota_of_all_nothing_of_a_call_is_kept() {
    let total_bytes = 3 * (BESIDES + 1);
    let queue = open(&Disk::default(), Settings { total_bytes, ..Settings::default() });
    queue.append(vec![event(1, "a", 0), event(2, "b", 0)]).await.unwrap();
    let two = vec![event(1, "c", 0), event(2, "d", 0)];
    assert_eq!(queue.append(two).await, Err(QueueError::Full));
    assert_eq!(items(&queue, 1).await, [b"a"]);
    queue.append(vec![event(1, "e", 0)]).await.unwrap();
    assert_eq!(queue.append(vec![event(3, "f", 0)]).await, Err(QueueError::Full));

    let first = waiting(&queue, 1).await[0].sequence;
    queue.delivered(ChannelId(1), vec![first]).await.unwrap();
    queue.append(vec![event(3, "g", 0)]).await.unwrap();
    assert_eq!(items(&queue, 3).await, [b"g"]);
}

#[tokio::test]
async fn what_is_as_old_as_the_retention_is_removed_a_few_at_a_time() {
    let retention = Duration::from_secs(100);
    let queue = open(&Disk::default(), Settings { retention, ..Settings::default() });
    let events = vec![event(1, "a", 10), event(1, "b", 11), event(1, "c", 12), event(2, "x", 10)];
    queue.append(events).await.unwrap();
    let x = waiting(&queue, 2).await[0].sequence;
    queue.bury(ChannelId(2), x, DeadLetterReason::Refused).await.unwrap();

    let expire = async |second, max| {
        let expired = queue.expire(at(second), max).await.unwrap();
        (expired.removed, expired.more)
    };
    assert_eq!(expire(109, 10).await, (0, false));
    assert_eq!(expire(110, 10).await, (2, false));
    assert_eq!(items(&queue, 1).await, [b"b", b"c"]);
    assert_eq!(dead(&queue, 1).await, [], "nothing is left of the time for which it would be kept");
    assert_eq!(dead(&queue, 2).await, []);
    assert_eq!(expire(500, 1).await, (1, true));
    assert_eq!(expire(500, 1).await, (1, false));
    assert_eq!(queue.channels_with_events().await.unwrap(), []);
}

#[derive(Clone)]
struct Told(Arc<Mutex<Space>>);

impl Volume for Told {
    fn space(&self) -> io::Result<Space> {
        Ok(*self.0.lock().unwrap())
    }
}

#[tokio::test]
async fn without_room_on_the_volume_events_are_delivered_but_not_kept() {
    let space = Arc::new(Mutex::new(Space { size: 1000, free: 100, occupied: 0 }));
    let settings = Settings { reserve: Reserve { bytes: 100, percent: 5 }, ..Settings::default() };
    let queue = open_with(&Disk::default(), settings, Told(Arc::clone(&space)), ());
    queue.append(vec![event(1, "a", 0), event(1, "b", 0)]).await.unwrap();
    space.lock().unwrap().free = 99;
    assert_eq!(queue.append(vec![event(1, "c", 0)]).await, Err(QueueError::Full));
    let first = waiting(&queue, 1).await[0].sequence;
    queue.delivered(ChannelId(1), vec![first]).await.unwrap();
    assert_eq!(items(&queue, 1).await, [b"b"]);
    space.lock().unwrap().free = 100;
    queue.append(vec![event(1, "d", 0)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_is_late_after_its_deadline_and_what_nobody_waits_for_is_not_written() {
    let disk = Disk::default();
    let queue = open(&disk, Settings { deadline: Duration::from_millis(20), ..Settings::default() });
    let hanging = disk.hang();
    let (written, abandoned) = futures::join!(queue.append(vec![event(1, "written", 0)]), async {
        tokio::task::block_in_place(|| disk.await_hanging());
        queue.append(vec![event(1, "abandoned", 0)]).await
    });
    assert_eq!([written, abandoned], [Err(QueueError::Late), Err(QueueError::Late)]);
    drop(hanging);
    queue.delivered(ChannelId(9), vec![Sequence(1)]).await.unwrap();
    assert_eq!(items(&queue, 1).await, [b"written"], "it may still be kept, as it says");
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_do_not_wait_for_the_disk() {
    let disk = Disk::default();
    let queue = open(&disk, Settings { deadline: Duration::from_secs(3600), ..Settings::default() });
    // While the file grows, readers do wait, in redb. It doubles, so the next append finds room.
    queue.append(vec![event(2, [0; 200_000], 0)]).await.unwrap();
    queue.append(vec![event(1, "a", 0)]).await.unwrap();
    let hanging = disk.hang();
    let (append, ()) = futures::join!(queue.append(vec![event(1, "b", 0)]), async {
        tokio::task::block_in_place(|| disk.await_hanging());
        assert_eq!(items(&queue, 1).await, [b"a"]);
        assert_eq!(queue.channels_with_events().await.unwrap(), [ChannelId(1), ChannelId(2)]);
        drop(hanging);
    });
    append.unwrap();
    assert_eq!(items(&queue, 1).await, [b"a", b"b"]);
}

#[derive(Clone, Default)]
struct Commits(Arc<Mutex<Vec<usize>>>);

impl Observer for Commits {
    fn buried(&self, _: ChannelId, _: DeadLetterReason, _: u64) {}

    fn kept(&self, _: Kept) {}

    fn committed(&self, _: Duration, calls: usize) {
        self.0.lock().unwrap().push(calls);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_the_disk_writes_is_written_together() {
    let (disk, commits) = (Disk::default(), Commits::default());
    let settings = Settings { deadline: Duration::from_secs(3600), ..Settings::default() };
    let queue = open_with(&disk, settings, Ample, commits.clone());
    let hanging = disk.hang();
    let others = async {
        tokio::task::block_in_place(|| disk.await_hanging());
        let others = (0..50_u8).map(|it| queue.append(vec![event(1, [it], 0)]));
        let all = futures::future::join_all(others);
        // All of them were sent once one poll is over.
        let all = futures::future::maybe_done(all);
        futures::pin_mut!(all);
        assert!(futures::poll!(all.as_mut()).is_pending());
        drop(hanging);
        all.as_mut().await;
        all.as_mut().take_output().unwrap()
    };
    let (first, others) = futures::join!(queue.append(vec![event(1, "first", 0)]), others);
    assert!(first.is_ok() && others.iter().all(Result::is_ok));
    assert_eq!(*commits.0.lock().unwrap(), [1, 50]);
    let order: Vec<_> = items(&queue, 1).await.into_iter().skip(1).flatten().collect();
    assert_eq!(order, (0..50).collect::<Vec<_>>());
}
