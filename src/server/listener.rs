//! The accept loop of both listeners. Whoever reaches one may be a stranger who means no good: what anybody can hold open or
//! fill is bounded in number, size and time.
//!
//! hyper parses and answers. Its own time limit for headers also counts while nothing is asked, so that either half a header
//! could stay for as long as a proxy keeps its connections, or a proxy would send an event on a connection that is just being
//! ended. So the time limits are kept here, where it is known which of both it is.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, sleep_until};
use tokio_util::io::InspectReader;

use super::connections::{Connections, Guest};

/// What a connection may take, and all of them together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at once. Whoever comes then takes the place of another one.
    pub(crate) connections: usize,
    /// Header lines of a request.
    pub(crate) headers: usize,
    /// Bytes of a request before its body, and of what is read ahead.
    pub(crate) buffer: usize,
    /// From the first byte of a request, or from the begin of the connection, to the end of its header.
    pub(crate) header: Duration,
    /// From there to the answer.
    pub(crate) request: Duration,
    /// From the answer to the next request.
    pub(crate) idle: Duration,
}

impl Limits {
    /// Those of a public listener.
    pub(crate) const PUBLIC: Self = Self {
        connections: 512,
        headers: 64,
        // Browsers bring the cookies of everything on the host; ours alone may be 6 KiB.
        buffer: 32 << 10,
        header: Duration::from_secs(5),
        // The longest is a login, which waits for Meta and for the API server.
        request: Duration::from_secs(60),
        // Longer than load balancers keep a connection, which is up to ten minutes: an event that is sent on one that
        // is just being ended is lost.
        idle: Duration::from_secs(620),
    };
}

/// Answers on a listener until the shutdown, and then what was asked before.
pub(crate) async fn serve(listener: TcpListener, router: Router, limits: Limits, shutdown: impl Future<Output = ()>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(None).max_headers(limits.headers).max_buf_size(limits.buffer);
    let (graceful, connections) = (GracefulShutdown::new(), Arc::new(Connections::new(limits.connections)));
    let router = TowerToHyperService::new(router);
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, address)) => {
                let guest = connections.admit(address.ip());
                let service = serving(router.clone(), address, &guest);
                let connection = http.serve_connection(TokioIo::new(noted(stream, &guest)), service);
                tokio::spawn(until_due(graceful.watch(connection), guest, limits));
            }
            Err(error) if is_of_a_connection(error.kind()) => {}
            Err(error) => {
                // Most likely there are too many open files: one less may do.
                tracing::warn!(%error, "a connection cannot be accepted");
                connections.end_one();
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Whether the other side went before it was accepted.
fn is_of_a_connection(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset)
}

/// A connection that notes when something arrives.
fn noted(stream: TcpStream, guest: &Guest) -> InspectReader<TcpStream, impl FnMut(&[u8]) + use<>> {
    let activity = Arc::clone(&guest.activity);
    InspectReader::new(stream, move |bytes: &[u8]| {
        if !bytes.is_empty() {
            activity.hears();
        }
    })
}

/// The router, which is told who comes, and notes when a request is in hand.
fn serving(router: TowerToHyperService<Router>, address: SocketAddr, guest: &Guest) -> impl Served + use<> {
    let activity = Arc::clone(&guest.activity);
    service_fn(move |mut request: Request<Incoming>| {
        activity.begins();
        request.extensions_mut().insert(ConnectInfo(address));
        let (answer, activity) = (router.call(request), Arc::clone(&activity));
        async move {
            let answer = answer.await;
            activity.rests();
            answer
        }
    })
}

/// What answers the requests of a connection.
trait Served: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> {}

impl<S> Served for S where S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> {}

/// Drives a connection to its end, or to the end of its time, or until its place is needed.
async fn until_due(connection: impl Future, guest: Guest, limits: Limits) {
    let mut connection = pin!(connection);
    let mut timer = pin!(sleep_until(guest.activity.due(&limits)));
    let driven = poll_fn(|task| {
        if connection.as_mut().poll(task).is_ready() {
            return Poll::Ready(());
        }
        // Whatever is noted is noted while the connection is polled.
        let due = guest.activity.due(&limits);
        if timer.deadline() != due {
            timer.as_mut().reset(due);
        }
        timer.as_mut().poll(task)
    });
    tokio::select! {
        () = driven => {}
        () = guest.end.cancelled() => {}
    }
}
