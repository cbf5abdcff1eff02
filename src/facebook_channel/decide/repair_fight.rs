//! Another system that also writes the subscription of the page.

use super::case::Case;
use crate::api::conditions::{ConditionType, Finding, find};
use crate::controller::repair_fight;
use crate::controller::repair_fight::Fight;
use crate::graph::PageSubscription;

impl Case<'_> {
    /// Whether someone else wrote our row after these fields were written, as it seems. Of who did that once nothing else is
    /// expected.
    pub(super) fn is_overwritten(
        &self,
        type_: ConditionType,
        row: Option<&PageSubscription>,
        written: &[String],
    ) -> bool {
        let ours = |row: &&PageSubscription| Some(&row.id) == self.seen.app.id();
        let before = self.seen.asked.before.as_ref().map(|rows| held(rows.iter().find(ours)));
        let disputed = repair_fight::is_disputed(find(&self.previous.conditions, type_));
        disputed || before.is_some_and(|before| repair_fight::is_foreign(before, written, held(row)))
    }

    /// What is found of a fight over our row; `type_` is the condition that tells of it.
    pub(super) fn fight(
        &self,
        type_: ConditionType,
        row: Option<&PageSubscription>,
        found: impl FnOnce(Fight<'_>) -> Finding,
    ) -> Finding {
        let previous = find(&self.previous.conditions, type_);
        found(Fight { previous, held: held(row), look_again: &self.look_again(), now: self.now })
    }
}

/// The fields of a row, if it is there.
fn held(row: Option<&PageSubscription>) -> &[String] {
    row.map(|row| row.subscribed_fields.as_slice()).unwrap_or_default()
}
