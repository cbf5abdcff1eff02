//! The one thread that writes. It takes what waits, writes it in one transaction, and answers all: while the disk writes,
//! the next ones gather, so nothing waits for company.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use redb::Database;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::broken::Broken;
use super::changes::{Buried, Change, Changes, Expired, Record};
use super::error::StoreError;
use super::ledger::Ledger;
use super::observer::Observer;
use super::settings::Settings;
use super::tables;
use super::volume::Volume;
use crate::event::{ChannelId, DeadLetterReason};
use crate::queue::QueueError;

/// So many calls in one transaction,
const GROUP_CALLS: usize = 1024;
/// and so many bytes, but one call.
const GROUP_BYTES: usize = 4 << 20;

type Answer = Result<Expired, QueueError>;

/// A change, and who waits for it.
pub(super) struct Job {
    pub(super) change: Change,
    pub(super) answer: oneshot::Sender<Answer>,
    /// Its part of the memory for what is not written yet.
    pub(super) room: OwnedSemaphorePermit,
}

impl Job {
    fn bytes(&self) -> usize {
        match &self.change {
            Change::Append(records) => records.iter().map(|it| it.bytes.len()).sum(),
            _ => 0,
        }
    }

    /// Nobody waits any more for these events to be kept: who sent them sends them again. Everything else is still true.
    fn is_abandoned(&self) -> bool {
        matches!(self.change, Change::Append(_)) && self.answer.is_closed()
    }
}

pub(super) struct Writer {
    pub(super) database: Arc<Database>,
    pub(super) ledger: Ledger,
    pub(super) settings: Settings,
    pub(super) volume: Box<dyn Volume>,
    pub(super) observer: Box<dyn Observer>,
    pub(super) broken: Broken,
    pub(super) jobs: mpsc::Receiver<Job>,
}

impl Writer {
    /// Until nobody can send jobs any more, or the store breaks. Who waits then is told by `broken`.
    pub(super) fn run(mut self) {
        let broken = self.broken.clone();
        // redb may panic on a file that was damaged.
        let end = catch_unwind(AssertUnwindSafe(|| self.write_all()));
        match end {
            Ok(Ok(())) => {}
            Ok(Err(error)) => broken.set(&error.to_string()),
            Err(_) => broken.set("the thread that writes panicked"),
        }
    }

    fn write_all(&mut self) -> Result<(), StoreError> {
        self.observer.kept(self.ledger.kept());
        while let Some(first) = self.jobs.blocking_recv() {
            let group = self.gather(first);
            self.write(group)?;
        }
        Ok(())
    }

    fn gather(&mut self, first: Job) -> Vec<Job> {
        let mut bytes = first.bytes();
        let mut group = vec![first];
        while group.len() < GROUP_CALLS && bytes < GROUP_BYTES {
            let Ok(job) = self.jobs.try_recv() else { break };
            bytes += job.bytes();
            group.push(job);
        }
        group
    }

    fn write(&mut self, group: Vec<Job>) -> Result<(), StoreError> {
        let started = Instant::now();
        let database = Arc::clone(&self.database);
        let transaction = tables::begin(&database)?;
        let mut changes = Changes::begin(&transaction, &mut self.ledger, &self.settings)?;
        let mut short = None;
        let mut answers = Vec::with_capacity(group.len());
        // The rooms are given back once all is written.
        let mut rooms = Vec::with_capacity(group.len());
        for job in group {
            if job.is_abandoned() {
                continue;
            }
            let outcome = match &job.change {
                Change::Append(records) if is_full(&changes, records, &mut short, &*self.volume, &self.settings)? => {
                    Err(QueueError::Full)
                }
                _ => Ok(changes.apply(job.change)?),
            };
            answers.push((job.answer, outcome));
            rooms.push(job.room);
        }
        let (buried, changed) = changes.finish()?;
        if changed {
            transaction.commit()?;
            self.tell(buried, started, answers.len());
        } else {
            transaction.abort()?;
        }
        for (answer, outcome) in answers {
            // Who does not wait any more does not want to know.
            let _ = answer.send(outcome);
        }
        Ok(())
    }

    fn tell(&self, mut buried: Vec<Buried>, started: Instant, calls: usize) {
        buried.sort_by_key(Buried::group);
        for same in buried.chunk_by(|a, b| a.group() == b.group()) {
            self.observer.buried(same[0].channel, same[0].reason, same.len() as u64);
        }
        self.observer.committed(started.elapsed(), calls);
        self.observer.kept(self.ledger.kept());
    }
}

impl Buried {
    fn group(&self) -> (ChannelId, DeadLetterReason) {
        (self.channel, self.reason)
    }
}

/// Is there no room for these, by the quota of all or on the volume? The volume is asked once in a transaction.
fn is_full(
    changes: &Changes<'_>,
    records: &[Record],
    short: &mut Option<bool>,
    volume: &dyn Volume,
    settings: &Settings,
) -> Result<bool, StoreError> {
    let bytes: usize = records.iter().map(|it| it.bytes.len()).sum();
    if !changes.has_room(bytes as u64) {
        return Ok(true);
    }
    if let Some(short) = *short {
        return Ok(short);
    }
    let space = volume.space().map_err(StoreError::Volume)?;
    Ok(*short.insert(space.is_short(changes.stored_bytes(), settings.reserve)))
}
