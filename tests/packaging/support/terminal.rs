//! A person at a terminal, who types the commands of the documentation.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use regex::{Captures, Regex};
use tempfile::TempDir;
use testkit::{Binaries, ControlPlane};

use super::{helm, path, run};

/// Commands talk to loopback addresses only; a proxy from the environment would be in the way.
const PROXIES: [&str; 6] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];

/// A folder that looks like the repository, with the programs of the documentation in reach.
pub(crate) struct Terminal {
    folder: TempDir,
    programs: TempDir,
    kubeconfig: Option<PathBuf>,
}

impl Terminal {
    /// For a person without a cluster.
    pub(crate) fn new() -> Result<Self> {
        let (folder, programs) = (tempfile::tempdir()?, tempfile::tempdir()?);
        for part in ["charts", "config"] {
            symlink(path(part), folder.path().join(part))?;
        }
        let binaries = Binaries::locate()?;
        symlink(binaries.kubectl()?, programs.path().join("kubectl"))?;
        symlink(binaries.helm()?, programs.path().join("helm"))?;
        Ok(Self { folder, programs, kubeconfig: None })
    }

    /// For an administrator of this cluster.
    pub(crate) fn at(cluster: &ControlPlane) -> Result<Self> {
        Ok(Self { kubeconfig: Some(cluster.kubeconfig().to_owned()), ..Self::new()? })
    }

    /// Where the commands run.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file that commands name.
    pub(crate) fn write(&self, name: &str, content: &str) -> Result<()> {
        fs::write(self.folder().join(name), content).with_context(|| name.to_owned())
    }

    /// Reads a file that commands made.
    pub(crate) fn read(&self, name: &str) -> Result<String> {
        fs::read_to_string(self.folder().join(name)).with_context(|| name.to_owned())
    }

    /// Types commands, of which all must succeed, and returns what they print.
    pub(crate) fn type_in(&self, commands: &str) -> Result<String> {
        run(&mut self.shell(commands)?)
    }

    /// Types commands of which one is refused, and returns what it says.
    pub(crate) fn refused(&self, commands: &str) -> Result<String> {
        match self.type_in(commands) {
            Ok(printed) => bail!("{commands} succeeded: {printed}"),
            Err(error) => Ok(error.to_string()),
        }
    }

    fn shell(&self, commands: &str) -> Result<Command> {
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", commands]).current_dir(self.folder());
        for (name, value) in helm()?.get_envs().filter_map(|(name, value)| Some((name, value?))) {
            shell.env(name, value);
        }
        for proxy in PROXIES {
            shell.env_remove(proxy);
        }
        let path_before = std::env::var("PATH").unwrap_or_default();
        shell.env("PATH", format!("{}:{path_before}", self.programs.path().display())).env_remove("KUBECONFIG");
        // What was discovered is kept by address, and ports are used again.
        shell.env("KUBECACHEDIR", self.programs.path().join("cache"));
        shell.envs(self.kubeconfig.iter().map(|kubeconfig| ("KUBECONFIG", kubeconfig)));
        Ok(shell)
    }
}

/// Commands with these words in the place of those that a reader replaces, such as NAMESPACE.
pub(crate) fn filled(commands: &str, words: &[(&str, &str)]) -> String {
    let words: BTreeMap<_, _> = words.iter().copied().collect();
    let placeholder = Regex::new(r"\b[A-Z][A-Z_]*\b").expect("a pattern");
    let fill = |found: &Captures<'_>| words.get(&found[0]).copied().unwrap_or(&found[0]).to_owned();
    placeholder.replace_all(commands, fill).into_owned()
}
