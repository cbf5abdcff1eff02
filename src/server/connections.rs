//! The open connections of a listener, and which of them gives way when there are too many.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::listener::Limits;

/// What a connection is at.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// A request is awaited that must come, or go on.
    Arriving,
    /// A request is in hand.
    InHand,
    /// A request may come.
    Idle,
}

/// What a connection is at, and since when.
#[derive(Debug)]
pub(super) struct Activity(Mutex<(Stage, Instant)>);

impl Activity {
    fn new() -> Self {
        Self(Mutex::new((Stage::Arriving, Instant::now())))
    }

    /// Something arrived.
    pub(super) fn hears(&self) {
        let mut at = self.lock();
        if matches!(at.0, Stage::Idle) {
            *at = (Stage::Arriving, Instant::now());
        }
    }

    /// The header of a request is complete.
    pub(super) fn begins(&self) {
        *self.lock() = (Stage::InHand, Instant::now());
    }

    /// The request is answered.
    pub(super) fn rests(&self) {
        *self.lock() = (Stage::Idle, Instant::now());
    }

    /// When it must be further.
    pub(super) fn due(&self, limits: &Limits) -> Instant {
        let (stage, since) = *self.lock();
        let limit = match stage {
            Stage::Arriving => limits.header,
            Stage::InHand => limits.request,
            Stage::Idle => limits.idle,
        };
        since.checked_add(limit).unwrap_or(since)
    }

    /// Since when it is at the same.
    fn since(&self) -> Instant {
        self.lock().1
    }

    fn lock(&self) -> MutexGuard<'_, (Stage, Instant)> {
        self.0.lock()
    }
}

/// An open connection. Its place is free when this is dropped.
pub(super) struct Guest {
    id: u64,
    pub(super) activity: Arc<Activity>,
    /// Cancelled when it has to give way.
    pub(super) end: CancellationToken,
    connections: Arc<Connections>,
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.connections.lock().remove(self.id);
    }
}

/// All that are open.
pub(super) struct Connections {
    most: usize,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    next: u64,
    open: HashMap<u64, Open>,
    /// How many there are of each peer.
    peers: HashMap<IpAddr, usize>,
}

struct Open {
    peer: IpAddr,
    activity: Arc<Activity>,
    end: CancellationToken,
}

impl Connections {
    pub(super) fn new(most: usize) -> Self {
        Self { most, table: Mutex::default() }
    }

    /// Takes a connection in. If there are too many, another one gives way.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Guest {
        let mut table = self.lock();
        if table.open.len() >= self.most {
            table.end_one();
        }
        table.next += 1;
        let (id, peer) = (table.next, peer(address));
        let (activity, end) = (Arc::new(Activity::new()), CancellationToken::new());
        table.open.insert(id, Open { peer, activity: Arc::clone(&activity), end: end.clone() });
        *table.peers.entry(peer).or_default() += 1;
        Guest { id, activity, end, connections: Arc::clone(self) }
    }

    /// Ends the one that gives way first.
    pub(super) fn end_one(&self) {
        self.lock().end_one();
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock()
    }
}

impl Table {
    /// Whoever has most gives way, so that who comes with many connections competes with themselves; of theirs the one that is at
    /// the same for longest, be that a header, a body or nothing. An event is through before it is the oldest of so many. Behind a
    /// proxy all are of one peer, and the age alone decides.
    fn end_one(&mut self) {
        let most = self.peers.values().copied().max().unwrap_or_default();
        let greedy = self.open.iter().filter(|(_, open)| self.peers.get(&open.peer) == Some(&most));
        let first = greedy.min_by_key(|(_, open)| open.activity.since()).map(|(id, _)| *id);
        if let Some(open) = first.and_then(|id| self.remove(id)) {
            open.end.cancel();
        }
    }

    fn remove(&mut self, id: u64) -> Option<Open> {
        let open = self.open.remove(&id)?;
        if let Some(count) = self.peers.get_mut(&open.peer) {
            *count -= 1;
            if *count == 0 {
                self.peers.remove(&open.peer);
            }
        }
        Some(open)
    }
}

/// Who comes from an address: of IPv6, anybody has the lower half to themselves.
pub(crate) fn peer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MOST: usize = 4;

    fn connections() -> Arc<Connections> {
        Arc::new(Connections::new(MOST))
    }

    fn admit(connections: &Arc<Connections>, address: &str) -> Guest {
        // Two that begin in the same instant have no order.
        std::thread::sleep(Duration::from_millis(2));
        connections.admit(address.parse().expect("an address"))
    }

    fn ended(guests: &[Guest]) -> Vec<usize> {
        guests.iter().enumerate().filter(|(_, it)| it.end.is_cancelled()).map(|(at, _)| at).collect()
    }

    #[test]
    fn of_too_many_the_one_that_is_at_the_same_for_longest_gives_way_whatever_that_is() {
        let it = connections();
        let mut guests: Vec<_> = (0..MOST).map(|_| admit(&it, "192.0.2.1")).collect();
        let later = || std::thread::sleep(Duration::from_millis(2));
        // A header that never ends, one whose body does not either, one that was answered, and one that just began.
        guests[1].activity.begins();
        later();
        guests[2].activity.begins();
        guests[2].activity.rests();
        later();
        guests[3].activity.rests();
        guests[3].activity.hears();
        assert_eq!(ended(&guests), [0; 0]);
        for expected in [&[0][..], &[0, 1], &[0, 1, 2], &[0, 1, 2, 3], &[0, 1, 2, 3, 4]] {
            guests.push(admit(&it, "192.0.2.1"));
            assert_eq!(ended(&guests), expected);
        }
    }

    #[test]
    fn who_comes_with_many_takes_no_place_of_others() {
        let it = connections();
        let other = admit(&it, "192.0.2.9");
        let many: Vec<_> = (0..20).map(|_| admit(&it, "192.0.2.1")).collect();
        assert!(!other.end.is_cancelled());
        assert_eq!(ended(&many).len(), 20 + 1 - MOST);
        let next = admit(&it, "192.0.2.8");
        assert!(!other.end.is_cancelled() && !next.end.is_cancelled());
    }

    #[test]
    fn a_place_is_free_once_its_connection_ended() {
        let it = connections();
        let first = admit(&it, "192.0.2.1");
        for _ in 0..10 * MOST {
            drop(admit(&it, "192.0.2.1"));
        }
        assert!(!first.end.is_cancelled());
        drop(first);
        let table = it.lock();
        assert_eq!((table.open.len(), table.peers.len()), (0, 0));
    }

    #[test]
    fn a_network_of_one_household_is_one_peer() {
        let of = |address: &str| peer(address.parse().expect("an address"));
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
