//! What debug_token says about the token of a grant, for channels that doubt what the grant gave them.

use jiff::Timestamp;

use super::model::app_key;
use super::state::MetaGrants;
use super::token_secret;
use super::token_secret::Found;
use crate::base::key::Key;
use crate::cluster::error::Failure;
use crate::graph::{Operation, TokenInfo};
use crate::limits::answer::{Answer, answer};
use crate::meta_app;
use crate::meta_app::seen;

/// Asks debug_token about the token that a grant uses; `None` if there is none, or its application cannot be used. However
/// many ask within some seconds, Meta is asked once. What is wrong with the token is for the grant to say: who asks has it
/// look for itself.
///
/// # Errors
/// When the Kubernetes API does not answer, or the process shuts down.
pub async fn witness(grants: &MetaGrants, grant: &Key, now: Timestamp) -> Result<Option<Answer<TokenInfo>>, Failure> {
    let Some(object) = grants.get(grant) else { return Ok(None) };
    let Found::Ours(token_secret, _) = token_secret::read(grants, grant).await? else { return Ok(None) };
    let fingerprint = token_secret.token.fingerprint(&token_secret::context(grant));
    if let Some(heard) = grants.tokens.heard(grant, &fingerprint, now) {
        return Ok(Some(heard));
    }
    let (_, app) = seen::look(&grants.apps, Some(&app_key(&object, grant)), &grant.namespace).await?;
    let Some(app) = app else { return Ok(None) };
    let Some(credentials) = meta_app::secrets::find_credentials(&grants.apps, &app).await? else { return Ok(None) };
    let version = meta_app::facts::version(&app);
    let result = grants.ctx.read(grants.ctx.graph.debug_token(&version, &credentials, &token_secret.token)).await?;
    let answer = answer(Operation::DebugToken, result);
    grants.tokens.hear(grant, &fingerprint, answer.clone(), now);
    Ok(Some(answer))
}
