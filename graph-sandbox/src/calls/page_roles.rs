//! `GET /{page-id}/roles`.

use serde_json::{Value, json};

use super::call::{Call, need_scope};
use crate::protocol::GraphError;

/// Lists who may do what on the page. Nobody is listed where the seed lets everybody do everything.
pub(super) fn get(call: &Call) -> Result<Value, GraphError> {
    let world = call.core.world.lock();
    let (page, token) = call.own_page(&world)?;
    need_scope(token, "pages_manage_metadata", &page.id)?;
    let held = page.tasks.iter().flatten().filter(|(_, tasks)| !tasks.is_empty());
    let rows: Vec<Value> = held
        .map(|(person, tasks)| {
            let name = world.actors.get(person).map(|actor| actor.name.as_str());
            json!({"id": person, "name": name.unwrap_or_default(), "tasks": tasks})
        })
        .collect();
    Ok(json!({"data": rows}))
}
