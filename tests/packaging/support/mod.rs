//! What the tests share: Helm, kubectl and what they print, and clusters with what was installed.

pub(crate) mod admission_env;
pub(crate) mod cluster;
mod helm;
pub(crate) mod installed;
pub(crate) mod launch;
mod manifests;
pub(crate) mod releases;
pub(crate) mod terminal;

pub(crate) use helm::{Chart, helm, helm_at, helm3};
pub(crate) use manifests::Manifests;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use testkit::Binaries;

/// A file or folder of the repository.
pub(crate) fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// A text file of the repository.
pub(crate) fn read(relative: &str) -> Result<String> {
    std::fs::read_to_string(path(relative)).with_context(|| format!("read {relative}"))
}

/// The YAML files directly in a folder of the repository, sorted; at least one, or the folder is not what it should be.
pub(crate) fn yaml_files(folder: &str) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(path(folder)).with_context(|| format!("read {folder}"))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    ensure!(!files.is_empty(), "{folder} holds no YAML file");
    Ok(files)
}

/// What `kubectl kustomize` makes of a folder of the repository.
pub(crate) fn kustomize(folder: &str) -> Result<Manifests> {
    let mut kubectl = Command::new(Binaries::locate()?.kubectl()?);
    Manifests::parse(&run(kubectl.arg("kustomize").arg(path(folder)))?)
}

/// Standard output of a program that must succeed; else the error says what it wrote to standard error.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } = command.output().with_context(|| format!("start {command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}\n{}", String::from_utf8_lossy(&stderr));
    Ok(String::from_utf8(stdout)?)
}
