//! The control API under `/_sandbox/`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Bytes, to_bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, FromRequest, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post};
use axum::{Json, Router, middleware};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::ops::{AppChange, ControlError, PageChange};
use super::view::StateView;
use crate::core::Core;
use crate::faults::Fault;
use crate::ledger::{LedgerEntry, LedgerQuery, LedgerSummary};
use crate::seed::{Invalidation, SeedToken};
use crate::server::Peer;

/// The framework's own refusals are one line.
const MAX_REFUSAL: usize = 64 * 1024;

pub(super) type Answer = Result<Json<Value>, ControlError>;

/// The routes, guarded against strangers.
pub(crate) fn router(core: Arc<Core>, control_token: Option<SecretString>) -> Router {
    let guard = Arc::new(control_token);
    Router::new()
        .route("/_sandbox/ledger", get(read_ledger).delete(clear_ledger))
        .route("/_sandbox/ledger/summary", get(sum_up_ledger))
        .route("/_sandbox/state", get(read_state))
        .route("/_sandbox/clock", get(read_clock).post(move_clock))
        .route("/_sandbox/tokens", post(put_token))
        .route("/_sandbox/tokens/invalidate", post(invalidate_token))
        .route("/_sandbox/tokens/restore", post(restore_token))
        .route("/_sandbox/apps/{id}", post(change_app))
        .route("/_sandbox/pages/{id}", post(change_page))
        .route("/_sandbox/faults", get(read_faults).post(add_faults).delete(clear_faults))
        .route("/_sandbox/faults/{id}", delete(remove_fault))
        .route("/_sandbox/resolve", get(read_resolve).put(set_resolve))
        .route("/_sandbox/switches", get(read_switches).put(set_switches))
        .nest(
            "/_sandbox",
            super::people::routes()
                .merge(super::messaging::routes())
                .merge(super::deliveries::routes())
                .merge(super::usage::routes())
                .merge(super::presets::routes()),
        )
        .route("/_sandbox", get(super::index::read))
        .route("/_sandbox/", get(super::index::read))
        .route("/_sandbox/{*rest}", any(nowhere))
        .method_not_allowed_fallback(nowhere)
        .layer(middleware::from_fn(errors_as_json))
        .layer(middleware::from_fn_with_state(guard, only_friends))
        .with_state(core)
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NotFound(_) | Self::Missing(_) => StatusCode::NOT_FOUND,
            Self::Refused(_) => StatusCode::BAD_REQUEST,
        };
        (status, Json(json!({"error": self.to_string()}))).into_response()
    }
}

/// Lets in the own machine, and others with the control token.
async fn only_friends(
    State(control_token): State<Arc<Option<SecretString>>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    if peer.is_loopback() || presents(request.headers(), control_token.as_ref().as_ref()) {
        return next.run(request).await;
    }
    let body = json!({"error": "control calls from other machines need the control token"});
    (StatusCode::FORBIDDEN, Json(body)).into_response()
}

/// Gives the refusals of the framework, such as that of a path that is no UTF-8, the shape of all others.
async fn errors_as_json(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_json = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if is_json || response.status().is_success() {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = to_bytes(body, MAX_REFUSAL).await.unwrap_or_default();
    (parts.status, Json(json!({"error": String::from_utf8_lossy(&text)}))).into_response()
}

fn presents(headers: &HeaderMap, control_token: Option<&SecretString>) -> bool {
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let sent = sent.and_then(|value| value.strip_prefix("Bearer "));
    // Digests are compared, so that the time taken tells nothing.
    sent.zip(control_token).is_some_and(|(sent, wanted)| Sha256::digest(sent) == Sha256::digest(wanted.expose_secret()))
}

/// A JSON body with errors that look like all others.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ControlError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ControlError> {
        let refused = |error: String| ControlError::Refused(error);
        let bytes = Bytes::from_request(request, state).await.map_err(|error| refused(error.to_string()))?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| refused(error.to_string()))
    }
}

async fn nowhere() -> ControlError {
    ControlError::NotFound("such control call".into())
}

pub(super) fn done() -> Answer {
    Ok(Json(json!({"success": true})))
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

/// The number after which a list shall begin.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Since {
    #[serde(default)]
    since: u64,
}

impl Since {
    pub(super) fn read(query: Result<Query<Self>, QueryRejection>) -> Result<u64, ControlError> {
        query.map(|Query(Self { since })| since).map_err(|error| ControlError::Refused(error.to_string()))
    }
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

/// One thing, or several in their order.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMore {
    More(Vec<Value>),
    One(Value),
}

impl OneOrMore {
    /// All of them, of this type, or an error that says what is wrong with one.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<Vec<T>, ControlError> {
        let values = match self {
            Self::More(values) => values,
            Self::One(value) => vec![value],
        };
        let values: Result<Vec<T>, _> = values.into_iter().map(serde_json::from_value).collect();
        values.map_err(|error| ControlError::Refused(error.to_string()))
    }
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
