//! `GET /{app-id}/permissions`.

use serde_json::{Value, json};

use super::call::Call;
use crate::protocol::GraphError;
use crate::seed::PermissionStatus;

/// Lists the login review's result, perhaps of one status or of certain permissions only.
pub(super) fn get(call: &Call) -> Result<Value, GraphError> {
    let world = call.core.world.lock();
    let app = call.own_app(&world)?;
    let status = call.params.get("status").map(parse_status).transpose()?;
    let wanted = call.params.list("permission")?;
    let rows: Vec<Value> = app
        .permissions
        .iter()
        .filter(|(name, _)| wanted.as_ref().is_none_or(|wanted| wanted.contains(name)))
        .filter(|(_, found)| status.is_none_or(|status| status == **found))
        .map(|(name, status)| json!({"permission": name, "status": status}))
        .collect();
    Ok(json!({"data": rows}))
}

fn parse_status(text: &str) -> Result<PermissionStatus, GraphError> {
    match text {
        "live" => Ok(PermissionStatus::Live),
        "unapproved" => Ok(PermissionStatus::Unapproved),
        _ => Err(GraphError::not_one_of("status", &["live", "unapproved"], text)),
    }
}
