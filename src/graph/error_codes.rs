//! What an error means, by consequence. Pure; the first row that matches counts.
//!
//! The order is the rule: what is throttled or transient says nothing about credentials, whatever its text;
//! an unknown code is no answer.

use super::error::{GraphError, GraphFault};
use super::operation::Operation;
use super::signs::Sign;
use super::verdict::{
    AppReason, ApprovalReason, CutReason, EndReason, PageReason, RoutingSign, ThrottleScope, Verdict,
};

/// On whose behalf the call was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The app itself, with the app token alone. Only such a call proves anything about the app.
    AppToken,
    /// A page, or the grant behind it: with a page, user or system-user token.
    PageToken,
    /// Nobody: it is what `debug_token` says about a token, in an answer to a working app token.
    DebuggedToken,
}

/// How far an answer speaks for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Definite {
    /// It is about the very token that the call was made with.
    Token,
    /// It is about the very object that was asked for.
    Object,
}

/// Whether a refusal is definite: about the token it was made with, or about the object that it names. Any other is a
/// statement that something else has to confirm.
#[must_use]
pub fn definite(fault: &GraphFault) -> Option<Definite> {
    if fault.is_transient {
        return None;
    }
    match (fault.code, fault.subcode) {
        (190 | 102, Some(458..=468 | 490 | 492 | 493)) | (415, _) => Some(Definite::Token),
        (21, _) | (100, Some(21)) | (368, _) | (2022, _) => Some(Definite::Object),
        (_, Some(1_893_063 | 2_534_029 | 2_018_344)) | (36_103, _) => Some(Definite::Object),
        _ => None,
    }
}

/// What an error means for the call that it answers.
#[must_use]
pub fn classify(error: &GraphError, operation: Operation) -> Verdict {
    match error {
        GraphError::Fault(fault) => classify_call(fault, operation),
        // It was received and says nothing of what was asked.
        GraphError::OtherObject => Verdict::Refused,
        GraphError::Timeout | GraphError::Transport(_) | GraphError::BadAnswer { .. } => Verdict::NoAnswer,
    }
}

/// Some codes mean another thing when they answer a certain call.
fn classify_call(fault: &GraphFault, operation: Operation) -> Verdict {
    let caller = operation.caller();
    let says_nothing = fault.is_transient || throttled(fault.code, caller).is_some();
    let special = match operation {
        Operation::SubscribePage => subscription(fault),
        Operation::ReadApp => version(fault),
        Operation::RedeemCode => redemption(fault),
        _ => None,
    };
    special.filter(|_| !says_nothing).unwrap_or_else(|| classify_fault(fault, caller))
}

/// To subscribe a page needs a permission that the person behind the token may lack; elsewhere the same codes are about a
/// recipient, or an outage.
fn subscription(fault: &GraphFault) -> Option<Verdict> {
    let scope = || fault.signs.subject.clone();
    match (fault.code, fault.subcode, fault.signs.sign) {
        (230, ..) | (1, Some(1_929_002), _) => Some(Verdict::AccessCut(CutReason::ScopeMissing { scope: scope() })),
        (100, None, Some(Sign::FieldInvalid)) => Some(Verdict::FieldUnknown(scope())),
        _ => None,
    }
}

/// The code of a login is exchanged in the name of the application, but stands for a person, whom Graph may refuse too.
fn redemption(fault: &GraphFault) -> Option<Verdict> {
    match (fault.code, fault.subcode, fault.signs.sign) {
        (191, ..) | (100, Some(36_008), _) | (100, _, Some(Sign::RedirectUriRefused)) => {
            Some(Verdict::RedirectUriRefused)
        }
        (190, subcode, _) => ended_by_subcode(subcode),
        _ => None,
    }
}

/// The application is the first that is asked for, so that a version which Graph does not know shows there.
fn version(fault: &GraphFault) -> Option<Verdict> {
    (fault.code == 2500).then_some(Verdict::VersionRetired)
}

