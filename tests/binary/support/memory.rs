//! Memory that a process takes.

use anyhow::{Context, Result};
use testkit::Process;

/// Memory that a process takes now, and the most that it ever took, in bytes.
pub fn memory(process: &Process) -> Result<(usize, usize)> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid()))?;
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
        anyhow::Ok(line.trim().trim_end_matches(" kB").trim().parse::<usize>()? * 1024)
    };
    Ok((value("VmRSS:")?, value("VmHWM:")?))
}
