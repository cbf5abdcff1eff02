//! Percentiles of what was measured one by one.

use std::time::Duration;

/// The smallest of the times that as many percent of all do not exceed (the nearest rank). `None` if there are none.
pub fn percentile(times: &[Duration], percent: usize) -> Option<Duration> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(times: impl IntoIterator<Item = u64>, percent: usize) -> Option<u64> {
        let times: Vec<_> = times.into_iter().map(Duration::from_millis).collect();
        percentile(&times, percent).map(|it| it.as_millis().try_into().unwrap_or(u64::MAX))
    }

    #[test]
    fn a_percentile_is_one_of_the_times_in_whatever_order_they_came() {
        assert_eq!(of((1..=100).rev(), 50), Some(50));
        assert_eq!(of(1..=100, 99), Some(99));
        assert_eq!(of([30, 10, 20], 50), Some(20));
    }

    #[test]
    fn of_few_times_the_highest_percentile_is_the_longest() {
        assert_eq!(of(1..=50, 99), Some(50));
        assert_eq!(of([7], 50), Some(7));
        assert_eq!(of([7], 0), Some(7));
        assert_eq!(of([], 99), None);
    }
}
