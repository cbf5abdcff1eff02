//! The memory that large bodies share, and which body gives way when it is used up. The sender of a body is not known before it
//! is complete, so each body has a moment for itself, and afterwards keeps its reservation for as long as no other body needs
//! it.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::pin;

use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// What is shared.
pub(super) struct MemoryPool {
    free: Semaphore,
    /// So long a body is left its reservation, unless its sender takes more than who needs it.
    grace: Duration,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    next: u64,
    holders: HashMap<u64, Holder>,
}

struct Holder {
    peer: IpAddr,
    since: Instant,
    bytes: usize,
    /// Cancelled when it has to give way.
    end: CancellationToken,
}

/// What a body takes of it. That is free when this is dropped.
pub(super) struct Reservation<'a> {
    pool: &'a MemoryPool,
    id: u64,
    peer: IpAddr,
    bytes: usize,
    end: CancellationToken,
}

/// The pool is used up.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Exhausted;

impl MemoryPool {
    pub(super) fn new(bytes: usize, grace: Duration) -> Self {
        Self { free: Semaphore::new(bytes), grace, table: Mutex::default() }
    }

    /// A reservation that takes nothing yet.
    pub(super) fn reserve(&self, peer: IpAddr) -> Reservation<'_> {
        let mut table = self.table();
        table.next += 1;
        let (id, end) = (table.next, CancellationToken::new());
        table.holders.insert(id, Holder { peer, since: Instant::now(), bytes: 0, end: end.clone() });
        Reservation { pool: self, id, peer, bytes: 0, end }
    }

    #[cfg(test)]
    pub(super) fn available(&self) -> usize {
        self.free.available_permits()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock()
    }
}

impl Reservation<'_> {
    /// Takes more; others give way if need be.
    pub(super) async fn grow(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let share = u32::try_from(bytes).map_err(|_| Exhausted)?;
        let free = &self.pool.free;
        let taken = match free.try_acquire_many(share) {
            Ok(taken) => taken,
            Err(_) => {
                let mut freed = pin!(free.acquire_many(share));
                self.pool.table().evict_for(self, bytes, free.available_permits(), self.pool.grace)?;
                tokio::select! {
                    taken = &mut freed => taken.map_err(|_| Exhausted)?,
                    () = self.end.cancelled() => return Err(Exhausted),
                }
            }
        };
        taken.forget();
        self.bytes += bytes;
        if let Some(holder) = self.pool.table().holders.get_mut(&self.id) {
            holder.bytes = self.bytes;
        }
        Ok(())
    }

    /// Waits until it has to give way.
    pub(super) async fn evicted(&self) {
        self.end.cancelled().await;
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.pool.table().holders.remove(&self.id);
        self.pool.free.add_permits(self.bytes);
    }
}

impl Table {
    /// Ends as many as are needed for this reservation to take so many bytes more; none if they would not do. Whoever has most gives way
    /// first: so who comes with many competes with themselves. Of theirs it is the oldest one; behind a proxy, where all are of one
    /// peer, the age alone decides.
    fn evict_for(
        &mut self,
        reservation: &Reservation<'_>,
        bytes: usize,
        mut free: usize,
        grace: Duration,
    ) -> Result<(), Exhausted> {
        let mut taken: HashMap<IpAddr, usize> = HashMap::new();
        for holder in self.holders.values() {
            *taken.entry(holder.peer).or_default() += holder.bytes;
        }
        let of = |taken: &HashMap<_, _>, peer| taken.get(&peer).copied().unwrap_or_default();
        let wanted = of(&taken, reservation.peer) + bytes;
        let mut stay: Vec<_> = self.holders.iter().filter(|(id, it)| **id != reservation.id && it.bytes > 0).collect();
        let mut go = Vec::new();
        while free < bytes {
            let may = |it: &Holder| it.since.elapsed() >= grace || of(&taken, it.peer) > wanted;
            let candidates = stay.iter().enumerate().filter(|(_, (_, it))| may(it));
            let first =
                candidates.max_by_key(|(_, (_, it))| (of(&taken, it.peer), Reverse(it.since))).map(|(at, _)| at);
            let (id, holder) = stay.swap_remove(first.ok_or(Exhausted)?);
            free += holder.bytes;
            *taken.entry(holder.peer).or_default() -= holder.bytes;
            go.push(*id);
        }
        for holder in go.iter().filter_map(|id| self.holders.remove(id)) {
            holder.end.cancel();
        }
        Ok(())
    }
}
