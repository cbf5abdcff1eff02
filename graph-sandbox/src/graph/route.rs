//! From a path to the call it means.

use secrecy::ExposeSecret;

use crate::auth::{Known, recognize};
use crate::id::Id;
use crate::protocol::{GraphError, GraphRequest, Node, OfPage, Route};
use crate::seed::TokenKind;
use crate::switches::UnknownAlias;
use crate::world::{Token, World};

/// Where a request leads.
pub(crate) type Destination = Result<(Route, Node), GraphError>;

/// Finds the call a request means. `me` and `app` stand for what the token belongs to.
pub(crate) fn find(world: &World, request: &GraphRequest) -> Destination {
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    let root = |route| Ok((route, Node::Root));
    match segments.as_slice() {
        [] if request.params.get("batch").is_some() => root(Route::Batch),
        [] if request.params.get("ids").is_some() => root(Route::Ids),
        [] => Err(GraphError::new(100, "Unsupported request. Please name a node or an edge.").graph_method()),
        ["debug_token"] => root(Route::DebugToken),
        ["oauth", "access_token"] => root(Route::OauthAccessToken),
        ["oauth", "revoke"] => root(Route::OauthRevoke),
        ["dialog", "oauth"] => root(Route::LoginDialog),
        [node] => {
            let node = find_node(world, request, node)?;
            Ok((node_route(&node)?, node))
        }
        [node, edge] => {
            let node = find_node(world, request, node)?;
            let route = node.edge(edge).ok_or_else(|| GraphError::unknown_path(&format!("/{edge}")))?;
            Ok((route, node))
        }
        [node, "permissions", _] => match find_node(world, request, node)? {
            node @ Node::Actor(_) => Ok((Route::ActorPermission, node)),
            _ => Err(unknown_rest(&segments)),
        },
        _ => Err(unknown_rest(&segments)),
    }
}

/// The path goes on after a node that has no such edge.
fn unknown_rest(segments: &[&str]) -> GraphError {
    GraphError::unknown_path(&format!("/{}", segments.get(1..).unwrap_or_default().join("/")))
}

/// The call that reads a node.
pub(crate) fn node_route(node: &Node) -> Result<Route, GraphError> {
    match node {
        Node::App(_) => Ok(Route::App),
        Node::Page(_) => Ok(Route::Page),
        Node::Actor(_) => Ok(Route::Actor),
        Node::Business(_) => Ok(Route::Business),
        Node::Conversation(_) => Ok(Route::Conversation),
        Node::Message(_) => Ok(Route::Message),
        Node::Person(_) => Ok(Route::Profile),
        Node::Persona(_) => Ok(Route::Persona),
        Node::Root => Err(GraphError::no_active_token()),
    }
}

/// The node of this id, or what `me` or `app` stands for.
pub(crate) fn find_node(world: &World, request: &GraphRequest, name: &str) -> Result<Node, GraphError> {
    if name == "me" || name == "app" {
        return own_node(world, request, name == "app");
    }
    let Ok(id) = name.parse::<Id>() else {
        if let Some(node) = of_own_page(world, request, name) {
            return Ok(node);
        }
        return Err(match world.switches.unknown_alias {
            _ if name.starts_with("t_") || name.starts_with("m_") => {
                GraphError::unsupported(request.method.as_str(), name)
            }
            UnknownAlias::Code803 => {
                GraphError::new(803, format!("(#803) Some of the aliases you requested do not exist: {name}"))
            }
            UnknownAlias::Code100 => GraphError::unsupported(request.method.as_str(), name),
        });
    };
    if world.apps.contains_key(&id) {
        Ok(Node::App(id))
    } else if world.pages.contains_key(&id) {
        Ok(Node::Page(id))
    } else if world.actors.contains_key(&id) {
        Ok(Node::Actor(id))
    } else if world.businesses.contains_key(&id) {
        Ok(Node::Business(id))
    } else {
        of_own_page(world, request, name).ok_or_else(|| GraphError::unsupported(request.method.as_str(), name))
    }
}

/// What has this name at the page of the token.
fn of_own_page(world: &World, request: &GraphRequest, name: &str) -> Option<Node> {
    let (text, _) = request.token.as_ref()?;
    let Known::Issued(Token { kind: TokenKind::Page, page: Some(page), .. }) =
        recognize(world, text.expose_secret()).ok()?
    else {
        return None;
    };
    let messaging = &world.pages.get(page)?.messaging;
    let own = OfPage { page: page.clone(), id: name.to_owned() };
    if messaging.conversation(name).is_some() {
        return Some(Node::Conversation(own));
    }
    if messaging.message(name).is_some() {
        return Some(Node::Message(own));
    }
    let id: Id = name.parse().ok()?;
    if messaging.threads.contains_key(&id) {
        return Some(Node::Person(own));
    }
    messaging.personas.contains_key(&id).then_some(Node::Persona(own))
}

/// What `me` or `app` means for the token of this request.
fn own_node(world: &World, request: &GraphRequest, wants_app: bool) -> Result<Node, GraphError> {
    let text = request.token.as_ref().map(|(text, _)| text.expose_secret());
    match text.map(|text| recognize(world, text)).transpose()? {
        Some(known) if wants_app => Ok(Node::App(known.app_id().clone())),
        Some(Known::Issued(Token { kind: TokenKind::Page, page: Some(page), .. })) => Ok(Node::Page(page.clone())),
        Some(Known::Issued(Token { user: Some(user), .. })) => Ok(Node::Actor(user.clone())),
        Some(Known::Issued(_)) => Err(GraphError::unsupported(request.method.as_str(), "me")),
        Some(Known::App(_)) | None => Err(GraphError::no_active_token()),
    }
}
