//! `/{user-id}/permissions`: what someone authorized the calling app to do.

use serde_json::{Value, json};

use super::call::Call;
use crate::auth::Caller;
use crate::id::Id;
use crate::protocol::{GraphError, Node};
use crate::seed::TokenKind;
use crate::world::World;

/// Lists granted and declined scopes.
pub(super) fn get(call: &Call) -> Result<Value, GraphError> {
    let world = call.core.world.lock();
    let (app, actor) = pair(call, &world)?;
    let row = |scope: &String, status| json!({"permission": scope, "status": status});
    let grant = world.grants.get(app, actor).ok_or_else(|| call.unsupported())?;
    let granted = grant.scopes.keys().map(|scope| row(scope, "granted"));
    let rows: Vec<Value> = granted.chain(grant.declined.iter().map(|scope| row(scope, "declined"))).collect();
    Ok(json!({"data": rows}))
}

/// Removes the app for this person: every token of the pair ends.
pub(super) fn delete_all(call: &Call) -> Result<Value, GraphError> {
    let mut world = call.core.world.lock();
    let (app, actor) = pair(call, &world)?;
    if let Some(scope) = call.params.get("permission") {
        return withdraw(call, &mut world, app, actor, scope);
    }
    call.commit(&mut world, |world| world.remove_app(app, actor));
    Ok(json!({"success": true}))
}

/// Takes one scope back.
pub(super) fn delete_one(call: &Call) -> Result<Value, GraphError> {
    let mut world = call.core.world.lock();
    let (app, actor) = pair(call, &world)?;
    let scope = call.segments.last().map(String::as_str).unwrap_or_default();
    withdraw(call, &mut world, app, actor, scope)
}

fn withdraw(call: &Call, world: &mut World, app: &Id, actor: &Id, scope: &str) -> Result<Value, GraphError> {
    let granted = world.grants.get(app, actor).is_some_and(|grant| grant.scopes.contains_key(scope));
    if !granted {
        return Err(GraphError::parameter("The permission was not granted to the application"));
    }
    call.commit(world, |world| {
        world.withdraw_scope(app, actor, scope);
    });
    Ok(json!({"success": true}))
}

/// App and person, for a call with the app's token or the person's own.
fn pair<'c>(call: &'c Call, world: &World) -> Result<(&'c Id, &'c Id), GraphError> {
    let Node::Actor(actor) = &call.node else {
        return Err(call.unsupported());
    };
    let may = match &call.caller {
        Caller::App(app) => world.grants.get(app, actor).is_some(),
        Caller::Issued(token) => token.kind != TokenKind::Page && token.user.as_ref() == Some(actor),
    };
    if may { Ok((call.caller.app(), actor)) } else { Err(call.unsupported()) }
}
