//! Reads the bodies of events in bounded time, and in memory that all of them share. The sender of a body is not known before
//! it is complete, so a stranger's body takes as much as Meta's.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::StatusCode;
use futures::StreamExt;

use super::memory_pool::{Exhausted, MemoryPool, Reservation};
use crate::server::connections::peer;

/// The largest event body that is read. Meta sends up to 1,000 updates in one.
const LARGEST: usize = 4 << 20;

/// What any body may take. With as many as there are connections it is 32 MiB; and an event of the usual size finds room for
/// itself, whatever others hold.
const FREE: usize = 64 << 10;

/// What all bodies together may take beyond that.
const SHARED: usize = 16 << 20;

/// Longest wait for a body. Meta sends it at once, and does not wait longer itself.
const LONGEST: Duration = Duration::from_secs(5);

/// So long a large body is left its memory though others need it. What Meta sends is there by then.
const GRACE: Duration = Duration::from_secs(1);

/// The memory for bodies, and the time.
pub(super) struct BodyReader {
    pool: MemoryPool,
    longest: Duration,
}

impl Default for BodyReader {
    fn default() -> Self {
        Self { pool: MemoryPool::new(SHARED, GRACE), longest: LONGEST }
    }
}

/// A body, and what it takes of the budget.
pub(super) struct BufferedBody<'a> {
    bytes: Vec<u8>,
    /// What is beyond [`FREE`].
    reservation: Option<Reservation<'a>>,
}

impl BufferedBody<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Waits until its memory is needed for another one.
    async fn evicted(&self) {
        match &self.reservation {
            Some(reservation) => reservation.evicted().await,
            None => std::future::pending().await,
        }
    }
}

impl From<Exhausted> for StatusCode {
    fn from(_: Exhausted) -> Self {
        Self::SERVICE_UNAVAILABLE
    }
}

impl BodyReader {
    /// Reads a body that comes from this address.
    ///
    /// # Errors
    /// The status to answer when it is too large, too slow or broken, or there is no room for it now.
    pub(super) async fn read(&self, from: IpAddr, body: Body) -> Result<BufferedBody<'_>, StatusCode> {
        if body.size_hint().lower() > LARGEST as u64 {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let read = tokio::time::timeout(self.longest, self.collect(peer(from), body)).await;
        read.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
    }

