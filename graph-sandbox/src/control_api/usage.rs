//! Control calls: how many calls are allowed and counted.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use super::wire::{Answer, Body, done};
use crate::control::ControlError;
use crate::core::Core;
use crate::id::Id;
use crate::usage::{Limits, Meter, UsageKind};

/// The routes, below `/_sandbox/`.
pub(super) fn routes() -> Router<Arc<Core>> {
    Router::new().route("/usage", get(read_usage).post(set_usage)).route("/limits", get(read_limits).put(set_limits))
}

/// A usage to set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UsageChange {
    app: Option<Id>,
    user: Option<Id>,
    page: Option<Id>,
    #[serde(rename = "type")]
    kind: Option<UsageKind>,
    percent: u64,
    minutes: Option<u64>,
}

impl UsageChange {
    fn meter(&self) -> Result<Meter, ControlError> {
        match (&self.app, &self.user, &self.page) {
            (Some(app), None, None) => Ok(Meter::App(app.clone())),
            (None, Some(user), None) => Ok(Meter::User(user.clone())),
            (None, None, Some(page)) => Ok(Meter::Page(page.clone(), self.kind.unwrap_or(UsageKind::Pages))),
            _ => Err(ControlError::Refused("name one of app, user and page".into())),
        }
    }
}

async fn read_usage(State(core): State<Arc<Core>>) -> Answer {
    Ok(Json(json!({"usage": core.usage.list(core.clock.now())})))
}

async fn set_usage(State(core): State<Arc<Core>>, Body(change): Body<UsageChange>) -> Answer {
    core.usage.set(change.meter()?, change.percent, change.minutes, core.clock.now());
    done()
}

async fn read_limits(State(core): State<Arc<Core>>) -> Answer {
    Ok(Json(json!(core.usage.limits())))
}

async fn set_limits(State(core): State<Arc<Core>>, Body(limits): Body<Limits>) -> Answer {
    core.usage.set_limits(limits);
    done()
}
