//! The store against a model that is simple enough to be believed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use webhook_forwarder::event::{Attempts, ChannelId, DeadLetterReason, NewEvent, Sequence};
use webhook_forwarder::queue::embedded::{EmbeddedQueue, Expired, Kept, OVERHEAD, Observer, Quota, Settings};
use webhook_forwarder::queue::{Queue, QueueError};

use crate::contract::{all, at, event};

const CHANNELS: u128 = 3;
/// So short that events of neighboring seconds are common.
const RETENTION: u64 = 8;
const QUOTA: u64 = 5;
const DEAD_QUOTA: u64 = 4;
const TOTAL_BYTES: u64 = 12 * (OVERHEAD + 10) + 40;

#[derive(Clone, Debug)]
enum Work {
    /// Channels, and how long the items are.
    Append(Vec<(u128, usize)>),
    Deliver {
        channel: u128,
        count: usize,
    },
    Fail {
        channel: u128,
        place: usize,
        failed: u32,
    },
    Bury {
        channel: u128,
        place: usize,
    },
    Pass {
        seconds: u64,
    },
    Expire {
        max: usize,
    },
    Reopen,
}

fn work() -> impl Strategy<Value = Work> {
    let channel = || 0..CHANNELS;
    prop_oneof![
        6 => prop::collection::vec((channel(), 0..9_usize), 1..4).prop_map(Work::Append),
        3 => (channel(), 1..4_usize).prop_map(|(channel, count)| Work::Deliver { channel, count }),
        1 => (channel(), 0..3_usize, 1..9_u32)
            .prop_map(|(channel, place, failed)| Work::Fail { channel, place, failed }),
        2 => (channel(), 0..3_usize).prop_map(|(channel, place)| Work::Bury { channel, place }),
        3 => (0..5_u64).prop_map(|seconds| Work::Pass { seconds }),
        2 => (1..5_usize).prop_map(|max| Work::Expire { max }),
        1 => Just(Work::Reopen),
    ]
}

type Reasons = BTreeMap<(ChannelId, DeadLetterReason), u64>;

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<(Reasons, Kept)>>);

impl Observer for Heard {
    fn buried(&self, channel: ChannelId, reason: DeadLetterReason, events: u64) {
        *self.0.lock().unwrap().0.entry((channel, reason)).or_default() += events;
    }

    fn kept(&self, kept: Kept) {
        self.0.lock().unwrap().1 = kept;
    }

    fn committed(&self, _: Duration, _: usize) {}
}

#[derive(Clone, Debug, PartialEq)]
struct Event {
    event: NewEvent,
    attempts: Attempts,
}

#[derive(Default)]
struct Channel {
    waiting: Vec<Event>,
    /// With the order of their channel: the number of the append.
    dead: Vec<(u64, DeadLetterReason, Event)>,
    numbers: Vec<u64>,
}

impl Channel {
    fn take(&mut self, place: usize) -> (u64, Event) {
        (self.numbers.remove(place), self.waiting.remove(place))
    }

    fn bury(&mut self, place: usize, reason: DeadLetterReason) {
        let (number, event) = self.take(place);
        self.dead.push((number, reason, event));
        self.dead.sort_by_key(|it| it.0);
        if self.dead.len() as u64 > DEAD_QUOTA {
            self.dead.remove(0);
        }
    }
}

#[derive(Default)]
struct Model {
    channels: BTreeMap<u128, Channel>,
    appended: u64,
    reasons: Reasons,
}

fn bytes(event: &NewEvent) -> u64 {
    OVERHEAD + (event.entry_id.len() + event.item.len()) as u64
}

impl Model {
    fn kept(&self) -> Kept {
        let mut kept = Kept::default();
        for channel in self.channels.values() {
            kept.events += channel.waiting.len() as u64;
            kept.bytes += channel.waiting.iter().map(|it| bytes(&it.event)).sum::<u64>();
            kept.dead_letters += channel.dead.len() as u64;
            kept.dead_letter_bytes += channel.dead.iter().map(|it| bytes(&it.2.event)).sum::<u64>();
        }
        kept
    }

    fn count(&mut self, channel: u128, reason: DeadLetterReason) {
        *self.reasons.entry((ChannelId(channel), reason)).or_default() += 1;
    }

    fn append(&mut self, events: &[NewEvent]) -> Result<(), QueueError> {
        if self.kept().bytes + events.iter().map(bytes).sum::<u64>() > TOTAL_BYTES {
            return Err(QueueError::Full);
        }
        for event in events {
            let channel = self.channels.entry(event.channel.0).or_default();
            channel.waiting.push(Event { event: event.clone(), attempts: Attempts::default() });
            channel.numbers.push(self.appended);
            self.appended += 1;
            if channel.waiting.len() as u64 > QUOTA {
                channel.bury(0, DeadLetterReason::OverQuota);
                self.count(event.channel.0, DeadLetterReason::OverQuota);
            }
        }
        Ok(())
    }

