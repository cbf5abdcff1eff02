//! Whether the API server would now accept a write for a grant that it refused before. This is a dry run, so that Meta is not
//! asked anything for a write that would be refused.

use super::model::Tokens;
use super::state::MetaGrants;
use super::{messages, token_secret};
use crate::api::MetaGrantStatus;
use crate::api::outcome::Class;
use crate::cluster::error::Failure;
use crate::controller::pass::Pass;

/// Whether something that was refused would be let in, so that it is worth a look.
///
/// # Errors
/// When the process ends.
pub async fn is_let_in(grants: &MetaGrants, pass: &Pass<MetaGrantStatus>, tokens: &Tokens) -> Result<bool, Failure> {
    // Who was faster, or what is gone, is seen with the next look. No answer is none.
    let let_in =
        |tried: Result<(), Failure>| tried.map_or_else(|failure| failure.class() == Class::Conflict, |()| true);
    let mut any = false;
    if pass.was_refused(token_secret::KIND) {
        let (token_secret, over) = (tokens.token_secret.as_ref(), tokens.over.as_deref());
        any |= let_in(grants.ctx.read(token_secret::try_out(grants, &pass.key, token_secret, over)).await?);
    }
    if let Some(envelope) = tokens.envelopes.first().filter(|_| pass.was_refused(messages::KIND)) {
        any |= let_in(grants.ctx.read(grants.inbox.discard(envelope, true)).await?);
    }
    Ok(any)
}