    async fn collect(&self, peer: IpAddr, body: Body) -> Result<BufferedBody<'_>, StatusCode> {
        let mut held = BufferedBody { bytes: Vec::new(), reservation: None };
        let mut chunks = body.into_data_stream();
        loop {
            let chunk = tokio::select! {
                chunk = chunks.next() => chunk,
                () = held.evicted() => return Err(Exhausted.into()),
            };
            let Some(chunk) = chunk else { break };
            let chunk = chunk.map_err(|_| StatusCode::BAD_REQUEST)?;
            self.reserve(peer, &mut held, chunk.len()).await?;
            // A copy, since a chunk may be a byte of a buffer that would be kept for it.
            held.bytes.extend_from_slice(&chunk);
        }
        Ok(held)
    }

    /// Makes room for more bytes. What is taken is what arrives: who announces much holds nothing by it.
    async fn reserve<'a>(&'a self, peer: IpAddr, held: &mut BufferedBody<'a>, more: usize) -> Result<(), StatusCode> {
        let (length, capacity) = (held.bytes.len() + more, held.bytes.capacity());
        if length > LARGEST {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        if length <= capacity {
            return Ok(());
        }
        let wanted = length.max(2 * capacity).min(LARGEST);
        let shared = |capacity: usize| capacity.saturating_sub(FREE);
        let share = shared(wanted) - shared(capacity);
        if share > 0 {
            held.reservation.get_or_insert_with(|| self.pool.reserve(peer)).grow(share).await?;
        }
        held.bytes.reserve_exact(wanted - held.bytes.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::Ipv4Addr;

    use axum::body::Bytes;
    use futures::FutureExt;
    use futures::stream::{self, Stream};

    use super::*;

    const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const META: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
    const FOREVER: Duration = Duration::from_secs(3600);

    fn of_chunks(sizes: Vec<usize>) -> Body {
        let chunks = sizes.into_iter().map(|size| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; size])));
        Body::from_stream(stream::iter(chunks))
    }

    /// A body that never ends after these bytes.
    fn unfinished(size: usize) -> impl Stream<Item = std::io::Result<Bytes>> {
        stream::iter([Ok(Bytes::from(vec![b'x'; size]))]).chain(stream::pending())
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_the_limit_in_whatever_pieces() {
        let reader = BodyReader::default();
        for sizes in [vec![], vec![1], vec![LARGEST], vec![1; 5000], vec![65_537; 60], vec![FREE, LARGEST - FREE]] {
            let expected: usize = sizes.iter().sum();
            let held = reader.read(META, of_chunks(sizes)).await.map_err(|status| panic!("{status}")).unwrap();
            assert_eq!(held.bytes().len(), expected);
            assert_eq!(SHARED - reader.pool.available(), held.bytes.capacity().saturating_sub(FREE));
        }
        assert_eq!(reader.pool.available(), SHARED, "all of it was given back");
    }

    #[tokio::test]
    async fn what_is_too_large_is_refused_before_it_is_read_where_that_is_known() {
        let reader = BodyReader::default();
        let announced = Body::from(vec![b'x'; LARGEST + 1]);
        assert_eq!(reader.read(META, announced).await.err(), Some(StatusCode::PAYLOAD_TOO_LARGE));
        let streamed = of_chunks(vec![LARGEST, 1]);
        assert_eq!(reader.read(META, streamed).await.err(), Some(StatusCode::PAYLOAD_TOO_LARGE));
        let broken = Body::from_stream(stream::iter([Err::<Bytes, _>(std::io::Error::other("gone"))]));
        assert_eq!(reader.read(META, broken).await.err(), Some(StatusCode::BAD_REQUEST));
    }

    /// A reader in which a body is left its memory for so long.
    fn with_grace(grace: Duration) -> BodyReader {
        BodyReader { pool: MemoryPool::new(SHARED, grace), ..BodyReader::default() }
    }

    /// As many as there is memory for, of this peer, that never end. What comes of them.
    fn stalled(reader: &BodyReader, from: IpAddr) -> Vec<impl Future<Output = Option<StatusCode>> + Unpin> {
        let stall = || Box::pin(async move { reader.read(from, Body::from_stream(unfinished(LARGEST))).await.err() });
        let mut all: Vec<_> = (0..SHARED / (LARGEST - FREE)).map(|_| stall()).collect();
        for one in &mut all {
            assert!(one.now_or_never().is_none());
        }
        all
    }

    #[tokio::test]
    async fn who_fills_the_memory_is_refused_and_an_event_of_the_usual_size_is_read_all_the_same() {
        let reader = with_grace(FOREVER);
        let read = async |body| reader.read(STRANGER, body).await.err();
        let held = stalled(&reader, STRANGER);
        assert_eq!(read(Body::from_stream(unfinished(LARGEST))).await, Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(read(of_chunks(vec![LARGEST])).await, Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(read(of_chunks(vec![FREE])).await, None);
        drop(held);
        assert_eq!(read(of_chunks(vec![LARGEST])).await, None);
        assert_eq!(reader.pool.available(), SHARED);
    }

    #[tokio::test]
    async fn who_takes_long_gives_way_when_the_memory_is_needed_and_the_oldest_does_first() {
        let reader = with_grace(Duration::ZERO);
        let mut held = stalled(&reader, STRANGER);
        let (read, first) = futures::join!(reader.read(STRANGER, of_chunks(vec![LARGEST])), &mut held[0]);
        assert_eq!((read.map(|held| held.bytes().len()), first), (Ok(LARGEST), Some(StatusCode::SERVICE_UNAVAILABLE)));
        assert!(held.iter_mut().skip(1).all(|one| one.now_or_never().is_none()), "no more than are needed");
        drop(held);
        assert_eq!(reader.pool.available(), SHARED);
    }

    #[tokio::test]
    async fn who_takes_most_gives_way_to_others_at_once() {
        let reader = with_grace(FOREVER);
        let mut held = stalled(&reader, STRANGER);
        let (read, first) = futures::join!(reader.read(META, of_chunks(vec![LARGEST])), &mut held[0]);
        assert_eq!((read.map(|held| held.bytes().len()), first), (Ok(LARGEST), Some(StatusCode::SERVICE_UNAVAILABLE)));
        let more = reader.read(STRANGER, of_chunks(vec![LARGEST])).await.err();
        assert_eq!(more, None, "what was given back is there for anybody");
    }

    #[tokio::test]
    async fn who_announces_much_and_sends_little_holds_little() {
        let reader = BodyReader::default();
        let mut slow: Vec<_> =
            (0..500).map(|_| Box::pin(reader.read(META, Body::from_stream(unfinished(1000))))).collect();
        for one in &mut slow {
            assert!(futures::poll!(one).is_pending());
        }
        assert_eq!(reader.pool.available(), SHARED);
    }

    #[tokio::test]
    async fn a_body_that_does_not_end_is_given_up() {
        let reader = BodyReader { longest: Duration::from_millis(1), ..BodyReader::default() };
        let read = reader.read(META, Body::from_stream(unfinished(LARGEST))).await;
        assert_eq!(read.err(), Some(StatusCode::REQUEST_TIMEOUT));
        assert_eq!(reader.pool.available(), SHARED);
    }
}
