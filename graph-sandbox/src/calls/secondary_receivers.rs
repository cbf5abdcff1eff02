//! `GET /{page-id}/secondary_receivers`, a leftover of the Handover Protocol.

use serde_json::{Value, json};

use super::call::Call;
use super::conversation::messaging_page;
use super::select;
use crate::messaging::Desk;
use crate::protocol::GraphError;

/// The first version without it.
const GONE_SINCE: u16 = 26;
const ROW_FIELDS: &[&str] = &["id", "name"];

/// Lists the connected apps other than the default app, to the default app only.
pub(super) fn get(call: &Call) -> Result<Value, GraphError> {
    let world = call.core.world.lock();
    let (page, token) = messaging_page(call, &world)?;
    if call.version.major() >= GONE_SINCE {
        return Err(GraphError::nonexisting_field("secondary_receivers", "Page"));
    }
    let selection = select::selection(call.params.get("fields"), ROW_FIELDS)?;
    if let Some(unknown) = selection.iter().find(|field| !ROW_FIELDS.contains(&field.name.as_str())) {
        return Err(GraphError::nonexisting_field(&unknown.name, "Application"));
    }
    let desk = Desk::new(page, &world.switches, call.now);
    let Some(primary) = desk.default_app().filter(|_| desk.is_connected(&token.app)) else {
        return Err(GraphError::parameter("Only primary and secondary receivers can call this").subcode(2_018_171));
    };
    if *primary != token.app {
        let message = "A secondary receiver may not see the other secondary receivers";
        return Err(GraphError::parameter(message).subcode(2_018_234));
    }
    let secondaries = page.subscriptions.iter().filter(|(app, _)| *app != primary);
    let rows = secondaries.map(|(app, row)| {
        let name = world.apps.get(app).map(|app| app.name.clone()).or_else(|| row.name.clone());
        select::node(app.as_str(), &selection, |field| {
            Ok(if field == "name" { name.clone().map(Value::from) } else { None })
        })
    });
    Ok(json!({"data": rows.collect::<Result<Vec<Value>, GraphError>>()?}))
}
