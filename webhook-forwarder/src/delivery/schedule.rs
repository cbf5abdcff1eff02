//! When an event that was not delivered is sent again.

use std::time::Duration;

/// Pauses after the first failures of one event.
const PAUSES: [u64; 6] = [1, 2, 5, 10, 20, 40];
/// Pause after all others.
const LONG: Duration = Duration::from_secs(60);
/// Pause of an endpoint that fails for long.
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// From when on an endpoint fails for long.
const FOR_LONG: Duration = Duration::from_secs(60 * 60);
/// How much longer or shorter a pause may be, so that lanes that failed together do not come back together.
const SPREAD: f64 = 0.2;

/// The pause after so many failures of an event, which fails for so long. `chance` lies between 0 and 1. An endpoint that asks for
/// more time gets it, up to the longest pause.
pub(super) fn pause(failures: u32, failing_for: Duration, retry_after: Option<Duration>, chance: f64) -> Duration {
    let index = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    let pause = match PAUSES.get(index) {
        _ if failing_for >= FOR_LONG => LONGEST,
        Some(&seconds) => Duration::from_secs(seconds),
        None => LONG,
    };
    let spread = pause.mul_f64(1.0 - SPREAD + 2.0 * SPREAD * chance.clamp(0.0, 1.0));
    spread.max(retry_after.unwrap_or_default().min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn pauses_grow_to_a_minute_and_after_an_hour_to_five() {
        let seconds: Vec<_> = (1..=8).map(|failures| pause(failures, MINUTE, None, 0.5).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 5, 10, 20, 40, 60, 60]);
        assert_eq!(pause(80, 59 * MINUTE, None, 0.5), MINUTE);
        assert_eq!(pause(80, 60 * MINUTE, None, 0.5), 5 * MINUTE);
    }

    #[test]
    fn chance_moves_a_pause_by_a_fifth() {
        assert_eq!(pause(4, MINUTE, None, 0.0), Duration::from_secs(8));
        assert_eq!(pause(4, MINUTE, None, 1.0), Duration::from_secs(12));
    }

    #[test]
    fn an_endpoint_that_asks_for_more_time_gets_it_up_to_five_minutes() {
        let asked = |seconds| pause(1, MINUTE, Some(Duration::from_secs(seconds)), 0.5).as_secs();
        assert_eq!([asked(0), asked(30), asked(86_400)], [1, 30, 300]);
    }
}
