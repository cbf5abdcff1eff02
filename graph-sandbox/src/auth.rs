//! Who calls: tokens, their validity, and the proof of the app secret.

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use crate::id::Id;
use crate::protocol::GraphError;
use crate::seed::{Block, TokenKind};
use crate::switches::{AppTokenProof, DataAccessOver, TokenErrorStatus, TokenErrorSubcode, UnknownApp};
use crate::world::{App, PAGE_SCOPES, Token, Trouble, World};

/// A token that was recognized, whether or not it is still good.
#[derive(Clone, Copy)]
pub(crate) enum Known<'w> {
    App(&'w App),
    Issued(&'w Token),
}

/// Why a recognized token is no longer good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) subcode: Option<i64>,
    pub(crate) message: String,
}

/// A caller whose token and proof were accepted.
#[derive(Clone)]
pub(crate) enum Caller {
    App(Id),
    Issued(Arc<Token>),
}

impl Caller {
    /// The app the call is made for.
    pub(crate) fn app(&self) -> &Id {
        match self {
            Self::App(app) => app,
            Self::Issued(token) => &token.app,
        }
    }

    /// The token itself, where it is no app token.
    pub(crate) fn token_text(&self) -> Option<&str> {
        match self {
            Self::App(_) => None,
            Self::Issued(token) => Some(token.text.expose_secret()),
        }
    }
}

impl<'w> Known<'w> {
    pub(crate) fn app_id(self) -> &'w Id {
        match self {
            Self::App(app) => &app.id,
            Self::Issued(token) => &token.app,
        }
    }

    pub(crate) fn kind(self) -> TokenKind {
        match self {
            Self::App(_) => TokenKind::App,
            Self::Issued(token) => token.kind,
        }
    }

    fn caller(self) -> Caller {
        match self {
            Self::App(app) => Caller::App(app.id.clone()),
            Self::Issued(token) => Caller::Issued(Arc::new(token.clone())),
        }
    }
}

/// Recognizes a token by its text.
pub(crate) fn recognize<'w>(world: &'w World, text: &str) -> Result<Known<'w>, GraphError> {
    if let Some(token) = world.tokens.by_text(text) {
        return Ok(Known::Issued(token));
    }
    if let Some((app, secret)) = text.split_once('|') {
        let Some(app) = app.parse().ok().and_then(|id: Id| world.apps.get(&id)) else {
            let code = match world.switches.unknown_app {
                UnknownApp::Code101 => 101,
                UnknownApp::Code190 => 190,
            };
            return Err(GraphError::new(code, "Error validating application. Invalid application ID."));
        };
        return if app.knows_secret(secret) {
            Ok(Known::App(app))
        } else {
            Err(GraphError::new(190, "Invalid OAuth access token signature."))
        };
    }
    // Graph quotes a malformed token; so does the sandbox, to catch clients that log such texts.
    if text.starts_with("EAA") {
        return Err(GraphError::new(190, format!("Malformed access token {text}")));
    }
    Err(cannot_parse())
}

fn cannot_parse() -> GraphError {
    GraphError::new(190, "Invalid OAuth access token - Cannot parse access token")
}

/// What is wrong with a recognized token, if anything.
pub(crate) fn flaw(world: &World, known: Known<'_>, now: Timestamp) -> Option<Flaw> {
    let Known::Issued(token) = known else {
        return None;
    };
    ended(world, token)
        .or_else(|| held_up(world, token))
        .or_else(|| expired(world, token, now))
        .or_else(|| page_lost(world, token))
}

/// Meta ended the token, or the one it was derived from.
fn ended(world: &World, token: &Token) -> Option<Flaw> {
    let parents = || world.tokens.parent(token).and_then(|parent| parent.invalid.as_ref());
    let invalid = token.invalid.as_ref().or_else(parents)?;
    let message = invalid.message.clone().unwrap_or_else(|| ended_text(invalid.subcode, token));
    Some(Flaw { subcode: invalid.subcode, message })
}

/// The person behind the token must do something first.
fn held_up(world: &World, token: &Token) -> Option<Flaw> {
    let trouble = world.actors.get(token.user.as_ref()?)?.trouble;
    let subcode = match trouble {
        Trouble { checkpoint: true, .. } => 459,
        Trouble { unconfirmed: true, .. } => 464,
        _ => return None,
    };
    Some(Flaw { subcode: Some(subcode), message: ended_text(Some(subcode), token) })
}

fn expired(world: &World, token: &Token, now: Timestamp) -> Option<Flaw> {
    let parent = world.tokens.parent(token).filter(|parent| world.takes_children_along(parent));
    let mut ends = [Some(token), parent].into_iter().flatten().filter_map(|token| token.expires_at);
    let end = ends.find(|end| *end <= now)?;
    Some(Flaw { subcode: Some(463), message: expired_text(end, now) })
}

/// The person lost the page, or the app's grant no longer covers it.
fn page_lost(world: &World, token: &Token) -> Option<Flaw> {
    let (user, page) = (token.user.as_ref()?, world.pages.get(token.page.as_ref()?)?);
    if !page.has_role(user) {
        return Some(Flaw { subcode: Some(492), message: ended_text(Some(492), token) });
    }
    let covered = world.grants.get(&token.app, user).is_some_and(|grant| grant.covers(&page.id));
    (!covered).then(|| Flaw { subcode: None, message: not_in_grant_text() })
}

fn not_in_grant_text() -> String {
    let (last, others) = PAGE_SCOPES.split_last().unwrap_or((&"", &[]));
    format!(
        "(#190) Any of the {} or {last} permission(s) must be granted before impersonating a user's page.",
        others.join(", ")
    )
}

