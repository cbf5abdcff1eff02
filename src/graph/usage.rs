//! Usage headers: how long Graph wants to be left alone.

use std::time::Duration;

use serde_json::Value;

use super::decode::integer;

/// The longest `estimated_time_to_regain_access` in `X-Business-Use-Case-Usage`, which counts in minutes.
/// Absent or zero means that Graph does not say.
pub(crate) fn regain_access(header: &str) -> Option<Duration> {
    let usage: Value = serde_json::from_str(header).ok()?;
    let rows = usage.as_object()?.values().filter_map(Value::as_array).flatten();
    let minutes = rows.filter_map(|row| integer(row.get("estimated_time_to_regain_access")?)).max()?;
    let minutes = u64::try_from(minutes).ok().filter(|minutes| *minutes > 0)?;
    // Documented blocks last hours; a nonsensical number must not silence a page for a year.
    Some(Duration::from_secs(minutes.min(24 * 60) * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_wait_counts() {
        let header = r#"{"2200000000000001":[{"type":"messenger","call_count":100,"estimated_time_to_regain_access":3},
            {"type":"pages","estimated_time_to_regain_access":"7"}],"x":[{"type":"pages"}]}"#;
        assert_eq!(regain_access(header), Some(Duration::from_secs(7 * 60)));
    }

    #[test]
    fn without_a_sensible_number_there_is_no_hint() {
        for header in [
            "",
            "{}",
            "[]",
            r#"{"1":[{"estimated_time_to_regain_access":0}]}"#,
            r#"{"1":[{"estimated_time_to_regain_access":-5}]}"#,
        ] {
            assert_eq!(regain_access(header), None, "{header}");
        }
        let year = r#"{"1":[{"estimated_time_to_regain_access":525600}]}"#;
        assert_eq!(regain_access(year), Some(Duration::from_secs(24 * 3600)));
    }
}
