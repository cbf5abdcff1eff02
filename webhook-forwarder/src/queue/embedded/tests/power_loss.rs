//! Power is lost at each sync of generated work: what was answered is there, in order, once.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use proptest::prelude::*;

use super::*;
use crate::event::{Attempts, DeadLetterReason, Sequence};
use crate::queue::QueueError;
use crate::queue::embedded::Quota;

const CHANNELS: u128 = 3;
const RETENTION: u64 = 1000;

#[derive(Clone, Debug)]
enum Work {
    /// Calls at the same time, each with events of these channels.
    Append(Vec<Vec<u128>>),
    Deliver {
        channel: u128,
        count: usize,
    },
    Fail {
        channel: u128,
        failed: u32,
    },
    Bury {
        channel: u128,
    },
    /// What was appended so many steps ago, or earlier.
    Expire {
        age: u64,
    },
}

fn work() -> impl Strategy<Value = Work> {
    let channel = || 0..CHANNELS;
    let calls = prop::collection::vec(prop::collection::vec(channel(), 1..4), 1..4);
    prop_oneof![
        4 => calls.prop_map(Work::Append),
        2 => (channel(), 1..4_usize).prop_map(|(channel, count)| Work::Deliver { channel, count }),
        1 => (channel(), 1..9_u32).prop_map(|(channel, failed)| Work::Fail { channel, failed }),
        1 => channel().prop_map(|channel| Work::Bury { channel }),
        1 => (0..6_u64).prop_map(|age| Work::Expire { age }),
    ]
}

/// What is known of something that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    Not,
    /// The power went off before the answer.
    Perhaps,
    Yes,
}

impl Known {
    fn of<T>(answer: &Result<T, QueueError>) -> Self {
        match answer {
            Ok(_) => Self::Yes,
            Err(QueueError::Broken(_)) => Self::Perhaps,
            Err(other) => panic!("{other}"),
        }
    }
}

/// An event by its place in the history; its item is the index.
#[derive(Clone, Debug)]
struct Told {
    channel: u128,
    step: u64,
    call: usize,
    kept: Known,
    gone: Known,
    buried: Known,
    failed: Vec<(u32, Known)>,
}

#[derive(Default)]
struct History {
    events: Vec<Told>,
    greatest: u64,
}

impl History {
    fn of(&mut self, event: &QueuedEvent) -> &mut Told {
        self.greatest = self.greatest.max(event.sequence.0);
        &mut self.events[index(event)]
    }

    fn begin(&mut self, step: u64, calls: &[Vec<u128>]) -> Vec<Vec<NewEvent>> {
        let mut events = Vec::new();
        for (call, channels) in calls.iter().enumerate() {
            let first = self.events.len();
            self.events.extend(channels.iter().map(|&channel| Told {
                channel,
                step,
                call,
                kept: Known::Not,
                gone: Known::Not,
                buried: Known::Not,
                failed: vec![],
            }));
            let event = |(i, &channel): (usize, &u128)| event(channel, ((first + i) as u64).to_le_bytes(), step);
            events.push(channels.iter().enumerate().map(event).collect());
        }
        events
    }

