//! Looks that somebody asks for by an annotation. Each is owed until it was taken: the status repeats the value then, so that
//! neither a restart nor another leader loses one, and whoever asked sees when it is done.

use crate::graph::redact;

/// Longest value that a status repeats. A timestamp has some 20 characters.
pub const LONGEST: usize = 128;

/// Whether a value can be repeated in a status: short, printable, and nothing that could be a secret.
pub fn is_valid(value: &str) -> bool {
    let plain = value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    !value.is_empty() && value.len() <= LONGEST && plain && redact(value, &[]) == value
}

/// The look that is asked for and was not taken yet. A value that cannot be repeated asks for one all the same, when it
/// changes; but nobody can see when it was taken.
pub fn open(asked: Option<&str>, handled: Option<&str>) -> Option<String> {
    asked.filter(|value| is_valid(value) && handled != Some(value)).map(str::to_owned)
}

/// What a status says was handled: the open request once its look was taken, else what it said before.
pub fn handled(open: Option<&String>, before: Option<&String>, taken: bool) -> Option<String> {
    open.filter(|_| taken).or(before).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_open_until_the_status_repeats_it() {
        let rows = [
            (None, None, None),
            (Some("2026-03-01T12:00:00Z"), None, Some("2026-03-01T12:00:00Z")),
            (Some("b"), Some("a"), Some("b")),
            (Some("a"), Some("a"), None),
            (None, Some("a"), None),
        ];
        for (asked, handled, expected) in rows {
            assert_eq!(open(asked, handled).as_deref(), expected, "{asked:?} after {handled:?}");
        }
    }

    #[test]
    fn what_a_status_cannot_repeat_is_never_open() {
        let long = "x".repeat(LONGEST + 1);
        let token = format!("EAA{}", "b1".repeat(30));
        for value in ["", "a\nb", "caf\u{e9}", "\u{202e}a", long.as_str(), token.as_str()] {
            assert_eq!(open(Some(value), None), None, "{value:?}");
        }
        assert!(is_valid(&"x".repeat(20)) && is_valid("12 o'clock"));
    }

    #[test]
    fn what_was_handled_stays_until_another_look_was_taken() {
        let (open, before) = ("b".to_owned(), "a".to_owned());
        assert_eq!(handled(Some(&open), Some(&before), true).as_deref(), Some("b"));
        assert_eq!(handled(Some(&open), Some(&before), false).as_deref(), Some("a"));
        assert_eq!(handled(None, Some(&before), true).as_deref(), Some("a"));
    }
}
