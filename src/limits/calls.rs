//! The journal of a pass: every call to Meta with its result, in the order of the calls. Questions about all answers, such as
//! whether Meta can be reached, are asked here, so that nobody has to keep lists of answers by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::answer::{Answer, Refusal, answer};
use super::circuit_breaker::Reachability;
use crate::base::key::{Key, KindName};
use crate::graph::{GraphError, Operation};
use parking_lot::Mutex;

/// The calls of one pass. Each operation says with whose token it is made; they are all about the object of the pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calls {
    made: Vec<(Operation, Result<(), Refusal>)>,
    /// How many of them were logged.
    logged: usize,
}

impl Calls {
    /// Notes a call that was made, and classes its answer.
    pub fn answer<T>(&mut self, operation: Operation, result: Result<T, GraphError>) -> Answer<T> {
        let answered = answer(operation, result);
        self.note(operation, &answered);
        answered
    }

    /// Notes a call that was made elsewhere, or was not made for some reason.
    pub fn note<T>(&mut self, operation: Operation, answer: &Answer<T>) {
        self.made.push((operation, answer.as_ref().map(|_| ()).map_err(Clone::clone)));
    }

    /// Logs what Meta refused since the last time, in full and with the object that it is about; what was refused in the
    /// same way before is only counted. That Meta does not answer is met by all objects at once, and logged where it is met.
    pub fn log(&mut self, kind: KindName, object: &Key, told: &Told) {
        let new = self.made.get(self.logged..).unwrap_or_default();
        for (place, (operation, outcome)) in new.iter().enumerate() {
            let (kind, call) = (kind.as_str(), operation.template());
            // One call may be tried with two secrets or in two versions: what it came to last counts.
            if new.iter().skip(place + 1).any(|(later, _)| later == operation) {
                continue;
            }
            let refusal = match outcome {
                Ok(()) => {
                    if let Some(times) = told.end(call) {
                        tracing::info!(kind, %object, call, times, "Meta no longer refuses");
                    }
                    continue;
                }
                Err(refusal) if refusal.may_pass() || refusal.held.is_some() => continue,
                Err(refusal) => refusal,
            };
            let class = refusal.verdict.class();
            let (error, words) = (&refusal.fact, refusal.words().unwrap_or_default());
            let fbtrace_id = refusal.trace();
            match told.count(call, error) {
                1 => tracing::info!(kind, %object, call, class, error, words, fbtrace_id, "Meta refused"),
                times => tracing::debug!(kind, %object, call, class, error, words, fbtrace_id, times, "Meta refused"),
            }
        }
        self.logged = self.made.len();
    }

    /// Whether Meta answered anything.
    pub fn reach(&self) -> Reachability {
        self.made.iter().fold(Reachability::Unknown, |reach, (_, outcome)| reach.with(Some(outcome)))
    }

    /// The calls that were refused, those that were not answered among them.
    pub fn refusals(&self) -> impl Iterator<Item = &Refusal> {
        self.made.iter().filter_map(|(_, outcome)| outcome.as_ref().err())
    }
}

/// What Meta refuses about one object, and how often it said so, by call.
#[derive(Clone, Debug, Default)]
pub struct Told(Arc<Mutex<BTreeMap<&'static str, (String, u64)>>>);

impl Told {
    /// How often this was said without a break, this time among them.
    fn count(&self, call: &'static str, error: &str) -> u64 {
        let mut all = self.0.lock();
        let (said, times) = all.entry(call).or_default();
        if said != error {
            (*said, *times) = (error.to_owned(), 0);
        }
        *times += 1;
        *times
    }

    /// The call was answered: how often it was refused before, if it was.
    fn end(&self, call: &'static str) -> Option<u64> {
        let gone = self.0.lock().remove(call);
        gone.map(|(_, times)| times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_counts_whatever_it_was() {
        for operation in Operation::ALL {
            let mut calls = Calls::default();
            assert_eq!(calls.reach(), Reachability::Unknown);
            let silent: Answer<()> = calls.answer(*operation, Err(GraphError::Timeout));
            assert_eq!((calls.reach(), calls.refusals().count()), (Reachability::Silent, 1), "{operation:?}");
            assert_eq!(silent.as_ref().err(), calls.refusals().next());
            let _: Answer<u8> = calls.answer(*operation, Ok(1));
            assert_eq!((calls.reach(), calls.refusals().count()), (Reachability::Answered, 1), "{operation:?}");
        }
    }

    #[test]
    fn what_is_refused_again_is_counted_until_it_is_answered_or_refused_otherwise() {
        let told = Told::default();
        let counts = ["code 190", "code 190", "code 10", "code 190"].map(|error| told.count("/me", error));
        assert_eq!(counts, [1, 2, 1, 1]);
        assert_eq!(told.count("/debug_token", "code 190"), 1, "each call on its own");
        assert_eq!((told.end("/me"), told.end("/me")), (Some(1), None));
        assert_eq!(told.clone().count("/debug_token", "code 190"), 2, "what is remembered is one memory");
    }
}
