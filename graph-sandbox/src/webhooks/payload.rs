//! The body of a POST with events.

use std::io;

use serde::Serialize;
use serde_json::ser::Formatter;
use serde_json::{Serializer, Value, json};

use super::{Occurrence, Place};
use crate::id::Id;

/// Fields stand in Meta's order.
#[derive(Serialize)]
struct Payload<'a> {
    object: &'static str,
    entry: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a Id,
    /// In milliseconds.
    time: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messaging: Vec<&'a Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    standby: Vec<&'a Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<Value>,
}

/// The body that tells of these occurrences, grouped by page and list. A repetition has the same bytes.
pub(super) fn body(occurrences: &[Occurrence]) -> serde_json::Result<Vec<u8>> {
    let mut groups: Vec<(&Id, Place, Entry<'_>)> = Vec::new();
    for occurrence in occurrences {
        let index = groups.iter().position(|(page, place, _)| **page == occurrence.page && *place == occurrence.place);
        let index = index.unwrap_or_else(|| {
            groups.push((&occurrence.page, occurrence.place, Entry::new(&occurrence.page)));
            groups.len() - 1
        });
        if let Some((_, _, entry)) = groups.get_mut(index) {
            entry.add(occurrence);
        }
    }
    let payload = Payload { object: "page", entry: groups.into_iter().map(|(_, _, entry)| entry).collect() };
    let mut body = Vec::new();
    payload.serialize(&mut Serializer::with_formatter(&mut body, Ascii))?;
    Ok(body)
}

impl<'a> Entry<'a> {
    fn new(id: &'a Id) -> Self {
        Self { id, time: i64::MIN, messaging: Vec::new(), standby: Vec::new(), changes: Vec::new() }
    }

    fn add(&mut self, occurrence: &'a Occurrence) {
        self.time = self.time.max(occurrence.at.as_millisecond());
        match occurrence.place {
            Place::Messaging => self.messaging.push(&occurrence.item),
            Place::Standby => self.standby.push(&occurrence.item),
            Place::Changes => self.changes.push(json!({"field": occurrence.field, "value": occurrence.item})),
        }
    }
}

/// Escapes whatever is not ASCII as `\uXXXX` in lower case, as Meta does before it signs.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut units = [0; 2];
        for character in fragment.chars() {
            if character.is_ascii() {
                write!(writer, "{character}")?;
                continue;
            }
            for unit in character.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occurrence(page: &str, place: Place, item: Value, at: &str) -> Occurrence {
        let (page, app) = (page.parse().unwrap(), "1111000011110000".parse().unwrap());
        Occurrence { page, app, field: "feed", place, item, at: at.parse().unwrap() }
    }

    fn text(occurrences: &[Occurrence]) -> String {
        String::from_utf8(body(occurrences).unwrap()).unwrap()
    }

    #[test]
    fn text_is_escaped_to_lower_case_ascii_and_slashes_stay() {
        let item = json!("Zoë \u{1f600} \u{7f} a/b \"q\" \u{1}\n");
        let at = "2026-11-22T10:00:00.123Z";
        let expected = r#"{"object":"page","entry":[{"id":"2200000000000001","time":1795341600123,"messaging":["Zo\u00eb \ud83d\ude00 "#.to_owned()
            + "\u{7f}"
            + r#" a/b \"q\" \u0001\n"]}]}"#;
        assert_eq!(text(&[occurrence("2200000000000001", Place::Messaging, item, at)]), expected);
    }

    #[test]
    fn names_are_escaped_too() {
        let at = "2026-11-22T10:00:00Z";
        let body = text(&[occurrence("2200000000000001", Place::Changes, json!({"ключ": 1}), at)]);
        assert!(body.contains(r#""changes":[{"field":"feed","value":{"\u043a\u043b\u044e\u0447":1}}]"#), "{body}");
    }

    #[test]
    fn entries_are_grouped_by_page_and_list_with_the_time_of_the_newest() {
        let (early, late) = ("2026-11-22T10:00:00Z", "2026-11-22T10:00:01Z");
        let told = text(&[
            occurrence("2200000000000001", Place::Messaging, json!(1), late),
            occurrence("2200000000000002", Place::Messaging, json!(2), early),
            occurrence("2200000000000001", Place::Standby, json!(3), early),
            occurrence("2200000000000001", Place::Messaging, json!(4), early),
        ]);
        let told: Value = serde_json::from_str(&told).unwrap();
        let (early, late) = (1_795_341_600_000_i64, 1_795_341_601_000_i64);
        assert_eq!(
            told["entry"],
            json!([
                {"id": "2200000000000001", "time": late, "messaging": [1, 4]},
                {"id": "2200000000000002", "time": early, "messaging": [2]},
                {"id": "2200000000000001", "time": early, "standby": [3]},
            ])
        );
    }
}
