//! Waiting for something that another process does.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

const PAUSE: Duration = Duration::from_millis(50);

/// Calls `poll` until it succeeds. An error means "not yet"; after `timeout` the last one becomes the cause of an
/// error that says what was waited for.
///
/// A single call that hangs counts as not yet, too.
pub async fn wait_for<T>(what: &str, timeout: Duration, mut poll: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    let mut last = anyhow!("nothing was seen");
    loop {
        let left = timeout.saturating_sub(started.elapsed());
        match tokio::time::timeout(left, poll()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(seen)) => last = seen,
            // The last call was cut off, so the one before it is the last that saw something.
            Err(_) => {}
        }
        if started.elapsed() >= timeout {
            return Err(last.context(format!("waited {timeout:?} for {what}")));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A TCP port on loopback that nobody listens on at the moment.
///
/// # Panics
/// If the machine has no free port left.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free port on loopback")
        .port()
}
