//! Usage through the handle of a running sandbox.

use super::Sandbox;
use crate::usage::{Limits, Meter, UsageView};

impl Sandbox {
    /// How much of their allowances apps, people and pages have used.
    pub fn usage(&self) -> Vec<UsageView> {
        self.core.usage.list(self.core.clock.now())
    }

    /// Sets a usage; from 100 percent on calls are refused for so many minutes.
    pub fn set_usage(&self, meter: Meter, percent: u64, minutes: Option<u64>) {
        self.core.usage.set(meter, percent, minutes, self.core.clock.now());
    }

    /// The allowances.
    pub fn limits(&self) -> Limits {
        self.core.usage.limits()
    }

    /// Changes the allowances.
    pub fn set_limits(&self, limits: Limits) {
        self.core.usage.set_limits(limits);
    }
}