/// As [`classify`], for a fault that came in an answer, as `debug_token`'s do.
#[must_use]
pub fn classify_fault(fault: &GraphFault, caller: Caller) -> Verdict {
    if let Some(scope) = throttled(fault.code, caller) {
        return Verdict::Throttled { until_hint: fault.regain_access, scope };
    }
    if fault.is_transient || fault.signs.sign == Some(Sign::SystemError) {
        return Verdict::NoAnswer;
    }
    app(fault, caller)
        .or_else(|| session(fault, caller))
        .or_else(|| message(fault))
        .or_else(|| page(fault))
        .or_else(|| permission(fault))
        .or_else(|| request(fault))
        .unwrap_or_else(|| unknown(fault))
}

/// Nothing in the table: what was received and is no outage was meant, whatever it means.
fn unknown(fault: &GraphFault) -> Verdict {
    let outage = matches!(fault.code, 0..=2 | 9 | 1200) || fault.http_status >= 500;
    if outage { Verdict::NoAnswer } else { Verdict::Refused }
}

fn throttled(code: u32, caller: Caller) -> Option<ThrottleScope> {
    let without_page = |scope| {
        if caller == Caller::AppToken { ThrottleScope::App } else { scope }
    };
    match code {
        4 | 341 => Some(ThrottleScope::App),
        17 | 32 => Some(without_page(ThrottleScope::Token)),
        613 => Some(without_page(ThrottleScope::Page)),
        80001 | 80002 | 80006 | 80007 | 80008 => Some(ThrottleScope::Page),
        130_429 | 131_048 | 131_056 | 133_016 => Some(ThrottleScope::Page),
        _ => None,
    }
}

fn app(fault: &GraphFault, caller: Caller) -> Option<Verdict> {
    let reason = match (fault.code, fault.signs.sign) {
        (100, Some(Sign::TokenOfOtherApp)) => return Some(Verdict::AccessCut(CutReason::WrongApp)),
        // Every call carries a proof, so that one is demanded says something about our request, not about the secret.
        (100, Some(Sign::ProofRequired)) if caller == Caller::AppToken => {
            return Some(Verdict::RequestRejected);
        }
        (100, Some(Sign::ProofInvalid | Sign::ProofRequired)) => AppReason::SecretMismatch,
        (_, Some(Sign::ClientSecretInvalid)) => AppReason::SecretMismatch,
        (_, Some(Sign::AppAccessBlocked)) => AppReason::AppBlocked,
        (101, _) | (190, Some(Sign::ApplicationInvalid)) => AppReason::AppCredentialsRejected,
        _ => return None,
    };
    Some(match caller {
        Caller::AppToken => Verdict::AppBroken(reason),
        Caller::PageToken => Verdict::AppSuspect,
        // The app's own token just worked, so the app it is about is another one.
        Caller::DebuggedToken => Verdict::AccessCut(CutReason::WrongApp),
    })
}

fn session(fault: &GraphFault, caller: Caller) -> Option<Verdict> {
    if fault.code == 415 && caller != Caller::AppToken {
        return Some(Verdict::TokenEnded(EndReason::CheckpointRequired));
    }
    if !matches!(fault.code, 190 | 102 | 450 | 452) {
        return None;
    }
    Some(match (fault.signs.sign, caller) {
        (Some(Sign::WrongTokenKind), _) => Verdict::RequestRejected,
        (Some(Sign::ImpersonationNotGranted), Caller::AppToken) => Verdict::RequestRejected,
        // Nobody's session ends here: the app token dies with its secret.
        (Some(Sign::TokenSignatureInvalid), Caller::AppToken) => Verdict::AppBroken(AppReason::SecretMismatch),
        (_, Caller::AppToken) => Verdict::AppBroken(AppReason::AppCredentialsRejected),
        (sign, _) => ended_by_subcode(fault.subcode)
            .or_else(|| ended_by_sign(sign))
            .unwrap_or(Verdict::TokenEnded(EndReason::SessionInvalidated)),
    })
}

fn ended_by_subcode(subcode: Option<u32>) -> Option<Verdict> {
    Some(Verdict::TokenEnded(match subcode? {
        458 => EndReason::AppRemoved,
        459 | 490 => EndReason::CheckpointRequired,
        460 => EndReason::PasswordChanged,
        463 => EndReason::TokenExpired,
        464 | 465 => EndReason::UserInvalid,
        461 | 462 | 466 | 467 | 468 => EndReason::SessionInvalidated,
        492 => return Some(Verdict::AccessCut(CutReason::RoleLost)),
        493 => EndReason::DataAccessExpired,
        _ => return None,
    }))
}

