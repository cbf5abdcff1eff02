//! Lists in parts: `limit` with the cursors `after` and `before` or with `offset`, and the links to the neighbors.

use serde_json::{Value, json};
use url::form_urlencoded;

use super::call::Call;
use crate::protocol::GraphError;
use crate::switches::{AccountsPaging, PagingLinks, Switches};

/// How many rows a part has when the caller does not say.
pub(crate) const USUAL_ROWS: u64 = 25;

/// The part of a list that the parameters ask for, at most `most` rows, and how to reach its neighbors.
pub(super) fn page<T>(
    call: &Call,
    most: usize,
    switches: &Switches,
    style: AccountsPaging,
    rows: &[T],
    show: impl FnMut(&T) -> Result<Value, GraphError>,
) -> Result<Value, GraphError> {
    let limit = limit(call.params.get("limit"), most)?;
    let cursor = |name| call.params.get(name).map(read).transpose();
    let (after, before) = (cursor("after")?, cursor("before")?);
    let offset = call.params.get("offset").and_then(|text| text.parse().ok()).unwrap_or_default();
    let start = match (after, before) {
        (Some(last), _) => last.saturating_add(1),
        (None, Some(first)) => first.saturating_sub(limit),
        (None, None) => offset,
    };
    let end = start.saturating_add(limit).min(before.unwrap_or(rows.len())).min(rows.len());
    let Some(part) = rows.get(start..end).filter(|part| !part.is_empty()) else {
        return Ok(json!({"data": []}));
    };
    let data = part.iter().map(show).collect::<Result<Vec<Value>, GraphError>>()?;
    let last = end.saturating_sub(1);
    let (mut paging, next, previous) = match style {
        AccountsPaging::Cursors => {
            let cursors = json!({"cursors": {"before": write(start), "after": write(last)}});
            (cursors, ("after", write(last)), ("before", write(start)))
        }
        AccountsPaging::Offset => {
            let back = start.saturating_sub(limit);
            (json!({}), ("offset", end.to_string()), ("offset", back.to_string()))
        }
    };
    if end < rows.len() {
        paging["next"] = neighbor(call, switches.paging_links, limit, next).into();
    }
    if start > 0 {
        paging["previous"] = neighbor(call, switches.paging_links, limit, previous).into();
    }
    Ok(json!({"data": data, "paging": paging}))
}

fn limit(text: Option<&str>, most: usize) -> Result<usize, GraphError> {
    match text.map(str::parse::<usize>) {
        None => Ok(usize::try_from(USUAL_ROWS).unwrap_or(most)),
        Some(Ok(limit)) if limit > 0 => Ok(limit.min(most)),
        Some(_) => Err(GraphError::parameter("Param limit must be an integer greater than or equal to 1")),
    }
}

/// Cursors are opaque to clients; here they are positions in hex.
fn write(position: usize) -> String {
    hex::encode(position.to_string())
}

fn read(text: &str) -> Result<usize, GraphError> {
    let position = hex::decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok());
    position.ok_or_else(|| GraphError::parameter("Invalid cursors values"))
}

/// The same call for another part. Like Graph's own links it holds the token.
fn neighbor(call: &Call, links: PagingLinks, limit: usize, (name, position): (&str, String)) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(token) = call.caller.token_text().filter(|_| links != PagingLinks::Bare) {
        query.append_pair("access_token", token);
    }
    if let Some(proof) = call.proof.as_deref().filter(|_| links == PagingLinks::TokenAndProof) {
        query.append_pair("appsecret_proof", proof);
    }
    query.extend_pairs(call.params.iter().filter(|(name, _)| !["limit", "after", "before", "offset"].contains(name)));
    query.append_pair("limit", &limit.to_string()).append_pair(name, &position);
    format!("{}?{}", call.url, query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_capped_and_nonsense_is_refused() {
        assert_eq!(limit(None, 100).unwrap(), 25);
        assert_eq!(limit(Some("7"), 100).unwrap(), 7);
        assert_eq!(limit(Some("5000"), 100).unwrap(), 100);
        for bad in ["0", "-1", "x", "99999999999999999999999"] {
            assert_eq!(limit(Some(bad), 100).unwrap_err().code, 100, "{bad}");
        }
        for bad in ["x", "ff", "61"] {
            assert_eq!(read(bad).unwrap_err().code, 100, "{bad}");
        }
        assert_eq!(read(&write(17)).unwrap(), 17);
    }
}
