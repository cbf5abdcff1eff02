//! The file: who may read it, who may open it, and what is said when it is not a queue.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use redb::{Database, TableDefinition};
use webhook_forwarder::event::ChannelId;
use webhook_forwarder::queue::Queue;
use webhook_forwarder::queue::embedded::{EmbeddedQueue, OpenError, Settings};

use crate::contract::{ALL, event};

/// Tells the test below, in a process of its own, which queue to open.
const DIRECTORY: &str = "WEBHOOK_FORWARDER_TEST_DIRECTORY";

fn open(directory: &Path) -> Result<EmbeddedQueue, OpenError> {
    EmbeddedQueue::open(directory, Settings::default(), ())
}

fn refusal(directory: &Path) -> OpenError {
    open(directory).err().expect("it was opened")
}

fn file(directory: &Path) -> PathBuf {
    directory.join("events.redb")
}

/// A queue with events, closed.
async fn filled(events: usize) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let queue = open(directory.path()).unwrap();
    let item = "x".repeat(1000);
    queue.append((0..events).map(|_| event(ChannelId(1), &item)).collect()).await.unwrap();
    drop(queue);
    directory
}

#[tokio::test]
async fn nobody_else_reads_the_file() {
    let mode = |directory: &Path| fs::metadata(file(directory)).unwrap().permissions().mode() & 0o777;
    let directory = filled(1).await;
    assert_eq!(mode(directory.path()), 0o600);
    fs::set_permissions(file(directory.path()), fs::Permissions::from_mode(0o644)).unwrap();
    drop(open(directory.path()).unwrap());
    assert_eq!(mode(directory.path()), 0o600);
}

#[test]
fn only_one_process_opens_the_file() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        // In the second process.
        print!("refused: {}", refusal(Path::new(&directory)));
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let queue = open(directory.path()).unwrap();
    assert!(matches!(refusal(directory.path()), OpenError::InUse(_)));

    let test = "file::only_one_process_opens_the_file";
    let mut second = Command::new(std::env::current_exe().unwrap());
    second.args(["--exact", test, "--nocapture"]).env(DIRECTORY, directory.path());
    let output = second.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said =
        format!("refused: another process uses the queue's file {}: only one may", file(directory.path()).display());
    assert!(output.status.success() && text.contains(&said), "{text}");

    drop(queue);
    open(directory.path()).unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_queue_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    for content in ["not a queue".to_owned(), "x".repeat(100_000)] {
        fs::write(file(directory.path()), &content).unwrap();
        let refusal = refusal(directory.path());
        assert!(matches!(refusal, OpenError::Damaged { .. }), "{refusal:?}");
        assert!(refusal.to_string().contains("is damaged or no queue at all"), "{refusal}");
        assert_eq!(fs::read_to_string(file(directory.path())).unwrap(), content);
    }
}

#[tokio::test]
async fn a_file_that_was_half_created_is_created_anew() {
    let directory = filled(1).await;
    let (file, new) = (file(directory.path()), directory.path().join("events.new"));
    let mut half = fs::read(&file).unwrap();
    // redb writes the beginning last.
    half[..512].fill(0);
    fs::remove_file(&file).unwrap();
    fs::write(&new, half).unwrap();
    let queue = open(directory.path()).unwrap();
    queue.append(vec![event(ChannelId(1), "1")]).await.unwrap();
    assert!(!new.exists());
}

#[tokio::test]
async fn a_file_that_was_cut_is_refused() {
    let directory = filled(100).await;
    let whole = fs::read(file(directory.path())).unwrap();
    for length in [1, 100, 4096, whole.len() / 2] {
        fs::write(file(directory.path()), &whole[..length]).unwrap();
        let refusal = refusal(directory.path());
        assert!(matches!(refusal, OpenError::Damaged { .. }), "{length}: {refusal:?}");
    }
}

/// Where bytes changed by themselves, it is said when the file is opened or when they are read, or they were not in use.
#[tokio::test]
async fn a_file_that_was_overwritten_is_never_read_as_something_else() {
    let directory = filled(100).await;
    let whole = fs::read(file(directory.path())).unwrap();
    for page in 0..whole.len() / 4096 {
        let mut damaged = whole.clone();
        // The head of a page: redb's own bytes, not the items.
        damaged[page * 4096..page * 4096 + 64].fill(0xa5);
        fs::write(file(directory.path()), &damaged).unwrap();
        let Ok(queue) = open(directory.path()) else { continue };
        match queue.next(ChannelId(1), None, ALL).await {
            Ok(events) => assert!(events.iter().all(|it| it.event.item.iter().all(|it| *it == b'x')), "page {page}"),
            Err(_) => assert!(!queue.broken().await.is_empty()),
        }
    }
}

#[tokio::test]
async fn a_later_format_is_refused() {
    let directory = filled(1).await;
    let database = Database::open(file(directory.path())).unwrap();
    let write = database.begin_write().unwrap();
    let state: TableDefinition<&str, u64> = TableDefinition::new("state");
    write.open_table(state).unwrap().insert("format", 2).unwrap();
    write.commit().unwrap();
    drop(database);
    let refusal = refusal(directory.path());
    assert!(matches!(refusal, OpenError::Newer { found: 2, known: 1, .. }), "{refusal:?}");
}

#[test]
fn a_directory_that_is_not_there_is_refused() {
    let refusal = refusal(Path::new("/nowhere/at/all"));
    assert!(refusal.to_string().contains("/nowhere/at/all/events.new cannot be opened"), "{refusal}");
}