    /// All that are too old. The store takes them from the front of each channel; here they are in the order of their time.
    fn expire(&mut self, now: SystemTime) -> usize {
        let retention = Duration::from_secs(RETENTION);
        let is_old = |it: &Event| it.event.received + retention <= now;
        let mut removed = 0;
        for channel in 0..CHANNELS {
            let it = self.channels.entry(channel).or_default();
            let dead = it.dead.len();
            it.dead.retain(|it| !is_old(&it.2));
            removed += dead - it.dead.len();
            let old = it.waiting.iter().filter(|it| is_old(it)).count();
            (0..old).for_each(|_| drop(it.take(0)));
            removed += old;
            (0..old).for_each(|_| self.count(channel, DeadLetterReason::Expired));
        }
        removed
    }
}

struct Run {
    directory: tempfile::TempDir,
    queue: Option<EmbeddedQueue>,
    heard: Heard,
    model: Model,
    now: u64,
}

fn open(directory: &tempfile::TempDir, heard: &Heard) -> EmbeddedQueue {
    let settings = Settings {
        channel: Quota { events: QUOTA, bytes: 1 << 20 },
        dead_letters: Quota { events: DEAD_QUOTA, bytes: 1 << 20 },
        total_bytes: TOTAL_BYTES,
        retention: Duration::from_secs(RETENTION),
        deadline: Duration::from_secs(3600),
        ..Settings::default()
    };
    EmbeddedQueue::open(directory.path(), settings, heard.clone()).unwrap()
}

impl Run {
    fn new() -> Self {
        let (directory, heard) = (tempfile::tempdir().unwrap(), Heard::default());
        let queue = Some(open(&directory, &heard));
        Self { directory, queue, heard, model: Model::default(), now: 1000 }
    }

    async fn step(&mut self, work: Work) {
        let queue = self.queue.as_ref().unwrap();
        let sequences = async |channel| -> Vec<Sequence> {
            all(queue, ChannelId(channel)).await.iter().map(|it| it.sequence).collect()
        };
        match work {
            Work::Append(events) => {
                let item = |length: usize| "i".repeat(length);
                let new = |(channel, length): (u128, usize)| NewEvent {
                    received: at(self.now),
                    ..event(ChannelId(channel), &item(length))
                };
                let events: Vec<_> = events.into_iter().map(new).collect();
                let expected = self.model.append(&events);
                assert_eq!(queue.append(events).await, expected);
            }
            Work::Deliver { channel, count } => {
                let chosen: Vec<_> = sequences(channel).await.into_iter().take(count).collect();
                let model = self.model.channels.entry(channel).or_default();
                chosen.iter().for_each(|_| drop(model.take(0)));
                queue.delivered(ChannelId(channel), chosen).await.unwrap();
            }
            Work::Fail { channel, place, failed } => {
                let Some(sequence) = sequences(channel).await.get(place).copied() else { return };
                let attempts = Attempts { failed, refused: failed / 2, first_failure: Some(at(self.now)) };
                self.model.channels.get_mut(&channel).unwrap().waiting[place].attempts = attempts;
                queue.failed(ChannelId(channel), sequence, attempts).await.unwrap();
            }
            Work::Bury { channel, place } => {
                let Some(sequence) = sequences(channel).await.get(place).copied() else { return };
                self.model.channels.get_mut(&channel).unwrap().bury(place, DeadLetterReason::Refused);
                self.model.count(channel, DeadLetterReason::Refused);
                queue.bury(ChannelId(channel), sequence, DeadLetterReason::Refused).await.unwrap();
            }
            Work::Pass { seconds } => self.now += seconds,
            Work::Expire { max } => self.expire(max).await,
            Work::Reopen => {
                self.queue = None;
                self.queue = Some(open(&self.directory, &self.heard));
            }
        }
    }

    async fn expire(&mut self, max: usize) {
        let expected = self.model.expire(at(self.now));
        let mut total = 0;
        // Each call looks at one channel at least, so it ends.
        for _ in 0..100 {
            let Expired { removed, more } = self.queue.as_ref().unwrap().expire(at(self.now), max).await.unwrap();
            assert!(removed <= max);
            total += removed;
            if !more {
                break;
            }
        }
        assert_eq!(total, expected);
    }

    async fn compare(&self) {
        let queue = self.queue.as_ref().unwrap();
        let mut with_events = vec![];
        for channel in 0..CHANNELS {
            let (empty, id) = (Channel::default(), ChannelId(channel));
            let model = self.model.channels.get(&channel).unwrap_or(&empty);
            let found = all(queue, id).await;
            let found: Vec<_> = found.into_iter().map(|it| Event { event: it.event, attempts: it.attempts }).collect();
            assert_eq!(found, model.waiting);
            let dead = queue.dead_letters(id, usize::MAX).await.unwrap();
            let dead: Vec<_> =
                dead.into_iter().map(|(r, it)| (r, Event { event: it.event, attempts: it.attempts })).collect();
            assert_eq!(dead, model.dead.iter().map(|it| (it.1, it.2.clone())).collect::<Vec<_>>());
            if !found.is_empty() {
                with_events.push(id);
            }
        }
        assert_eq!(queue.channels_with_events().await.unwrap(), with_events);
        let heard = self.heard.0.lock().unwrap();
        assert_eq!(heard.0, self.model.reasons);
        assert_eq!(heard.1, self.model.kept());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_the_model_does(work in prop::collection::vec(work(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut run = Run::new();
            for work in work {
                run.step(work).await;
                run.compare().await;
            }
        });
    }
}
