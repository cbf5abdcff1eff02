//! Lists in parts, with cursors.

use serde_json::{Value, json};
use url::form_urlencoded;

use super::Call;
use crate::graph::GraphError;

/// How many rows a part has when the caller does not say, and how many at most.
const USUAL: usize = 25;
const MOST: usize = 500;

/// The part of a list that `limit`, `after` and `before` ask for, and how to reach its neighbours.
pub(super) fn page<T>(
    call: &Call,
    rows: Vec<T>,
    show: impl FnMut(&T) -> Result<Value, GraphError>,
) -> Result<Value, GraphError> {
    let limit = match call.params.get("limit") {
        None => USUAL,
        Some(text) => {
            let limit = text.parse::<usize>().map_err(|_| GraphError::parameter("Param limit must be a number"))?;
            limit.clamp(1, MOST)
        }
    };
    let (after, before) = (cursor(call, "after")?, cursor(call, "before")?);
    let start = match (after, before) {
        (Some(last), _) => last.saturating_add(1),
        (None, Some(first)) => first.saturating_sub(limit),
        (None, None) => 0,
    };
    let end = start.saturating_add(limit).min(before.unwrap_or(rows.len())).min(rows.len());
    let Some(part) = rows.get(start..end).filter(|part| !part.is_empty()) else {
        return Ok(json!({"data": []}));
    };
    let data = part.iter().map(show).collect::<Result<Vec<Value>, GraphError>>()?;
    let mut paging = json!({"cursors": {"before": write(start), "after": write(end.saturating_sub(1))}});
    if end < rows.len() {
        paging["next"] = neighbour(call, limit, "after", end.saturating_sub(1)).into();
    }
    if start > 0 {
        paging["previous"] = neighbour(call, limit, "before", start).into();
    }
    Ok(json!({"data": data, "paging": paging}))
}

/// Cursors are opaque to clients; here they are positions in hex.
fn write(position: usize) -> String {
    hex::encode(position.to_string())
}

fn cursor(call: &Call, name: &str) -> Result<Option<usize>, GraphError> {
    let Some(text) = call.params.get(name) else {
        return Ok(None);
    };
    let position = hex::decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok());
    position.map(Some).ok_or_else(|| GraphError::parameter(format_args!("Invalid cursors values for {name}")))
}

/// The same call for another part. Like Graph's own links it holds the token.
fn neighbour(call: &Call, limit: usize, name: &str, position: usize) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(token) = call.caller.token_text() {
        query.append_pair("access_token", token);
    }
    query.extend_pairs(call.params.iter().filter(|(name, _)| !["limit", "after", "before"].contains(name)));
    query.append_pair("limit", &limit.to_string()).append_pair(name, &write(position));
    format!("{}?{}", call.url, query.finish())
}
