//! `GET /debug_token`.

use serde_json::{Value, json};

use super::call::Call;
use crate::auth::{Caller, Flaw, Known, flaw, recognize};
use crate::id::Id;
use crate::protocol::GraphError;
use crate::seed::{AppRole, TokenKind};
use crate::world::{Token, World};
use jiff::Timestamp;

/// Tells what a token is. A dead or unknown token is no error of the call: it gives 200.
pub(super) fn get(call: &Call) -> Result<Value, GraphError> {
    let world = call.core.world.lock();
    check_caller(&world, call)?;
    let text = call.params.required("input_token")?;
    let known = match recognize(&world, text) {
        Ok(known) => known,
        Err(error) => return Ok(json!({"data": garbled(&error)})),
    };
    if known.app_id() != call.caller.app() {
        return Err(GraphError::parameter("The App_id in the input_token did not match the Viewing App"));
    }
    Ok(json!({"data": describe(&world, known, call.now)}))
}

/// The refusal of a caller who may not inspect tokens, or has no token at all.
pub(crate) fn bad_caller() -> GraphError {
    GraphError::parameter(
        "You must provide an app access token, or a user access token that is an owner or developer of the app",
    )
}

fn check_caller(world: &World, call: &Call) -> Result<(), GraphError> {
    let Caller::Issued(token) = &call.caller else {
        return Ok(());
    };
    let role = world.apps.get(&token.app).zip(token.user.as_ref()).and_then(|(app, user)| app.roles.get(user));
    let may = matches!(role, Some(AppRole::Administrator | AppRole::Developer));
    if token.kind == TokenKind::User && may { Ok(()) } else { Err(bad_caller()) }
}

/// Input that is no token of ours gives nothing but the error.
fn garbled(error: &GraphError) -> Value {
    json!({
        "error": {"code": error.code, "message": error.message},
        "is_valid": false,
        "scopes": [],
    })
}

fn describe(world: &World, known: Known<'_>, now: Timestamp) -> Value {
    let application = world.apps.get(known.app_id()).map(|app| app.name.as_str());
    let mut data = json!({
        "app_id": known.app_id(),
        "type": type_name(known.kind()),
        "application": application,
        "is_valid": true,
        "scopes": [],
    });
    if let Known::Issued(token) = known {
        describe_issued(&mut data, token);
    }
    if let Some(Flaw { subcode, message }) = flaw(world, known, now) {
        data["is_valid"] = false.into();
        data["error"] = json!({"code": 190, "message": message});
        if let Some(subcode) = subcode {
            data["error"]["subcode"] = subcode.into();
        }
    }
    data
}

fn describe_issued(data: &mut Value, token: &Token) {
    let unix = |moment: Option<Timestamp>| moment.map_or(0, Timestamp::as_second);
    data["expires_at"] = unix(token.expires_at).into();
    data["data_access_expires_at"] = unix(token.data_access_expires_at).into();
    data["scopes"] = token.scopes.clone().into();
    let id = |id: &Id| Value::from(id.as_str());
    let optional = [
        ("issued_at", token.issued_at.map(|moment| moment.as_second().into())),
        ("user_id", token.user.as_ref().map(id)),
        ("profile_id", token.page.as_ref().map(id)),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            data[name] = value;
        }
    }
    if !token.granular_scopes.is_empty() {
        data["granular_scopes"] = json!(token.granular_scopes);
    }
}

fn type_name(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::App => "APP",
        TokenKind::User => "USER",
        TokenKind::Page => "PAGE",
        TokenKind::SystemUser => "SYSTEM_USER",
    }
}
