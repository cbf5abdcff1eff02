//! Lines that tell a person what takes so long.

use std::io::Write;
use std::time::{Duration, Instant};

/// Steps of something long, each line with the seconds since the start.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// Starts to count.
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }

    /// The time since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Says what happens now. Written directly to standard error: the test harness would hold a print macro's text
    /// back until the test is over.
    pub fn say(&self, message: &str) {
        let seconds = self.elapsed().as_secs();
        // Nobody reads it: no reason to stop.
        let _ = writeln!(std::io::stderr(), "[{seconds:>4} s] {message}");
    }
}
