//! What Linux tells of a process and of the machine.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// Of a second; the unit of times in `/proc`, which is the same for all programs whatever the kernel's own is.
const TICKS: u32 = 100;

/// What a process used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// On all cores together, for itself and in the kernel.
    pub cpu: Duration,
    pub resident_kib: u64,
    /// The most that was ever resident.
    pub peak_kib: u64,
}

/// Looks at a process of any user; these two files are open to all.
pub fn usage(pid: u32) -> Result<Usage> {
    let read =
        |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).with_context(|| format!("{file} of {pid}"));
    let status = read("status")?;
    let [resident_kib, peak_kib] = ["VmRSS", "VmHWM"].map(|name| kib(&status, name));
    Ok(Usage { cpu: cpu(&read("stat")?)?, resident_kib: resident_kib?, peak_kib: peak_kib? })
}

/// The load of the machine: processes that ran or waited for a core, on average over 1, 5 and 15 minutes.
pub fn load_average() -> Result<[f64; 3]> {
    load(&fs::read_to_string("/proc/loadavg")?)
}

/// The time in `/proc/<pid>/stat`.
fn cpu(stat: &str) -> Result<Duration> {
    // The second field is the name in parentheses, which may hold blanks and parentheses itself.
    let (_, rest) = stat.rsplit_once(')').context("no name in stat")?;
    let mut times = rest.split_whitespace().skip(11);
    let mut ticks = || times.next().context("stat is too short")?.parse::<u32>().context("no number in stat");
    Ok(Duration::from_secs(1) * (ticks()? + ticks()?) / TICKS)
}

/// A size in `/proc/<pid>/status`.
fn kib(status: &str, name: &str) -> Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let size = line.with_context(|| format!("no {name} in status"))?;
    size.trim().trim_end_matches(" kB").parse().with_context(|| format!("{name} is {size}"))
}

fn load(text: &str) -> Result<[f64; 3]> {
    let mut numbers = text.split(' ').map(str::parse::<f64>);
    let mut next = || numbers.next().context("loadavg is too short")?.context("no number in loadavg");
    Ok([next()?, next()?, next()?])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_time_of_a_process_is_found_whatever_its_name_is() {
        for name in ["operator", "a b", "a) R (1 2"] {
            let stat = format!("4242 ({name}) S 1 2 3 4 5 6 7 8 9 10 250 125 7 8 20 0 1 0 99 1000 50");
            assert_eq!(cpu(&stat).unwrap(), Duration::from_millis(3_750), "{name}");
        }
        assert!(cpu("4242 (operator) S 1 2 3").is_err());
    }

    #[test]
    fn sizes_of_a_process_are_told_apart() {
        let status = "Name:\tVmRSS\nVmHWM:\t   90112 kB\nVmRSSx:\t 1 kB\nVmRSS:\t   81920 kB\n";
        assert_eq!((kib(status, "VmHWM").unwrap(), kib(status, "VmRSS").unwrap()), (90_112, 81_920));
        assert!(kib(status, "VmSwap").is_err());
    }

    #[test]
    fn the_load_is_of_three_spans() {
        assert_eq!(load("6.18 4.45 2.80 3/512 4242\n").unwrap(), [6.18, 4.45, 2.8]);
        assert!(load("6.18 4.45").is_err());
    }

    #[test]
    fn this_process_has_used_something() {
        let usage = usage(std::process::id()).unwrap();
        assert!(usage.peak_kib >= usage.resident_kib && usage.resident_kib > 100, "{usage:?}");
    }
}
