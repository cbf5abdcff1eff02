//! The store on a disk that loses power, hangs, or is full.
#![allow(clippy::unwrap_used)]

mod broken;
mod disk;
mod limits;
mod power_loss;

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use self::disk::Disk;
use super::observer::Observer;
use super::volume::{Space, Volume};
use super::{EmbeddedQueue, Settings, tables};
use crate::event::{ChannelId, EventKind, NewEvent, QueuedEvent};
use crate::queue::{Limit, Queue};

const ALL: Limit = Limit { events: usize::MAX, bytes: usize::MAX };

/// There is room.
struct Ample;

impl Volume for Ample {
    fn space(&self) -> io::Result<Space> {
        Ok(Space { size: u64::MAX, free: u64::MAX, occupied: 0 })
    }
}

fn open_with(disk: &Disk, settings: Settings, volume: impl Volume, observer: impl Observer) -> EmbeddedQueue {
    let (database, ledger) = tables::open(disk.clone(), 1 << 20).unwrap();
    EmbeddedQueue::start(database, ledger, settings, volume, observer).unwrap()
}

fn open(disk: &Disk, settings: Settings) -> EmbeddedQueue {
    open_with(disk, settings, Ample, ())
}

fn event(channel: u128, item: impl AsRef<[u8]>, second: u64) -> NewEvent {
    NewEvent {
        channel: ChannelId(channel),
        kind: EventKind::Messaging,
        entry_id: "page".into(),
        entry_time: 0,
        item: item.as_ref().into(),
        received: at(second),
    }
}

fn at(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(second)
}

async fn waiting(queue: &EmbeddedQueue, channel: u128) -> Vec<QueuedEvent> {
    queue.next(ChannelId(channel), None, ALL).await.unwrap()
}

async fn items(queue: &EmbeddedQueue, channel: u128) -> Vec<Vec<u8>> {
    waiting(queue, channel).await.into_iter().map(|it| it.event.item.into_vec()).collect()
}
