//! Control calls: presets.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use super::wire::{Answer, Body};
use crate::control::ControlError;
use crate::core::Core;
use crate::presets::{AppliedPreset, Preset, presets};
use crate::seed::Given;

/// The routes, below `/_sandbox/`.
pub(super) fn routes() -> Router<Arc<Core>> {
    Router::new().route("/presets", get(list)).route("/presets/{id}", post(play))
}

async fn list() -> Answer {
    let row = |preset: &Preset| {
        json!({
            "name": preset.name,
            "plays": preset.plays,
            "known_from": preset.known_from,
            "parameters": preset.parameters(),
        })
    };
    Ok(Json(json!({"presets": presets().iter().map(row).collect::<Vec<_>>()})))
}

async fn play(
    State(core): State<Arc<Core>>,
    Path(name): Path<String>,
    Body(given): Body<Given>,
) -> Result<Json<AppliedPreset>, ControlError> {
    let given = given.texts().map_err(ControlError::Refused)?;
    core.play(&name, &given).map(Json)
}
