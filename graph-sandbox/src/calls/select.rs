//! Picking the selected fields out of a node.

use serde_json::{Map, Value};

use crate::protocol::GraphError;
use crate::protocol::fields::{Selected, parse};

/// The fields of the `fields` parameter, or these when there is none.
pub(crate) fn selection(fields: Option<&str>, default: &[&str]) -> Result<Vec<Selected>, GraphError> {
    match fields {
        Some(text) => parse(text),
        None => Ok(default.iter().map(|name| Selected::plain(name)).collect()),
    }
}

/// Builds a node from the selected fields.
///
/// `read` gives a field's value: an error for a field the caller may not have, nothing for one
/// without a value, which Graph leaves out.
pub(crate) fn node(
    id: &str,
    selection: &[Selected],
    mut read: impl FnMut(&str) -> Result<Option<Value>, GraphError>,
) -> Result<Value, GraphError> {
    let mut node = Map::new();
    for field in selection {
        if let Some(value) = read(&field.name)? {
            node.insert(field.label().to_owned(), narrow(value, field.inner.as_deref()));
        }
    }
    // Graph adds the id to every node, asked for or not.
    node.insert("id".to_owned(), id.into());
    Ok(Value::Object(node))
}

/// Cuts an object, or each of a list, down to the fields selected inside it. What an edge answers stands in `data`.
fn narrow(value: Value, inner: Option<&[Selected]>) -> Value {
    let Some(inner) = inner else { return value };
    match value {
        Value::Object(mut members) if members.contains_key("data") => {
            if let Some(data) = members.get_mut("data") {
                *data = narrow(data.take(), Some(inner));
            }
            Value::Object(members)
        }
        Value::Object(mut members) => {
            let mut kept = Map::new();
            for field in inner {
                if let Some(value) = members.remove(&field.name) {
                    kept.insert(field.label().to_owned(), narrow(value, field.inner.as_deref()));
                }
            }
            if let Some(id) = members.remove("id") {
                kept.insert("id".to_owned(), id);
            }
            Value::Object(kept)
        }
        Value::Array(items) => items.into_iter().map(|item| narrow(item, Some(inner))).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selected_fields_only_and_always_the_id() {
        let fields = selection(Some("name,missing,business{name}"), &[]).unwrap();
        let built = node("22000", &fields, |name| {
            Ok(match name {
                "name" => Some("Shop".into()),
                "business" => Some(json!({"id": "1", "name": "B", "other": 1})),
                _ => None,
            })
        });
        assert_eq!(built.unwrap(), json!({"id": "22000", "name": "Shop", "business": {"id": "1", "name": "B"}}));
    }

    #[test]
    fn a_refused_field_refuses_the_read() {
        let fields = selection(None, &["name", "x"]).unwrap();
        let refused = node("22000", &fields, |name| match name {
            "x" => Err(GraphError::nonexisting_field("x", "Page")),
            _ => Ok(None),
        });
        assert_eq!(refused.unwrap_err().code, 100);
    }
}
