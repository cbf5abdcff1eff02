//! TLS in front of plain listeners, as an ingress would do it: one address for several hosts.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::{CertifiedKey, PublicKeyData, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use sha2::{Digest, Sha256};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// Listens on loopback until it is dropped.
pub struct TlsFront {
    /// Where it listens.
    pub address: SocketAddr,
    /// SHA-256 of the public key, by which a client may trust the self-signed certificate.
    pub public_key: [u8; 32],
    task: JoinHandle<()>,
}

impl TlsFront {
    /// Leads each host to a listener without TLS.
    ///
    /// # Errors
    /// When no certificate can be made or no port be had.
    pub async fn start(hosts: HashMap<String, SocketAddr>) -> Result<Self> {
        crate::install_crypto_provider();
        let names: Vec<_> = hosts.keys().cloned().collect();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names)?;
        let public_key = Sha256::digest(signing_key.subject_public_key_info()).into();
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![cert.der().clone()], key.into())?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let hosts = Arc::new(hosts);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that goes away concerns nobody.
                tokio::spawn(forward(acceptor.clone(), stream, Arc::clone(&hosts)));
            }
        });
        Ok(Self { address, public_key, task })
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(acceptor: TlsAcceptor, stream: TcpStream, hosts: Arc<HashMap<String, SocketAddr>>) -> Result<()> {
    let mut near = acceptor.accept(stream).await?;
    let host = near.get_ref().1.server_name().context("no name")?;
    let mut far = TcpStream::connect(hosts.get(host).context("an unknown host")?).await?;
    copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}
