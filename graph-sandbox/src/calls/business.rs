//! `GET /{business-id}`.

use serde_json::{Value, json};

use super::call::{Call, need_scope};
use super::select;
use crate::auth::Caller;
use crate::id::Id;
use crate::protocol::{GraphError, Node};
use crate::seed::TokenKind;
use crate::world::{ActorKind, Business, Token, World};

/// Fields without `fields`.
const DEFAULT: &[&str] = &["id", "name"];

/// Reads the node of a business.
pub(super) fn get(call: &Call) -> Result<Value, GraphError> {
    let world = call.core.world.lock();
    let (business, _) = managed(call, &world)?;
    let selection = select::selection(call.params.get("fields"), DEFAULT)?;
    select::node(business.id.as_str(), &selection, |name| match name {
        "id" => Ok(Some(business.id.as_str().into())),
        "name" => Ok(Some(business.name.as_str().into())),
        "verification_status" => Ok(Some(json!(business.verification_status))),
        _ => Err(GraphError::nonexisting_field(name, "Business")),
    })
}

/// The business in the path, for a token that may manage it.
pub(super) fn managed<'w>(call: &'w Call, world: &'w World) -> Result<(&'w Business, &'w Token), GraphError> {
    let Node::Business(id) = &call.node else {
        return Err(call.unsupported());
    };
    let business = world.businesses.get(id).ok_or_else(|| call.unsupported())?;
    let token = manager(call, world, Some(&business.id))?;
    Ok((business, token))
}

/// The calling token, if it may manage this business; system users manage but their own.
pub(super) fn manager<'c>(call: &'c Call, world: &World, business: Option<&Id>) -> Result<&'c Token, GraphError> {
    let token = match &call.caller {
        Caller::Issued(token) if token.kind != TokenKind::Page => token,
        _ => return Err(call.unsupported()),
    };
    let kind = token.user.as_ref().and_then(|user| world.actors.get(user)).map(|actor| &actor.kind);
    if let Some(ActorKind::SystemUser { business: own }) = kind
        && own.as_ref() != business
    {
        return Err(call.unsupported());
    }
    match business {
        Some(business) => need_scope(token, "business_management", business)?,
        None if token.scopes.iter().any(|scope| scope == "business_management") => {}
        None => return Err(GraphError::missing_scope("business_management")),
    }
    Ok(token)
}
