//! The journal of a pass: every call to Meta with what came of it, in the order in which they were made. What is asked of
//! all answers, such as whether Meta can be reached, is asked here, so that no list of them is kept by hand.

use super::answer::{Answer, Refusal, answer};
use super::breakers::Reach;
use super::key::{Key, KindName};
use crate::graph::{GraphError, Operation};

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

    /// Logs what Meta refused since the last time, in full and with the object that it is about. That it does not answer
    /// is met by all objects at once, and logged where it is met.
    pub fn log(&mut self, kind: KindName, object: &Key) {
        for (operation, outcome) in self.made.iter().skip(self.logged) {
            let Err(refusal) = outcome else { continue };
            if refusal.may_pass() || refusal.held.is_some() {
                continue;
            }
            let (kind, call, class) = (kind.as_str(), operation.template(), refusal.verdict.class());
            let (error, words) = (&refusal.fact, refusal.words().unwrap_or_default());
            let fbtrace_id = refusal.trace();
            tracing::info!(kind, %object, call, class, error, words, fbtrace_id, "Meta refused");
        }
        self.logged = self.made.len();
    }

    /// Whether Meta answered anything.
    pub fn reach(&self) -> Reach {
        self.made.iter().fold(Reach::Unknown, |reach, (_, outcome)| reach.with(Some(outcome)))
    }

    /// The calls that were refused, those that were not answered among them.
    pub fn refusals(&self) -> impl Iterator<Item = &Refusal> {
        self.made.iter().filter_map(|(_, outcome)| outcome.as_ref().err())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_counts_whatever_it_was() {
        for operation in Operation::ALL {
            let mut calls = Calls::default();
            assert_eq!(calls.reach(), Reach::Unknown);
            let silent: Answer<()> = calls.answer(*operation, Err(GraphError::Timeout));
            assert_eq!((calls.reach(), calls.refusals().count()), (Reach::Silent, 1), "{operation:?}");
            assert_eq!(silent.as_ref().err(), calls.refusals().next());
            let _: Answer<u8> = calls.answer(*operation, Ok(1));
            assert_eq!((calls.reach(), calls.refusals().count()), (Reach::Answered, 1), "{operation:?}");
        }
    }
}