/// Meta's texts for tokens that ended before their time.
fn ended_text(subcode: Option<i64>, token: &Token) -> String {
    let user = token.user.as_ref().map(Id::as_str).unwrap_or_default();
    let reason = match subcode {
        Some(458) => format!("The user has not authorized application {}.", token.app),
        Some(459) => "You cannot access the app till you log in to www.facebook.com and follow the instructions \
                      given."
            .to_owned(),
        Some(460) => "The session has been invalidated because the user changed their password or Facebook has \
                      changed the session for security reasons."
            .to_owned(),
        Some(464) => {
            format!("Sessions for the user {user} are not allowed because the user is not a confirmed user.")
        }
        Some(466) => "The session was invalidated explicitly using an API call.".to_owned(),
        Some(467) => "The session is invalid because the user logged out.".to_owned(),
        Some(492) => "The user must be an administrator, editor, or moderator of the page in order to impersonate \
                      it. If the page business requires Two Factor Authentication, the user also needs to enable \
                      Two Factor Authentication."
            .to_owned(),
        _ => "The session is invalid.".to_owned(),
    };
    format!("Error validating access token: {reason}")
}

fn expired_text(end: Timestamp, now: Timestamp) -> String {
    format!(
        "Error validating access token: Session has expired on {}. The current time is {}.",
        pacific(end),
        pacific(now)
    )
}

/// Meta prints Pacific time. The rule is written out, so that no time zone database is needed.
fn pacific(moment: Timestamp) -> String {
    let zone = TimeZone::posix("PST8PDT,M3.2.0,M11.1.0").unwrap_or(TimeZone::UTC);
    moment.to_zoned(zone).strftime("%A, %d-%b-%y %H:%M:%S %Z").to_string()
}

/// Checks token, app and proof of a call, in this order.
pub(crate) fn authenticate(
    world: &World,
    now: Timestamp,
    token: Option<&str>,
    proof: Option<&str>,
) -> Result<Caller, GraphError> {
    let text = token.ok_or_else(GraphError::no_active_token)?;
    let known = recognize(world, text).map_err(|error| as_token_error(error, world.switches.token_error_status))?;
    let app = match known {
        Known::App(app) => app,
        Known::Issued(token) => world.apps.get(&token.app).ok_or_else(cannot_parse)?,
    };
    check_app(app)?;
    if let Some(flaw) = flaw(world, known, now) {
        return Err(flawed(world, flaw));
    }
    check_proof(world, app, known, text, proof)?;
    check_data_access(world, known, now)?;
    Ok(known.caller())
}

/// Refuses an app that is gone or shut out.
pub(crate) fn check_app(app: &App) -> Result<(), GraphError> {
    if app.deleted {
        return Err(GraphError::new(190, "Error validating application. Application has been deleted."));
    }
    let message = match app.blocked {
        Block::None => return Ok(()),
        Block::Blocked => "API access blocked.",
        Block::Deactivated => "API access deactivated. To reactivate, go to the app dashboard.",
    };
    Err(GraphError::new(200, message))
}

fn check_proof(world: &World, app: &App, known: Known<'_>, text: &str, proof: Option<&str>) -> Result<(), GraphError> {
    let refused = |message: &str| Err(GraphError::new(100, message).graph_method());
    match proof {
        Some(proof) if proof_matches(app, text, proof) => Ok(()),
        Some(_) => refused("Invalid appsecret_proof provided in the API argument"),
        None if !app.require_proof => Ok(()),
        None if known.kind() == TokenKind::App && world.switches.app_token_proof == AppTokenProof::Exempt => Ok(()),
        None => refused("API calls from the server require an appsecret_proof argument"),
    }
}

/// Whether this is the proof of the app's secret for this token.
pub(crate) fn proof_matches(app: &App, token: &str, proof: &str) -> bool {
    app.secrets().any(|secret| {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
            return false;
        };
        mac.update(token.as_bytes());
        // Compared as text, since only lower-case hex is accepted; over digests, so in constant time.
        let expected = hex::encode(mac.finalize().into_bytes());
        Sha256::digest(expected) == Sha256::digest(proof)
    })
}

fn check_data_access(world: &World, known: Known<'_>, now: Timestamp) -> Result<(), GraphError> {
    let Known::Issued(token) = known else {
        return Ok(());
    };
    let over = token.data_access_expires_at.is_some_and(|end| end <= now);
    if over && world.switches.data_access_over == DataAccessOver::Refused {
        let message = "Error validating access token: The user's data access has expired.".to_owned();
        return Err(flawed(world, Flaw { subcode: Some(493), message }));
    }
    Ok(())
}

pub(crate) fn flawed(world: &World, flaw: Flaw) -> GraphError {
    let error = GraphError::new(190, flaw.message);
    match (flaw.subcode, world.switches.token_error_subcode) {
        (Some(subcode), TokenErrorSubcode::Present) => error.subcode(subcode),
        _ => error,
    }
}

pub(crate) fn as_token_error(error: GraphError, status: TokenErrorStatus) -> GraphError {
    match status {
        TokenErrorStatus::Status400 => error,
        TokenErrorStatus::Status401 => error.status(401),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_texts_carry_both_times_in_pacific_time() {
        // Both lines are as Meta printed them.
        let text = expired_text("2022-11-16T15:45:51Z".parse().unwrap(), "2022-11-18T05:30:03Z".parse().unwrap());
        assert_eq!(
            text,
            "Error validating access token: Session has expired on Wednesday, 16-Nov-22 07:45:51 PST. \
             The current time is Thursday, 17-Nov-22 21:30:03 PST."
        );
        assert_eq!(pacific("2022-10-06T07:00:00Z".parse().unwrap()), "Thursday, 06-Oct-22 00:00:00 PDT");
    }
}
