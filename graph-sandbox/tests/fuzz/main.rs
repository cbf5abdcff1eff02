//! Garbage in, an answer of the right shape out: no panic, no hang, no bare text.
//!
//! Runs for two seconds, or as long as `GRAPH_SANDBOX_FUZZ_SECONDS` says. A failure prints the
//! request and the seed; `GRAPH_SANDBOX_FUZZ_SEED` runs the same requests again.
#![allow(clippy::unwrap_used)]

mod garbage;
mod words;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use graph_sandbox::{Options, Sandbox, Seed};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use garbage::{Sent, request};

/// Far longer than any answer takes, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);
/// Requests under way at the same time.
const AT_ONCE: u64 = 16;
/// What a connection takes of a request that nobody reads.
const BUFFERED: usize = 60_000;
/// Requests that one world lives through: garbage leaves little of it.
const ROUND: u64 = 1600;

static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_comes_in_gets_a_proper_answer() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.lock().unwrap().push(info.to_string());
        usual(info);
    }));
    let seconds = from_env("GRAPH_SANDBOX_FUZZ_SECONDS").unwrap_or(2);
    let seed = from_env("GRAPH_SANDBOX_FUZZ_SEED").unwrap_or_else(rand::random);
    let end = Instant::now() + Duration::from_secs(seconds);
    let world = Seed::from_yaml(include_str!("seed.yaml")).unwrap();
    let (mut sent, answers) = (0, Arc::new(Answers::default()));
    while Instant::now() < end {
        let sandbox = Sandbox::start(world.clone(), Options::default()).await.unwrap();
        let address: SocketAddr = sandbox.url().strip_prefix("http://").unwrap().parse().unwrap();
        let first = seed.wrapping_add(sent);
        let workers = (0..AT_ONCE).map(|worker| {
            let seeds = (worker..ROUND).step_by(AT_ONCE as usize).map(move |number| first.wrapping_add(number));
            tokio::spawn(work(address, seeds.collect(), end, Arc::clone(&answers)))
        });
        try_join_all(workers).await.unwrap();
        sent += ROUND;
        sandbox.stop().await;
    }
    let panics = std::mem::take(&mut *PANICS.lock().unwrap());
    assert!(panics.is_empty(), "seed {seed}: {panics:?}");
    println!("seed {seed}: {answers:?}");
    assert!(answers.good.load(Ordering::Relaxed) > 0, "garbage only: nothing got through to the calls");
}

/// Sends the requests of these seeds, one after the other.
async fn work(address: SocketAddr, seeds: Vec<u64>, end: Instant, answers: Arc<Answers>) {
    for seed in seeds {
        if Instant::now() > end {
            return;
        }
        let request = request(&mut SmallRng::seed_from_u64(seed));
        if let Err(problem) = check(address, &request, &answers).await {
            let shown: String = String::from_utf8_lossy(&request.bytes).chars().take(3000).collect();
            panic!("seed {seed}: {problem}\n{shown}");
        }
    }
}

/// How the requests were answered.
#[derive(Debug, Default)]
struct Answers {
    good: AtomicU64,
    refused: AtomicU64,
    /// What was no HTTP any more, or was cut off.
    unparsed: AtomicU64,
}

async fn check(address: SocketAddr, request: &Sent, answers: &Answers) -> Result<(), String> {
    let exchange = tokio::time::timeout(LIMIT, exchange(address, request)).await;
    let (answer, whole) = exchange.map_err(|_| "no answer in time".to_owned())?;
    if let Some(panic) = PANICS.lock().unwrap().first() {
        return Err(format!("panic: {panic}"));
    }
    // Who answers without reading a long body resets the connection, and the answer may be lost with it.
    if !request.is_http || (!whole && request.bytes.len() > BUFFERED) {
        answers.unparsed.fetch_add(1, Ordering::Relaxed);
        return Ok(());
    }
    let (status, body) =
        split(&answer).ok_or_else(|| format!("no HTTP answer: {:?}", String::from_utf8_lossy(&answer)))?;
    let counter = if status == 200 { &answers.good } else { &answers.refused };
    counter.fetch_add(1, Ordering::Relaxed);
    if request.without_body || (body.is_empty() && (status == 414 || status == 431) && request.bytes.len() > BUFFERED) {
        return Ok(());
    }
    let shown = || format!("{status} {}", String::from_utf8_lossy(body));
    // The list of control calls and the login dialog talk to people.
    if request.is_control && status == 200 && body.starts_with(b"GET ") {
        return Ok(());
    }
    if request.is_dialog && (status == 302 || body.starts_with(b"<!DOCTYPE html>")) {
        return Ok(());
    }
    let value: Value = serde_json::from_slice(body).map_err(|_| format!("no JSON: {}", shown()))?;
    let error = &value["error"];
    let graph = error["code"].is_i64() && error["message"].is_string() && error["type"].is_string();
    let proper = match status {
        200 => true,
        _ if request.is_control => error.is_string(),
        _ => graph,
    };
    if proper { Ok(()) } else { Err(format!("odd shape: {}", shown())) }
}

/// Sends the bytes and reads until the other end closes; whether it did so in order.
async fn exchange(address: SocketAddr, request: &Sent) -> (Vec<u8>, bool) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let mut answer = Vec::new();
    // Either may fail: an early refusal closes the connection while there is more to send.
    let write = async {
        let written = writing.write_all(&request.bytes).await;
        // What is cut short would be waited for; after a whole request it would mean that nobody listens.
        if !request.is_http {
            let _ = writing.shutdown().await;
        }
        written
    };
    // Of a reset only one of them is told.
    let (written, read) = tokio::join!(write, reading.read_to_end(&mut answer));
    (answer, written.is_ok() && read.is_ok())
}

/// Status and body of an HTTP answer.
fn split(answer: &[u8]) -> Option<(u16, &[u8])> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, &answer[end + 4..]))
}
