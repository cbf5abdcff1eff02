//! What the answers of a pass count for. Each condition has its witnesses. Any other answer raises a doubt, causes the witness
//! to be asked, and changes nothing on its own.

use jiff::{SignedDuration, Timestamp};

use crate::api::{FacebookChannel, FacebookChannelStatus};
use crate::controller::evidence::{DriftState, Matter, Suspicions};
use crate::facebook_channel::model::{AppSeen, Asked, Observed, TokenSeen};
use crate::facebook_channel::policy::token;
use crate::graph::{CutReason, Definite, PageNode, TokenInfo, Verdict};
use crate::limits::answer::{Answer, Refusal};
use crate::meta_app::token_check;

/// How long a token may be refused for the page, though Meta calls it valid, before a person has to look.
const DISPUTED: SignedDuration = SignedDuration::from_hours(1);

/// How long Meta may refuse for a reason that the operator does not know before a person has to look.
const REFUSED: SignedDuration = SignedDuration::from_hours(24);

/// What calls with the token say about it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenSays<'a> {
    /// Nothing against it.
    Nothing,
    /// It was refused. Either its witness contradicts that, or it was not said twice yet.
    Doubted,
    /// It was refused, and its witness gives no answer.
    Unwitnessed(&'a Refusal),
    /// It was refused with a code that is about the token, and once more a minute later.
    Refused(&'a Refusal),
    /// It has been refused for an hour while Meta calls it valid.
    Disputed(&'a Refusal),
}

/// What is known of the page.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PageSays<'a> {
    /// It was not asked for.
    Unasked,
    /// It is this.
    Node(&'a PageNode),
    /// It cannot be used: a definite word, or one that was said twice.
    Fault(&'a Refusal),
    /// Only who has a permission that is not required may see it.
    NotReadable(&'a Refusal),
    /// Meta has refused for a day, for a reason that is not known.
    RefusedForLong(&'a Refusal),
    /// Meta refused more than once, for a reason that is not known: what is known stays, and that is told.
    RefusedAgain(&'a Refusal),
    /// Nothing was learned: what is known stays.
    Open(&'a Refusal),
}

/// The answers of a pass, weighed.
#[derive(Debug)]
pub(super) struct Weighed<'a> {
    pub(super) token: TokenSays<'a>,
    pub(super) page: PageSays<'a>,
    /// That our row lost something that it held before; and whether that was seen twice.
    pub(super) row_lost: Option<bool>,
    /// That its subscriptions were refused more than once, for a reason that is not known; and whether for a day.
    pub(super) rows_refused: Option<(&'a Refusal, bool)>,
    /// What was heard and waits for its confirmation.
    pub(super) suspicions: Suspicions,
}

impl Weighed<'_> {
    /// Whether something was said that does not count yet.
    pub(super) fn is_open(&self) -> bool {
        let page = matches!(self.page, PageSays::Open(_) | PageSays::RefusedAgain(_) | PageSays::RefusedForLong(_));
        matches!(self.token, TokenSays::Doubted | TokenSays::Unwitnessed(_)) || page || self.rows_refused.is_some()
    }

    /// What Meta has refused more than once for a reason that is not known.
    pub(super) fn refused_again(&self) -> Option<&Refusal> {
        match &self.page {
            PageSays::RefusedAgain(refusal) | PageSays::RefusedForLong(refusal) => Some(refusal),
            _ => self.rows_refused.map(|(refusal, _)| refusal),
        }
    }
}

/// Weighs the answers of a pass; `debugged` is what the witness says of the token.
pub(super) fn weigh<'a>(
    channel: &FacebookChannel,
    previous: &FacebookChannelStatus,
    seen: &'a Observed,
    debugged: Option<&Answer<&TokenInfo>>,
    now: Timestamp,
) -> Weighed<'a> {
    let mut suspicions = seen.suspicions.clone();
    let token = weigh_token(channel, seen, debugged, &mut suspicions, now);
    let page = weigh_page(&seen.app, &seen.asked, &mut suspicions, now);
    let rows_refused = weigh_rows(&seen.asked, &mut suspicions, now);
    let row_lost = match channel.spec.parts() {
        // What is to be unsubscribed loses nothing.
        true => {
            suspicions.drop(Matter::Rows);
            None
        }
        false => weigh_row(previous, seen, &mut suspicions, now),
    };
    Weighed { token, page, row_lost, rows_refused, suspicions }
}

fn weigh_token<'a>(
    channel: &FacebookChannel,
    seen: &'a Observed,
    debugged: Option<&Answer<&TokenInfo>>,
    suspicions: &mut Suspicions,
    now: Timestamp,
) -> TokenSays<'a> {
    let asked = &seen.asked;
    let against = asked.page_calls().filter(|refusal| token::is_against_token(refusal));
    // Of several the one that speaks for itself.
    let Some(refusal) = against.max_by_key(|refusal| refusal.definite == Some(Definite::Token)) else {
        if matches!(asked.page, Some(Ok(_))) || matches!(asked.subscriptions, Some(Ok(_))) {
            suspicions.drop(Matter::Token);
        }
        return TokenSays::Nothing;
    };
    // Another token begins anew; but of a grant Meta may list another one for the page each time.
    let token = match &seen.token {
        TokenSeen::Granted(_) => "of the grant",
        other => other.fingerprint().unwrap_or_default(),
    };
    let statement = format!("{token} {}", refusal.fact);
    let stands = suspicions.hear(Matter::Token, &statement, now);
    if refusal.definite == Some(Definite::Token) && stands.is_confirmed() {
        return TokenSays::Refused(refusal);
    }
    let witness = debugged.filter(|_| asked.witnessed);
    match witness {
        Some(Ok(info)) if token::flaw(channel, &seen.app, &seen.token, info, seen.reckoned(now)).is_none() => {
            if stands.lasts(DISPUTED) { TokenSays::Disputed(refusal) } else { TokenSays::Doubted }
        }
        // What the witness holds against it is told by the witness.
        Some(Ok(_)) => TokenSays::Nothing,
        // The application's credentials are at fault, which its own check finds out.
        Some(answer) if token_check::blames_the_app(answer) => TokenSays::Doubted,
        Some(Err(_)) => TokenSays::Unwitnessed(refusal),
        // By our own restraint, which makes nobody's token a bad one; for as long as a value may be kept.
        None if seen.stale => TokenSays::Unwitnessed(refusal),
        None => TokenSays::Doubted,
    }
}

fn weigh_page<'a>(app: &AppSeen, asked: &'a Asked, suspicions: &mut Suspicions, now: Timestamp) -> PageSays<'a> {
    let refusal = match &asked.page {
        None => return PageSays::Unasked,
        Some(Ok(node)) => {
            suspicions.drop(Matter::Page);
            suspicions.drop(Matter::Refused);
            return PageSays::Node(node);
        }
        Some(Err(refusal)) => refusal,
    };
    match &refusal.verdict {
        Verdict::PageFault(_) if refusal.definite == Some(Definite::Object) => PageSays::Fault(refusal),
        Verdict::PageFault(_) => match suspicions.hear(Matter::Page, &refusal.fact, now).is_confirmed() {
            true => PageSays::Fault(refusal),
            false => PageSays::Open(refusal),
        },
        Verdict::AccessCut(CutReason::ScopeMissing { scope }) if !is_required(app, scope.as_deref()) => {
            PageSays::NotReadable(refusal)
        }
        Verdict::ApprovalMissing(_) => PageSays::NotReadable(refusal),
        _ if is_received(refusal) => {
            let stands: DriftState = suspicions.hear(Matter::Refused, &refusal.fact, now);
            match stands {
                stands if stands.lasts(REFUSED) => PageSays::RefusedForLong(refusal),
                stands if stands.is_confirmed() => PageSays::RefusedAgain(refusal),
                _ => PageSays::Open(refusal),
            }
        }
        _ => PageSays::Open(refusal),
    }
}

