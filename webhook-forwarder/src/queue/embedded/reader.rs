//! What is read. Readers see the last transaction and do not wait for the next, except that redb lets them wait while the
//! file grows; it doubles each time.

use std::sync::Arc;

use redb::{Database, ReadableDatabase, ReadableTable};
use tokio::sync::Semaphore;

use super::broken::Broken;
use super::error::StoreError;
use super::ledger::Channel;
use super::record;
use super::tables::{CHANNELS, DEAD, EVENTS};
use crate::event::{ChannelId, DeadLetterReason, QueuedEvent, Sequence};
use crate::queue::{Limit, QueueError};

/// So many at once: a read is short, and hundreds of threads would need more memory than the pages of the file.
const READERS: usize = 8;

pub(super) struct Reader {
    pub(super) database: Arc<Database>,
    broken: Broken,
    readers: Arc<Semaphore>,
}

impl Reader {
    pub(super) fn new(database: Arc<Database>, broken: Broken) -> Self {
        Self { database, broken, readers: Arc::new(Semaphore::new(READERS)) }
    }

    /// Reads outside of the tasks' threads, since the disk may be asked.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        what: impl FnOnce(&Database) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, QueueError> {
        self.broken.check()?;
        let permit = Arc::clone(&self.readers).acquire_owned().await;
        let database = Arc::clone(&self.database);
        let read = tokio::task::spawn_blocking(move || {
            let read = what(&database);
            // In this order: who holds all permits knows that no read holds the database.
            drop(database);
            drop(permit);
            read
        });
        match read.await {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(error)) => Err(self.broke(&error.to_string())),
            Err(end) if end.is_panic() => Err(self.broke("reading it panicked")),
            Err(_) => Err(QueueError::Broken("the process ends".to_owned())),
        }
    }

    fn broke(&self, reason: &str) -> QueueError {
        self.broken.set(reason);
        QueueError::Broken(reason.to_owned())
    }
}

pub(super) fn next(
    database: &Database,
    channel: ChannelId,
    after: Option<Sequence>,
    limit: Limit,
) -> Result<Vec<QueuedEvent>, StoreError> {
    let from = match after {
        Some(Sequence(u64::MAX)) => return Ok(Vec::new()),
        Some(Sequence(after)) => after + 1,
        None => 0,
    };
    let events = database.begin_read()?.open_table(EVENTS)?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    for row in events.range((channel.0, from)..=(channel.0, u64::MAX))? {
        let (key, value) = row?;
        bytes += record::item_length(value.value())?;
        if !found.is_empty() && (found.len() >= limit.events || bytes > limit.bytes) {
            break;
        }
        found.push(record::decode(channel, Sequence(key.value().1), value.value())?);
    }
    Ok(found)
}

pub(super) fn dead_letters(
    database: &Database,
    channel: ChannelId,
    max: usize,
) -> Result<Vec<(DeadLetterReason, QueuedEvent)>, StoreError> {
    let dead = database.begin_read()?.open_table(DEAD)?;
    let mut found = Vec::new();
    for row in dead.range((channel.0, 0)..=(channel.0, u64::MAX))?.take(max) {
        let (key, value) = row?;
        let (reason, event) = record::decode_dead(value.value())?;
        found.push((reason, record::decode(channel, Sequence(key.value().1), event)?));
    }
    Ok(found)
}

pub(super) fn channels_with_events(database: &Database) -> Result<Vec<ChannelId>, StoreError> {
    let mut found = Vec::new();
    for row in database.begin_read()?.open_table(CHANNELS)?.iter()? {
        let (channel, stored) = row?;
        if Channel::decode(stored.value())?.waiting.events > 0 {
            found.push(ChannelId(channel.value()));
        }
    }
    Ok(found)
}
