//! Which facts about a channel have to be asked about again. The status is the memory: it also survives a restart, and costs no
//! memory.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::model::Observed;
use crate::api::conditions::{ConditionType, Status, find};
use crate::api::{AuthorizationStatus, FacebookChannel, FacebookChannelStatus, Reason};
use crate::base::clock::Moment;
use crate::base::ids::{AppId, PageId, Uid};
use crate::graph::{TokenInfo, TokenKind};
use crate::meta_app::token_check;

/// How long before its end an authorization is checked also when little else is.
const ENDING: SignedDuration = SignedDuration::from_hours(24);

/// Times in statuses are rounded to seconds, up too.
const ROUNDED: SignedDuration = SignedDuration::from_secs(1);

/// The last time at which the token had to be checked. What was confirmed before it has to be confirmed again.
pub fn token_slot(uid: &Uid, status: &FacebookChannelStatus, now: Timestamp, period: Duration) -> Timestamp {
    token_check::last_slot(uid, status.authorization.as_ref().and_then(ends), now, period)
}

/// Whether what was confirmed at this time needs no new word. What a status says of the future was written by a clock that was wrong.
pub fn is_recent(at: Timestamp, slot: Timestamp, now: Timestamp) -> bool {
    at >= slot && at <= now.later(ROUNDED)
}

/// The earliest of the clocks.
pub fn ends(authorization: &AuthorizationStatus) -> Option<Timestamp> {
    [authorization.expires_at, authorization.data_access_expires_at].into_iter().flatten().min()
}

/// Whether an authorization that was found good is about to end.
pub fn is_ending(status: &FacebookChannelStatus, now: Timestamp) -> bool {
    let end = status.authorization.as_ref().and_then(ends).filter(|_| is_good(status));
    end.is_some_and(|end| end.duration_since(now) < ENDING)
}

/// Whether the token was found good. While a page is disconnected as declared that is not judged; that it was confirmed
/// then says as much.
fn is_good(status: &FacebookChannelStatus) -> bool {
    let authorized = find(&status.conditions, ConditionType::Authorized);
    authorized.is_some_and(|it| {
        it.status == Status::True.as_str()
            || it.status == Status::Unknown.as_str() && Reason::parse(&it.reason).is_some_and(Reason::is_parting)
    })
}

/// The permissions that the token was known to have, for when Meta does not tell them.
pub fn known_scopes<'a>(seen: &Observed, previous: &'a FacebookChannelStatus) -> &'a [String] {
    let fingerprint = seen.token.fingerprint();
    let same = |it: &&AuthorizationStatus| fingerprint.is_some() && it.fingerprint.as_deref() == fingerprint;
    previous.authorization.as_ref().filter(same).map(|it| it.scopes.as_slice()).unwrap_or_default()
}

/// What debug_token said of the token, if that has not to be asked again: the status tells it, once it was found good and
/// as long as nothing that it depends on has changed.
pub fn remembered_token(
    channel: &FacebookChannel,
    previous: &FacebookChannelStatus,
    seen: &Observed,
    app_id: &AppId,
    now: Timestamp,
) -> Option<TokenInfo> {
    // That it has ended is asked, not reckoned: its end may have been put off since.
    let authorization = previous.authorization.as_ref().filter(|it| ends(it).is_none_or(|end| end > now))?;
    let fingerprint = seen.token.fingerprint()?;
    let same =
        previous.inputs.as_ref() == Some(&seen.inputs) && authorization.fingerprint.as_deref() == Some(fingerprint);
    let good = is_good(previous);
    let confirmed = previous.last_verified_at.is_some_and(|at| is_recent(at, seen.token_slot, now));
    // A kind that debug_token does not tell was not told of a token that was found good for this page.
    let is_page = authorization.token_type.as_deref().is_none_or(|kind| kind == TokenKind::Page.as_str());
    (same && good && confirmed && is_page).then(|| TokenInfo {
        app_id: Some(app_id.clone()),
        kind: Some(TokenKind::Page),
        is_valid: true,
        issued_at: None,
        expires_at: authorization.expires_at,
        data_access_expires_at: authorization.data_access_expires_at,
        profile_id: Some(PageId::new(&channel.spec.page_id)),
        user_id: authorization.grantor_id.clone(),
        scopes: Some(authorization.scopes.clone()).filter(|scopes| !scopes.is_empty()),
        // That they reach this page was found good with the rest.
        granular_scopes: Vec::new(),
        error: None,
    })
}
