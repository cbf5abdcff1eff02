//! Child processes that never outlive the process that started them.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

use crate::wait::wait_for;

/// Kills the program when its starter is gone; see the comments in the file.
const GUARD: &str = include_str!("guard.sh");

/// The children talk to loopback addresses only; a proxy from the environment would be in the way.
pub(crate) const PROXY_VARIABLES: [&str; 6] =
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];

const POLL: Duration = Duration::from_millis(10);

/// A child process with captured output.
///
/// It is killed, with the processes of its group, when this value is dropped, and by a guard process if this process ends in any
/// other way: `exit` without destructors, an abort, Ctrl-C, `SIGKILL`. Its temporary files go with it.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    log: PathBuf,
    inner: Mutex<Inner>,
    /// Holds the log, unless the caller gave a directory that lives longer.
    home: Option<TempDir>,
}

#[derive(Debug)]
struct Inner {
    child: Child,
    /// Open as long as the guard shall leave the child alone.
    guard: ChildStdin,
    /// Set once the child was collected.
    status: Option<ExitStatus>,
}

/// How a [`Process`] ended.
#[derive(Debug, Clone, Copy)]
pub struct Exit {
    /// The time from the signal to the end.
    pub after: Duration,
    /// The status that the operating system reports.
    pub status: ExitStatus,
}

impl Process {
    /// Starts `command`. Its program, arguments, working directory and explicitly set or removed environment
    /// variables count; standard input is empty, both outputs go to [`Process::logs`].
    pub fn spawn(command: &Command) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("testkit-").tempdir()?;
        let mut guarded = guarded(command, home.path());
        for variable in PROXY_VARIABLES {
            if !command.get_envs().any(|(name, _)| name == variable) {
                guarded.env_remove(variable);
            }
        }
        let mut process = Self::start(command, guarded, home.path())?;
        process.home = Some(home);
        Ok(process)
    }

    /// Like [`Process::spawn`], with the log in `directory`, which goes away together with the value this returns,
    /// and with the environment's proxies.
    pub(crate) fn spawn_in(command: &Command, directory: &Path) -> Result<Self> {
        Self::start(command, guarded(command, directory), directory)
    }

    fn start(command: &Command, mut guarded: Command, directory: &Path) -> Result<Self> {
        let program = Path::new(command.get_program());
        let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
        let log = directory.join(format!("{name}.log"));
        let output = File::create(&log).with_context(|| format!("create {}", log.display()))?;

        let mut child = guarded
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let guard = child.stdin.take().context("a piped standard input was asked for")?;
        Ok(Self { name, pid: child.id(), log, inner: Mutex::new(Inner { child, guard, status: None }), home: None })
    }

    /// The file name of the program.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The file behind [`Process::logs`].
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Everything the process has written so far, both outputs in one.
    pub fn logs(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last `count` lines of [`Process::logs`].
    pub fn last_lines(&self, count: usize) -> String {
        let logs = self.logs();
        let lines: Vec<&str> = logs.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }

    /// How the process ended, or `None` while it runs.
    pub fn exit_status(&self) -> Result<Option<ExitStatus>> {
        self.lock().collect()
    }

    /// Waits until `url` answers with success. Fails at once, with the last log lines, if the process ends instead.
    pub async fn wait_ready(&self, url: &str, timeout: Duration) -> Result<()> {
        let http = reqwest_client()?;
        let what = format!("{} to answer at {url}", self.name);
        let poll = async || {
            if let Some(status) = self.exit_status()? {
                return Ok(Some(status));
            }
            http.get(url).send().await?.error_for_status()?;
            Ok(None)
        };
        match wait_for(&what, timeout, poll).await {
            Ok(None) => Ok(()),
            Ok(Some(status)) => bail!("{} ended with {status}; its last lines:\n{}", self.name, self.last_lines(20)),
            Err(error) => Err(error.context(format!("{}'s last lines:\n{}", self.name, self.last_lines(20)))),
        }
    }

    /// Sends `SIGTERM` and waits for the end. If that takes longer than `timeout`, the process is killed and the
    /// result is an error.
    pub async fn terminate(&self, timeout: Duration) -> Result<Exit> {
        let started = Instant::now();
        self.lock().signal(Signal::TERM)?;
        while started.elapsed() < timeout {
            if let Some(status) = self.exit_status()? {
                let after = started.elapsed();
                return Ok(Exit { after, status });
            }
            tokio::time::sleep(POLL).await;
        }
        self.kill();
        bail!("{} did not end within {timeout:?} after SIGTERM; its last lines:\n{}", self.name, self.last_lines(20))
    }

    /// Stops the process where it is (`SIGSTOP`), as a machine does that has something else to do. It does not notice.
    pub fn freeze(&self) -> Result<()> {
        self.lock().signal(Signal::STOP)
    }

    /// Lets it go on.
    pub fn thaw(&self) -> Result<()> {
        self.lock().signal(Signal::CONT)
    }

    /// Kills the process and what it started with `SIGKILL`, and collects it.
    pub fn kill(&self) {
        self.lock().kill();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in Inner can be left half done by a panic elsewhere.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Inner {
    fn collect(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none()
            && let Some(status) = self.child.try_wait()?
        {
            self.ended(status);
        }
        Ok(self.status)
    }

    /// A process that was not collected yet keeps its id, so the signal cannot reach a stranger.
    fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.collect()?.is_none() {
            kill_process(Pid::from_child(&self.child), signal)?;
        }
        Ok(())
    }

    fn kill(&mut self) {
        // As above: the group of a process that was not collected yet is its own.
        if self.status.is_none()
            && kill_process_group(Pid::from_child(&self.child), Signal::KILL).is_ok()
            && let Ok(status) = self.child.wait()
        {
            self.ended(status);
        }
    }

    fn ended(&mut self, status: ExitStatus) {
        self.status = Some(status);
        // From here on the process id may belong to someone else. If the guard is gone there is nobody to tell.
        let _ = self.guard.write_all(b"collected\n");
    }
}

/// `command` under the guard, in a process group of its own: Ctrl-C in a terminal must reach this process only, which
/// then stops the others in order.
fn guarded(command: &Command, directory: &Path) -> Command {
    let mut guarded = Command::new("/bin/sh");
    guarded
        .arg("-c")
        .arg(GUARD)
        .arg("guard")
        .arg(directory)
        .arg(command.get_program())
        .args(command.get_args())
        .env("TMPDIR", directory)
        .process_group(0);
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => guarded.env(key, value),
            None => guarded.env_remove(key),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        guarded.current_dir(directory);
    }
    guarded
}

/// An HTTP client for loopback addresses.
pub(crate) fn reqwest_client() -> Result<reqwest::Client> {
    crate::install_crypto_provider();
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build()?;
    Ok(client)
}
