//! What the embedded queue costs: `cargo bench -p webhook-forwarder`. Not a test.
//!
//! `QUEUE_BENCH_DIR` is the directory in which it writes (the disk matters, and a tmpfs has none), `QUEUE_BENCH_BACKLOG` how
//! many events it queues (a million). A machine that does something else at the same time measures that, too.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use futures::future::join_all;
use webhook_forwarder::event::{ChannelId, DeadLetterReason, EventKind, NewEvent};
use webhook_forwarder::queue::embedded::{EmbeddedQueue, Kept, Observer, Quota, Settings};
use webhook_forwarder::queue::{Limit, Queue};

const CHANNELS: u64 = 10_000;
const ITEM: usize = 1000;

#[derive(Clone, Default)]
struct Commits(Arc<AtomicU64>);

impl Observer for Commits {
    fn buried(&self, _: ChannelId, _: DeadLetterReason, _: u64) {}

    fn kept(&self, _: Kept) {}

    fn committed(&self, _: Duration, _: usize) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Not random, but unlike its neighbors.
fn mix(number: u64) -> u64 {
    let mixed = (number ^ (number >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

fn event(number: u64) -> NewEvent {
    let item: Vec<u8> = (0..ITEM as u64 / 8).flat_map(|it| mix(number ^ (it << 32)).to_le_bytes()).collect();
    NewEvent {
        channel: ChannelId(u128::from(mix(mix(number) % CHANNELS)) << 64),
        kind: EventKind::Messaging,
        entry_id: "102030405060708".into(),
        entry_time: 0,
        item: item.into(),
        received: SystemTime::now(),
    }
}

/// A line of the kernel's about this process, in its unit.
fn of_process(file: &str, key: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/self/{file}")).unwrap();
    let line = text.lines().find_map(|it| it.strip_prefix(key)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn rss_mib() -> u64 {
    of_process("status", "VmRSS:") / 1024
}

fn written() -> u64 {
    of_process("io", "write_bytes:")
}

/// The time of both, the user's and the system's, in hundredths of a second.
fn cpu() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn percentile(sorted: &[Duration], of_thousand: usize) -> f64 {
    sorted[(sorted.len() - 1) * of_thousand / 1000].as_secs_f64() * 1000.0
}

fn open(directory: &Path, commits: &Commits) -> EmbeddedQueue {
    let settings = Settings {
        channel: Quota { events: 1_000_000, bytes: 1 << 40 },
        total_bytes: 1 << 40,
        deadline: Duration::from_secs(60),
        ..Settings::default()
    };
    EmbeddedQueue::open(directory, settings, commits.clone()).unwrap()
}

/// So many callers, each with one event at a time, that is removed once it is kept.
async fn callers(queue: &Arc<EmbeddedQueue>, commits: &Commits, callers: u64, first: u64, remove: bool) {
    let (each, started) = (20_000_u64.min(callers * 1_000) / callers, Instant::now());
    let before = (written(), cpu(), commits.0.load(Ordering::Relaxed));
    let tasks = (0..callers).map(|caller| {
        let queue = Arc::clone(queue);
        tokio::spawn(async move {
            let mut times = Vec::new();
            for call in 0..each {
                let event = event(first + caller * each + call);
                let channel = event.channel;
                let started = Instant::now();
                queue.append(vec![event]).await.unwrap();
                times.push(started.elapsed());
                if remove {
                    let found = queue.next(channel, None, Limit { events: 16, bytes: 1 << 20 }).await.unwrap();
                    queue.delivered(channel, found.iter().map(|it| it.sequence).collect()).await.unwrap();
                }
            }
            times
        })
    });
    let mut times: Vec<_> = join_all(tasks).await.into_iter().flat_map(Result::unwrap).collect();
    let (took, count) = (started.elapsed().as_secs_f64(), times.len() as f64);
    times.sort();
    println!(
        "{callers:>4} callers{}: {:>6.0} events/s, append p50 {:.2} p99 {:.2} max {:.2} ms, {:.1} events/commit, {:.1} KB written and {:.0} µs CPU per event, RSS {} MiB",
        if remove { ", read and removed" } else { "" },
        count / took,
        percentile(&times, 500),
        percentile(&times, 990),
        percentile(&times, 1000),
        count / (commits.0.load(Ordering::Relaxed) - before.2) as f64,
        (written() - before.0) as f64 / count / 1000.0,
        (cpu() - before.1) as f64 * 10_000.0 / count,
        rss_mib(),
    );
}

async fn fill(queue: &EmbeddedQueue, backlog: u64) {
    let (started, before) = (Instant::now(), written());
    for first in (0..backlog).step_by(8 * 256) {
        let call = |call: u64| (first + call * 256..(first + (call + 1) * 256).min(backlog)).map(event).collect();
        let answers = join_all((0..8).map(|it| queue.append(call(it)))).await;
        answers.into_iter().for_each(Result::unwrap);
    }
    let per_event = (written() - before) as f64 / backlog as f64 / 1000.0;
    println!("{backlog} events queued in {:.0?}, {per_event:.1} KB written per event", started.elapsed());
}

async fn read_all_heads(queue: &EmbeddedQueue) {
    let started = Instant::now();
    let channels = queue.channels_with_events().await.unwrap();
    println!("{} channels with events listed in {:.1?}", channels.len(), started.elapsed());
    let (started, limit) = (Instant::now(), Limit { events: 16, bytes: 1 << 20 });
    for some in channels.chunks(256) {
        join_all(some.iter().map(|it| queue.next(*it, None, limit))).await;
    }
    let each = started.elapsed() / u32::try_from(channels.len().max(1)).unwrap();
    println!("16 events of each read, 256 at once: {each:.1?} each, RSS {} MiB", rss_mib());
}

fn report(directory: &Path, what: &str) {
    let file = fs::metadata(directory.join("events.redb")).unwrap();
    let mib = |bytes: u64| bytes >> 20;
    let (length, occupied) = (mib(file.len()), mib(file.blocks() * 512));
    let peak = of_process("status", "VmHWM:") / 1024;
    println!("{what}: RSS {} MiB (peak {peak}), file {length} MiB, of which {occupied} occupied", rss_mib());
}

fn opened(directory: &Path, commits: &Commits, what: &str) -> EmbeddedQueue {
    let started = Instant::now();
    let queue = open(directory, commits);
    println!("opened {what} in {:.1?}", started.elapsed());
    queue
}

async fn measure(directory: &Path, backlog: u64) {
    let commits = Commits::default();
    let queue = Arc::new(opened(directory, &commits, "empty"));
    report(directory, "empty");
    for (i, number) in [1, 16, 64, 256].into_iter().enumerate() {
        callers(&queue, &commits, number, (i as u64 + 1) << 40, true).await;
    }
    for (i, number) in [1, 16, 64, 256].into_iter().enumerate() {
        callers(&queue, &commits, number, (i as u64 + 1) << 44, false).await;
    }
    fill(&queue, backlog).await;
    report(directory, "with all queued");
    callers(&queue, &commits, 64, 1 << 50, false).await;
    read_all_heads(&queue).await;
    drop(queue);

    // As it is left by `kill -9`: without being closed.
    let queue = opened(directory, &commits, "after a clean end");
    queue.append(vec![event(1)]).await.unwrap();
    let copy = tempfile::tempdir_in(directory).unwrap();
    let mut copy_file = std::process::Command::new("cp");
    copy_file.arg("--sparse=always").arg(directory.join("events.redb")).arg(copy.path());
    assert!(copy_file.status().unwrap().success());
    drop(queue);
    let queue = opened(copy.path(), &commits, "after a kill");
    report(copy.path(), "opened again");
    read_all_heads(&queue).await;
    let (started, mut removed) = (Instant::now(), 0);
    let later = SystemTime::now() + Settings::default().retention;
    while removed < 100_000.min(backlog) {
        removed += u64::try_from(queue.expire(later, 1000).await.unwrap().removed).unwrap() + 1;
    }
    println!("expired by thousands: {:.1?} each thousand", started.elapsed() * 1000 / u32::try_from(removed).unwrap());
    report(copy.path(), "at the end");
}

fn main() {
    let directory = std::env::var("QUEUE_BENCH_DIR").map_or_else(|_| std::env::temp_dir(), Into::into);
    let backlog = std::env::var("QUEUE_BENCH_BACKLOG").map_or(1_000_000, |it| it.parse().unwrap());
    let directory = tempfile::tempdir_in(directory).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("{} KB items, {CHANNELS} channels, {}", ITEM / 1000, directory.path().display());
    runtime.block_on(measure(directory.path(), backlog));
}
