//! How many channels of an application doubt their tokens at the same time. A few doubts are separate troubles, and their
//! witnesses are asked at once. Many doubts point to the application or to a hiccup of Meta's: the application's own check
//! comes first, and the operator does not ask for each channel what the next regular check will show anyway.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use crate::base::ids::Uid;

/// So many doubts within [`WINDOW`] are each followed up; with more it is no matter of single channels.
const FEW: usize = 20;
const WINDOW: SignedDuration = SignedDuration::from_mins(1);
/// A second look is due a minute after a doubt: until then it is remembered how many there were.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(3);

/// The doubts of each application lately, by the UID of its MetaApp.
#[derive(Debug, Default)]
pub struct SuspectTokens(Mutex<HashMap<Uid, Lately>>);

#[derive(Debug, Default)]
struct Lately {
    /// The last doubts, followed up or not.
    heard: Vec<Timestamp>,
    /// Those that were followed up.
    admitted: Vec<Timestamp>,
}

impl SuspectTokens {
    /// Notes a doubt; whether its witness may be asked now.
    pub fn admit(&self, app: &Uid, now: Timestamp) -> bool {
        let mut all = self.0.lock();
        let lately = all.entry(app.to_owned()).or_default();
        push(&mut lately.heard, now);
        let few = within(&lately.admitted, now, WINDOW) < FEW;
        if few {
            push(&mut lately.admitted, now);
        }
        few
    }

    /// Whether there were too many lately for each to be checked a second time on its own.
    pub fn are_many(&self, app: &Uid, now: Timestamp) -> bool {
        let all = self.0.lock();
        all.get(app).is_some_and(|lately| within(&lately.heard, now, REMEMBERED) > FEW)
    }

    /// Forgets an application that is gone.
    pub fn forget(&self, app: &Uid) {
        self.0.lock().remove(app);
    }
}

/// Of many the last ones will do: that there were too many matters, and not how many.
fn push(times: &mut Vec<Timestamp>, now: Timestamp) {
    times.push(now);
    times.drain(..times.len().saturating_sub(2 * FEW));
}

fn within(doubts: &[Timestamp], now: Timestamp, span: SignedDuration) -> usize {
    doubts.iter().filter(|at| now.duration_since(**at) <= span).count()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::at;

    #[test]
    fn twenty_within_a_minute_are_followed_up_for_each_application() {
        let doubts = SuspectTokens::default();
        let admitted = (0..1_000).filter(|_| doubts.admit(&"app".into(), at(0))).count();
        assert_eq!(admitted, 20);
        assert!(doubts.admit(&"other".into(), at(0)));
        assert!(doubts.admit(&"app".into(), at(61)), "the minute is over");
    }

    #[test]
    fn doubts_that_go_on_are_admitted_no_faster() {
        let doubts = SuspectTokens::default();
        let admitted = (0..6_000).filter(|number| doubts.admit(&"app".into(), at(number / 10))).count();
        assert!((200..=220).contains(&admitted), "{admitted} in ten minutes of ten a second");
    }

    #[test]
    fn a_few_are_looked_at_a_second_time_and_many_are_not() {
        let doubts = SuspectTokens::default();
        (0..20).for_each(|_| assert!(doubts.admit(&"app".into(), at(0))));
        assert!(!doubts.are_many(&"app".into(), at(60)));
        assert!(!doubts.admit(&"app".into(), at(1)));
        assert!(doubts.are_many(&"app".into(), at(60)));
        assert!(!doubts.are_many(&"app".into(), at(182)));
        assert!(!doubts.are_many(&"other".into(), at(60)));
    }
}
