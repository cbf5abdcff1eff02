//! Another system that writes the subscription of the page too.

use std::collections::BTreeSet;

use super::Case;
use crate::api::conditions::{ConditionType, Finding, find};
use crate::engine::fights::{self, Fight};
use crate::graph::PageSubscription;

impl Case<'_> {
    /// Whether somebody else wrote our row after it was written, as it seems: it shows neither what was written nor what was
    /// there before. Of who did that once nothing else is expected.
    pub(super) fn is_overwritten(&self, type_: ConditionType, row: Option<&PageSubscription>) -> bool {
        let ours = |row: &&PageSubscription| Some(row.id.as_str()) == self.seen.app.id();
        let fields = |row: &PageSubscription| row.subscribed_fields.iter().cloned().collect::<BTreeSet<_>>();
        let before = self.seen.asked.before.as_ref().map(|rows| rows.iter().find(ours));
        let disputed = fights::is_disputed(find(&self.previous.conditions, type_));
        disputed || before.is_some_and(|before| before.map(fields) != row.map(fields))
    }

    /// What is found of a fight over our row; `type_` is the condition that tells of it.
    pub(super) fn fight(
        &self,
        type_: ConditionType,
        row: Option<&PageSubscription>,
        found: impl FnOnce(Fight<'_>) -> Finding,
    ) -> Finding {
        let held = row.map(|row| row.subscribed_fields.as_slice()).unwrap_or_default();
        let previous = find(&self.previous.conditions, type_);
        found(Fight { previous, held, look_again: &self.look_again(), now: self.now })
    }
}
