//! How long Meta goes on with a callback that fails.

use std::time::Duration;

use jiff::SignedDuration;

use crate::switches::WebhookPatience;

/// How many times a failed delivery is repeated at once.
const AT_ONCE: u32 = 2;
/// When it is repeated later, counted from the first failure.
const LATER: [SignedDuration; 9] = [
    SignedDuration::from_secs(10),
    SignedDuration::from_mins(1),
    SignedDuration::from_mins(5),
    SignedDuration::from_mins(15),
    SignedDuration::from_mins(30),
    SignedDuration::from_hours(1),
    SignedDuration::from_hours(2),
    SignedDuration::from_hours(4),
    SignedDuration::from_hours(8),
];
/// Failing for this long, a callback gets its developer an alert.
pub(super) const ALERT: SignedDuration = SignedDuration::from_mins(15);

/// When a failed delivery is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    AtOnce,
    /// This long after the first failure.
    After(SignedDuration),
}

impl WebhookPatience {
    /// Failing for this long, the app loses its row on the page.
    pub(super) fn end(self) -> SignedDuration {
        match self {
            Self::OneHour => SignedDuration::from_hours(1),
            Self::EightHours => SignedDuration::from_hours(8),
        }
    }

    /// How long a callback may take, where the present rule allows `limit`: the older rule had
    /// 20 seconds instead of five.
    pub(crate) fn limit(self, limit: Duration) -> Duration {
        match self {
            Self::OneHour => limit,
            Self::EightHours => limit.saturating_mul(4),
        }
    }

    /// When to repeat what failed `attempts` times, the first of them `elapsed` ago.
    ///
    /// Moments a moved clock has jumped over are left out, so that a jump makes one attempt.
    pub(super) fn next(self, attempts: u32, elapsed: SignedDuration) -> Option<Next> {
        if attempts <= AT_ONCE {
            return Some(Next::AtOnce);
        }
        LATER.into_iter().take_while(|later| *later <= self.end()).find(|later| *later > elapsed).map(Next::After)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(patience: WebhookPatience) -> Vec<i64> {
        let mut moments = vec![0];
        let mut elapsed = SignedDuration::ZERO;
        while let Some(next) = patience.next(u32::try_from(moments.len()).unwrap(), elapsed) {
            if let Next::After(span) = next {
                elapsed = span;
            }
            moments.push(elapsed.as_secs());
        }
        moments
    }

    #[test]
    fn a_few_times_at_once_then_ever_more_rarely_to_the_end() {
        let hour = [0, 0, 0, 10, 60, 300, 900, 1800, 3600];
        assert_eq!(moments(WebhookPatience::OneHour), hour);
        let later = [7200, 14400, 28800];
        assert_eq!(moments(WebhookPatience::EightHours), [&hour[..], &later].concat());
    }

    #[test]
    fn a_jump_of_the_clock_skips_what_it_passed() {
        let next = WebhookPatience::OneHour.next(4, SignedDuration::from_mins(16));
        assert_eq!(next, Some(Next::After(SignedDuration::from_mins(30))));
    }
}
