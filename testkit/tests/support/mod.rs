//! Looks at processes that are not our children.

use rustix::process::{Pid, test_kill_process};

/// A process that ended and was not collected yet does not run.
pub fn runs(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    test_kill_process(pid).is_ok() && !stat.contains(") Z ")
}
