//! Calls that bring an app's id and secret instead of a token.

use std::sync::Arc;

use axum::http::Method;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::auth::{Known, authenticate, check_app, flaw, flawed, recognize};
use crate::core::Core;
use crate::id::Id;
use crate::protocol::{GraphError, Params};
use crate::seed::Invalidation;
use crate::switches::UnknownApp;
use crate::world::{App, Token, World};

/// A call without an accepted token.
pub(crate) struct OpenCall {
    pub(crate) core: Arc<Core>,
    pub(crate) now: Timestamp,
    pub(crate) method: Method,
    pub(crate) params: Params,
    /// A token that came along all the same.
    pub(crate) token: Option<SecretString>,
    pub(crate) proof: Option<String>,
    pub(crate) without_effect: bool,
}

impl OpenCall {
    /// The app whose id and secret were sent.
    pub(super) fn client<'w>(&self, world: &'w World) -> Result<&'w App, GraphError> {
        let id = self.params.get("client_id").ok_or_else(|| GraphError::new(101, "Missing client_id parameter."))?;
        let app = find_app(world, id)?;
        let secret = self.params.get("client_secret");
        let secret = secret.ok_or_else(|| GraphError::new(1, "Missing client_secret parameter."))?;
        if !app.knows_secret(secret) {
            return Err(GraphError::new(1, "Error validating client secret."));
        }
        check_app(app)?;
        Ok(app)
    }

    /// A good token among the parameters that belongs to the app.
    pub(super) fn own_token<'w>(&self, world: &'w World, app: &App, parameter: &str) -> Result<&'w Token, GraphError> {
        let Known::Issued(token) = recognize(world, self.params.required(parameter)?)? else {
            return Err(GraphError::parameter(format_args!("Param {parameter} must not be an app access token")));
        };
        if token.app != app.id {
            return Err(GraphError::parameter(format_args!("The token in {parameter} belongs to another app")));
        }
        match flaw(world, Known::Issued(token), self.now) {
            None => Ok(token),
            Some(flaw) => Err(flawed(world, flaw)),
        }
    }
}

/// The app of this id, or Graph's refusal of it.
pub(super) fn find_app<'w>(world: &'w World, id: &str) -> Result<&'w App, GraphError> {
    let app = id.parse().ok().and_then(|id: Id| world.apps.get(&id));
    app.ok_or_else(|| {
        let code = match world.switches.unknown_app {
            UnknownApp::Code101 => 101,
            UnknownApp::Code190 => 190,
        };
        GraphError::new(code, "Error validating application. Invalid application ID.")
    })
}

/// `GET /oauth/revoke`: ends one token, and the page tokens that came from it.
pub(super) fn revoke(call: &OpenCall) -> Result<Value, GraphError> {
    let mut world = call.core.world.lock();
    let app = call.client(&world)?;
    let text = call.token.as_ref().map(ExposeSecret::expose_secret);
    let caller = authenticate(&world, call.now, text, call.proof.as_deref())?;
    if *caller.app() != app.id {
        return Err(GraphError::parameter("The access token belongs to another app"));
    }
    call.own_token(&world, app, "revoke_token")?;
    let id = world.tokens.id_of_text(call.params.required("revoke_token")?);
    if let Some(token) = id.filter(|_| !call.without_effect).and_then(|id| world.tokens.get_mut(id)) {
        token.invalid = Some(Invalidation { subcode: Some(466), message: None });
    }
    Ok(json!({"success": true}))
}
