//! Nothing that a test started outlives it, however the test ends.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::ensure;
use rustix::process::{Pid, Signal, kill_process_group};
use testkit::{Process, wait_for};

use crate::support::runs;

/// The guard needs well under a second; compilers on the same machine may hold it up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The processes of a browser that stay: a script, its driver, the browser itself and one that draws.
const BROWSER: usize = 4;

/// A process that holds others.
struct Holder {
    child: Child,
    pids: Vec<Pid>,
    path: PathBuf,
}

impl Holder {
    fn start(what: &str, ending: &str) -> Self {
        // Whoever runs the tests in the background may have had SIGINT ignored for all that it starts.
        let mut child = Command::new("env")
            .args(["--default-signal=INT,TERM,HUP", env!("CARGO_BIN_EXE_testkit-holder"), what, ending])
            // Open as long as this process lives: a holder that waits ends with it.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (pids, path) = line.trim().split_once(' ').unwrap();
        let pids = pids.split(',').map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap()).collect();
        Self { child, pids, path: path.into() }
    }

    /// Sends the signal to the whole process group, as a terminal does for Ctrl-C.
    fn signal(&self, signal: Signal) {
        assert!(self.path.exists(), "{} is there while it is held", self.path.display());
        // A browser ends some of its processes on its own.
        let running = self.pids.iter().filter(|pid| runs(**pid)).count();
        assert!(running >= self.pids.len().min(BROWSER), "{:?} run while they are held", self.pids);
        kill_process_group(Pid::from_child(&self.child), signal).unwrap();
    }

    async fn expect_nothing_left(mut self) {
        // That would close its input, by which it may be waiting for a signal that was sent.
        let _input = self.child.stdin.take();
        self.child.wait().unwrap();
        wait_for("the held processes and files to go", PATIENCE, async || {
            for pid in &self.pids {
                ensure!(!runs(*pid), "process {pid} still runs");
            }
            ensure!(!self.path.exists(), "{} still exists", self.path.display());
            Ok(())
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn a_process_is_stopped_when_its_starter_ends_by_itself() {
    for ending in ["drop", "panic", "exit", "abort"] {
        let holder = Holder::start("process", ending);
        println!("{ending}: {:?}", holder.pids);
        holder.expect_nothing_left().await;
    }
}

#[tokio::test]
async fn a_process_is_stopped_when_its_starter_gets_a_signal() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::KILL] {
        let holder = Holder::start("process", "wait");
        println!("{signal:?}: {:?}", holder.pids);
        holder.signal(signal);
        holder.expect_nothing_left().await;
    }
}

#[tokio::test]
async fn what_a_process_started_and_its_temporary_files_go_with_it() {
    for ending in ["drop", "exit"] {
        Holder::start("family", ending).expect_nothing_left().await;
    }
    let holder = Holder::start("family", "wait");
    holder.signal(Signal::KILL);
    holder.expect_nothing_left().await;
}

#[tokio::test]
async fn a_browser_and_all_its_processes_are_stopped_when_their_starter_is_killed() {
    let holder = Holder::start("browser", "wait");
    holder.signal(Signal::KILL);
    holder.expect_nothing_left().await;
}

#[tokio::test]
async fn a_browser_and_all_its_processes_are_stopped_when_they_are_dropped() {
    Holder::start("browser", "drop").expect_nothing_left().await;
}

#[tokio::test]
async fn a_control_plane_is_stopped_when_its_starter_is_killed() {
    let holder = Holder::start("control-plane", "wait");
    holder.signal(Signal::KILL);
    holder.expect_nothing_left().await;
}

#[tokio::test]
async fn a_control_plane_is_stopped_when_its_starter_exits_without_destructors() {
    Holder::start("control-plane", "exit").expect_nothing_left().await;
}

/// After that its id may belong to someone else.
#[tokio::test]
async fn the_guard_does_not_touch_a_process_that_was_collected() {
    let directory = tempfile::tempdir().unwrap();
    let mut sleep = Command::new("sh")
        .args(["-c", include_str!("../src/guard.sh"), "guard"])
        .arg(directory.path())
        .args(["sleep", "600"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut guard = sleep.stdin.take().unwrap();
    guard.write_all(b"collected\n").unwrap();
    drop(guard);
    wait_for("the guard to clean up", PATIENCE, async || {
        ensure!(!directory.path().exists(), "the directory exists");
        Ok(())
    })
    .await
    .unwrap();
    assert!(runs(Pid::from_child(&sleep)));
    sleep.kill().unwrap();
    sleep.wait().unwrap();
}

#[tokio::test]
async fn what_a_process_wrote_can_be_read_after_its_end() {
    let mut echo = Command::new("echo");
    let process = Process::spawn(echo.arg("last words")).unwrap();
    wait_for("echo to end", PATIENCE, async || {
        ensure!(process.exit_status()?.is_some(), "it runs");
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(process.logs(), "last words\n");
    let log = process.log().to_owned();
    drop(process);
    assert!(!log.exists());
}

#[tokio::test]
async fn sigterm_lets_a_process_finish() {
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap 'echo finished; exit 3' TERM; echo started; while :; do sleep 0.05; done"]);
    let process = Process::spawn(&shell).unwrap();
    wait_for("the shell to start", PATIENCE, async || {
        ensure!(process.logs() == "started\n", "it wrote {:?}", process.logs());
        Ok(())
    })
    .await
    .unwrap();
    let exit = process.terminate(PATIENCE).await.unwrap();
    assert_eq!(exit.status.code(), Some(3));
    assert_eq!(process.logs(), "started\nfinished\n");
}

#[tokio::test]
async fn a_process_that_ignores_sigterm_is_killed() {
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' TERM; echo started; while :; do sleep 0.05; done"]);
    let process = Process::spawn(&shell).unwrap();
    wait_for("the shell to start", PATIENCE, async || {
        ensure!(!process.logs().is_empty(), "it wrote nothing");
        Ok(())
    })
    .await
    .unwrap();
    let error = process.terminate(Duration::from_millis(200)).await.unwrap_err();
    assert!(error.to_string().contains("did not end within 200ms"), "{error}");
    assert!(process.exit_status().unwrap().is_some());
}

#[tokio::test]
async fn a_process_that_ends_early_is_not_waited_for() {
    let mut shell = Command::new("sh");
    shell.args(["-c", "echo no such flag >&2; exit 2"]);
    let process = Process::spawn(&shell).unwrap();
    let url = format!("http://127.0.0.1:{}/readyz", testkit::free_port());
    let error = process.wait_ready(&url, Duration::from_secs(600)).await.unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("exit status: 2") && text.contains("no such flag"), "{text}");
}

#[tokio::test]
async fn waiting_ends_with_the_last_thing_seen() {
    let mut looks = 0;
    let error = wait_for::<()>("the moon", Duration::from_millis(200), async || {
        looks += 1;
        anyhow::bail!("look {looks}: clouds")
    })
    .await
    .unwrap_err();
    let text = format!("{error:#}");
    assert!(looks > 1 && text.contains("the moon") && text.contains(&format!("look {looks}: clouds")), "{text}");
}

#[tokio::test]
async fn waiting_does_not_hang_with_the_look() {
    let error = wait_for::<()>("an answer", Duration::from_millis(100), async || std::future::pending().await)
        .await
        .unwrap_err();
    assert!(format!("{error:#}").contains("waited 100ms for an answer"), "{error:#}");
}
