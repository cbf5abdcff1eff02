//! Control calls: customers who write, staff who answer, routing.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::json;

use super::wire::{Answer, Body, done};
use crate::control::{CustomerMessage, RoleNotice, RoutingChange, ThreadAct, ThreadChange};
use crate::core::Core;

type At<T> = (State<Arc<Core>>, Path<String>, Body<T>);

/// The routes, below `/_sandbox/`.
pub(super) fn routes() -> Router<Arc<Core>> {
    Router::new()
        .route("/pages/{id}/message", post(message))
        .route("/pages/{id}/standby", post(standby))
        .route("/pages/{id}/reply", post(reply))
        .route("/pages/{id}/pass", post(pass))
        .route("/pages/{id}/take", post(take))
        .route("/pages/{id}/release", post(release))
        .route("/pages/{id}/routing", post(routing))
        .route("/pages/{id}/app_roles", post(app_roles))
        .route("/pages/{id}/threads/{psid}", post(thread))
}

async fn message((State(core), Path(page), Body(message)): At<CustomerMessage>) -> Answer {
    Ok(Json(json!(core.customer_writes(&page, message)?)))
}

async fn standby((State(core), Path(page), Body(message)): At<CustomerMessage>) -> Answer {
    Ok(Json(json!(core.customer_writes_beside(&page, message)?)))
}

async fn reply((State(core), Path(page), Body(act)): At<ThreadAct>) -> Answer {
    Ok(Json(json!(core.staff_writes(&page, &act)?)))
}

async fn pass((State(core), Path(page), Body(act)): At<ThreadAct>) -> Answer {
    core.pass_thread(&page, &act)?;
    done()
}

async fn take((State(core), Path(page), Body(act)): At<ThreadAct>) -> Answer {
    core.take_thread(&page, &act)?;
    done()
}

async fn release((State(core), Path(page), Body(act)): At<ThreadAct>) -> Answer {
    core.release_thread(&page, &act)?;
    done()
}

async fn routing((State(core), Path(page), Body(change)): At<RoutingChange>) -> Answer {
    core.change_routing(&page, change)?;
    done()
}

async fn app_roles((State(core), Path(page), Body(notice)): At<RoleNotice>) -> Answer {
    core.tell_role(&page, &notice)?;
    done()
}

async fn thread(
    State(core): State<Arc<Core>>,
    Path((page, psid)): Path<(String, String)>,
    Body(change): Body<ThreadChange>,
) -> Answer {
    core.change_thread(&page, &psid, &change)?;
    done()
}
