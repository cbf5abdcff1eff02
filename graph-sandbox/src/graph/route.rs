//! From a path to the call it means.

use secrecy::ExposeSecret;

use super::auth::{Known, recognise};
use super::error::GraphError;
use super::request::GraphRequest;
use crate::id::Id;
use crate::seed::TokenKind;
use crate::world::{Token, World};

/// A node or edge that is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    DebugToken,
    App,
    AppPermissions,
    AppSubscriptions,
    Page,
    PageSubscribedApps,
}

impl Route {
    /// The path with its variable parts named, as ledger and faults use it.
    pub(crate) fn template(self) -> &'static str {
        match self {
            Self::DebugToken => "/{version}/debug_token",
            Self::App => "/{version}/{app-id}",
            Self::AppPermissions => "/{version}/{app-id}/permissions",
            Self::AppSubscriptions => "/{version}/{app-id}/subscriptions",
            Self::Page => "/{version}/{page-id}",
            Self::PageSubscribedApps => "/{version}/{page-id}/subscribed_apps",
        }
    }
}

/// The node a path is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// The path names no node.
    Root,
    App(Id),
    Page(Id),
}

/// Where a request leads.
pub(crate) type Destination = Result<(Route, Node), GraphError>;

/// Finds the call a request means. `me` and `app` stand for what the token belongs to.
pub(crate) fn find(world: &World, request: &GraphRequest) -> Destination {
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        [] => Err(GraphError::new(100, "Unsupported request. Please name a node or an edge.").graph_method()),
        ["debug_token"] => Ok((Route::DebugToken, Node::Root)),
        [node] => node_route(&find_node(world, request, node)?),
        [node, edge] => edge_route(&find_node(world, request, node)?, edge),
        [_, rest @ ..] => Err(GraphError::unknown_path(&format!("/{}", rest.join("/")))),
    }
}

fn node_route(node: &Node) -> Destination {
    match node {
        Node::App(_) => Ok((Route::App, node.clone())),
        Node::Page(_) => Ok((Route::Page, node.clone())),
        Node::Root => Err(GraphError::no_active_token()),
    }
}

fn edge_route(node: &Node, edge: &str) -> Destination {
    let route = match (node, edge) {
        (Node::App(_), "permissions") => Route::AppPermissions,
        (Node::App(_), "subscriptions") => Route::AppSubscriptions,
        (Node::Page(_), "subscribed_apps") => Route::PageSubscribedApps,
        _ => return Err(GraphError::unknown_path(&format!("/{edge}"))),
    };
    Ok((route, node.clone()))
}

fn find_node(world: &World, request: &GraphRequest, name: &str) -> Result<Node, GraphError> {
    if name == "me" || name == "app" {
        return own_node(world, request, name == "app");
    }
    let Ok(id) = name.parse::<Id>() else {
        let message = format!("(#803) Some of the aliases you requested do not exist: {name}");
        return Err(GraphError::new(803, message));
    };
    if world.apps.contains_key(&id) {
        Ok(Node::App(id))
    } else if world.pages.contains_key(&id) {
        Ok(Node::Page(id))
    } else {
        Err(GraphError::unsupported(request.method.as_str(), name))
    }
}

/// What `me` or `app` means for the token of this request.
fn own_node(world: &World, request: &GraphRequest, wants_app: bool) -> Result<Node, GraphError> {
    let text = request.token.as_ref().map(|(text, _)| text.expose_secret());
    match text.map(|text| recognise(world, text)).transpose()? {
        Some(known) if wants_app => Ok(Node::App(known.app_id().clone())),
        Some(Known::Issued(Token { kind: TokenKind::Page, page: Some(page), .. })) => Ok(Node::Page(page.clone())),
        // A person's own node is not simulated.
        Some(Known::Issued(_)) => Err(GraphError::unsupported(request.method.as_str(), "me")),
        Some(Known::App(_)) | None => Err(GraphError::no_active_token()),
    }
}
