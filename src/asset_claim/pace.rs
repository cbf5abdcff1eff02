//! A bounded rate for work that may come in thousands at once, such as cleaning up after a deleted namespace.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use crate::base::clock::Moment;
use crate::base::key::Key;

/// The time between two turns of one application.
const BETWEEN: SignedDuration = SignedDuration::from_secs(1);

/// Gives turns, one a second for each application. All of it may be lost: who waits asks again.
#[derive(Debug, Default)]
pub struct Pacer(Mutex<Turns>);

#[derive(Debug, Default)]
struct Turns {
    /// The last turn given, by application, while that holds others up.
    last: HashMap<String, Timestamp>,
    /// Who waits, and until when.
    waiting: HashMap<Key, Timestamp>,
}

impl Pacer {
    /// Takes a turn, if it has come.
    ///
    /// # Errors
    /// When to ask again.
    pub fn take(&self, app_id: &str, key: &Key, now: Timestamp) -> Result<(), Timestamp> {
        let mut turns = self.0.lock();
        // What is so long ago holds nobody up.
        turns.last.retain(|_, last| last.later(BETWEEN) > now);
        let turn = match turns.waiting.remove(key) {
            Some(turn) => turn,
            None => {
                let turn = turns.last.get(app_id).map_or(now, |last| last.later(BETWEEN).max(now));
                turns.last.insert(app_id.to_owned(), turn);
                turn
            }
        };
        if turn <= now {
            return Ok(());
        }
        turns.waiting.insert(key.clone(), turn);
        Err(turn)
    }

    /// Forgets who does not wait any more.
    pub fn forget(&self, key: &Key) {
        self.0.lock().waiting.remove(key);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::at;

    #[test]
    fn each_gets_a_turn_and_no_two_of_one_app_the_same() {
        let (pace, now) = (Pacer::default(), at(100));
        let key = |name: &str| Key::new("claims", name);
        assert_eq!(pace.take("app", &key("a"), now), Ok(()));
        assert_eq!(pace.take("app", &key("b"), now), Err(at(101)));
        assert_eq!(pace.take("app", &key("c"), now), Err(at(102)));
        assert_eq!(pace.take("other", &key("d"), now), Ok(()), "applications do not wait for one another");
        assert_eq!(pace.take("app", &key("b"), now), Err(at(101)), "who asks early keeps the turn");
        assert_eq!(pace.take("app", &key("c"), at(102)), Ok(()));
        assert_eq!(pace.take("app", &key("b"), at(102)), Ok(()));
        assert_eq!(pace.take("app", &key("a"), at(102)), Err(at(103)));
    }

    #[test]
    fn nothing_is_kept_of_a_turn_that_holds_nobody_up_nor_of_who_waits_no_more() {
        let pace = Pacer::default();
        let (a, b) = (Key::new("claims", "a"), Key::new("claims", "b"));
        let sizes = || {
            let turns = pace.0.lock();
            (turns.last.len(), turns.waiting.len())
        };
        for app in 0..100 {
            assert_eq!(pace.take(&app.to_string(), &a, at(100)), Ok(()));
        }
        assert_eq!(pace.take("0", &b, at(100)), Err(at(101)));
        assert_eq!(sizes(), (100, 1));
        assert_eq!(pace.take("other", &a, at(101)), Ok(()));
        pace.forget(&b);
        assert_eq!(sizes(), (2, 0), "that of 0 has just come");
    }
}
