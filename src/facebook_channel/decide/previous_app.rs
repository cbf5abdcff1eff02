//! What to do about the application through which the page was used before: its subscription is ended before the page is
//! subscribed to another application, or disconnected. What cannot be ended is reported.

use super::case::Case;
use crate::api::Reason;
use crate::api::conditions::{Finding, Status};
use crate::cluster::events::Note;
use crate::facebook_channel::model::Mutation;
use crate::facebook_channel::model::{Former, FormerEnd};
use crate::limits::answer::Refusal;
use crate::meta_app::by_id::AppState;

/// The application before, while its subscription is still to be ended. Who only looks on ends none.
fn standing<'a>(case: &'a Case<'_>) -> Option<&'a Former> {
    case.seen.former.as_ref().filter(|_| !case.observes())
}

/// Why the page is neither subscribed nor parted from yet, if that is the reason.
pub(super) fn in_the_way(case: &Case<'_>) -> Option<Finding> {
    let former = standing(case)?;
    let id = &former.claimed.app_id;
    let mut seen =
        format!("The page was used through app {id} before; the operator unsubscribes it from that app first.");
    let mut step = String::new();
    let trouble = match &former.app {
        AppState::NotReady(why) => Some(why.as_str()),
        AppState::SecretGone => Some("it has no usable app secret."),
        AppState::Ready | AppState::Missing | AppState::OtherApp(_) => None,
    };
    if let Some(why) = trouble {
        let name = former.name();
        seen = format!("{seen} {name} cannot be used now: {why}");
        step = format!(
            "The maintainer of {name} must repair it; or delete it, and the operator uses the page without unsubscribing it first. The operator continues on its own."
        );
    }
    Some(case.found(Status::Unknown, Reason::Pending, seen, step))
}

/// Ends its subscription, or leaves it where it cannot be ended. Before another credential is verified nothing is ended that works.
pub(super) fn mutation(case: &Case<'_>, proven: bool) -> Option<Mutation> {
    let former = standing(case).filter(|_| proven || case.parts())?;
    let leave = |why: String| Some(Mutation::LeaveFormer { why });
    let (name, held) = (former.name(), case.refusals().into_iter().any(|refusal| refusal.held.is_some()));
    match (&case.seen.asked.former, &former.app) {
        (Some(FormerEnd::Asked(Err(refusal))), _) if !refusal.says_nothing() => {
            leave(format!("Meta refuses to end that subscription ({})", refusal.fact))
        }
        (Some(_), _) | (None, AppState::NotReady(_) | AppState::SecretGone) => None,
        (None, AppState::Ready) => (!held).then_some(Mutation::UnsubscribeFormer),
        (None, AppState::Missing) => leave(format!("{name} does not exist")),
        (None, AppState::OtherApp(id)) => leave(format!("{name} now stands for app {id}")),
    }
}

/// What Meta refused of it, if it did.
pub(super) fn refusal<'a>(case: &'a Case<'_>) -> Option<&'a Refusal> {
    match &case.seen.asked.former {
        Some(FormerEnd::Asked(answer)) => answer.as_ref().err(),
        _ => None,
    }
}

/// What is told of a subscription that stays.
pub(super) fn note(case: &Case<'_>) -> Option<Note> {
    let Some(FormerEnd::Left(text)) = &case.seen.asked.former else { return None };
    Some(Note { warning: true, reason: Reason::LeftBehind.as_str(), action: "CleanUp", text: text.clone() })
}
