//! System users: apps installed for them, and their tokens.

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::business;
use super::call::Call;
use super::oauth::find_app;
use super::oauth_access_token::answer;
use crate::auth::{Known, check_app, flaw};
use crate::id::{Id, Ids};
use crate::protocol::{GraphError, Node};
use crate::seed::{GranularScope, TokenKind};
use crate::world::{Actor, ActorKind, App, Issued, Life, PAGE_SCOPES, Token, World};

/// `POST /{system-user-id}/applications`: installs an app.
pub(super) fn install_app(call: &Call) -> Result<Value, GraphError> {
    let mut world = call.core.world.lock();
    let (robot, home) = managed(call, &world)?;
    let app = business_app(call, &world)?;
    let owner = app.fields.get("business").and_then(|business| business.get("id")).and_then(Value::as_str);
    if let (Some(owner), Some(home)) = (owner, home)
        && *home != owner
    {
        return Err(GraphError::parameter("The app and the system user must belong to the same business"));
    }
    let (app, robot) = (app.id.clone(), robot.id.clone());
    call.commit(&mut world, |world| {
        world.grants.entry(&app, &robot);
    });
    Ok(json!({"success": true}))
}

/// `POST /{system-user-id}/access_tokens`: issues a token.
pub(super) fn new_token(call: &Call) -> Result<Value, GraphError> {
    let mut world = call.core.world.lock();
    let (robot, _) = managed(call, &world)?;
    let app = business_app(call, &world)?;
    let issued = Issued { scopes: call.params.required_list("scope")?, granular_scopes: Vec::new() };
    let (app, robot) = (app.id.clone(), robot.id.clone());
    issue(call, &mut world, &app, &robot, issued)
}

/// `DELETE /{system-user-id}/access_tokens`: ends all of them.
pub(super) fn delete_tokens(call: &Call) -> Result<Value, GraphError> {
    let mut world = call.core.world.lock();
    let robot = managed(call, &world)?.0.id.clone();
    call.commit(&mut world, |world| world.end_tokens(&robot, None, 466));
    Ok(json!({"success": true}))
}

/// `POST /{business-id}/system_user_access_tokens`: issues a token, perhaps for some pages only.
pub(super) fn new_token_through_business(call: &Call) -> Result<Value, GraphError> {
    let mut world = call.core.world.lock();
    let (home, token) = business::managed(call, &world)?;
    let id = call.params.required("system_user_id")?.parse::<Id>();
    let robot = id.ok().and_then(|id| world.actors.get(&id)).filter(
        |actor| matches!(&actor.kind, ActorKind::SystemUser { business: Some(business) } if *business == home.id),
    );
    let robot =
        robot.ok_or_else(|| GraphError::parameter("Param system_user_id must be a system user of the business"))?;
    let (app, robot) = (token.app.clone(), robot.id.clone());
    if call.params.flag("fetch_only") == Some(true) {
        let living = |token: &&Token| flaw(&world, Known::Issued(token), call.now).is_none();
        let found = world.tokens.of(&robot, &app, None).find(living);
        let text = found.map(|token| token.text.expose_secret());
        return match text {
            Some(text) => Ok(json!({"access_token": text})),
            None => Err(GraphError::parameter("There is no access token to fetch")),
        };
    }
    let assets = call.params.list("asset")?.map(|assets| parse_ids(&assets)).transpose()?;
    let scopes = call.params.required_list("scope")?;
    let limit = |scope: &String| GranularScope { scope: scope.clone(), target_ids: assets.clone() };
    let of_pages = scopes.iter().filter(|scope| assets.is_some() && PAGE_SCOPES.contains(&scope.as_str()));
    let granular_scopes = of_pages.map(limit).collect();
    issue(call, &mut world, &app, &robot, Issued { scopes, granular_scopes })
}

fn parse_ids(texts: &[String]) -> Result<Ids, GraphError> {
    let ids = texts.iter().map(|text| text.parse::<Id>());
    ids.collect::<Result<_, _>>().map_err(|_| GraphError::parameter("Param asset must be a list of ids"))
}

fn issue(call: &Call, world: &mut World, app: &Id, robot: &Id, issued: Issued) -> Result<Value, GraphError> {
    if world.grants.get(app, robot).is_none() {
        return Err(GraphError::parameter("The app is not installed for the system user"));
    }
    let life = if call.params.flag("set_token_expires_in_60_days") == Some(true) { Life::Long } else { Life::Endless };
    let token = world.mint(TokenKind::SystemUser, app, robot, issued, life, call.now);
    let answer = answer(&token, call.now);
    call.commit(world, |world| {
        world.widen_grant(&token);
        world.add_minted(token);
    });
    Ok(answer)
}

/// The system user in the path and its business, for a caller who may manage both.
fn managed<'w>(call: &Call, world: &'w World) -> Result<(&'w Actor, Option<&'w Id>), GraphError> {
    let Node::Actor(id) = &call.node else {
        return Err(call.unsupported());
    };
    let actor = world.actors.get(id).ok_or_else(|| call.unsupported())?;
    let ActorKind::SystemUser { business } = &actor.kind else {
        return Err(call.unsupported());
    };
    business::manager(call, world, business.as_ref())?;
    Ok((actor, business.as_ref()))
}

fn business_app<'w>(call: &Call, world: &'w World) -> Result<&'w App, GraphError> {
    let app = find_app(world, call.params.required("business_app")?)?;
    check_app(app)?;
    Ok(app)
}
