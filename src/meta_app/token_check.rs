//! Evaluates what debug_token says about a token: the same for the token of a channel and of a grant.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::api::Reason;
use crate::api::conditions::Quote;
use crate::base::ids::{AppId, Uid};
use crate::base::schedule;
use crate::graph::{Caller, EndReason, TokenInfo, TokenKind, Verdict, classify_fault};
use crate::limits::answer::{Answer, Refusal};

/// How long before its end an authorization is said to end soon.
pub const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// How much more often a token is checked when its end is less than a period away.
const NEAR_THE_END: u32 = 24;

/// The last time at which a token with this end had to be checked.
pub fn last_slot(uid: &Uid, end: Option<Timestamp>, now: Timestamp, period: Duration) -> Timestamp {
    let regular = schedule::last_slot(uid.as_str(), now, period);
    if is_near(end, now, period) {
        regular.max(schedule::last_slot(uid.as_str(), now, period / NEAR_THE_END))
    } else {
        regular
    }
}

/// The next time at which a token has to be checked that is less than a period away from its end.
pub fn next_slot_near_the_end(
    uid: &Uid,
    end: Option<Timestamp>,
    now: Timestamp,
    period: Duration,
) -> Option<Timestamp> {
    is_near(end, now, period).then(|| schedule::next_slot(uid.as_str(), now, period / NEAR_THE_END))
}

fn is_near(end: Option<Timestamp>, now: Timestamp, period: Duration) -> bool {
    let near = SignedDuration::try_from(period).unwrap_or(SignedDuration::MAX);
    end.is_some_and(|end| end.duration_since(now) < near)
}

/// What is wrong with a token by what debug_token says of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Flaw {
    /// It ended, for this reason; and the fact that shows it.
    Ended(Reason, String),
    /// It does not reach what it is for, for this reason; and the fact that shows it.
    Cut(Reason, String),
    /// It lacks these permissions.
    ScopesMissing(Vec<String>),
}

impl Flaw {
    /// Why the token does not serve.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Ended(reason, _) | Self::Cut(reason, _) => *reason,
            Self::ScopesMissing(_) => Reason::ScopeMissing,
        }
    }

    /// The fact that shows it.
    pub fn fact(&self) -> &str {
        match self {
            Self::Ended(_, fact) | Self::Cut(_, fact) => fact,
            Self::ScopesMissing(_) => "debug_token does not list them",
        }
    }
}

/// What debug_token says. An answer that leaves open why the token is not valid is none: the cause is one that passes.
pub fn debugged(answer: Option<&Answer<TokenInfo>>) -> Option<Answer<&TokenInfo>> {
    Some(match answer? {
        Err(refusal) => Err(refusal.clone()),
        Ok(info) => match info.error.as_ref().filter(|_| !info.is_valid) {
            Some(fault) => Some(Refusal::of_fault(classify_fault(fault, Caller::DebuggedToken), fault))
                .filter(Refusal::says_nothing)
                .map_or(Ok(info), Err),
            None => Ok(info),
        },
    })
}

/// Whether debug_token, a call with the app token alone, was refused in a way that says more about the application
/// than about the token.
pub fn blames_the_app<T>(answer: &Answer<T>) -> bool {
    matches!(
        answer,
        Err(Refusal { verdict: Verdict::AppBroken(_) | Verdict::AppSuspect | Verdict::VersionRetired, .. })
    )
}

/// Whether the token is another application's, ended, or of another kind than these. A kind that is not told is no fault:
/// the calls that are made with the token show what it is.
pub fn not_usable(info: &TokenInfo, app_id: &AppId, kinds: &[TokenKind]) -> Option<Flaw> {
    if info.app_id.as_ref().is_some_and(|found| found != app_id) {
        return Some(Flaw::Cut(Reason::WrongApp, "debug_token names another application".to_owned()));
    }
    if !info.is_valid {
        return Some(invalid(info));
    }
    let other = info.kind.filter(|kind| !kinds.contains(kind))?;
    Some(Flaw::Cut(Reason::WrongTokenType, format!("debug_token names the type {}", other.as_str())))
}

fn invalid(info: &TokenInfo) -> Flaw {
    let Some(fault) = &info.error else {
        return Flaw::Ended(Reason::SessionInvalidated, "debug_token gives no cause".to_owned());
    };
    // Of a token that was ever issued Meta tells more than the error.
    let nameless = info.app_id.is_none() && info.kind.is_none() && info.user_id.is_none();
    match classify_fault(fault, Caller::DebuggedToken) {
        Verdict::TokenEnded(EndReason::SessionInvalidated) if nameless && fault.subcode.is_none() => {
            Flaw::Cut(Reason::TokenUnknown, fault.fact())
        }
        Verdict::TokenEnded(reason) => Flaw::Ended(reason.into(), fault.fact()),
        Verdict::AccessCut(reason) => Flaw::Cut(Reason::from(&reason), fault.fact()),
        // `is_valid: false` is a definite statement, whatever its cause is called.
        _ => Flaw::Ended(Reason::SessionInvalidated, fault.fact()),
    }
}

/// What Meta says of a token that is not valid.
pub fn quote(info: &TokenInfo) -> Option<Quote> {
    let fault = info.error.as_ref().filter(|_| !info.is_valid)?;
    Refusal::of_fault(classify_fault(fault, Caller::DebuggedToken), fault).quote()
}

/// Whether one of the token's clocks is over, or it lacks a permission. `now` is `None` while our clock is in doubt: Meta calls the
/// token valid, and then nothing else says that it has ended.
pub fn not_sufficient(info: &TokenInfo, required: &[String], now: Option<Timestamp>) -> Option<Flaw> {
    let over = |at: Option<Timestamp>| at.filter(|at| now.is_some_and(|now| *at <= now));
    if let Some(at) = over(info.expires_at) {
        return Some(Flaw::Ended(Reason::TokenExpired, format!("it ended at {at}")));
    }
    if let Some(at) = over(info.data_access_expires_at) {
        return Some(Flaw::Ended(Reason::DataAccessExpired, format!("access to the data ended at {at}")));
    }
    let missing = not_granted(info, required);
    (!missing.is_empty()).then_some(Flaw::ScopesMissing(missing))
}

/// The permissions that a token lacks. What Meta does not tell is not missing.
pub fn not_granted(info: &TokenInfo, required: &[String]) -> Vec<String> {
    let Some(granted) = info.granted() else { return Vec::new() };
    required.iter().filter(|scope| !granted.contains(scope)).cloned().collect()
}

/// What became of a token, such as "The page token", that ended for this reason.
pub fn told_end(token: &str, reason: Reason) -> String {
    match reason {
        Reason::TokenExpired => format!("{token} expired"),
        Reason::PasswordChanged => {
            format!("{token} ended because the person changed the password or Facebook closed the session for security")
        }
        Reason::AppRemoved => format!("{token} ended because the person removed the app"),
        Reason::CheckpointRequired => format!("{token} is blocked until the person clears a checkpoint"),
        Reason::UserInvalid => format!("{token} ended because the person's account is unconfirmed or invalid"),
        Reason::DataAccessExpired => format!("{token} is alive, but access to the person's data ended"),
        _ => format!("{token} is no longer valid"),
    }
}

/// What the person has to do before authorizing again, if anything.
pub const fn before_authorizing(reason: Reason) -> &'static str {
    match reason {
        Reason::CheckpointRequired | Reason::UserInvalid => {
            "The person must first log in at https://www.facebook.com. "
        }
        _ => "",
    }
}
