//! Programs that judge objects: JSON in, one after the other, and a verdict a line out.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::binaries::{argocd_health, status_check};

/// What kstatus and Flux's rules say of an object.
#[derive(Debug, Deserialize)]
pub struct Verdict {
    /// kstatus' state: Current, InProgress, Failed …
    pub state: String,
    /// kstatus' explanation.
    pub message: String,
    /// Rules that the object breaks.
    pub violations: Vec<String>,
}

/// What Argo CD shows of an object.
#[derive(Debug, Deserialize)]
pub struct Health {
    /// Healthy, Progressing, Degraded, Suspended …
    pub status: String,
    /// The line beside it.
    pub message: String,
}

/// What kstatus and Flux's rules say of each object.
///
/// # Errors
/// If the program cannot be built or fails.
pub fn verdicts(objects: &[Value]) -> Result<Vec<Verdict>> {
    judge(&mut Command::new(status_check()?), objects)
}

/// What a health script of Argo CD says of each object.
///
/// # Errors
/// If the program cannot be built, or the script fails or does not end.
pub fn health(script: &Path, objects: &[Value]) -> Result<Vec<Health>> {
    judge(Command::new(argocd_health()?).arg(script), objects)
}

fn judge<V: DeserializeOwned>(program: &mut Command, objects: &[Value]) -> Result<Vec<V>> {
    let mut judge = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut input = judge.stdin.take().context("no input")?;
    let lines: Vec<String> = objects.iter().map(Value::to_string).collect();
    // Whoever gives up early closes its end; its own message says why.
    let writer = std::thread::spawn(move || input.write_all(lines.join("\n").as_bytes()));
    let output = judge.wait_with_output()?;
    let _ = writer.join();
    ensure!(output.status.success(), "{program:?}: {}", String::from_utf8_lossy(&output.stderr));
    let verdicts: Vec<V> =
        serde_json::Deserializer::from_slice(&output.stdout).into_iter().collect::<Result<_, _>>()?;
    ensure!(verdicts.len() == objects.len(), "{} verdicts on {} objects", verdicts.len(), objects.len());
    Ok(verdicts)
}
