//! What all requests share.

use std::sync::MutexGuard;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Client;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::faults::Faults;
use crate::foreign::ForeignWrites;
use crate::ledger::Ledger;
use crate::locked::Locked;
use crate::usage::Usage;
use crate::webhooks::Outbox;
use crate::world::World;

/// The state of a running sandbox.
pub(crate) struct Core {
    pub(crate) world: Locked<World>,
    pub(crate) clock: Clock,
    pub(crate) ledger: Ledger,
    pub(crate) faults: Faults,
    /// Writes of someone else that wait for their time.
    pub(crate) foreign: ForeignWrites,
    pub(crate) usage: Usage,
    pub(crate) outbox: Outbox,
    /// Calls callbacks.
    pub(crate) client: Client,
    /// How long a callback may take to answer.
    pub(crate) callback_limit: Duration,
    /// Ends hanging requests when the sandbox stops.
    pub(crate) stopping: CancellationToken,
}

impl Core {
    /// The world as it is by now: what waited for its time has happened.
    pub(crate) fn world_now(&self) -> (MutexGuard<'_, World>, Timestamp) {
        let now = self.clock.now();
        let mut world = self.world.lock();
        world.end_grace(now);
        self.foreign.catch_up(&mut world, now);
        (world, now)
    }
}
