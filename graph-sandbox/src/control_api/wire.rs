//! What control calls take and answer.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, Query, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::control::ControlError;

/// The answer of most calls.
pub(super) type Answer = Result<Json<Value>, ControlError>;

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NotFound(_) | Self::Missing(_) => StatusCode::NOT_FOUND,
            Self::Refused(_) => StatusCode::BAD_REQUEST,
        };
        (status, Json(json!({"error": self.to_string()}))).into_response()
    }
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

/// The answer of a call that only does something.
pub(super) fn done() -> Answer {
    Ok(Json(json!({"success": true})))
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
