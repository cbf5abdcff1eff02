//! Edges that are read with their node, as in `fields=id,messages.limit(5){message}`.

use std::sync::Arc;

use axum::http::Method;
use serde_json::Value;

use super::call::Call;
use super::read::read as read_alone;
use crate::protocol::fields::{self, Selected};
use crate::protocol::{GraphError, Node, OfPage, Params, Route};

/// Reads a node or an edge, and for each node in the answer the edges among its `fields`.
pub(super) fn read(route: Route, mut call: Call) -> Result<Value, GraphError> {
    let edges = take_edges(route, &mut call);
    let mut answer = read_alone(route, &call)?;
    for (edge, selected) in &edges {
        match answer.get_mut("data").and_then(Value::as_array_mut).filter(|_| lists_nodes(route)) {
            Some(rows) => {
                rows.iter_mut().try_for_each(|row| add(&call, row_node(&call, route, row), row, *edge, selected))
            }
            None => add(&call, Some(call.node.clone()), &mut answer, *edge, selected),
        }?;
    }
    Ok(answer)
}

/// Takes the edges out of `fields`. What cannot be read is left to the call, which says what is wrong with it.
fn take_edges(route: Route, call: &mut Call) -> Vec<(Route, Selected)> {
    let Some(Ok(selection)) = call.params.get("fields").map(fields::parse) else {
        return Vec::new();
    };
    let (mut edges, mut own) = (Vec::new(), Vec::new());
    for selected in selection {
        match edge(route, &selected.name) {
            Some(edge) => edges.push((edge, selected)),
            None => own.push(selected),
        }
    }
    if !edges.is_empty() {
        call.own_fields = Some(fields::write(&own));
    }
    edges
}

/// The edge of this name of the nodes that a call answers.
fn edge(route: Route, name: &str) -> Option<Route> {
    match (route, name) {
        (Route::App, "permissions") => Some(Route::AppPermissions),
        (Route::App, "roles") => Some(Route::AppRoles),
        (Route::App, "subscriptions") => Some(Route::AppSubscriptions),
        (Route::Actor, "accounts") => Some(Route::ActorAccounts),
        (Route::Actor, "permissions") => Some(Route::ActorPermissions),
        (Route::Page | Route::ActorAccounts, "conversations") => Some(Route::PageConversations),
        (Route::Page | Route::ActorAccounts, "personas") => Some(Route::PagePersonas),
        (Route::Page | Route::ActorAccounts, "roles") => Some(Route::PageRoles),
        (Route::Page | Route::ActorAccounts, "subscribed_apps") => Some(Route::PageSubscribedApps),
        (Route::Conversation | Route::PageConversations, "messages") => Some(Route::ConversationMessages),
        _ => None,
    }
}

fn lists_nodes(route: Route) -> bool {
    matches!(route, Route::ActorAccounts | Route::PageConversations)
}

/// The node of a row of a list.
fn row_node(call: &Call, route: Route, row: &Value) -> Option<Node> {
    let id = row.get("id")?.as_str()?;
    match route {
        Route::ActorAccounts => id.parse().ok().map(Node::Page),
        _ => Some(Node::Conversation(OfPage { page: call.node.page()?.clone(), id: id.to_owned() })),
    }
}

/// Adds an edge to its node; like Graph it leaves out one that has nothing.
fn add(call: &Call, node: Option<Node>, to: &mut Value, edge: Route, selected: &Selected) -> Result<(), GraphError> {
    let answer = read(edge, inner_call(call, node.ok_or_else(|| call.unsupported())?, selected))?;
    let is_empty = answer.get("data").and_then(Value::as_array).is_some_and(Vec::is_empty);
    if !is_empty {
        to[selected.label()] = answer;
    }
    Ok(())
}

/// The call that reads an edge on its own: its parameters are the modifiers, its `fields` what is selected inside.
fn inner_call(call: &Call, node: Node, selected: &Selected) -> Call {
    let mut params = Params::default();
    let format = call.params.get("date_format").map(|format| ("date_format", format));
    let given = selected.modifiers.iter().map(|(name, argument)| (name.as_str(), argument.as_str()));
    for (name, value) in format.into_iter().chain(given.filter(|(name, _)| *name != "as")) {
        params.add(name.to_owned(), value.to_owned());
    }
    if let Some(inner) = &selected.inner {
        params.add("fields".to_owned(), fields::write(inner));
    }
    let segments = vec![node.id().unwrap_or_default().to_owned(), selected.name.clone()];
    let origin = call.url.split('/').take(3).collect::<Vec<_>>().join("/");
    Call {
        core: Arc::clone(&call.core),
        now: call.now,
        seq: call.seq,
        caller: call.caller.clone(),
        node,
        version: call.version,
        method: Method::GET,
        params,
        own_fields: None,
        proof: call.proof.clone(),
        url: format!("{origin}/{}/{}", call.version, segments.join("/")),
        segments,
        without_effect: call.without_effect,
        callback_answer: None,
    }
}
