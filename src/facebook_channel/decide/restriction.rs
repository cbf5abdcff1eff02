//! How long Meta has restricted a page. Such a block often ends on its own within a day or two; one that lasts longer is
//! reported once.

use jiff::{SignedDuration, Timestamp, Unit};

use super::case::Case;
use crate::api::Reason;
use crate::api::conditions::{ConditionType, Finding, Status, find};
use crate::base::clock::Moment;
use crate::cluster::events::Note;

/// How long a restriction may be expected to go on its own.
const GRACE: SignedDuration = SignedDuration::from_hours(48);
/// Stands in the message of a restriction that outlasted it; that it was told is remembered by it.
const OUTLASTED: &str = "This has lasted for more than 48 hours.";

/// A restriction, and that it lasts for long already.
pub(super) fn lasting(case: &Case<'_>, finding: Finding) -> Finding {
    let outlasted = is_restriction(&finding) && end_of_grace(case, since(case, &finding)).is_none();
    if !outlasted {
        return finding;
    }
    let seen = format!("{} {OUTLASTED}", finding.seen);
    let next_step =
        format!("{} If that did not help, they must ask Meta's support: nobody else can lift it.", finding.next_step);
    Finding { seen, next_step, ..finding }
}

/// Since when the page has been restricted. While Meta does not say whether it still is, that is not forgotten.
pub(super) fn since(case: &Case<'_>, page_usable: &Finding) -> Option<Timestamp> {
    let before = case.previous.restricted_since;
    match page_usable.status {
        _ if is_restriction(page_usable) => before.or_else(|| case.now.round(Unit::Second).ok()),
        Status::Unknown => before,
        Status::True | Status::False => None,
    }
}

/// When a restriction that goes on will have outlasted what may be expected, if that is still to come.
pub(super) fn end_of_grace(case: &Case<'_>, since: Option<Timestamp>) -> Option<Timestamp> {
    since.map(|since| since.later(GRACE)).filter(|end| *end > case.now)
}

/// Tells once that a restriction outlasted what may be expected.
pub(super) fn note(case: &Case<'_>, page_usable: &Finding) -> Option<Note> {
    let told =
        find(&case.previous.conditions, ConditionType::PageUsable).is_some_and(|it| it.message.contains(OUTLASTED));
    let outlasted = page_usable.seen.ends_with(OUTLASTED) && !told;
    outlasted.then(|| Note {
        warning: true,
        reason: "RestrictionOutlastedGrace",
        action: "Reconcile",
        text: page_usable.news(),
    })
}

fn is_restriction(finding: &Finding) -> bool {
    finding.status == Status::False
        && matches!(finding.reason, Reason::Restricted | Reason::SendBlocked | Reason::NotVisible)
}
