//! `GET /me` and `GET /{user-id}`: a person or a system user.

use serde_json::Value;

use super::call::Call;
use super::select;
use crate::auth::Caller;
use crate::protocol::{GraphError, Node};
use crate::seed::TokenKind;
use crate::world::{Actor, World};

const FIELDS: &[&str] = &["name", "id"];

/// Reads the node of someone who has authorized the calling app.
pub(super) fn get(call: &Call) -> Result<Value, GraphError> {
    let world = call.core.world.lock();
    let actor = readable(call, &world)?;
    let selection = select::selection(call.fields(), FIELDS)?;
    select::node(actor.id.as_str(), &selection, |name| match name {
        "id" => Ok(Some(actor.id.as_str().into())),
        "name" => Ok(Some(actor.name.as_str().into())),
        _ => Err(GraphError::nonexisting_field(name, "User")),
    })
}

fn readable<'w>(call: &Call, world: &'w World) -> Result<&'w Actor, GraphError> {
    let Node::Actor(id) = &call.node else {
        return Err(call.unsupported());
    };
    let may = match &call.caller {
        Caller::App(app) => world.grants.get(app, id).is_some(),
        Caller::Issued(token) => token.kind != TokenKind::Page && token.user.as_ref() == Some(id),
    };
    world.actors.get(id).filter(|_| may).ok_or_else(|| call.unsupported())
}
