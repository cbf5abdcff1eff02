//! `GET /{app-id}/roles`.

use serde_json::{Value, json};

use super::call::Call;
use crate::protocol::GraphError;
use crate::seed::AppRole;
use crate::switches::AppRolesUser;

/// Lists who has which role on the app. The shape of a row is a guess.
pub(super) fn get(call: &Call) -> Result<Value, GraphError> {
    let world = call.core.world.lock();
    let app = call.own_app(&world)?;
    let row = |(person, role): (_, &AppRole)| {
        let role = match role {
            AppRole::Administrator => "administrators",
            AppRole::Developer => "developers",
            AppRole::Tester => "testers",
        };
        match world.switches.app_roles_user {
            AppRolesUser::Id => json!({"user": person, "role": role}),
            AppRolesUser::Object => json!({"user": {"id": person}, "role": role}),
        }
    };
    let rows: Vec<Value> = app.roles.iter().map(row).collect();
    Ok(json!({"data": rows}))
}
