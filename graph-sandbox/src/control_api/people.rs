//! Control calls: people, businesses and grants.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use secrecy::ExposeSecret;
use serde_json::json;

use super::wire::{Answer, Body, done};
use crate::control::{BusinessChange, PersonChange};
use crate::core::Core;

/// The routes, below `/_sandbox/`.
pub(super) fn routes() -> Router<Arc<Core>> {
    Router::new()
        .route("/people/{id}", post(change_person))
        .route("/businesses/{id}", post(change_business))
        .route("/grants", get(read_grants))
}

async fn change_person(
    State(core): State<Arc<Core>>,
    Path(id): Path<String>,
    Body(change): Body<PersonChange>,
) -> Answer {
    let removed = change.removed_app.as_ref().and_then(|app| core.removal(app, &id));
    let mut answer = json!({"success": true});
    if let Some(code) = core.change_person(&id, change)? {
        // The code is what the call is for, and good for one exchange only.
        answer["code"] = code.expose_secret().into();
    }
    if let Some((app, person)) = removed {
        answer["deauthorize"] = json!(core.deauthorize(&app, &person).await?);
    }
    Ok(Json(answer))
}

async fn change_business(
    State(core): State<Arc<Core>>,
    Path(id): Path<String>,
    Body(change): Body<BusinessChange>,
) -> Answer {
    core.change_business(&id, change)?;
    done()
}

async fn read_grants(State(core): State<Arc<Core>>) -> Answer {
    Ok(Json(json!({"grants": core.grants()})))
}
