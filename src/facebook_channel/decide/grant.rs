//! What a grant that does not work means for its channels, in the grant's own words.

use super::case::Case;
use crate::api::conditions::{Finding, Status};
use crate::api::{CredentialSource, Reason};
use crate::controller::dependency::DependencyError;
use crate::facebook_channel::model::TokenSeen;

/// That the grant does not work, or that it is not known whether it does, in the grant's own words: it is told there.
pub(super) fn trouble(case: &Case<'_>) -> Option<Finding> {
    let (TokenSeen::GrantTrouble { trouble, ended }, Some(CredentialSource::Grant(declared))) =
        (&case.seen.token, case.channel.spec.credentials.source())
    else {
        return None;
    };
    let name = format!("{}/{}", case.namespace(), declared.name);
    Some(match trouble {
        DependencyError::Broken(told) => {
            // The authorization is the grant's: when it ended, that of its channels did.
            let status = if ended.is_some() { Status::False } else { Status::Unknown };
            let step = told.step_or(|| format!("Do what MetaGrant {name} asks for; nothing else is needed here."));
            let seen = format!("MetaGrant {name} is not usable: {}", told.why);
            case.found(status, Reason::GrantNotReady, seen, step)
        }
        DependencyError::Unknown(told) => {
            let seen = format!("It is not known whether MetaGrant {name} works: {}", told.why);
            case.found(Status::Unknown, Reason::GrantUnverified, seen, told.next_step.clone())
        }
    })
}

/// Why the authorization of the grant ended, if it did.
pub(super) fn ended(case: &Case<'_>) -> Option<Reason> {
    if let TokenSeen::GrantTrouble { ended, .. } = &case.seen.token { *ended } else { None }
}
