//! What answers say about a token: whether it is proven, what is wrong with it, and what casts doubt on it.

use jiff::Timestamp;

use super::grant;
use crate::api::conditions::{ConditionType, find, has_reason};
use crate::api::{FacebookChannel, FacebookChannelStatus, Reason};
use crate::base::ids::PageId;
use crate::facebook_channel::model::{AppSeen, Asked, Observed, TokenSeen};
use crate::graph::{CutReason, TokenInfo, TokenKind, Verdict};
use crate::limits::answer::{Answer, Refusal};
use crate::meta_app::token_check;
use crate::meta_app::token_check::Flaw;

/// Whether the credential has proven that it may be used for the page.
pub fn is_proven(channel: &FacebookChannel, seen: &Observed, now: Timestamp) -> bool {
    matches!(debugged(seen), Some(Ok(info)) if flaw(channel, &seen.app, &seen.token, info, seen.reckoned(now)).is_none())
}

/// What debug_token says.
pub fn debugged(seen: &Observed) -> Option<Answer<&TokenInfo>> {
    token_check::debugged(seen.asked.token.as_ref())
}

/// Whether an answer of this pass casts doubt on a token that was found good before, so that its witness has to be asked.
pub fn is_doubted(seen: &Observed, previous: &FacebookChannelStatus) -> bool {
    let asked = &seen.asked;
    // That the page cannot be read for want of a permission is asked about once.
    let known = find(&previous.conditions, ConditionType::PageUsable)
        .is_some_and(|it| has_reason(it, Reason::ReadNotPermitted));
    let unread = asked.page.as_ref().and_then(|it| it.as_ref().err()).is_some_and(is_about_permission) && !known;
    let rows = asked.subscriptions.as_ref().and_then(|it| it.as_ref().err()).is_some_and(is_about_permission);
    let write = asked.subscribed.as_ref().and_then(|it| it.as_ref().err()).is_some_and(is_about_permission);
    unread || rows || write || asked.page_calls().any(is_against_token)
}

/// Whether the refusal of a call with a page token is about the token.
pub fn is_against_token(refusal: &Refusal) -> bool {
    use CutReason::{NotInGrant, RoleLost, WrongApp};
    let cut = matches!(refusal.verdict, Verdict::AccessCut(NotInGrant | RoleLost | WrongApp));
    cut || matches!(refusal.verdict, Verdict::TokenEnded(_)) || suspects_app(refusal)
}

fn is_about_permission(refusal: &Refusal) -> bool {
    matches!(refusal.verdict, Verdict::AccessCut(CutReason::ScopeMissing { .. }) | Verdict::ApprovalMissing(_))
}

/// Whether a refusal looks as if the application were broken, which only a call with the application's own token can say.
pub fn suspects_app(refusal: &Refusal) -> bool {
    matches!(refusal.verdict, Verdict::AppSuspect | Verdict::AppBroken(_))
}

/// Whether an answer of this pass looks as if the application were broken.
pub fn is_app_suspected(asked: &Asked) -> bool {
    asked.page_calls().any(suspects_app)
}

/// What is wrong with a token by what debug_token says of it, and of one that a grant gives by what was listed. `now` is `None` while
/// our clock is in doubt.
pub fn flaw(
    channel: &FacebookChannel,
    app: &AppSeen,
    token: &TokenSeen,
    info: &TokenInfo,
    now: Option<Timestamp>,
) -> Option<Flaw> {
    let AppSeen::Found { app_id, required, .. } = app else {
        return Some(Flaw::Cut(Reason::AppUnverified, "its application is not known".to_owned()));
    };
    let page_id = &channel.spec.page_id;
    let wrong_page = || {
        let fact = "debug_token names another page".to_owned();
        (info.profile_id.as_ref().map(PageId::as_str) != Some(page_id)).then_some(Flaw::Cut(Reason::WrongPage, fact))
    };
    let not_granted = || {
        let outside = required.iter().find(|scope| !info.grants(scope, page_id));
        outside.map(|scope| Flaw::Cut(Reason::NotInGrant, format!("{scope} was granted for other pages only")))
    };
    token_check::not_usable(info, app_id, &[TokenKind::Page])
        .or_else(wrong_page)
        .or_else(|| grant::flaw(token))
        .or_else(|| token_check::not_sufficient(info, required, now))
        .or_else(not_granted)
}
