//! HTTP: the listener, and what goes where.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::DATE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::serve::{IncomingStream, Listener};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::control;
use crate::core::Core;
use crate::graph;
use crate::protocol::{Effect, GraphError, GraphRequest, Reply};

/// The largest body a Graph request may have.
const MAX_BODY: usize = 1024 * 1024;

/// Everything the sandbox serves.
pub(crate) fn app(core: Arc<Core>, control_token: Option<SecretString>) -> Router {
    control::router(Arc::clone(&core), control_token).merge(Router::new().fallback(serve_graph).with_state(core))
}

async fn serve_graph(
    State(core): State<Arc<Core>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.map_err(|_| {
        GraphError::new(1, "Please reduce the amount of data you're asking for, then retry your request").status(413)
    });
    let request = GraphRequest::read(parts.method, &parts.uri, &parts.headers, body);
    match graph::handle(&core, request).await {
        Effect::Reply(reply) => into_response(reply, core.clock.now()),
        Effect::Reset | Effect::Unfinished => {
            peer.reset();
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

fn into_response(reply: Reply, now: Timestamp) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    // A fault may ask for any number, but 1xx is no final answer.
    let status = StatusCode::from_u16(reply.status).ok();
    *response.status_mut() =
        status.filter(|status| !status.is_informational()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = reply.headers;
    // By the sandbox's clock. Without one the server would add its own, by the machine's.
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap_or_default();
    if let Ok(date) = HeaderValue::try_from(date) {
        response.headers_mut().entry(DATE).or_insert(date);
    }
    response
}

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
    fn reset(&self) {
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
