//! Connections that a handler can reset.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// The other end of a connection, and the means to break it.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    address: SocketAddr,
    broken: Arc<AtomicBool>,
}

impl Peer {
    pub(crate) fn is_loopback(&self) -> bool {
        self.address.ip().to_canonical().is_loopback()
    }

    /// A peer at this address, for tests of what depends on it.
    #[cfg(test)]
    pub(crate) fn at(address: &str) -> Self {
        Self { address: address.parse().unwrap(), broken: Arc::default() }
    }

    /// Lets the next write reset the connection instead.
    pub(crate) fn reset(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }
}

impl Connected<IncomingStream<'_, ResettableListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, ResettableListener>) -> Self {
        stream.remote_addr().clone()
    }
}

/// A TCP listener whose connections a handler can reset.
pub(crate) struct ResettableListener(pub(crate) TcpListener);

impl Listener for ResettableListener {
    type Io = ResettableStream;
    type Addr = Peer;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        let broken = Arc::new(AtomicBool::new(false));
        let io = ResettableStream { stream, broken: Arc::clone(&broken) };
        (io, Peer { address, broken })
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer { address: self.0.local_addr()?, broken: Arc::default() })
    }
}

/// A TCP stream that breaks off instead of writing once it is told to.
pub(crate) struct ResettableStream {
    stream: TcpStream,
    broken: Arc<AtomicBool>,
}

impl ResettableStream {
    /// The error that makes the server drop the connection; closing it then sends a reset.
    fn broken(&self) -> Option<io::Error> {
        if !self.broken.load(Ordering::Relaxed) {
            return None;
        }
        let lingering = self.stream.set_zero_linger();
        Some(lingering.err().unwrap_or_else(|| io::ErrorKind::ConnectionReset.into()))
    }
}

impl AsyncRead for ResettableStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for ResettableStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.broken() {
            Some(error) => Poll::Ready(Err(error)),
            None => Pin::new(&mut self.stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.broken() {
            Some(error) => Poll::Ready(Err(error)),
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.broken() {
            // A shutdown would say goodbye properly first.
            Some(_) => Poll::Ready(Ok(())),
            None => Pin::new(&mut self.stream).poll_shutdown(cx),
        }
    }
}
