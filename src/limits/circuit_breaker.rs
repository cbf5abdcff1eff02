//! Restraint while Meta is unreachable: once many channels of an application went without an answer in a row, the operator
//! stops asking about the others. The application's own check, one call, finds out when Meta is back.
//!
//! Only silence opens a breaker. Whether an application is broken is reported by its own conditions, which its channels obey.

use std::collections::{BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use super::answer::{Answer, Held, Refusal};
use super::reasons_to_wait;
use crate::base::clock::Moment;
use crate::base::ids::Uid;
use crate::base::schedule::spread;
use crate::graph::Verdict;

/// So many different channels in a row without one answer open the breaker. With fewer there is little to spare.
const SILENT: usize = 20;

/// How long a channel waits while the breaker is open, and over how long the waiting are spread when it closes.
const WAIT: SignedDuration = SignedDuration::from_mins(1);

/// What the calls of a pass say about whether Meta can be reached.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Reachability {
    /// Nothing was asked.
    #[default]
    Unknown,
    /// Nothing was answered.
    Silent,
    /// Something was answered, if only by a refusal.
    Answered,
}

impl Reachability {
    /// With one more call, if it was made.
    #[must_use]
    pub fn with<T>(self, answer: Option<&Answer<T>>) -> Self {
        match answer {
            None => self,
            Some(Err(refusal)) if refusal.held.is_some() => self,
            Some(Err(refusal)) if refusal.verdict == Verdict::NoAnswer && self != Self::Answered => Self::Silent,
            Some(Err(refusal)) if refusal.verdict == Verdict::NoAnswer => self,
            Some(_) => Self::Answered,
        }
    }
}

/// The breakers of all applications, by the UIDs of their MetaApps.
#[derive(Debug, Default)]
pub struct CircuitBreakers(Mutex<HashMap<Uid, Silence>>);

/// Those of an application that were not answered about since the last answer.
#[derive(Debug, Default)]
struct Silence {
    silent: BTreeSet<Uid>,
    /// Since when the breaker is open.
    open: Option<Timestamp>,
}

impl CircuitBreakers {
    /// Takes note of what came of the calls for an object, be it a channel or the application itself. How many breakers
    /// are open then.
    pub fn note(&self, app: &Uid, uid: &Uid, reach: Reachability, now: Timestamp) -> usize {
        let mut all = self.0.lock();
        match reach {
            Reachability::Unknown => {}
            Reachability::Answered => {
                all.remove(app);
            }
            Reachability::Silent => {
                let Silence { silent, open } = all.entry(app.to_owned()).or_default();
                if silent.len() < SILENT {
                    silent.insert(uid.to_owned());
                }
                if silent.len() >= SILENT {
                    open.get_or_insert(now);
                }
            }
        }
        all.values().filter(|it| it.open.is_some()).count()
    }

    /// Forgets an application that is gone. How many breakers are open then.
    pub fn forget(&self, app: &Uid) -> usize {
        self.note(app, &Uid::default(), Reachability::Answered, Timestamp::UNIX_EPOCH)
    }

    /// When a channel of this application may try again, if the breaker is open.
    pub fn open_until(&self, app: &Uid, uid: &Uid, now: Timestamp) -> Option<Timestamp> {
        self.open_since(app).map(|_| now.later(WAIT).later(spread(uid.as_str(), WAIT)))
    }

    /// Since when the breaker is open, if it is.
    pub fn open_since(&self, app: &Uid) -> Option<Timestamp> {
        self.0.lock().get(app)?.open
    }

