//! Cursor paging: `limit`, `after`, `before`, and the links to the next window.

use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use super::Call;
use crate::graph::{GraphError, Params};
use crate::id::Id;
use crate::world::Page;

const DEFAULT_LIMIT: usize = 25;
const MAX_LIMIT: usize = 100;

/// The part of a list that was asked for.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) limit: usize,
    pub(super) after: Option<Id>,
    pub(super) before: Option<Id>,
}

impl Window {
    pub(super) fn read(params: &Params) -> Result<Self, GraphError> {
        let limit = match params.get("limit").map(str::parse::<usize>) {
            None => DEFAULT_LIMIT,
            Some(Ok(limit)) if limit > 0 => limit.min(MAX_LIMIT),
            Some(_) => return Err(GraphError::parameter("Param limit must be an integer greater than or equal to 1")),
        };
        let cursor = |name| params.get(name).map(read_cursor).transpose();
        Ok(Self { limit, after: cursor("after")?, before: cursor("before")? })
    }
}

/// Clients must not read anything out of a cursor, so it does not show the id.
fn cursor(id: &Id) -> String {
    hex::encode_upper(id.as_str())
}

fn read_cursor(text: &str) -> Result<Id, GraphError> {
    let id = hex::decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()).and_then(|id| id.parse().ok());
    id.ok_or_else(|| GraphError::parameter("Invalid cursors values"))
}

/// A window of pages.
pub(super) struct Paging<'w> {
    pub(super) items: Vec<&'w Page>,
    pub(super) has_next: bool,
    pub(super) has_previous: bool,
}

impl Paging<'_> {
    /// The answer with these rows. As at Graph, the links hold the token.
    pub(super) fn answer(&self, call: &Call, rows: Vec<Value>, token: &str) -> Value {
        let mut answer = json!({ "data": rows });
        let (Some(first), Some(last)) = (self.items.first(), self.items.last()) else {
            return answer;
        };
        let (before, after) = (cursor(&first.id), cursor(&last.id));
        answer["paging"] = json!({"cursors": {"before": before, "after": after}});
        if self.has_next {
            answer["paging"]["next"] = link(call, token, "after", &after).into();
        }
        if self.has_previous {
            answer["paging"]["previous"] = link(call, token, "before", &before).into();
        }
        answer
    }
}

fn link(call: &Call, token: &str, direction: &str, cursor: &str) -> String {
    let base = call.base.as_deref().unwrap_or("https://graph.facebook.com");
    let node = call.node.id().map_or("me", Id::as_str);
    let edge = call.segments.get(1).map_or("accounts", String::as_str);
    let mut query = Serializer::new(String::new());
    query.append_pair("access_token", token);
    for name in ["fields", "limit"] {
        if let Some(value) = call.params.get(name) {
            query.append_pair(name, value);
        }
    }
    query.append_pair(direction, cursor);
    format!("{base}/{}/{node}/{edge}?{}", call.version, query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(query: &str) -> Result<Window, GraphError> {
        let mut params = Params::default();
        params.add_urlencoded(query.as_bytes());
        Window::read(&params)
    }

    #[test]
    fn limits_are_capped_and_nonsense_is_refused() {
        assert_eq!(window("").unwrap().limit, 25);
        assert_eq!(window("limit=7").unwrap().limit, 7);
        assert_eq!(window("limit=5000").unwrap().limit, 100);
        for bad in
            ["limit=0", "limit=-1", "limit=x", "limit=99999999999999999999999", "after=x", "before=3132", "after=ff"]
        {
            assert_eq!(window(bad).unwrap_err().code, 100, "{bad}");
        }
    }

    #[test]
    fn cursors_come_back_as_they_went() {
        let id: Id = "2200000000000001".parse().unwrap();
        assert_eq!(window(&format!("after={}", cursor(&id))).unwrap().after, Some(id));
    }
}
