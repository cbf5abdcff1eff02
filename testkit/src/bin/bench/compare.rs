//! Two runs beside each other, and whether the later one is worse.

use std::fmt::Write as _;

use anyhow::{Result, ensure};

use crate::figures::{Figure, Record, Unit};

/// By how much a figure may grow before it counts as worse.
const TOLERATED: f64 = 0.10;

/// Less than that in whole is no difference, however many percent it is.
const fn floor(unit: Unit) -> f64 {
    match unit {
        // Rounds of the sweep and looks of the bench come up to half a second apart.
        Unit::Seconds => 0.5,
        // Ticks of 10 ms, a scrape of metrics more or less, and what the machine's caches were doing.
        Unit::CpuSeconds => 0.15,
        // One slow write of etcd is as long, and the 99th percentile of 50 is the slowest of all.
        Unit::Milliseconds => 50.0,
        // An arena of the allocator more or less.
        Unit::Mebibytes => 4.0,
        // Conflicts and retries that depend on who came first, and batches that a round leaves half full: 1 in 50.
        Unit::PerChannel => 0.02,
    }
}

/// A figure of two runs.
#[derive(Debug, PartialEq)]
pub struct Row<'a> {
    figure: &'a Figure,
    before: Option<f64>,
    now: Option<f64>,
}

impl Row<'_> {
    /// The change in percent.
    fn change(&self) -> Option<f64> {
        let (before, now) = (self.before?, self.now?);
        if before == now { Some(0.0) } else { Some((now / before - 1.0) * 100.0) }
    }

    fn is_worse(&self) -> bool {
        let (Some(before), Some(now)) = (self.before, self.now) else { return false };
        now > before * (1.0 + TOLERATED) && now - before > floor(self.figure.unit)
    }

    fn line(&self) -> String {
        let unit = self.figure.unit;
        let show = |value: Option<f64>| value.map_or("-".to_owned(), |value| unit.show(value));
        let percent = |it: f64| if it.is_finite() { format!("{it:+.1} %") } else { "new".to_owned() };
        let change = self.change().map_or(String::new(), percent);
        let worse = if self.is_worse() { "  WORSE" } else { "" };
        let (name, before, now) = (&self.figure.name, show(self.before), show(self.now));
        format!("  {name:<44} {before:>14} {now:>14} {change:>10}{worse}")
    }
}

/// The figures of two runs in the order of the later one. What only the former one has stands at the end of its phase.
pub fn rows<'a>(before: &'a Record, now: &'a Record) -> Vec<Row<'a>> {
    let value = |record: &Record, of: &Figure| {
        let found = record.figures.iter().find(|it| (&it.phase, &it.name) == (&of.phase, &of.name));
        found.map(|it| it.value).or_else(|| of.unit.counts().then_some(0.0))
    };
    let is_new = |of: &&Figure| !now.figures.iter().any(|it| (&it.phase, &it.name) == (&of.phase, &of.name));
    let figures = now.figures.iter().chain(before.figures.iter().filter(is_new));
    let row = |figure| Row { figure, before: value(before, figure), now: value(now, figure) };
    let mut rows: Vec<_> = figures.map(row).collect();
    // They begin with their numbers.
    rows.sort_by(|one, other| one.figure.phase.cmp(&other.figure.phase));
    rows
}

/// # Errors
/// When the runs are of different numbers of channels: no figure of them compares.
pub fn check(before: &Record, channels: usize) -> Result<()> {
    let same = before.channels == channels;
    ensure!(same, "{channels} channels cannot be compared with {}", before.channels);
    Ok(())
}

