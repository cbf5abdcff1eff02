//! New declarations about a subscription that cannot be fulfilled. A refused wish undoes nothing: what exists at Meta stays
//! verified, and only Ready reports what is wrong.

use super::case::Case;
use crate::api::Reason;
use crate::api::WebhookObject::Page;
use crate::api::conditions::{ConditionType, Finding, Status, find};
use crate::facebook_channel::model::AppSeen;
use crate::graph::{CutReason, PageSubscription, Verdict};
use crate::limits::answer::{Refusal, listed};
use crate::meta_app::facts::WebhookVerdict;

/// The fields that are declared, of the channel or inherited from its MetaApp.
pub(super) fn wanted(case: &Case<'_>) -> Vec<String> {
    let of_app = match &case.seen.app {
        AppSeen::Found { fields, .. } => fields.clone(),
        _ => Vec::new(),
    };
    case.channel.spec.subscribed_fields.clone().unwrap_or(of_app)
}

/// Declared fields that Meta refused: in this pass, or before, as long as nothing has changed since.
pub(super) fn refused(case: &Case<'_>) -> Vec<String> {
    let same = case.previous.inputs.as_ref() == Some(&case.seen.inputs);
    let before = case.previous.subscription.as_ref().filter(|_| same).map(|it| it.refused.clone());
    let mut refused = before.unwrap_or_default();
    refused.extend(case.seen.asked.refused_fields.iter().cloned());
    refused.sort();
    refused.dedup();
    let wanted = wanted(case);
    refused.retain(|field| wanted.contains(field));
    refused
}

/// Whether the application does not deliver a field, and will not: it is not among those of the MetaApp.
pub(super) fn is_undelivered(case: &Case<'_>, field: &String) -> bool {
    let AppSeen::Found { awaited, verdict, .. } = &case.seen.app else { return false };
    matches!(&verdict.webhook, WebhookVerdict::Subscribed(delivered) if !delivered.contains(field) && !awaited.contains(field))
}

/// What of the declared fields is not to be had.
pub(super) fn refused_fields(case: &Case<'_>) -> Option<Finding> {
    let refused = refused(case);
    let wanted = wanted(case);
    let undelivered: Vec<_> =
        wanted.into_iter().filter(|it| !refused.contains(it) && is_undelivered(case, it)).collect();
    let unknown: Vec<_> = refused.iter().chain(undelivered.iter().filter(|it| !Page.has(it))).cloned().collect();
    if !unknown.is_empty() {
        let seen = format!("Meta has no webhook field {} for pages; the others are subscribed.", listed(&unknown));
        let step = format!(
            "The maintainer of this channel must correct in spec.subscribedFields: {}.",
            listed(&Page.corrected(&unknown))
        );
        let said = case.seen.asked.subscribed.as_ref().and_then(|it| it.as_ref().err()?.quote());
        return Some(case.found(Status::False, Reason::FieldRefused, seen, step).quoting(said));
    }
    if undelivered.is_empty() {
        return None;
    }
    let seen = format!(
        "The webhook of the MetaApp does not deliver the declared fields {}; the others are subscribed.",
        listed(&undelivered)
    );
    let step = "The maintainer of the MetaApp must add them to spec.webhook.fields, or the maintainer of this channel must remove them.";
    Some(case.found(Status::False, Reason::AppFieldsMissing, seen, step))
}

/// The condition Subscribed as it was verified, if the page's row still holds everything that it held then.
pub(super) fn standing(case: &Case<'_>, row: Option<&PageSubscription>) -> Option<Finding> {
    let row = row?;
    let before = find(&case.previous.conditions, ConditionType::Subscribed)?;
    let verified = case.previous.subscription.as_ref()?;
    let stands = verified.fields.iter().all(|field| row.subscribed_fields.contains(field));
    (stands && before.status == Status::True.as_str()).then(|| Finding::from_condition(before, None)).flatten()
}

/// What has to change before the page can be subscribed, if it is neither the authorization nor the page. A write that
/// was not answered says nothing: the rows that were read after it do.
pub(super) fn write_refused(case: &Case<'_>, refusal: &Refusal) -> Option<Finding> {
    if let Some(finding) = refused_fields(case).filter(|it| it.reason == Reason::FieldRefused) {
        return Some(finding);
    }
    let fact = &refusal.fact;
    let (reason, seen, step) = match &refusal.verdict {
        Verdict::ApprovalMissing(_) => (
            Reason::PermissionNotApproved,
            format!("Meta does not let the app subscribe to this page yet ({fact})."),
            "An administrator of the app must request advanced access in the App Dashboard, App Review; or give the person behind the token a role in the app.",
        ),
        Verdict::AccessCut(CutReason::ScopeMissing { scope }) => {
            let scope = scope.as_deref().map(|scope| format!(" {scope}")).unwrap_or_default();
            (
                Reason::SubscriptionRefused,
                format!(
                    "Meta refuses to subscribe the page because the permission{scope} is missing, although debug_token lists it ({fact})."
                ),
                "An administrator of the app must check in the App Dashboard that it has advanced access and that the business is verified; someone with full control of the page must make sure that the person behind the token has the task MODERATE there.",
            )
        }
        Verdict::RequestRejected | Verdict::FieldUnknown(_) => (
            Reason::RequestRejected,
            format!("Meta refused the subscription of the page ({fact})."),
            "The maintainer of this channel must compare spec.subscribedFields, or the fields of the MetaApp, with what Meta accepts.",
        ),
        Verdict::PageFault(_) | Verdict::Refused | Verdict::NotChannelHealth => (
            Reason::SubscriptionRefused,
            format!("Meta refused the subscription of the page ({fact})."),
            "Someone with full control of the page must check its Page Quality tab; if nothing is wrong there, an administrator of the app must ask Meta's developer support, quoting the words that follow.",
        ),
        _ => return None,
    };
    Some(case.found(Status::False, reason, seen, step).quoting(refusal.quote()))
}
