//! The store of a single process: one file, one thread that writes.
//!
//! - [`settings`]: how much is kept; [`observer`]: what the store tells of itself; [`error`]
//! - `file`, `volume`: the file, and the room around it
//! - `tables`, `record`: what is in the file; `ledger`: how much each channel has
//! - `writer`, `changes`: what one transaction changes; `reader`: what is read meanwhile
//! - `broken`: a write that fails is never tried again

mod broken;
mod changes;
mod error;
mod file;
mod ledger;
mod observer;
mod reader;
mod record;
mod settings;
mod tables;
#[cfg(test)]
mod tests;
mod volume;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use redb::Database;
use tokio::sync::{Semaphore, mpsc, oneshot};

pub use self::changes::Expired;
pub use self::error::OpenError;
pub use self::observer::{Kept, Observer};
pub use self::record::OVERHEAD;
pub use self::settings::{Quota, Reserve, Settings};

use self::broken::Broken;
use self::changes::{Change, Record};
use self::ledger::Ledger;
use self::reader::Reader;
use self::volume::{Volume, VolumeOf};
use self::writer::{Job, Writer};
use super::{Limit, Queue, QueueError};
use crate::event::{Attempts, ChannelId, DeadLetterReason, NewEvent, QueuedEvent, Sequence};

/// So many calls wait for the thread that writes, with so many bytes: more wait outside.
const WAITING_CALLS: usize = 1024;
const WAITING_BYTES: u32 = 8 << 20;

/// A queue in a file. Only one process opens it at a time.
pub struct EmbeddedQueue {
    /// `None` only while it is dropped.
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    room: Arc<Semaphore>,
    reader: Reader,
    broken: Broken,
    deadline: Duration,
}

impl EmbeddedQueue {
    /// Opens the queue in this directory, which exists. Blocks while it reads the disk.
    pub fn open(directory: &Path, settings: Settings, observer: impl Observer) -> Result<Self, OpenError> {
        let (database, ledger, path) = file::open(directory, settings.cache_bytes)?;
        Self::start(database, ledger, settings, VolumeOf(path.clone()), observer)
            .map_err(|error| OpenError::Io { file: path, error })
    }

    fn start(
        database: Database,
        ledger: Ledger,
        settings: Settings,
        volume: impl Volume,
        observer: impl Observer,
    ) -> std::io::Result<Self> {
        let database = Arc::new(database);
        let broken = Broken::not_yet();
        let deadline = settings.deadline;
        let (jobs, received) = mpsc::channel(WAITING_CALLS);
        let writer = Writer {
            database: Arc::clone(&database),
            ledger,
            settings,
            volume: Box::new(volume),
            observer: Box::new(observer),
            broken: broken.clone(),
            jobs: received,
        };
        let writer = std::thread::Builder::new().name("queue-writer".to_owned()).spawn(move || writer.run())?;
        Ok(Self {
            jobs: Some(jobs),
            writer: Some(writer),
            room: Arc::new(Semaphore::new(WAITING_BYTES as usize)),
            reader: Reader::new(database, broken.clone()),
            broken,
            deadline,
        })
    }

    /// Ends when the store failed, with the reason. The process is to end then: nothing is kept or read any more.
    pub async fn broken(&self) -> String {
        self.broken.wait().await
    }

    /// Removes events and dead letters that were received before the retention, at most so many at once. To be called again
    /// at once if there is more.
    pub async fn expire(&self, now: SystemTime, max: usize) -> Result<Expired, QueueError> {
        self.change(Change::Expire { now, max }, 0).await
    }

    /// The first dead letters of a channel, and why each of them is one.
    pub async fn dead_letters(
        &self,
        channel: ChannelId,
        max: usize,
    ) -> Result<Vec<(DeadLetterReason, QueuedEvent)>, QueueError> {
        self.reader.read(move |database| reader::dead_letters(database, channel, max)).await
    }

    /// Waits for a change to be durable.
    async fn change(&self, change: Change, bytes: usize) -> Result<Expired, QueueError> {
        self.broken.check()?;
        // One call that is greater than all room gets all of it.
        let share = u32::try_from(bytes).unwrap_or(u32::MAX).min(WAITING_BYTES);
        let room = Arc::clone(&self.room).acquire_many_owned(share).await;
        let (answer, answered) = oneshot::channel();
        if let (Some(jobs), Ok(room)) = (&self.jobs, room)
            && jobs.send(Job { change, answer, room }).await.is_ok()
            && let Ok(outcome) = answered.await
        {
            return outcome;
        }
        // The thread that writes ended, and it ends only with a reason while there is somebody to ask it.
        Err(QueueError::Broken(self.broken.wait().await))
    }
}

impl Queue for EmbeddedQueue {
    async fn append(&self, events: Vec<NewEvent>) -> Result<(), QueueError> {
        if events.is_empty() {
            return self.broken.check();
        }
        let records: Vec<_> = events.into_iter().map(Record::of).collect();
        let bytes = records.iter().map(|it| it.bytes.len()).sum();
        let append = self.change(Change::Append(records), bytes);
        let kept = tokio::time::timeout(self.deadline, append).await;
        kept.unwrap_or(Err(QueueError::Late)).map(|_| ())
    }

    async fn next(
        &self,
        channel: ChannelId,
        after: Option<Sequence>,
        limit: Limit,
    ) -> Result<Vec<QueuedEvent>, QueueError> {
        self.reader.read(move |database| reader::next(database, channel, after, limit)).await
    }

    async fn delivered(&self, channel: ChannelId, events: Vec<Sequence>) -> Result<(), QueueError> {
        self.change(Change::Delivered { channel, events }, 0).await.map(|_| ())
    }

    async fn failed(&self, channel: ChannelId, event: Sequence, attempts: Attempts) -> Result<(), QueueError> {
        self.change(Change::Failed { channel, event, attempts }, 0).await.map(|_| ())
    }

    async fn bury(&self, channel: ChannelId, event: Sequence, reason: DeadLetterReason) -> Result<(), QueueError> {
        self.change(Change::Bury { channel, event, reason }, 0).await.map(|_| ())
    }

    async fn channels_with_events(&self) -> Result<Vec<ChannelId>, QueueError> {
        self.reader.read(reader::channels_with_events).await
    }
}

impl Record {
    fn of(event: NewEvent) -> Self {
        let bytes = record::encode(&event, Attempts::default());
        Self { channel: event.channel, received: event.received, bytes }
    }
}

/// Waits until what was asked for is written: who opens the file next finds it.
impl Drop for EmbeddedQueue {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            // It does not panic: it says why it ended.
            let _ = writer.join();
        }
    }
}