    /// What stands for Meta's answers about an object that may try again then.
    pub fn held(&self, app: &Uid, until: Timestamp) -> Refusal {
        let held = Refusal::held(Held::Outage(until));
        match self.open_since(app) {
            Some(since) => held.because(reasons_to_wait::outage(since)),
            None => held,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn silence(breakers: &CircuitBreakers, count: usize) {
        for number in 0..count {
            breakers.note(&"app".into(), &Uid::new(&format!("uid-{number}")), Reachability::Silent, now());
        }
    }

    fn is_open(breakers: &CircuitBreakers, app: &str) -> bool {
        breakers.open_until(&app.into(), &"u".into(), now()).is_some()
    }

    #[test]
    fn twenty_different_channels_in_a_row_open_the_breaker_of_their_app_alone() {
        let breakers = CircuitBreakers::default();
        for _ in 0..100 {
            breakers.note(&"app".into(), &"one".into(), Reachability::Silent, now());
        }
        assert!(!is_open(&breakers, "app"), "one channel is no outage");
        silence(&breakers, 19);
        assert!(is_open(&breakers, "app") && !is_open(&breakers, "other"));
    }

    #[test]
    fn any_answer_closes_it_and_counting_begins_anew() {
        let breakers = CircuitBreakers::default();
        silence(&breakers, 19);
        breakers.note(&"app".into(), &"x".into(), Reachability::Answered, now());
        silence(&breakers, 19);
        assert!(!is_open(&breakers, "app"));
        assert_eq!(breakers.note(&"app".into(), &"y".into(), Reachability::Silent, now()), 1);
        assert_eq!(breakers.note(&"app".into(), &"z".into(), Reachability::Unknown, now()), 1);
        assert!(is_open(&breakers, "app"));
        assert_eq!(breakers.note(&"app".into(), &"the app itself".into(), Reachability::Answered, now()), 0);
        assert!(!is_open(&breakers, "app"));
    }

    #[test]
    fn it_is_told_since_when_it_is_open_and_not_since_when_it_was_tried_again() {
        let (breakers, later) = (CircuitBreakers::default(), now() + WAIT * 7);
        silence(&breakers, 19);
        assert_eq!(breakers.open_since(&"app".into()), None);
        silence(&breakers, 20);
        breakers.note(&"app".into(), &"another".into(), Reachability::Silent, later);
        assert_eq!(breakers.open_since(&"app".into()), Some(now()));
        let facts = [now(), later].map(|until| breakers.held(&"app".into(), until).fact);
        assert_eq!(facts[0], facts[1]);
        breakers.note(&"app".into(), &"the app itself".into(), Reachability::Answered, later);
        assert_eq!(breakers.open_since(&"app".into()), None);
    }

    #[test]
    fn the_waiting_come_back_spread_over_a_minute() {
        let breakers = CircuitBreakers::default();
        silence(&breakers, 20);
        let times: BTreeSet<_> = (0..200)
            .filter_map(|number| breakers.open_until(&"app".into(), &Uid::new(&format!("uid-{number}")), now()))
            .collect();
        assert!(times.len() > 30 && times.iter().all(|at| *at >= now() + WAIT && *at < now() + WAIT * 2));
    }

    #[test]
    fn a_refusal_is_an_answer_and_what_was_held_back_says_nothing() {
        let refused = |verdict| Err(Refusal::new(verdict, "code 1"));
        let held = Err(Refusal::held(Held::Outage(now())));
        let rows: [(Vec<Answer<()>>, Reachability); 7] = [
            (vec![], Reachability::Unknown),
            (vec![held], Reachability::Unknown),
            (vec![Ok(())], Reachability::Answered),
            (vec![refused(Verdict::NoAnswer)], Reachability::Silent),
            (vec![refused(Verdict::RequestRejected)], Reachability::Answered),
            (vec![refused(Verdict::NoAnswer), Ok(())], Reachability::Answered),
            (vec![Ok(()), refused(Verdict::NoAnswer)], Reachability::Answered),
        ];
        for (answers, expected) in rows {
            let reach = answers.iter().fold(Reachability::Unknown, |reach, answer| reach.with(Some(answer)));
            assert_eq!(reach, expected, "{answers:?}");
        }
    }
}
