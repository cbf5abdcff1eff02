//! What authorises a channel: its token, and what calls with it need.

use std::sync::Arc;

use super::observe::AppSeen;
use crate::api::references::Purpose;
use crate::api::{FacebookChannel, MetaApp};
use crate::engine::{Context, Failure, Key};
use crate::graph::{AppCredentials, Token, Version};
use crate::meta_app;

/// The page token, as a decision may see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TokenSeen {
    /// There is no Secret that was released for it.
    NotReleased,
    /// It cannot be a token, for this reason.
    Malformed(String),
    /// It is there.
    Present {
        /// Its fingerprint.
        fingerprint: String,
    },
}

/// What calls on behalf of a channel need.
#[derive(Debug)]
pub struct Access {
    /// Version of the Graph API.
    pub version: Version,
    /// The application's credentials.
    pub credentials: Arc<AppCredentials>,
    /// The page token.
    pub token: Token,
}

/// Reads the page token; `None` if there is no Secret that was released for it.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn read_token(
    ctx: &Context,
    channel: &FacebookChannel,
    secret: &Key,
) -> Result<Option<Result<Token, String>>, Failure> {
    let key = &channel.spec.credentials.page_token.secret_ref.key;
    let released = ctx.read(ctx.secrets.get(secret, Purpose::PageToken)).await??.ok();
    Ok(released.map(|released| {
        let raw = released.value(key).ok_or_else(|| format!("it has no key {key}"))?;
        Token::parse(raw).map_err(|why| format!("its key {key} cannot be used: {why}"))
    }))
}

/// The token as a decision may see it.
pub fn see_token(token: &Option<Result<Token, String>>, context: &str) -> TokenSeen {
    match token {
        None => TokenSeen::NotReleased,
        Some(Err(why)) => TokenSeen::Malformed(why.clone()),
        Some(Ok(token)) => TokenSeen::Present { fingerprint: token.fingerprint(context) },
    }
}

/// What calls on behalf of the channel need, if it is all there and the application works.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn see_access(
    ctx: &Context,
    object: Option<&MetaApp>,
    app: &AppSeen,
    token: Option<Result<Token, String>>,
) -> Result<Option<Access>, Failure> {
    let (Some(Ok(token)), Some(object), AppSeen::Found { verdict, .. }) = (token, object, app) else { return Ok(None) };
    if verdict.credentials.is_err() {
        return Ok(None);
    }
    let credentials = meta_app::observe::find_credentials(ctx, object).await?;
    Ok(credentials.map(|credentials| Access { version: meta_app::observe::version(object), credentials, token }))
}
