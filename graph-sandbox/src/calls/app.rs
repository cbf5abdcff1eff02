//! `GET /{app-id}`.

use serde_json::{Value, json};

use super::call::Call;
use super::select;
use crate::protocol::{GraphError, app_fields};
use crate::world::App;

/// Reads the app node: what everybody may know with any token of the app, the rest with its own.
pub(super) fn get(call: &Call) -> Result<Value, GraphError> {
    let world = call.core.world.lock();
    let selection = select::selection(call.fields(), app_fields::DEFAULT)?;
    let public = selection.iter().all(|field| app_fields::is_public(&field.name));
    let app = if public { call.visible_app(&world)? } else { call.own_app(&world)? };
    select::node(app.id.as_str(), &selection, |name| {
        if app_fields::exists(name) {
            Ok(value(app, name))
        } else {
            Err(GraphError::nonexisting_field(name, "Application"))
        }
    })
}

/// The value of a field; absent if it has none.
fn value(app: &App, name: &str) -> Option<Value> {
    match name {
        "id" => Some(app.id.as_str().into()),
        "name" => Some(app.name.as_str().into()),
        "category" => Some(app.category.as_str().into()),
        "link" if !app.fields.contains_key("link") => {
            Some(json!(format!("https://www.facebook.com/games/?app_id={}", app.id)))
        }
        _ => app.fields.get(name).cloned(),
    }
}
