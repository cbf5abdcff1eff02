//! Control calls: webhook events and how they fare.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use super::wire::{Answer, Body, OneOrMore, Since, done};
use crate::control::SigningChange;
use crate::core::Core;
use crate::id::Id;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Removal {
    app: Id,
    user: Id,
}

/// The routes, below `/_sandbox/`.
pub(super) fn routes() -> Router<Arc<Core>> {
    Router::new()
        .route("/deliveries", get(read))
        .route("/deliveries/send", post(send))
        .route("/deliveries/signing", post(sign))
        .route("/deliveries/flush", post(flush))
        .route("/deliveries/deauthorize", post(deauthorize))
        .route("/alerts", get(read_alerts))
}

async fn read(State(core): State<Arc<Core>>, since: Result<Query<Since>, QueryRejection>) -> Answer {
    Ok(Json(json!({"deliveries": core.outbox.deliveries(Since::read(since)?)})))
}

async fn read_alerts(State(core): State<Arc<Core>>, since: Result<Query<Since>, QueryRejection>) -> Answer {
    Ok(Json(json!({"alerts": core.outbox.alerts(Since::read(since)?)})))
}

async fn send(State(core): State<Arc<Core>>, Body(items): Body<OneOrMore>) -> Answer {
    Ok(Json(json!({"dropped": core.send_webhooks(items.read()?)?})))
}

async fn sign(State(core): State<Arc<Core>>, Body(change): Body<SigningChange>) -> Answer {
    core.sign_webhooks(change)?;
    done()
}

async fn flush(State(core): State<Arc<Core>>) -> Answer {
    core.flush().await;
    done()
}

async fn deauthorize(State(core): State<Arc<Core>>, Body(removal): Body<Removal>) -> Answer {
    Ok(Json(json!(core.deauthorize(&removal.app, &removal.user).await?)))
}
