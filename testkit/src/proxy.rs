//! A way to the API server that can stop answering, as a broken network does: connections stay open and silent.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::pin;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::ControlPlane;

/// How much is forwarded at once.
const CHUNK: usize = 16 << 10;

/// A TCP proxy in front of the API server. Its connections end when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    task: JoinHandle<()>,
}

#[derive(Clone, Copy, Default)]
struct State {
    /// Nothing gets through, and nobody is told. A connection that saw it stays silent for ever.
    frozen: bool,
    /// How often all connections that there were have been forgotten.
    forgotten: u64,
    /// What is sent waits.
    stalled: bool,
}

impl Proxy {
    /// Starts a proxy in front of this control plane's API server.
    pub async fn start(plane: &ControlPlane) -> Result<Self> {
        let upstream: SocketAddr = plane.url().trim_start_matches("https://").parse()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (state, seen) = watch::channel(State::default());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(forward(stream, upstream, seen.clone()));
            }
        });
        Ok(Self { address, state, task })
    }

    /// A copy of a kubeconfig of this control plane that leads through the proxy.
    pub fn kubeconfig(&self, plane: &ControlPlane, original: &Path) -> Result<PathBuf> {
        // The server's certificate is for the address, whatever the port.
        let text = fs::read_to_string(original)?.replace(plane.url(), &format!("https://{}", self.address));
        let name = original.file_stem().unwrap_or_default().to_string_lossy();
        let path = plane.directory().join(format!("{name}-by-{}.kubeconfig", self.address.port()));
        fs::write(&path, text)?;
        Ok(path)
    }

    /// From now on nothing gets through, and nobody is told.
    pub fn freeze(&self) {
        self.state.send_modify(|state| state.frozen = true);
    }

    /// New connections work again; those that were frozen stay silent.
    pub fn thaw(&self) {
        self.state.send_modify(|state| state.frozen = false);
    }

    /// The connections that are open now go silent for ever; new ones work.
    pub fn forget(&self) {
        self.state.send_modify(|state| state.forgotten += 1);
    }

    /// From now on what is sent waits.
    pub fn stall(&self) {
        self.state.send_modify(|state| state.stalled = true);
    }

    /// What was sent meanwhile arrives.
    pub fn resume(&self) {
        self.state.send_modify(|state| state.stalled = false);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(near: TcpStream, upstream: SocketAddr, mut state: watch::Receiver<State>) {
    let forgotten = state.borrow().forgotten;
    let Ok(far) = TcpStream::connect(upstream).await else { return };
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    let (there, back) = (state.clone(), state.clone());
    // Not moved into the choice: the streams of a silent connection stay open.
    let mut both = pin!(async {
        tokio::join!(pump(near_read, far_write, there), pump(far_read, near_write, back));
    });
    tokio::select! {
        biased;
        silent = state.wait_for(|state| state.frozen || state.forgotten > forgotten) => if silent.is_err() { return },
        () = &mut both => return,
    }
    // As long as the proxy is there.
    let _ = state.wait_for(|_| false).await;
}

/// Forwards one direction until its end.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) {
    let mut forward = async || -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let length = from.read(&mut chunk).await?;
            let gone = state.wait_for(|state| !state.stalled).await.is_err();
            if length == 0 || gone {
                return to.shutdown().await;
            }
            to.write_all(&chunk[..length]).await?;
        }
    };
    // Whoever went away concerns nobody.
    let _ = forward().await;
}
