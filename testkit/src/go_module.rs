//! Programs in Go: built once from a module with one `cmd/<program>` each, or from packages of others at the versions that a
//! module pins, into a cache that is keyed by the sources.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::process::Process;
use crate::progress::Progress;

/// How often a long build says that it still runs.
const REPORT_EVERY: Duration = Duration::from_secs(15);

/// A Go module and where its programs are kept once they are built.
#[derive(Debug, Clone)]
pub(crate) struct GoModule {
    source: PathBuf,
    pub(crate) cache: PathBuf,
    pub(crate) link_flags: String,
    /// Import path of the one program, if it is not the module's own, and the build tags that leave parts of it out.
    foreign: Option<(&'static str, &'static str)>,
    /// Whether a part of it is written in C.
    with_c: bool,
    /// The compiler.
    pub(crate) go: PathBuf,
}

impl GoModule {
    /// The module at `source`, whose programs are kept below `cache`.
    pub(crate) fn new(source: &Path, cache: &Path, programs: &[&str], link_flags: String) -> Result<Self> {
        let key = key(source, programs, &link_flags)?;
        let cache = std::path::absolute(cache)?.join(key);
        Ok(Self { source: source.to_owned(), cache, link_flags, foreign: None, with_c: false, go: PathBuf::from("go") })
    }

    /// The module at `source`, which pins the version of a program of others: the package `import`, built with `tags`.
    pub(crate) fn pinning(source: &Path, cache: &Path, import: &'static str, tags: &'static str) -> Result<Self> {
        Self::pinning_linked(source, cache, import, tags, "-s -w")
    }

    /// The same for a program that the linker tells its version.
    pub(crate) fn pinning_linked(
        source: &Path,
        cache: &Path,
        import: &'static str,
        tags: &'static str,
        link_flags: &str,
    ) -> Result<Self> {
        let module = Self::new(source, cache, &[], format!("{link_flags} -tags={tags}"))?;
        Ok(Self { link_flags: link_flags.to_owned(), foreign: Some((import, tags)), ..module })
    }

    /// The same for a program that has a part in C.
    pub(crate) fn with_c(self) -> Self {
        Self { with_c: true, ..self }
    }

    /// Path of a program; it is built if it is not there yet.
    pub(crate) fn program(&self, program: &str) -> Result<PathBuf> {
        let path = self.cache.join(program);
        if !path.is_file() {
            self.build(program, &path).with_context(|| format!("{program} cannot be built"))?;
        }
        Ok(path)
    }

    fn build(&self, program: &str, path: &Path) -> Result<()> {
        let progress = Progress::new();
        fs::create_dir_all(&self.cache).with_context(|| format!("create {}", self.cache.display()))?;
        let _lock = lock(&self.cache.join("lock"), program, &progress)?;
        if path.is_file() {
            return Ok(());
        }

        progress.say(&format!("building {program}: takes minutes the first time"));
        let work = tempfile::Builder::new().prefix(".build-").tempdir_in(&self.cache)?;
        let unfinished = work.path().join(program);
        let go = self.go_build(program, &unfinished, work.path())?;
        let mut reports = 1;
        let status = loop {
            if let Some(status) = go.exit_status()? {
                break status;
            }
            if progress.elapsed() > REPORT_EVERY * reports {
                progress.say(&format!("still building {program}"));
                reports += 1;
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        ensure!(status.success(), "go build: {status}\n{}", go.last_lines(40));

        fs::rename(&unfinished, path).with_context(|| format!("move to {}", path.display()))?;
        progress.say(&format!("built {}", path.display()));
        Ok(())
    }

    fn go_build(&self, program: &str, output: &Path, work: &Path) -> Result<Process> {
        if let Err(error) = Command::new(&self.go).arg("version").output() {
            bail!(
                "the Go toolchain cannot be started ({error}); install the version that {} names",
                self.source.join("go.mod").display()
            );
        }
        let (package, tags) = match self.foreign {
            Some((import, tags)) => (import.to_owned(), tags),
            None => (format!("./cmd/{program}"), ""),
        };
        let mut go = Command::new(&self.go);
        go.current_dir(&self.source)
            .args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false"])
            .arg(format!("-ldflags={}", self.link_flags))
            .arg(format!("-tags={tags}"))
            .arg("-o")
            .arg(output)
            .arg(package)
            .env("CGO_ENABLED", if self.with_c { "1" } else { "0" })
            .env("GOWORK", "off");
        Process::spawn_in(&go, work)
    }
}

/// Waits for whoever else builds into this cache. The operating system releases the lock of a process that ended.
fn lock(path: &Path, program: &str, progress: &Progress) -> Result<File> {
    let lock = File::create(path).with_context(|| format!("create {}", path.display()))?;
    if lock.try_lock().is_err() {
        progress.say(&format!("{program}: waiting for another process that is building"));
        lock.lock().with_context(|| format!("lock {}", path.display()))?;
    }
    Ok(lock)
}

/// Differs whenever a build could differ.
pub(crate) fn key(source: &Path, programs: &[&str], link_flags: &str) -> Result<String> {
    let mut hash = Sha256::new();
    for part in [std::env::consts::OS, std::env::consts::ARCH, link_flags] {
        hash.update(part);
        hash.update([0]);
    }
    for file in ["go.mod", "go.sum"] {
        hash.update(read(&source.join(file))?);
        hash.update([0]);
    }
    for program in programs {
        hash.update(read(&source.join("cmd").join(program).join("main.go"))?);
        hash.update([0]);
    }
    Ok(hex::encode(&hash.finalize()[..8]))
}

pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}
