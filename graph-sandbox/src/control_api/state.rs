//! Control calls: the ledger, the state and the clock, tokens, apps and pages, faults and switches.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;

use super::wire::{Answer, Body, OneOrMore, Since, done};
use crate::control::{AppChange, ControlError, PageChange, StateView};
use crate::core::Core;
use crate::faults::Fault;
use crate::ledger::{LedgerEntry, LedgerQuery, LedgerSummary};
use crate::seed::{Invalidation, SeedToken};

/// The routes, below `/_sandbox/`.
pub(super) fn routes() -> Router<Arc<Core>> {
    Router::new()
        .route("/ledger", get(read_ledger).delete(clear_ledger))
        .route("/ledger/summary", get(sum_up_ledger))
        .route("/state", get(read_state))
        .route("/clock", get(read_clock).post(move_clock))
        .route("/tokens", post(put_token))
        .route("/tokens/invalidate", post(invalidate_token))
        .route("/tokens/restore", post(restore_token))
        .route("/apps/{id}", post(change_app))
        .route("/pages/{id}", post(change_page))
        .route("/faults", get(read_faults).post(add_faults).delete(clear_faults))
        .route("/faults/{id}", delete(remove_fault))
        .route("/resolve", get(read_resolve).put(set_resolve))
        .route("/switches", get(read_switches).put(set_switches))
}

/// The ledger as it is answered: written straight from the entries, of which there may be many.
#[derive(Serialize)]
struct Entries {
    #[serde(serialize_with = "write_entries")]
    entries: Vec<Arc<LedgerEntry>>,
}

fn write_entries<S: Serializer>(entries: &[Arc<LedgerEntry>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(entries.iter().map(|entry| &**entry))
}

async fn read_ledger(
    State(core): State<Arc<Core>>,
    query: Result<Query<LedgerQuery>, QueryRejection>,
) -> Result<Json<Entries>, ControlError> {
    let Query(query) = query.map_err(|error| ControlError::Refused(error.to_string()))?;
    Ok(Json(Entries { entries: core.ledger.find(&query) }))
}

async fn sum_up_ledger(
    State(core): State<Arc<Core>>,
    since: Result<Query<Since>, QueryRejection>,
) -> Result<Json<LedgerSummary>, ControlError> {
    Ok(Json(core.ledger.summary(Since::read(since)?)))
}

async fn clear_ledger(State(core): State<Arc<Core>>) -> Answer {
    core.ledger.clear();
    done()
}

async fn read_state(State(core): State<Arc<Core>>) -> Json<StateView> {
    Json(core.view())
}

async fn read_clock(State(core): State<Arc<Core>>) -> Answer {
    Ok(Json(json!({"now": core.clock.now()})))
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ClockMove {
    Advance(String),
    Set(Timestamp),
}

async fn move_clock(State(core): State<Arc<Core>>, Body(change): Body<ClockMove>) -> Answer {
    let now = match change {
        ClockMove::Advance(span) => core.advance_clock(&span)?,
        ClockMove::Set(moment) => core.set_clock(moment)?,
    };
    Ok(Json(json!({"now": now})))
}

async fn put_token(State(core): State<Arc<Core>>, Body(token): Body<SeedToken>) -> Answer {
    core.put_token(token)?;
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenKey {
    alias: Option<String>,
    token: Option<SecretString>,
    subcode: Option<i64>,
    message: Option<String>,
}

impl TokenKey {
    fn key(&self) -> Result<&str, ControlError> {
        let token = self.token.as_ref().map(ExposeSecret::expose_secret);
        self.alias.as_deref().or(token).ok_or_else(|| ControlError::Refused("name the token by alias or token".into()))
    }
}

async fn invalidate_token(State(core): State<Arc<Core>>, Body(key): Body<TokenKey>) -> Answer {
    let invalid = Invalidation { subcode: key.subcode, message: key.message.clone() };
    core.mark_token(key.key()?, Some(invalid))?;
    done()
}

async fn restore_token(State(core): State<Arc<Core>>, Body(key): Body<TokenKey>) -> Answer {
    core.mark_token(key.key()?, None)?;
    done()
}

async fn change_app(State(core): State<Arc<Core>>, Path(id): Path<String>, Body(change): Body<AppChange>) -> Answer {
    core.change_app(&id, change)?;
    done()
}

async fn change_page(State(core): State<Arc<Core>>, Path(id): Path<String>, Body(change): Body<PageChange>) -> Answer {
    core.change_page(&id, change)?;
    done()
}

async fn read_faults(State(core): State<Arc<Core>>) -> Answer {
    Ok(Json(json!({"faults": core.faults.list()})))
}

async fn add_faults(State(core): State<Arc<Core>>, Body(rules): Body<OneOrMore>) -> Answer {
    let rules: Vec<Fault> = rules.read()?;
    let now = core.clock.now();
    let ids: Vec<u64> = rules.into_iter().map(|rule| core.faults.add(rule, now)).collect();
    Ok(Json(json!({"ids": ids})))
}

async fn clear_faults(State(core): State<Arc<Core>>) -> Answer {
    core.faults.clear();
    done()
}

async fn remove_fault(State(core): State<Arc<Core>>, Path(id): Path<String>) -> Answer {
    if id.parse().is_ok_and(|id| core.faults.remove(id)) {
        return done();
    }
    Err(ControlError::NotFound("such fault".into()))
}

async fn read_resolve(State(core): State<Arc<Core>>) -> Answer {
    Ok(Json(json!(core.world.lock().resolve)))
}

async fn set_resolve(State(core): State<Arc<Core>>, Body(table): Body<BTreeMap<String, String>>) -> Answer {
    core.set_resolve(table)?;
    done()
}

async fn read_switches(State(core): State<Arc<Core>>) -> Answer {
    Ok(Json(json!(core.world.lock().switches)))
}

async fn set_switches(State(core): State<Arc<Core>>, Body(wanted): Body<BTreeMap<String, String>>) -> Answer {
    core.set_switches(&wanted)?;
    done()
}
