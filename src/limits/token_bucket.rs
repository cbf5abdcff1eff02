//! A token bucket: some at once, and then one per interval.

use jiff::{SignedDuration, Timestamp};

use crate::base::clock::Moment;

/// The bucket, as the time at which it will be full again.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket(Timestamp);

impl TokenBucket {
    /// A bucket that nothing was taken from.
    pub const fn full(now: Timestamp) -> Self {
        Self(now)
    }

    /// Whether it is as good as one that nothing was taken from.
    pub fn is_full(&self, now: Timestamp) -> bool {
        self.0 <= now
    }

    /// Takes a token of `burst` that come back one by one.
    ///
    /// # Errors
    /// When there will be one.
    pub fn take(&mut self, now: Timestamp, burst: i32, every: SignedDuration) -> Result<(), Timestamp> {
        let full = self.0.max(now);
        let next = full.earlier(every.saturating_mul(burst - 1));
        if next > now {
            return Err(next);
        }
        self.0 = full.later(every);
        Ok(())
    }
}
