//! The store of a single process, as others use it.
#![allow(clippy::unwrap_used)]

#[path = "../contract/mod.rs"]
mod contract;
mod file;
mod model;

use std::future::Future;

use tempfile::TempDir;
use webhook_forwarder::queue::embedded::{EmbeddedQueue, Quota, Settings};

/// A queue in a directory of its own.
struct Embedded {
    directory: TempDir,
    settings: Settings,
    queue: EmbeddedQueue,
}

impl contract::Store for Embedded {
    type Queue = EmbeddedQueue;

    async fn new(events: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings { channel: Quota { events, bytes: 1 << 30 }, ..Settings::default() };
        let queue = EmbeddedQueue::open(directory.path(), settings.clone(), ()).unwrap();
        Self { directory, settings, queue }
    }

    fn queue(&self) -> &EmbeddedQueue {
        &self.queue
    }

    fn reopen(self) -> impl Future<Output = Self> {
        let Self { directory, settings, queue } = self;
        drop(queue);
        let queue = EmbeddedQueue::open(directory.path(), settings.clone(), ()).unwrap();
        std::future::ready(Self { directory, settings, queue })
    }
}

contract_tests!(Embedded);
