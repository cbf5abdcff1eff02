//! `GET /{app-id}`.

use serde_json::Value;

use super::{Call, app_fields, select};
use crate::graph::GraphError;

/// Reads the app node with the app's own token.
pub(super) fn get(call: &Call) -> Result<Value, GraphError> {
    let world = call.core.world.lock();
    let app = call.own_app(&world)?;
    let selection = select::selection(call.params.get("fields"), app_fields::DEFAULT)?;
    select::node(app.id.as_str(), &selection, |name| {
        if app_fields::exists(name) {
            Ok(app_fields::value(app, name))
        } else {
            Err(GraphError::nonexisting_field(name, "Application"))
        }
    })
}