/// Both runs as a table.
pub fn table(rows: &[Row<'_>]) -> String {
    let mut text = format!("  {:<44} {:>14} {:>14} {:>10}", "", "before", "now", "change");
    let mut phase = "";
    for row in rows {
        if row.figure.phase != phase {
            phase = &row.figure.phase;
            let _ = write!(text, "\n{phase}");
        }
        let _ = write!(text, "\n{}", row.line());
    }
    text
}

/// One run as a table.
pub fn alone(record: &Record) -> String {
    let mut text = String::new();
    let mut phase = "";
    for Figure { phase: of, name, unit, value } in &record.figures {
        if of != phase {
            phase = of;
            let _ = writeln!(text, "{phase}");
        }
        let _ = writeln!(text, "  {name:<44} {:>14}", unit.show(*value));
    }
    text
}

/// # Errors
/// When a figure got worse.
pub fn verdict(rows: &[Row<'_>]) -> Result<()> {
    let worse: Vec<_> = rows.iter().filter(|row| row.is_worse()).collect();
    let shown: Vec<_> = worse.iter().map(|row| format!("{}: {}", row.figure.phase, row.figure.name)).collect();
    ensure!(
        worse.is_empty(),
        "{} figures got worse by more than {:.0} %: {}",
        worse.len(),
        TOLERATED * 100.0,
        shown.join("; ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn record(figures: &[(&str, Unit, f64)]) -> Record {
        let figure = |(name, unit, value): &(&str, Unit, f64)| serde_json::json!({"phase": "1 cold", "name": name, "unit": unit, "value": value});
        let figures: Vec<_> = figures.iter().map(figure).collect();
        serde_json::from_value(serde_json::json!({
            "date": "2026-11-30T00:00:00Z", "channels": 200, "commit": "abc", "operator": "/a", "operator_sha256": "00",
            "cores": 2, "load_average": [0.0, 0.0, 0.0], "busy": false, "figures": figures,
        }))
        .unwrap()
    }

    fn worse(unit: Unit, before: f64, now: f64) -> bool {
        let (before, now) = (record(&[("it", unit, before)]), record(&[("it", unit, now)]));
        verdict(&rows(&before, &now)).is_err()
    }

    #[test]
    fn a_figure_is_worse_if_it_grew_by_more_than_a_tenth() {
        assert!(worse(Unit::Seconds, 20.0, 22.1) && worse(Unit::Mebibytes, 100.0, 111.0));
        assert!(!worse(Unit::Seconds, 20.0, 21.9) && !worse(Unit::Seconds, 20.0, 20.0));
        assert!(!worse(Unit::Seconds, 20.0, 1.0));
    }

    #[test]
    fn a_difference_that_is_small_in_whole_is_noise_however_many_percent_it_is() {
        for (unit, small, large) in [
            (Unit::Seconds, 0.4, 0.6),
            (Unit::CpuSeconds, 0.1, 0.2),
            (Unit::Milliseconds, 40.0, 60.0),
            (Unit::Mebibytes, 3.0, 5.0),
            (Unit::PerChannel, 0.01, 0.03),
        ] {
            assert!(!worse(unit, 0.01, 0.01 + small), "{unit:?}");
            assert!(worse(unit, 0.01, 0.01 + large), "{unit:?}");
        }
    }

    #[test]
    fn a_request_that_was_not_made_before_is_worse_and_a_new_measure_is_not() {
        let before = record(&[("get secrets", Unit::PerChannel, 1.0)]);
        let now = record(&[("patch events", Unit::PerChannel, 1.0), ("stopped after", Unit::Seconds, 9.0)]);
        let rows = rows(&before, &now);
        let seen: Vec<_> = rows.iter().map(|row| (row.figure.name.as_str(), row.before, row.now)).collect();
        let expected = [
            ("patch events", Some(0.0), Some(1.0)),
            ("stopped after", None, Some(9.0)),
            ("get secrets", Some(1.0), Some(0.0)),
        ];
        assert_eq!(seen, expected);
        let said = verdict(&rows).unwrap_err().to_string();
        assert_eq!(said, "1 figures got worse by more than 10 %: 1 cold: patch events");
    }

    #[test]
    fn both_values_are_shown_with_the_change_in_percent() {
        let (before, now) = (record(&[("Ready", Unit::Seconds, 8.0)]), record(&[("Ready", Unit::Seconds, 10.0)]));
        let shown = table(&rows(&before, &now));
        let words: Vec<_> = shown.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(words, ["Ready", "8.00", "s", "10.00", "s", "+25.0", "%", "WORSE"]);
    }

    #[test]
    fn runs_of_different_sizes_are_not_compared() {
        assert!(check(&record(&[]), 200).is_ok());
        assert_eq!(check(&record(&[]), 2_000).unwrap_err().to_string(), "2000 channels cannot be compared with 200");
    }
}
