//! What Meta refuses, or does not answer.

use crate::graph::{GraphError, GraphFault, Operation};
use crate::limits::answer::{Answer, Refusal, answer};

/// The refusal that an error of Graph comes to.
pub(crate) fn fault(operation: Operation, code: u32, subcode: impl Into<Option<u32>>, text: &str) -> Refusal {
    answer::<()>(operation, Err(GraphFault::new(code, subcode.into(), text).into())).unwrap_err()
}

pub(crate) fn no_answer(operation: Operation) -> Refusal {
    answer::<()>(operation, Err(GraphError::Timeout)).unwrap_err()
}

/// Whether Meta was not asked, or said nothing.
pub(crate) fn unanswered<T>(answer: &Option<Answer<T>>) -> bool {
    answer.as_ref().is_none_or(|answer| matches!(answer, Err(refusal) if refusal.says_nothing()))
}
