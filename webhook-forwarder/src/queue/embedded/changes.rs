//! What one transaction changes. The thread that writes is the only one that does.

use std::collections::BTreeSet;
use std::time::SystemTime;

use redb::{ReadableTable, Table, WriteTransaction};

use super::error::StoreError;
use super::ledger::{Ledger, Part};
use super::record;
use super::settings::Settings;
use super::tables::{DEAD, EVENTS, EventKey, save};
use crate::event::{Attempts, ChannelId, DeadLetterReason, Sequence};

/// An event, encoded where it was received: the thread that writes has enough to do.
pub(super) struct Record {
    pub(super) channel: ChannelId,
    pub(super) received: SystemTime,
    pub(super) bytes: Vec<u8>,
}

/// What is asked for.
pub(super) enum Change {
    Append(Vec<Record>),
    Delivered { channel: ChannelId, events: Vec<Sequence> },
    Failed { channel: ChannelId, event: Sequence, attempts: Attempts },
    Bury { channel: ChannelId, event: Sequence, reason: DeadLetterReason },
    Expire { now: SystemTime, max: usize },
}

/// What was too old and is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// So many events and dead letters.
    pub removed: usize,
    /// There may be more.
    pub more: bool,
}

/// Events of one channel that became dead letters.
pub(super) struct Buried {
    pub(super) channel: ChannelId,
    pub(super) reason: DeadLetterReason,
}

pub(super) struct Changes<'a> {
    transaction: &'a WriteTransaction,
    events: Table<'a, EventKey, &'static [u8]>,
    dead: Table<'a, EventKey, &'static [u8]>,
    ledger: &'a mut Ledger,
    settings: &'a Settings,
    touched: BTreeSet<u128>,
    buried: Vec<Buried>,
}

impl<'a> Changes<'a> {
    pub(super) fn begin(
        transaction: &'a WriteTransaction,
        ledger: &'a mut Ledger,
        settings: &'a Settings,
    ) -> Result<Self, StoreError> {
        let (events, dead) = (transaction.open_table(EVENTS)?, transaction.open_table(DEAD)?);
        Ok(Self { transaction, events, dead, ledger, settings, touched: BTreeSet::new(), buried: Vec::new() })
    }

