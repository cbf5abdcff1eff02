//! What a grant that does not work means for its channels, in the grant's own words.

use super::Case;
use crate::api::conditions::{Finding, Status};
use crate::api::{CredentialSource, Reason};
use crate::engine::trouble::Trouble;
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
        Trouble::Broken(why) => {
            // The authorisation is the grant's: when it ended, that of its channels did.
            let status = if ended.is_some() { Status::False } else { Status::Unknown };
            let step = format!("Do what MetaGrant {name} asks for; nothing has to be done here then.");
            case.found(status, Reason::GrantNotReady, format!("MetaGrant {name} is not usable: {why}"), step)
        }
        Trouble::Unknown(why) => {
            let seen = format!("Whether MetaGrant {name} works is not known: {why}");
            case.found(Status::Unknown, Reason::GrantUnverified, seen, "")
        }
    })
}

/// Why the authorisation of the grant ended, if it did.
pub(super) fn ended(case: &Case<'_>) -> Option<Reason> {
    if let TokenSeen::GrantTrouble { ended, .. } = &case.seen.token { *ended } else { None }
}
