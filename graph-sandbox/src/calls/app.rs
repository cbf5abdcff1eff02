//! `GET /{app-id}`.

use serde_json::Value;

use super::{Call, app_fields, select};
use crate::graph::GraphError;

/// Reads the app node: what everybody may know with any token of the app, the rest with its own.
pub(super) fn get(call: &Call) -> Result<Value, GraphError> {
    let world = call.core.world.lock();
    let selection = select::selection(call.fields(), app_fields::DEFAULT)?;
    let public = selection.iter().all(|field| app_fields::is_public(&field.name));
    let app = if public { call.visible_app(&world)? } else { call.own_app(&world)? };
    select::node(app.id.as_str(), &selection, |name| {
        if app_fields::exists(name) {
            Ok(app_fields::value(app, name))
        } else {
            Err(GraphError::nonexisting_field(name, "Application"))
        }
    })
}