    /// Is there room for so many bytes more?
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        self.ledger.total(Part::Waiting).bytes.saturating_add(bytes) <= self.settings.total_bytes
    }

    /// How much is stored.
    pub(super) fn stored_bytes(&self) -> u64 {
        self.ledger.total(Part::Waiting).bytes + self.ledger.total(Part::Dead).bytes
    }

    /// An event that is not there is no error: it may have gone over the quota, or grown too old, in the meantime.
    pub(super) fn apply(&mut self, change: Change) -> Result<Expired, StoreError> {
        match change {
            Change::Append(records) => self.append(records)?,
            Change::Delivered { channel, events } => {
                for event in events {
                    self.remove((channel.0, event.0))?;
                }
            }
            Change::Failed { channel, event, attempts } => self.failed((channel.0, event.0), attempts)?,
            Change::Bury { channel, event, reason } => self.bury((channel.0, event.0), reason)?,
            Change::Expire { now, max } => return self.expire(now, max),
        }
        Ok(Expired::default())
    }

    /// What there is to tell, and whether anything is to be committed.
    pub(super) fn finish(self) -> Result<(Vec<Buried>, bool), StoreError> {
        let Self { transaction, events, dead, ledger, touched, buried, .. } = self;
        drop((events, dead));
        let changed = !touched.is_empty();
        if changed {
            save(transaction, ledger, touched)?;
        }
        Ok((buried, changed))
    }

    fn append(&mut self, records: Vec<Record>) -> Result<(), StoreError> {
        for Record { channel, received, bytes } in records {
            let key = (channel.0, self.ledger.next_sequence);
            self.ledger.next_sequence += 1;
            self.events.insert(key, bytes.as_slice())?;
            self.added(channel.0, Part::Waiting, bytes.len(), received);
            self.keep_to_quota(channel.0)?;
        }
        Ok(())
    }

    /// The oldest go, so that what is said last arrives: it is what people wait for an answer to.
    fn keep_to_quota(&mut self, channel: u128) -> Result<(), StoreError> {
        while self.ledger.load(channel, Part::Waiting).exceeds(self.settings.channel) {
            let (oldest, ()) = first(&self.events, channel, |_| Ok(()))?;
            self.bury(oldest, DeadLetterReason::OverQuota)?;
        }
        Ok(())
    }

    fn failed(&mut self, key: EventKey, attempts: Attempts) -> Result<(), StoreError> {
        let Some(mut bytes) = self.events.get(key)?.map(|it| it.value().to_vec()) else { return Ok(()) };
        record::set_attempts(&mut bytes, attempts)?;
        self.events.insert(key, bytes.as_slice())?;
        self.touched.insert(key.0);
        Ok(())
    }

    fn bury(&mut self, key: EventKey, reason: DeadLetterReason) -> Result<(), StoreError> {
        let Some(bytes) = self.remove(key)? else { return Ok(()) };
        self.dead.insert(key, record::encode_dead(&bytes, reason).as_slice())?;
        self.added(key.0, Part::Dead, bytes.len(), record::received(&bytes)?);
        self.buried.push(Buried { channel: ChannelId(key.0), reason });
        self.keep_to_dead_letter_quota(key.0)
    }

    fn keep_to_dead_letter_quota(&mut self, channel: u128) -> Result<(), StoreError> {
        loop {
            let own = self.ledger.load(channel, Part::Dead);
            let total = self.ledger.total(Part::Dead).bytes;
            let fits = total <= self.settings.total_dead_letter_bytes && !own.exceeds(self.settings.dead_letters);
            if fits || own.events == 0 {
                return Ok(());
            }
            let (oldest, ()) = first(&self.dead, channel, |_| Ok(()))?;
            self.drop_dead(oldest)?;
        }
    }

    /// Takes an event out of those that are to be delivered.
    fn remove(&mut self, key: EventKey) -> Result<Option<Vec<u8>>, StoreError> {
        let bytes = self.events.remove(key)?.map(|it| it.value().to_vec());
        if let Some(bytes) = &bytes {
            self.removed(key.0, Part::Waiting, bytes.len());
        }
        Ok(bytes)
    }

    fn drop_dead(&mut self, key: EventKey) -> Result<(), StoreError> {
        let length = match self.dead.remove(key)? {
            Some(bytes) => record::decode_dead(bytes.value())?.1.len(),
            None => return Ok(()),
        };
        self.removed(key.0, Part::Dead, length);
        Ok(())
    }

    /// Removes what was received before the retention. Looks at a few channels at a time, so that appends are not kept waiting.
    fn expire(&mut self, now: SystemTime, max: usize) -> Result<Expired, StoreError> {
        let Some(last) = now.checked_sub(self.settings.retention) else { return Ok(Expired::default()) };
        let mut expired = Expired::default();
        for (looked_at, channel) in self.ledger.reaching(last).into_iter().enumerate() {
            for part in [Part::Waiting, Part::Dead] {
                expired.removed += self.expire_part(channel, part, last, max - expired.removed)?;
            }
            if expired.removed >= max || looked_at + 1 >= max {
                break;
            }
        }
        expired.more = !self.ledger.reaching(last).is_empty();
        Ok(expired)
    }

    fn expire_part(&mut self, channel: u128, part: Part, last: SystemTime, max: usize) -> Result<usize, StoreError> {
        let mut removed = 0;
        while removed < max && self.ledger.load(channel, part).may_reach(last) {
            let (oldest, received) = match part {
                Part::Waiting => first(&self.events, channel, record::received)?,
                Part::Dead => first(&self.dead, channel, |it| record::received(record::decode_dead(it)?.1))?,
            };
            if received > last {
                self.ledger.found_oldest(channel, part, received);
                break;
            }
            match part {
                // As a dead letter it would be kept for the rest of the retention, and of that nothing is left.
                Part::Waiting => {
                    self.remove(oldest)?;
                    self.buried.push(Buried { channel: ChannelId(channel), reason: DeadLetterReason::Expired });
                }
                Part::Dead => self.drop_dead(oldest)?,
            }
            removed += 1;
        }
        Ok(removed)
    }

    fn added(&mut self, channel: u128, part: Part, length: usize, received: SystemTime) {
        self.ledger.add(channel, part, length as u64, received);
        self.touched.insert(channel);
    }

    fn removed(&mut self, channel: u128, part: Part, length: usize) {
        self.ledger.remove(channel, part, length as u64);
        self.touched.insert(channel);
    }
}

/// The first event of a channel that has one, and something of it.
fn first<T>(
    table: &impl ReadableTable<EventKey, &'static [u8]>,
    channel: u128,
    of: impl Fn(&[u8]) -> record::Decoded<T>,
) -> Result<(EventKey, T), StoreError> {
    let first = table.range((channel, 0)..=(channel, u64::MAX))?.next().transpose()?;
    let (key, bytes) = first.ok_or(record::Malformed("how much a channel has"))?;
    Ok((key.value(), of(bytes.value())?))
}
