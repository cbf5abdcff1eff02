//! `/oauth/access_token`: codes and tokens into other tokens.

use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::oauth::OpenCall;
use crate::auth::{Known, flaw, flawed};
use crate::protocol::GraphError;
use crate::seed::TokenKind;
use crate::switches::{CodeSubcodes, LoginPkce, LongTokenExchange, Switches};
use crate::world::{Life, Misuse, Token, World};

/// Exchanges whatever the grant type says.
pub(super) fn exchange(call: &OpenCall) -> Result<Value, GraphError> {
    match call.params.get("grant_type") {
        None | Some("authorization_code") => code(call),
        Some("fb_exchange_token") => token(call),
        Some("client_credentials") => credentials(call),
        Some(_) => Err(GraphError::parameter(
            "Param grant_type must be one of {authorization_code, fb_exchange_token, client_credentials}",
        )),
    }
}

/// The app token, from id and secret.
fn credentials(call: &OpenCall) -> Result<Value, GraphError> {
    let world = call.core.world.lock();
    let app = call.client(&world)?;
    let secret = call.params.required("client_secret")?;
    Ok(json!({"access_token": format!("{}|{secret}", app.id), "token_type": "bearer"}))
}

/// A code of the login dialog into a short-lived token of the person, or an endless one of a system user.
fn code(call: &OpenCall) -> Result<Value, GraphError> {
    let mut world = call.core.world.lock();
    let app = call.client(&world)?;
    let redirect_uri = call.params.required("redirect_uri")?;
    let text = call.params.required("code")?;
    let code = world
        .codes
        .check(text, &app.id, redirect_uri, call.now)
        .map_err(|misuse| refusal(misuse, &world.switches))?
        .clone();
    let verifier = call.params.get("code_verifier");
    match world.switches.login_pkce {
        LoginPkce::Enforced if !code.is_proven_by(verifier) => {
            return Err(GraphError::new(
                100,
                "Invalid code_verifier: it does not match the code_challenge of the code.",
            ));
        }
        LoginPkce::RefusedAtExchange if verifier.is_some() => {
            return Err(GraphError::parameter("Unknown parameter code_verifier"));
        }
        _ => {}
    }
    let (kind, life) = match world.is_person(&code.grantor) {
        true => (TokenKind::User, Life::Short),
        false => (TokenKind::SystemUser, Life::Endless),
    };
    let minted = world.mint(kind, &code.app, &code.grantor, code.issued, life, call.now);
    if world.grants.get(&code.app, &code.grantor).is_none() {
        let message = format!("Error validating access token: The user has not authorized application {}.", code.app);
        return Err(GraphError::new(190, message).subcode(458));
    }
    // The person may have run into trouble since.
    if let Some(flaw) = flaw(&world, Known::Issued(&minted), call.now) {
        return Err(flawed(&world, flaw));
    }
    let answer = answer(&minted, call.now);
    if !call.without_effect {
        world.codes.spend(text);
        world.add_minted(minted);
    }
    Ok(answer)
}

fn refusal(misuse: Misuse, switches: &Switches) -> GraphError {
    let error = |subcode, message: &str| match (misuse, switches.code_subcodes) {
        (Misuse::Expired | Misuse::OtherRedirect, CodeSubcodes::Absent) => GraphError::new(100, message),
        _ => GraphError::new(100, message).subcode(subcode),
    };
    match misuse {
        Misuse::Unknown => GraphError::new(100, "Invalid verification code format."),
        Misuse::Used => error(36009, "This authorization code has been used."),
        Misuse::Expired => error(36007, "This authorization code has expired."),
        Misuse::OtherRedirect => error(
            36008,
            "Error validating verification code. Please make sure your redirect_uri is identical to the one you \
             used in the OAuth dialog request",
        ),
    }
}

/// A user or system-user token into one that lives longer.
fn token(call: &OpenCall) -> Result<Value, GraphError> {
    let mut world = call.core.world.lock();
    let app = call.client(&world)?;
    let old = call.own_token(&world, app, "fb_exchange_token")?;
    let new = match old.kind {
        TokenKind::User => longer(&world, old, call.now),
        TokenKind::SystemUser => {
            let sixty_days = call.params.required("set_token_expires_in_60_days")?;
            if sixty_days != "true" && sixty_days != "1" {
                return Err(GraphError::parameter("Param set_token_expires_in_60_days must be true"));
            }
            renewed(&world, old, call.now)
        }
        TokenKind::Page | TokenKind::App => {
            return Err(GraphError::parameter("Param fb_exchange_token must be a user access token"));
        }
    };
    let answer = answer(new.as_ref().unwrap_or(old), call.now);
    if let Some(new) = new.filter(|_| !call.without_effect) {
        world.add_minted(new);
    }
    Ok(answer)
}

/// A long-lived token for a person's; nothing if the old one is as good as it gets.
fn longer(world: &World, old: &Token, now: Timestamp) -> Option<Token> {
    let keeps = old.long_lived && world.switches.long_token_exchange == LongTokenExchange::Keeps;
    if keeps { None } else { renewed(world, old, now) }
}

fn renewed(world: &World, old: &Token, now: Timestamp) -> Option<Token> {
    let user = old.user.as_ref()?;
    Some(world.mint(old.kind, &old.app, user, old.issued.clone(), Life::Long, now))
}

/// The answer that hands a token out. What never ends has no `expires_in`.
pub(super) fn answer(token: &Token, now: Timestamp) -> Value {
    let mut answer = json!({"access_token": token.text.expose_secret(), "token_type": "bearer"});
    if let Some(end) = token.expires_at {
        answer["expires_in"] = (end.as_second() - now.as_second()).max(0).into();
    }
    answer
}
