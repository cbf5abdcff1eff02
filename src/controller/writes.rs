//! Results of the writes of a pass in the cluster. A refused write ends no pass: everything else that was found is reported all
//! the same.

use std::collections::BTreeMap;

use crate::cluster::error::Failure;
use crate::cluster::write_refused::{Refusals, WriteRefused};

/// The last outcome of each write that was tried in a pass, by the kind of the object.
#[derive(Debug, Default)]
pub struct Writes(BTreeMap<&'static str, Option<WriteRefused>>);

impl Writes {
    /// Takes note of a write: what it came to, or `None` if it was refused.
    ///
    /// # Errors
    /// Whatever else kept it from taking place.
    pub fn note<T>(&mut self, kind: &'static str, outcome: Result<T, Failure>) -> Result<Option<T>, Failure> {
        let (written, refused) = match outcome {
            Ok(written) => (Some(written), None),
            Err(Failure::Refused(refused)) => (None, Some(*refused)),
            Err(failure) => return Err(failure),
        };
        self.0.insert(kind, refused);
        Ok(written)
    }

    /// Whether a write came to something else than it did `before`.
    pub fn are_news(&self, before: &Refusals) -> bool {
        self.0.iter().any(|(kind, outcome)| outcome.as_ref() != before.get(kind))
    }

    /// What was refused in this pass.
    pub fn refused(&self) -> Refusals {
        self.0.iter().filter_map(|(kind, outcome)| Some((*kind, outcome.clone()?))).collect()
    }

    /// That writing the object of this kind was refused in this pass.
    pub fn refusal(&self, kind: &str) -> Option<&WriteRefused> {
        self.0.get(kind)?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::base::key::Key;
    use crate::cluster::write_refused::{Verb, Write};

    fn refused(kind: &'static str, verb: Verb) -> Failure {
        Failure::Refused(Box::new(WriteRefused::unanswered(Write::new(verb, kind, &Key::new("a", "x")))))
    }

    #[test]
    fn news_is_what_was_tried_and_came_to_something_else() {
        let mut writes = Writes::default();
        assert!(!writes.are_news(&Refusals::new()));
        assert_eq!(writes.note::<()>("Secret", Err(refused("Secret", Verb::Create))).unwrap(), None);
        let before = writes.refused();
        assert!(writes.are_news(&Refusals::new()) && !writes.are_news(&before));
        assert!(!Writes::default().are_news(&before), "what was not tried is no news");
        assert_eq!(writes.note("Secret", Ok(7)).unwrap(), Some(7));
        assert!(writes.are_news(&before) && writes.refused().is_empty());
        writes.note::<()>("Secret", Err(refused("Secret", Verb::Update))).unwrap();
        assert!(writes.are_news(&before), "another write is another refusal");
    }

    #[test]
    fn that_somebody_else_wrote_first_is_no_refusal() {
        let conflict = Failure::Kubernetes { what: "x", detail: String::new(), conflict: true };
        assert!(Writes::default().note::<()>("Secret", Err(conflict)).is_err());
    }
}
