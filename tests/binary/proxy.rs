//! A way to the API server that can stop answering, as a broken network does: connections stay open and silent.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Result;
use testkit::ControlPlane;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub struct Proxy {
    pub kubeconfig: PathBuf,
    frozen: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub async fn start(plane: &ControlPlane) -> Result<Self> {
        let upstream: SocketAddr = plane.url().trim_start_matches("https://").parse()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        // The server's certificate is for the address, whatever the port.
        let text = std::fs::read_to_string(plane.kubeconfig())?.replace(plane.url(), &format!("https://{address}"));
        let kubeconfig = plane.directory().join(format!("proxy-{}.kubeconfig", address.port()));
        std::fs::write(&kubeconfig, text)?;
        let (frozen, seen) = watch::channel(false);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(forward(stream, upstream, seen.clone()));
            }
        });
        Ok(Self { kubeconfig, frozen, task })
    }

    /// From now on nothing gets through, and nobody is told.
    pub fn freeze(&self) {
        self.frozen.send_replace(true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(mut near: TcpStream, upstream: SocketAddr, mut frozen: watch::Receiver<bool>) {
    let Ok(mut far) = TcpStream::connect(upstream).await else { return };
    let thaws = tokio::select! {
        biased;
        result = frozen.wait_for(|frozen| *frozen) => result.is_err(),
        _ = copy_bidirectional(&mut near, &mut far) => true,
    };
    if !thaws {
        // Ends with the test.
        std::future::pending::<()>().await;
    }
}
