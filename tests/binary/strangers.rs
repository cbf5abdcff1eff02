//! What someone on the Internet tries who knows no secret: to keep the gateway from answering Meta, or to fill its memory.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use testkit::wait_for;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::env::*;
use crate::support::memory::memory;
use crate::support::server::{PATIENCE, Server};

const EVENT: &str = r#"{"object":"page","entry":[]}"#;
const MIB: usize = 1 << 20;

/// Longer than Meta waits for an answer, and less than slow bodies need to free what they took, as long as nothing limits them.
const LATE: Duration = Duration::from_secs(10);

struct Scene {
    env: Env,
    gateway: Server,
    address: SocketAddr,
    http: reqwest::Client,
}

impl Scene {
    async fn new() -> Result<Self> {
        let env = Env::new().await?;
        let (gateway, url) = env.gateway(&[]).await?;
        env.apply(&env.app("")).await?;
        env.tell_gateway().await?;
        let address = url.trim_start_matches("http://").parse()?;
        // As whoever comes for the first time: without a connection that is open already.
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build()?;
        let scene = Self { env, gateway, address, http };
        wait_for("a signed event to be accepted", PATIENCE, async || scene.deliver().await).await?;
        Ok(scene)
    }

    fn path(&self) -> String {
        format!("/webhooks/{}/acme", self.env.platform)
    }

    /// Delivers an event as Meta does, and says how long that took.
    async fn deliver(&self) -> Result<Duration> {
        self.deliver_this(EVENT.to_owned()).await
    }

    async fn deliver_this(&self, event: String) -> Result<Duration> {
        let mut mac = Hmac::<Sha256>::new_from_slice(APP_SECRET.as_bytes())?;
        mac.update(event.as_bytes());
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        let request = self.http.post(format!("http://{}{}", self.address, self.path())).body(event);
        let begun = Instant::now();
        let answer = request.header("x-hub-signature-256", signature).timeout(LATE).send().await?;
        ensure!(answer.status() == 200, "{}", answer.status());
        Ok(begun.elapsed())
    }

    /// The beginning of an event that nobody signed, with a body of this size.
    fn unsigned(&self, size: usize) -> String {
        let signature = "0".repeat(64);
        let path = self.path();
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: sha256={signature}\r\nContent-Length: {size}\r\n\r\n"
        )
    }

    /// Memory that the gateway takes, in bytes.
    fn memory(&self) -> Result<usize> {
        Ok(memory(&self.gateway.process)?.0)
    }

    /// Delivers events for a while, and says how long the slowest took and how much memory was taken meanwhile.
    async fn watched(&self, events: usize) -> Result<(Duration, usize)> {
        let (mut slowest, mut memory) = (Duration::ZERO, 0);
        for _ in 0..events {
            slowest = slowest.max(self.deliver().await?);
            memory = memory.max(self.memory()?);
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        Ok((slowest, memory))
    }
}

/// Someone who sends this, then a byte each second, and begins anew when the connection is ended.
async fn drip(address: SocketAddr, head: String) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(address).await {
            let mut sent = stream.write_all(head.as_bytes()).await;
            while sent.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
                sent = stream.write_all(b"x").await;
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Connections on which this was sent.
async fn opened(address: SocketAddr, count: usize, sent: &[u8]) -> Result<Vec<TcpStream>> {
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).await?;
        // What is refused may be refused before all of it was sent.
        let _ = stream.write_all(sent).await;
        streams.push(stream);
    }
    Ok(streams)
}

/// Waits for the other side to end all connections.
async fn ended(streams: Vec<TcpStream>) -> Result<()> {
    let mut all = JoinSet::new();
    for mut stream in streams {
        all.spawn(async move {
            let mut rest = Vec::new();
            // An answer or none, a proper end or a reset: the connection takes nothing any more.
            let _ = stream.read_to_end(&mut rest).await;
        });
    }
    tokio::time::timeout(PATIENCE, all.join_all()).await.context("a connection is still open")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_bodies_and_half_headers_keep_no_signed_event_waiting_and_take_little_memory() -> Result<()> {
    let scene = Scene::new().await?;
    let before = scene.watched(4).await?;
    let mut strangers = JoinSet::new();
    for _ in 0..64 {
        strangers.spawn(drip(scene.address, scene.unsigned(1000)));
    }
    for _ in 0..1000 {
        strangers.spawn(drip(scene.address, format!("POST {} HTTP/1.1\r\nX-Half: ", scene.path())));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let during = scene.watched(60).await?;
    let grown = during.1.saturating_sub(before.1);
    println!("slowest event {:?} before, {:?} during; {} MiB more", before.0, during.0, grown / MIB);
    ensure!(during.0 < LATE, "an event took {:?}", during.0);
    ensure!(grown < 24 * MIB, "{} MiB more", grown / MIB);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_ends_a_header_or_a_body_is_hung_up_on_at_both_listeners() -> Result<()> {
    let scene = Scene::new().await?;
    for address in [scene.address, scene.gateway.metrics] {
        let half = opened(address, 50, b"GET /metrics HTTP/1.1\r\nX-Half: ").await?;
        let silent = opened(address, 50, b"").await?;
        ended(half).await?;
        ended(silent).await?;
    }
    // After a request that was answered, too.
    let mut again = TcpStream::connect(scene.address).await?;
    again.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nX-Half: ").await?;
    let mut one = [0; 1];
    again.read_exact(&mut one).await?;
    again.write_all(b"x").await?;
    ended(vec![again]).await?;
    ended(opened(scene.address, 50, scene.unsigned(1000).as_bytes()).await?).await?;
    scene.deliver().await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn large_headers_and_large_bodies_of_strangers_take_little_memory() -> Result<()> {
    let scene = Scene::new().await?;
    let before = scene.memory()?;
    let header = format!("GET / HTTP/1.1\r\nX-Large: {}", "x".repeat(400_000));
    let headers = opened(scene.address, 300, header.as_bytes()).await?;
    let (_, with_headers) = scene.watched(4).await?;
    drop(headers);

    // All but the last byte, on many connections at once; whoever is refused is refused early.
    let mut strangers = JoinSet::new();
    let body = vec![b'x'; 4 * MIB - 1];
    for _ in 0..48 {
        let (address, head, body) = (scene.address, scene.unsigned(4 * MIB), body.clone());
        strangers.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(head.as_bytes()).await?;
            let _ = stream.write_all(&body).await;
            tokio::time::sleep(PATIENCE).await;
            std::io::Result::Ok(())
        });
    }
    let (slowest, with_bodies) = scene.watched(40).await?;
    println!(
        "large headers: {} MiB more; large bodies: {} MiB more, slowest event {slowest:?}",
        with_headers.saturating_sub(before) / MIB,
        with_bodies.saturating_sub(before) / MIB
    );
    ensure!(with_headers < before + 24 * MIB, "headers: {before} became {with_headers}");
    ensure!(with_bodies < before + 32 * MIB, "bodies: {before} became {with_bodies}");
    ensure!(slowest < LATE, "an event took {slowest:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_all_memory_for_large_bodies_gives_way_to_a_large_event() -> Result<()> {
    let scene = Scene::new().await?;
    let stalled = [scene.unsigned(4 * MIB).into_bytes(), vec![b'x'; 4 * MIB - 1]].concat();
    let strangers = opened(scene.address, 4, &stalled).await?;
    // Whoever is there for a second gives way, also to who seems to be the same peer, as everybody is behind a proxy.
    tokio::time::sleep(Duration::from_secs(2)).await;
    scene.deliver_this(" ".repeat(4 * MIB)).await?;
    drop(strangers);
    Ok(())
}