fn weigh_rows<'a>(asked: &'a Asked, suspicions: &mut Suspicions, now: Timestamp) -> Option<(&'a Refusal, bool)> {
    match asked.subscriptions.as_ref()? {
        Ok(_) => {
            suspicions.drop(Matter::RowsRefused);
            None
        }
        Err(refusal) if is_received(refusal) || is_about_app_or_page(refusal) => {
            let stands = suspicions.hear(Matter::RowsRefused, &refusal.fact, now);
            stands.is_confirmed().then_some((refusal, stands.lasts(REFUSED)))
        }
        Err(_) => None,
    }
}

/// Whether Meta refused to say anything, in a way that is neither an outage nor about the token.
pub(super) fn is_received(refusal: &Refusal) -> bool {
    match &refusal.verdict {
        Verdict::Refused | Verdict::RequestRejected | Verdict::FieldUnknown(_) => true,
        Verdict::NotChannelHealth | Verdict::VersionRetired | Verdict::CallbackFailed { .. } => true,
        Verdict::AccessCut(cut) => matches!(cut, CutReason::ScopeMissing { .. }),
        _ => false,
    }
}

/// Whether our row lacks what it held when it was checked last. Where a write follows, what is read back decides.
fn weigh_row(
    previous: &FacebookChannelStatus,
    seen: &Observed,
    suspicions: &mut Suspicions,
    now: Timestamp,
) -> Option<bool> {
    let Some(Ok(rows)) = &seen.asked.subscriptions else { return None };
    let held = previous.subscription.as_ref().map(|it| it.fields.as_slice()).unwrap_or_default();
    let row = rows.iter().find(|row| Some(&row.id) == seen.app.id());
    let fields = row.map(|row| row.subscribed_fields.as_slice()).unwrap_or_default();
    if held.iter().all(|field| fields.contains(field)) {
        suspicions.drop(Matter::Rows);
        return None;
    }
    Some(suspicions.hear(Matter::Rows, &fields.join(","), now).is_confirmed())
}

/// Whether Meta refused on account of what the application may do, or of the page. About its subscriptions neither is a witness.
fn is_about_app_or_page(refusal: &Refusal) -> bool {
    matches!(refusal.verdict, Verdict::ApprovalMissing(_) | Verdict::PageFault(_))
}

/// Whether the application requires this permission. One that Meta does not name is not known to be required.
pub(super) fn is_required(app: &AppSeen, scope: Option<&str>) -> bool {
    let AppSeen::Found { required, .. } = app else { return false };
    scope.is_some_and(|scope| required.iter().any(|it| it == scope))
}