/// Graph often leaves the subcode out; the text then is all there is.
fn ended_by_sign(sign: Option<Sign>) -> Option<Verdict> {
    Some(Verdict::TokenEnded(match sign? {
        Sign::ImpersonationNotGranted => return Some(Verdict::AccessCut(CutReason::NotInGrant)),
        Sign::PageRoleMissing | Sign::PageNotLoaded => return Some(Verdict::AccessCut(CutReason::RoleLost)),
        Sign::SessionExpired => EndReason::TokenExpired,
        Sign::PasswordChanged => EndReason::PasswordChanged,
        Sign::AppNotAuthorized => EndReason::AppRemoved,
        Sign::LoginRequired => EndReason::CheckpointRequired,
        Sign::UserUnconfirmed => EndReason::UserInvalid,
        _ => return None,
    }))
}

/// What concerns a message, a recipient or a thread. Some of these numbers come as code or as subcode.
fn message(fault: &GraphFault) -> Option<Verdict> {
    let routing = match (fault.code, fault.subcode.unwrap_or(fault.code), fault.signs.sign) {
        (_, 2_018_278 | 2_018_065 | 2_534_022, _) => return Some(Verdict::NotChannelHealth),
        (_, 2_018_108 | 2_018_001 | 2_534_014 | 2_018_218, _) => {
            return Some(Verdict::NotChannelHealth);
        }
        (_, 2_018_109 | 1_545_041, _) | (551 | 230, ..) => return Some(Verdict::NotChannelHealth),
        (_, 2_018_321, _) => return Some(Verdict::NoAnswer),
        (_, 2_018_300, _) | (10, _, Some(Sign::ThreadControlledByOther)) => RoutingSign::AnotherAppControls,
        (_, 2_534_037, _) | (100, _, Some(Sign::ThreadNotOwned)) => RoutingSign::NotThreadOwner,
        (_, 2_018_171 | 2_018_234, _) => RoutingSign::NotReceiver,
        (27, ..) => RoutingSign::NoDefaultApp,
        _ => return None,
    };
    Some(Verdict::Routing(routing))
}

fn page(fault: &GraphFault) -> Option<Verdict> {
    Some(Verdict::PageFault(match (fault.code, fault.subcode.unwrap_or(fault.code)) {
        (_, 1_893_063 | 2_534_029 | 2022) => PageReason::SendBlocked,
        (368, _) | (_, 2_018_344 | 36_103) => PageReason::Restricted,
        (21, _) | (100, 21) => PageReason::Migrated,
        (100, 33 | 2_534_013) => PageReason::NotVisible,
        _ => return None,
    }))
}

fn permission(fault: &GraphFault) -> Option<Verdict> {
    let missing = Verdict::ApprovalMissing;
    Some(match (fault.code, fault.subcode, fault.signs.sign) {
        (3, ..) => missing(ApprovalReason::CapabilityMissing),
        // In the range of permissions, but about the kind of token.
        (210, ..) => return None,
        (10 | 200..=299, Some(2_018_028), _) => missing(ApprovalReason::RoleHoldersOnly),
        (10 | 200..=299, _, Some(Sign::RoleHoldersOnly)) => missing(ApprovalReason::RoleHoldersOnly),
        (10 | 200..=299, ..) | (100, None, Some(Sign::PermissionMissing)) => {
            Verdict::AccessCut(CutReason::ScopeMissing { scope: fault.signs.subject.clone() })
        }
        _ => return None,
    })
}

fn request(fault: &GraphFault) -> Option<Verdict> {
    Some(match (fault.code, fault.signs.sign) {
        (2200, Some(Sign::ChallengeMismatch)) => Verdict::CallbackFailed { answered: true },
        (2200, _) => Verdict::CallbackFailed { answered: false },
        (2201, _) => Verdict::CallbackFailed { answered: true },
        (2635, _) => Verdict::VersionRetired,
        (100, Some(Sign::FieldNonexisting | Sign::FieldInvalid)) | (12, Some(Sign::FieldDeprecated)) => {
            Verdict::FieldUnknown(fault.signs.subject.clone())
        }
        (100 | 15 | 210 | 506 | 803 | 1705 | 2500, _) => Verdict::RequestRejected,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
