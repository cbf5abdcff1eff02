//! Reading the bodies of events: in bounded time, and in memory that all of them share. Who sends one is not known before it
//! is complete, so that a stranger's takes what Meta's does.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::StatusCode;
use futures::StreamExt;
use tokio::sync::{Semaphore, SemaphorePermit};

/// The largest event body that is read. Meta sends up to 1,000 updates in one.
const LARGEST: usize = 4 << 20;

/// What any body may take. With as many as there are connections it is 32 MiB; and an event of the usual size finds room for
/// itself, whatever others hold.
const FREE: usize = 64 << 10;

/// What all bodies together may take beyond that.
const SHARED: usize = 16 << 20;

/// Longest wait for a body. Meta sends it at once, and does not wait longer itself.
const LONGEST: Duration = Duration::from_secs(5);

/// The memory for bodies, and the time.
pub(super) struct Budget {
    room: Semaphore,
    longest: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { room: Semaphore::new(SHARED), longest: LONGEST }
    }
}

/// A body, and what it takes of the budget.
pub(super) struct Held<'a> {
    bytes: Vec<u8>,
    /// Given back when this is dropped.
    shares: Vec<SemaphorePermit<'a>>,
}

impl Held<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Budget {
    /// Reads a body.
    ///
    /// # Errors
    /// The status to answer when it is too large, too slow or broken, or there is no room for it now.
    pub(super) async fn read(&self, body: Body) -> Result<Held<'_>, StatusCode> {
        if body.size_hint().lower() > LARGEST as u64 {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let read = tokio::time::timeout(self.longest, self.collect(body)).await;
        read.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
    }

    async fn collect(&self, body: Body) -> Result<Held<'_>, StatusCode> {
        let mut held = Held { bytes: Vec::new(), shares: Vec::new() };
        let mut chunks = body.into_data_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| StatusCode::BAD_REQUEST)?;
            self.make_room(&mut held, chunk.len())?;
            // A copy, since a chunk may be a byte of a buffer that would be kept for it.
            held.bytes.extend_from_slice(&chunk);
        }
        Ok(held)
    }

    /// Makes room for more bytes. What is taken is what arrives: who announces much holds nothing by it.
    fn make_room<'a>(&'a self, held: &mut Held<'a>, more: usize) -> Result<(), StatusCode> {
        let (length, room) = (held.bytes.len() + more, held.bytes.capacity());
        if length > LARGEST {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        if length <= room {
            return Ok(());
        }
        let wanted = length.max(2 * room).min(LARGEST);
        let shared = |room: usize| room.saturating_sub(FREE);
        let share = u32::try_from(shared(wanted) - shared(room)).map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
        if share > 0 {
            held.shares.push(self.room.try_acquire_many(share).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?);
        }
        held.bytes.reserve_exact(wanted - held.bytes.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::task::Poll;

    use axum::body::Bytes;
    use futures::stream::{self, Stream};

    use super::*;

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
        let budget = Budget::default();
        for sizes in [vec![], vec![1], vec![LARGEST], vec![1; 5000], vec![65_537; 60], vec![FREE, LARGEST - FREE]] {
            let expected: usize = sizes.iter().sum();
            let held = budget.read(of_chunks(sizes)).await.map_err(|status| panic!("{status}")).unwrap();
            assert_eq!(held.bytes().len(), expected);
            assert_eq!(SHARED - budget.room.available_permits(), held.bytes.capacity().saturating_sub(FREE));
        }
        assert_eq!(budget.room.available_permits(), SHARED, "all of it was given back");
    }

    #[tokio::test]
    async fn what_is_too_large_is_refused_before_it_is_read_where_that_is_known() {
        let budget = Budget::default();
        let announced = Body::from(vec![b'x'; LARGEST + 1]);
        assert_eq!(budget.read(announced).await.err(), Some(StatusCode::PAYLOAD_TOO_LARGE));
        let streamed = of_chunks(vec![LARGEST, 1]);
        assert_eq!(budget.read(streamed).await.err(), Some(StatusCode::PAYLOAD_TOO_LARGE));
        let broken = Body::from_stream(stream::iter([Err::<Bytes, _>(std::io::Error::other("gone"))]));
        assert_eq!(budget.read(broken).await.err(), Some(StatusCode::BAD_REQUEST));
    }

    #[tokio::test]
    async fn who_fills_the_memory_is_refused_and_an_event_of_the_usual_size_is_read_all_the_same() {
        let budget = Budget::default();
        let read = async |body| budget.read(body).await.err();
        let mut many: Vec<_> = (0..16).map(|_| Box::pin(read(Body::from_stream(unfinished(LARGEST))))).collect();
        let mut refused = 0;
        for one in &mut many {
            if let Poll::Ready(status) = futures::poll!(one) {
                assert_eq!(status, Some(StatusCode::SERVICE_UNAVAILABLE));
                refused += 1;
            }
        }
        assert_eq!(refused, 16 - SHARED / (LARGEST - FREE));
        assert_eq!(read(of_chunks(vec![LARGEST])).await, Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(read(of_chunks(vec![FREE])).await, None);
        drop(many);
        assert_eq!(read(of_chunks(vec![LARGEST])).await, None);
        assert_eq!(budget.room.available_permits(), SHARED);
    }

    #[tokio::test]
    async fn who_announces_much_and_sends_little_holds_little() {
        let budget = Budget::default();
        let mut slow: Vec<_> = (0..500).map(|_| Box::pin(budget.read(Body::from_stream(unfinished(1000))))).collect();
        for one in &mut slow {
            assert!(futures::poll!(one).is_pending());
        }
        assert_eq!(budget.room.available_permits(), SHARED);
    }

    #[tokio::test]
    async fn a_body_that_does_not_end_is_given_up() {
        let budget = Budget { longest: Duration::from_millis(1), ..Budget::default() };
        let read = budget.read(Body::from_stream(unfinished(LARGEST))).await;
        assert_eq!(read.err(), Some(StatusCode::REQUEST_TIMEOUT));
        assert_eq!(budget.room.available_permits(), SHARED);
    }
}
