//! What was measured, as it is kept and shown. Of every figure less is better.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::proc;

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Seconds,
    CpuSeconds,
    Milliseconds,
    Mebibytes,
    PerChannel,
}

impl Unit {
    /// A value for people.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Seconds | Self::CpuSeconds => format!("{value:.2} s"),
            Self::Milliseconds => format!("{value:.0} ms"),
            Self::Mebibytes => format!("{value:.1} MiB"),
            Self::PerChannel => format!("{value:.3} each"),
        }
    }

    /// Whether what is not there is none, as a request that is not made any more.
    pub const fn counts(self) -> bool {
        matches!(self, Self::PerChannel)
    }
}

/// One of the things measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    pub phase: String,
    pub name: String,
    pub unit: Unit,
    pub value: f64,
}

/// The figures of one phase.
pub struct Phase {
    name: &'static str,
    pub figures: Vec<Figure>,
}

impl Phase {
    pub fn new(name: &'static str) -> Self {
        Self { name, figures: Vec::new() }
    }

    pub fn add(&mut self, name: impl Into<String>, unit: Unit, value: f64) {
        self.figures.push(Figure { phase: self.name.to_owned(), name: name.into(), unit, value });
    }

    pub fn seconds(&mut self, name: &str, time: Duration) {
        self.add(name, Unit::Seconds, time.as_secs_f64());
    }

    pub fn cpu(&mut self, name: &str, time: Duration) {
        self.add(name, Unit::CpuSeconds, time.as_secs_f64());
    }

    #[allow(clippy::cast_precision_loss)]
    pub fn mebibytes(&mut self, name: &str, kib: u64) {
        self.add(name, Unit::Mebibytes, kib as f64 / 1024.0);
    }

    /// What was counted, by the number of channels and of times.
    #[allow(clippy::cast_precision_loss)]
    pub fn per_channel(&mut self, name: impl Into<String>, count: u64, channels: usize) {
        self.add(name, Unit::PerChannel, count as f64 / channels as f64);
    }

    /// The same of several things, each under its name.
    pub fn each_per_channel(&mut self, counts: &BTreeMap<String, u64>, channels: usize) {
        counts.iter().for_each(|(name, count)| self.per_channel(name, *count, channels));
    }
}

/// All figures of a run, and what they are of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// When the run began.
    pub date: String,
    pub channels: usize,
    /// Of the operator's sources, as far as whoever started the run knows.
    pub commit: String,
    pub operator: PathBuf,
    /// SHA-256 of the program.
    pub operator_sha256: String,
    pub cores: usize,
    /// When the run began, over 1, 5 and 15 minutes.
    pub load_average: [f64; 3],
    /// Whether something else ran when the run began. Times of such a run tell little.
    pub busy: bool,
    pub figures: Vec<Figure>,
}

impl Record {
    /// A record without figures yet, of a run that begins now.
    pub fn begin(operator: &Path, commit: &str, channels: usize) -> Result<Self> {
        let program = fs::read(operator).with_context(|| operator.display().to_string())?;
        let cores = std::thread::available_parallelism()?.get();
        let load_average = proc::load_average()?;
        Ok(Self {
            date: Timestamp::now().to_string(),
            channels,
            commit: commit.to_owned(),
            operator: operator.canonicalize()?,
            operator_sha256: hex::encode(Sha256::digest(program)),
            cores,
            load_average,
            busy: is_busy(load_average),
            figures: Vec::new(),
        })
    }

    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        serde_json::from_str(&text).with_context(|| format!("{} is no result of this program", path.display()))
    }

    pub fn write(&self, path: &Path) -> Result<()> {
        fs::write(path, serde_json::to_string_pretty(self)? + "\n").with_context(|| path.display().to_string())
    }
}

/// Control plane, sandbox and operator want all cores: half of one that was taken lately is already missing. The build before a
/// run counts too; after a minute it does no more.
fn is_busy([minute, ..]: [f64; 3]) -> bool {
    minute >= 0.5
}

impl Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { date, channels, commit, operator, cores, load_average: [one, five, fifteen], .. } = self;
        writeln!(f, "{channels} channels, {date}, commit {commit}, {}", operator.display())?;
        let busy = if self.busy { "BUSY: times tell little" } else { "quiet" };
        write!(f, "{cores} cores, load average {one:.2} {five:.2} {fifteen:.2} at the begin ({busy})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_told_for_each_channel() {
        let mut phase = Phase::new("a");
        phase.each_per_channel(&[("get secrets".to_owned(), 5)].into(), 20);
        let [figure] = phase.figures.as_slice() else { panic!("{:?}", phase.figures) };
        assert_eq!((figure.name.as_str(), figure.value), ("get secrets", 0.25));
    }

    #[test]
    fn a_machine_on_which_something_else_ran_lately_is_busy() {
        assert!(is_busy([0.5, 0.0, 0.0]) && !is_busy([0.1, 3.0, 3.0]));
    }
}
