//! Checks that someone requests by an annotation. Each request stays open until the check was made: the status then repeats its
//! value, so neither a restart nor another leader loses a request, and the requester sees when it is done.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use crate::api::REQUESTED_AT;
use crate::base::clock::Moment;
use crate::base::ids::Uid;
use crate::base::key::Key;
use crate::base::redact::redact;

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

/// What is to be told of a value that cannot be repeated, once: `told` is the one of which was told last.
pub fn unrepeatable(value: &str, told: &mut Option<String>) -> Option<String> {
    let before = std::mem::replace(told, (!is_valid(value)).then(|| value.to_owned()));
    told.as_ref().filter(|value| before.as_ref() != Some(value)).map(|value| {
        format!(
            "The annotation {REQUESTED_AT} has {} bytes or characters that cannot be repeated in status.lastHandledRequestedAt: it takes 1 to {LONGEST} printable ASCII characters, customarily a time. The operator checks the object all the same.",
            value.len()
        )
    })
}

/// What a status says was handled: the open request once its look was taken, else what it said before.
pub fn handled(open: Option<&String>, before: Option<&String>, taken: bool) -> Option<String> {
    open.filter(|_| taken).or(before).cloned()
}

/// How long a part of a look is waited for that was not answered.
const UNANSWERED: SignedDuration = SignedDuration::from_mins(5);

/// For which requests a part of the check is done that is not taken every time. Forgotten by a restart: what is still open then is
/// checked once more.
#[derive(Debug, Default)]
pub struct Taken(Mutex<HashMap<Key, Try>>);

#[derive(Debug)]
struct Try {
    uid: Uid,
    request: String,
    /// When it is tried again, if it was not answered.
    again: Option<Timestamp>,
}

impl Taken {
    /// Whether it has to be taken for this request.
    pub fn is_due(&self, key: &Key, uid: &Uid, request: &str, now: Timestamp) -> bool {
        self.last(key, uid, request, |last| last.is_none_or(|it| it.again.is_some_and(|again| again <= now)))
    }

    /// When it is tried again for this request, if it was not answered.
    pub fn again(&self, key: &Key, uid: &Uid, request: &str) -> Option<Timestamp> {
        self.last(key, uid, request, |last| last?.again)
    }

    /// Notes that it was taken for this request, and whether it was answered.
    pub fn note(&self, key: &Key, uid: &Uid, request: &str, answered: bool, now: Timestamp) {
        let again = (!answered).then(|| now.later(UNANSWERED));
        let last = Try { uid: uid.to_owned(), request: request.to_owned(), again };
        self.0.lock().insert(key.clone(), last);
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, key: &Key) {
        self.0.lock().remove(key);
    }

    fn last<T>(&self, key: &Key, uid: &Uid, request: &str, tell: impl FnOnce(Option<&Try>) -> T) -> T {
        let all = self.0.lock();
        tell(all.get(key).filter(|it| it.uid == *uid && it.request == request))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn of_a_value_that_cannot_be_repeated_is_told_once() {
        let told = &mut None;
        let mut tell = |value: &str| unrepeatable(value, told);
        assert_eq!(tell("2026-03-01T12:00:00Z"), None);
        assert!(tell("né").unwrap().contains("has 3 bytes"));
        assert_eq!([tell("né"), tell("né")], [None, None], "in each further pass that has no answer");
        assert!(tell(&"a".repeat(129)).is_some(), "another one is told of");
        assert_eq!(tell("now"), None);
        assert!(tell(&"a".repeat(129)).is_some(), "so is the same one, put there again");
    }

    #[test]
    fn a_part_is_taken_once_for_each_request_and_again_while_it_is_not_answered() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let (taken, key) = (Taken::default(), Key::new("a", "x"));
        let is_due = |request, second| taken.is_due(&key, &"u".into(), request, at(second));
        assert!(is_due("one", 0));
        taken.note(&key, &"u".into(), "one", false, at(0));
        assert_eq!([0, 299, 300].map(|second| is_due("one", second)), [false, false, true]);
        assert_eq!(taken.again(&key, &"u".into(), "one"), Some(at(300)));
        taken.note(&key, &"u".into(), "one", true, at(300));
        assert!(!is_due("one", 10_000) && taken.again(&key, &"u".into(), "one").is_none());
        assert!(is_due("two", 300) && taken.is_due(&key, &"another".into(), "one", at(300)));
        taken.forget(&key);
        assert!(is_due("one", 300));
    }

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