    /// Does one step; false once the power is off.
    async fn step(&mut self, queue: &EmbeddedQueue, step: u64, work: &Work) -> bool {
        match work {
            Work::Append(calls) => {
                let events = self.begin(step, calls);
                let answers = join_all(events.into_iter().map(|it| queue.append(it))).await;
                let answers: Vec<_> = answers.iter().map(Known::of).collect();
                for told in self.events.iter_mut().filter(|it| it.step == step) {
                    told.kept = answers[told.call];
                }
                return answers.iter().all(|it| *it == Known::Yes);
            }
            Work::Expire { age } => {
                let now = at((step + RETENTION).saturating_sub(*age));
                let known = Known::of(&queue.expire(now, 1000).await);
                for told in self.events.iter_mut().filter(|it| it.step + age <= step && it.kept == Known::Yes) {
                    told.gone = told.gone.max(known);
                }
                return known == Known::Yes;
            }
            _ => {}
        }
        let channel = match work {
            Work::Deliver { channel, .. } | Work::Fail { channel, .. } | Work::Bury { channel } => *channel,
            _ => unreachable!(),
        };
        let Ok(found) = queue.next(ChannelId(channel), None, ALL).await else { return false };
        let Some(first) = found.first() else { return true };
        let (id, sequence) = (ChannelId(channel), first.sequence);
        let known = match work {
            Work::Deliver { count, .. } => {
                let chosen: Vec<_> = found.iter().take(*count).collect();
                let known = Known::of(&queue.delivered(id, chosen.iter().map(|it| it.sequence).collect()).await);
                chosen.iter().for_each(|it| self.of(it).gone = known);
                known
            }
            Work::Fail { failed, .. } => {
                let attempts = Attempts { failed: *failed, refused: 0, first_failure: Some(at(5)) };
                let known = Known::of(&queue.failed(id, sequence, attempts).await);
                self.of(first).failed.push((*failed, known));
                known
            }
            _ => {
                let known = Known::of(&queue.bury(id, sequence, DeadLetterReason::Refused).await);
                self.of(first).buried = known;
                known
            }
        };
        known == Known::Yes
    }

    /// Compares what is found after the power loss with what was answered before it.
    async fn check(&mut self, queue: &EmbeddedQueue) {
        let (mut alive, mut dead) = (BTreeMap::new(), BTreeSet::new());
        for channel in 0..CHANNELS {
            let found = waiting(queue, channel).await;
            self.check_order(channel, &found);
            for event in found {
                self.greatest = self.greatest.max(event.sequence.0);
                assert!(alive.insert(index(&event), event.attempts).is_none(), "twice");
            }
            for (_, event) in queue.dead_letters(ChannelId(channel), usize::MAX).await.unwrap() {
                assert!(dead.insert(index(&event)) && !alive.contains_key(&index(&event)), "twice");
            }
        }
        for (i, told) in self.events.iter().enumerate() {
            let there = alive.contains_key(&i) || dead.contains(&i);
            match (told.kept, told.gone) {
                (Known::Yes, Known::Not) => assert!(there, "{i} was answered and is lost: {told:?}"),
                (Known::Yes, Known::Yes) => assert!(!there, "{i} is there again: {told:?}"),
                (Known::Not, _) => assert!(!there, "{i} was never appended"),
                _ => {}
            }
            assert!(told.buried != Known::Yes || !alive.contains_key(&i), "{i} was buried: {told:?}");
            if let Some(attempts) = alive.get(&i) {
                let sure = told.failed.iter().rposition(|it| it.1 == Known::Yes);
                let possible = &told.failed[sure.unwrap_or(0)..];
                let is_known = possible.iter().any(|it| it.0 == attempts.failed);
                assert!(is_known || (sure.is_none() && attempts.failed == 0), "{i} {attempts:?}: {told:?}");
            }
        }
        for told in self.events.iter().filter(|it| it.kept == Known::Perhaps) {
            let same = |it: &&(usize, &Told)| (it.1.step, it.1.call) == (told.step, told.call);
            let there: BTreeSet<_> = self
                .events
                .iter()
                .enumerate()
                .collect::<Vec<_>>()
                .iter()
                .filter(same)
                .map(|(i, _)| alive.contains_key(i) || dead.contains(i))
                .collect();
            assert_eq!(there.len(), 1, "a part of a call");
        }
    }

