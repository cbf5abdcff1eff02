//! How much each channel has, in memory as on the disk. What it tells is durable once the transaction is; if it fails, the
//! store is broken and the ledger is not asked any more.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::observer::Kept;
use super::record::{Decoded, Fields, Malformed};
use super::settings::Quota;

const VERSION: u8 = 1;

/// Events of one channel, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) events: u64,
    pub(super) bytes: u64,
    /// None of them was received before this second. It follows the true one late: looking it up costs a read.
    oldest: u64,
}

impl Load {
    fn add(&mut self, bytes: u64, received: SystemTime) {
        let second = second(received);
        self.oldest = if self.events == 0 { second } else { self.oldest.min(second) };
        self.events += 1;
        self.bytes += bytes;
    }

    fn remove(&mut self, bytes: u64) {
        self.events = self.events.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    pub(super) fn exceeds(self, quota: Quota) -> bool {
        self.events > quota.events || self.bytes > quota.bytes
    }

    /// May one of them have been received at that time or before?
    pub(super) fn may_reach(self, time: SystemTime) -> bool {
        self.events > 0 && self.oldest <= second(time)
    }
}

/// Which events of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Those that are to be delivered.
    Waiting,
    Dead,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Channel {
    pub(super) waiting: Load,
    pub(super) dead: Load,
}

impl Channel {
    pub(super) fn part(&self, part: Part) -> Load {
        match part {
            Part::Waiting => self.waiting,
            Part::Dead => self.dead,
        }
    }

    fn part_mut(&mut self, part: Part) -> &mut Load {
        match part {
            Part::Waiting => &mut self.waiting,
            Part::Dead => &mut self.dead,
        }
    }

    fn is_empty(&self) -> bool {
        self.waiting.events == 0 && self.dead.events == 0
    }

    /// `version (1) | waiting: events, bytes, oldest (8 each) | dead: the same`.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        for load in [self.waiting, self.dead] {
            for number in [load.events, load.bytes, load.oldest] {
                bytes.extend(number.to_le_bytes());
            }
        }
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut fields = Fields(bytes);
        if fields.u8()? != VERSION {
            return Err(Malformed("a channel"));
        }
        let mut load = || Ok(Load { events: fields.u64()?, bytes: fields.u64()?, oldest: fields.u64()? });
        Ok(Self { waiting: load()?, dead: load()? })
    }
}

/// All channels that have anything.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    channels: HashMap<u128, Channel>,
    waiting: Load,
    dead: Load,
    /// The next event's, whatever its channel: so a channel of which nothing is left needs no row.
    pub(super) next_sequence: u64,
}

impl Ledger {
    pub(super) fn new(next_sequence: u64) -> Self {
        Self { next_sequence, ..Self::default() }
    }

    /// A channel as it was stored.
    pub(super) fn restore(&mut self, channel: u128, stored: Channel) {
        for (total, part) in [(&mut self.waiting, stored.waiting), (&mut self.dead, stored.dead)] {
            total.events += part.events;
            total.bytes += part.bytes;
        }
        self.channels.insert(channel, stored);
    }

    /// What the channel has; `None` if nothing.
    pub(super) fn stored(&self, channel: u128) -> Option<&Channel> {
        self.channels.get(&channel)
    }

    pub(super) fn load(&self, channel: u128, part: Part) -> Load {
        self.channels.get(&channel).map(|it| it.part(part)).unwrap_or_default()
    }

    pub(super) fn total(&self, part: Part) -> Load {
        match part {
            Part::Waiting => self.waiting,
            Part::Dead => self.dead,
        }
    }

    pub(super) fn add(&mut self, channel: u128, part: Part, bytes: u64, received: SystemTime) {
        self.channels.entry(channel).or_default().part_mut(part).add(bytes, received);
        self.total_mut(part).add(bytes, received);
    }

    pub(super) fn remove(&mut self, channel: u128, part: Part, bytes: u64) {
        self.total_mut(part).remove(bytes);
        let Some(it) = self.channels.get_mut(&channel) else { return };
        it.part_mut(part).remove(bytes);
        if it.is_empty() {
            self.channels.remove(&channel);
        }
    }

    /// The oldest of them was received then.
    pub(super) fn found_oldest(&mut self, channel: u128, part: Part, received: SystemTime) {
        if let Some(it) = self.channels.get_mut(&channel) {
            it.part_mut(part).oldest = second(received);
        }
    }

    /// Channels that may have events received at that time or before.
    pub(super) fn reaching(&self, time: SystemTime) -> Vec<u128> {
        let due = |it: &Channel| it.waiting.may_reach(time) || it.dead.may_reach(time);
        self.channels.iter().filter(|(_, it)| due(it)).map(|(id, _)| *id).collect()
    }

    pub(super) fn kept(&self) -> Kept {
        Kept {
            events: self.waiting.events,
            bytes: self.waiting.bytes,
            dead_letters: self.dead.events,
            dead_letter_bytes: self.dead.bytes,
        }
    }

    fn total_mut(&mut self, part: Part) -> &mut Load {
        match part {
            Part::Waiting => &mut self.waiting,
            Part::Dead => &mut self.dead,
        }
    }
}

fn second(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}
