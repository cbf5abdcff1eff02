//! Times in answers, in the format that the parameter `date_format` asks for: letters of PHP's `date`.

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::call::Call;
use crate::protocol::GraphError;

/// Graph's own.
const USUAL: &str = r"Y-m-d\TH:i:sO";

/// A time in the format of the call.
pub(super) fn stamp(call: &Call, at: Timestamp) -> Result<Value, GraphError> {
    let format = call.params.get("date_format").unwrap_or(USUAL);
    if format == "U" {
        return Ok(at.as_second().into());
    }
    write(format, at).map(Value::from).ok_or_else(|| GraphError::parameter("Param date_format cannot be used"))
}

/// A time that a seed wrote, in the format of the call.
pub(super) fn again(call: &Call, time: Value) -> Value {
    let at = time.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    at.and_then(|at| stamp(call, at).ok()).unwrap_or(time)
}

/// Writes a time, always in UTC. A letter behind a backslash stands for itself.
fn write(format: &str, at: Timestamp) -> Option<String> {
    let at = at.to_zoned(TimeZone::UTC);
    let mut pattern = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => push(&mut pattern, letters.next().unwrap_or('\\')),
            'B' => pattern.push_str(&format!("{:03}", beat(&at))),
            'L' => pattern.push(if at.in_leap_year() { '1' } else { '0' }),
            'N' => pattern.push_str(&at.weekday().to_monday_one_offset().to_string()),
            'S' => pattern.push_str(ordinal(at.day())),
            't' => pattern.push_str(&at.days_in_month().to_string()),
            'w' => pattern.push_str(&at.weekday().since(Weekday::Sunday).to_string()),
            'z' => pattern.push_str(&at.day_of_year().saturating_sub(1).to_string()),
            _ => match directive(letter) {
                Some(directive) => pattern.push_str(directive),
                None => push(&mut pattern, letter),
            },
        }
    }
    strtime::format(&pattern, &at).ok()
}

fn push(pattern: &mut String, letter: char) {
    if letter == '%' {
        pattern.push('%');
    }
    pattern.push(letter);
}

/// What strftime calls the same.
fn directive(letter: char) -> Option<&'static str> {
    Some(match letter {
        'A' => "%p",
        'a' => "%P",
        'c' => "%Y-%m-%dT%H:%M:%S+00:00",
        'D' => "%a",
        'd' => "%d",
        'e' | 'T' => "UTC",
        'F' => "%B",
        'G' => "%-H",
        'g' => "%-I",
        'H' => "%H",
        'h' => "%I",
        'I' | 'Z' => "0",
        'i' => "%M",
        'j' => "%-d",
        'l' => "%A",
        'M' => "%b",
        'm' => "%m",
        'n' => "%-m",
        'O' => "+0000",
        'o' => "%G",
        'P' => "+00:00",
        'p' => "Z",
        'r' => "%a, %d %b %Y %H:%M:%S +0000",
        's' => "%S",
        'U' => "%s",
        'u' => "%6f",
        'v' => "%3f",
        'W' => "%V",
        'Y' => "%Y",
        'y' => "%y",
        _ => return None,
    })
}

fn ordinal(day: i8) -> &'static str {
    match day {
        1 | 21 | 31 => "st",
        2 | 22 => "nd",
        3 | 23 => "rd",
        _ => "th",
    }
}

/// Swatch Internet time: thousandths of the day in Biel, an hour ahead of UTC.
fn beat(at: &jiff::Zoned) -> i64 {
    (at.timestamp().as_second() + 3600).rem_euclid(86_400) * 10 / 864
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_of_php_is_known() {
        let at: Timestamp = "2024-02-03T14:05:09.123456Z".parse().unwrap();
        for (format, expected) in [
            ("d D j l N S w z", "03 Sat 3 Saturday 6 rd 6 33"),
            ("W F m M n t L o Y y", "05 February 02 Feb 2 29 1 2024 2024 24"),
            ("a A B g G h H i s u v", "pm PM 628 2 14 02 14 05 09 123456 123"),
            ("e I O P p T Z", "UTC 0 +0000 +00:00 Z UTC 0"),
            ("c", "2024-02-03T14:05:09+00:00"),
            ("r", "Sat, 03 Feb 2024 14:05:09 +0000"),
            ("U", "1706969109"),
            (USUAL, "2024-02-03T14:05:09+0000"),
            (r"\Y %Y% é\\ \", r"Y %2024% é\ \"),
        ] {
            assert_eq!(write(format, at).as_deref(), Some(expected), "{format}");
        }
        for (day, expected) in
            [(1, "1st"), (2, "2nd"), (4, "4th"), (11, "11th"), (13, "13th"), (22, "22nd"), (31, "31st")]
        {
            let at = format!("2026-12-{day:02}T00:00:00Z").parse().unwrap();
            assert_eq!(write("jS", at).as_deref(), Some(expected));
        }
        let sunday = "2026-11-22T23:30:00Z".parse().unwrap();
        assert_eq!(write("N w L z B", sunday).as_deref(), Some("7 0 0 325 020"));
    }
}