    fn check_order(&self, channel: u128, found: &[QueuedEvent]) {
        assert!(found.iter().all(|it| self.events[index(it)].channel == channel));
        for pair in found.windows(2) {
            let (a, b) = (index(&pair[0]), index(&pair[1]));
            let (first, then) = (&self.events[a], &self.events[b]);
            assert!(pair[0].sequence < pair[1].sequence);
            // Calls at the same time have no order; everything else has.
            let at_once = first.step == then.step && first.call != then.call;
            assert!(a < b || at_once, "{a} before {b}");
        }
    }
}

fn index(event: &QueuedEvent) -> usize {
    let bytes = event.event.item[..].try_into().unwrap();
    usize::try_from(u64::from_le_bytes(bytes)).unwrap()
}

fn settings() -> Settings {
    Settings {
        // Few enough that appends bury.
        channel: Quota { events: 6, bytes: 1 << 20 },
        retention: Duration::from_secs(RETENTION),
        deadline: Duration::from_secs(3600),
        ..Settings::default()
    }
}

/// Works until the power goes off at this sync; false if it did not.
async fn lose_power_at(sync: u64, work: &[Work], written: &mut impl FnMut() -> bool) -> bool {
    let disk = Disk::default();
    let queue = open(&disk, settings());
    disk.lose_power_at(sync + disk.syncs());
    let mut history = History::default();
    for (step, work) in work.iter().enumerate() {
        if !history.step(&queue, step as u64, work).await {
            break;
        }
    }
    // The power may also go off while it closes.
    drop(queue);
    let lost = disk.is_off();

    let disk = disk.after_power_loss(written);
    let queue = open(&disk, settings());
    history.check(&queue).await;
    for channel in 0..CHANNELS {
        queue.append(vec![event(channel, u64::MAX.to_le_bytes(), 10_000)]).await.unwrap();
        let last = waiting(&queue, channel).await.last().unwrap().sequence;
        assert!(last > Sequence(history.greatest), "a place is given twice");
    }
    lost
}

/// Opens the disk and loses power at this sync of it; false if it did not. Then opens what is left.
///
/// Not for a new file: that one gets its name once it is written.
async fn lose_power_while_opening(disk: &Disk, sync: u64, expected: &[&[u8]], written: impl FnMut() -> bool) -> bool {
    disk.lose_power_at(disk.syncs() + sync);
    drop(tables::open(disk.clone(), 1 << 20));
    let lost = disk.is_off();
    let queue = open(&disk.after_power_loss(written), settings());
    assert_eq!(items(&queue, 1).await, expected);
    queue.append(vec![event(1, "next", 0)]).await.unwrap();
    assert_eq!(items(&queue, 1).await, [expected, &[b"next".as_slice()]].concat());
    lost
}

#[tokio::test]
async fn a_queue_is_opened_after_the_power_went_off_while_it_was() {
    let filled = Disk::default();
    let queue = open(&filled, settings());
    queue.append(vec![event(1, "a", 0), event(1, "b", 0)]).await.unwrap();
    // Not closed.
    let unclosed = filled.after_power_loss(|| false);
    drop(queue);
    let expected: &[&[u8]] = &[b"a", b"b"];
    for disk in [filled, unclosed] {
        let mut sync = 1;
        while lose_power_while_opening(&disk.after_power_loss(|| false), sync, expected, || false).await {
            let mut every_second = [true, false].into_iter().cycle();
            let disk = disk.after_power_loss(|| false);
            lose_power_while_opening(&disk, sync, expected, || every_second.next().unwrap()).await;
            sync += 1;
        }
        assert!(sync > 1, "no sync was tried");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn what_was_answered_outlives_the_loss_of_power(work in prop::collection::vec(work(), 1..12), seed: u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // Nothing of what was not synced is written, or any part of it: a disk writes in its own order.
        let mut random = seed;
        let mut some = move || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            random >> 63 == 1
        };
        runtime.block_on(async {
            for sync in 1.. {
                let lost = lose_power_at(sync, &work, &mut || false).await;
                if !(lose_power_at(sync, &work, &mut some).await && lost) {
                    break;
                }
            }
        });
    }
}
