//! Objects as they stand in YAML.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

/// The objects of a stream of YAML documents.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Manifests(Vec<Value>);

impl Manifests {
    /// Reads a stream; empty documents do not count. Of the ways to write a whole number, which differ from writer to
    /// writer, the plain one remains.
    pub(crate) fn parse(yaml: &str) -> Result<Self> {
        let mut objects = Vec::new();
        for document in serde_yaml_ng::Deserializer::from_str(yaml) {
            let mut object = Value::deserialize(document)?;
            plain_numbers(&mut object);
            if !object.is_null() {
                objects.push(object);
            }
        }
        Ok(Self(objects))
    }

    /// The items of a list, as `kubectl get --output=json` prints it.
    pub(crate) fn list(list: &Value) -> Result<Self> {
        Ok(Self(list["items"].as_array().context("not a list")?.clone()))
    }

    /// All objects.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Value> {
        self.0.iter()
    }

    /// The objects of a kind.
    pub(crate) fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }

    /// The one object of this kind and name.
    pub(crate) fn one(&self, kind: &str, name: &str) -> Result<&Value> {
        let mut found = self.of_kind(kind).filter(|object| object["metadata"]["name"] == name);
        let object = found.next().with_context(|| format!("there is no {kind} {name}"))?;
        if found.next().is_some() {
            bail!("there is more than one {kind} {name}");
        }
        Ok(object)
    }

    /// `Kind namespace/name` of every object, in order; `Kind name` for those without a namespace.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.iter().map(title).collect()
    }

    /// The same in the order of their names.
    pub(crate) fn sorted(mut self) -> Self {
        self.0.sort_by_key(title);
        self
    }

    /// As a stream for kubectl. JSON is YAML.
    pub(crate) fn to_yaml(&self) -> String {
        self.0.iter().map(|object| format!("---\n{object}\n")).collect()
    }
}

/// 65535.0 becomes 65535.
fn plain_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let float = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0);
            if let Some(whole) = float.and_then(|float| format!("{float:.0}").parse::<i64>().ok()) {
                *value = whole.into();
            }
        }
        Value::Array(list) => list.iter_mut().for_each(plain_numbers),
        Value::Object(map) => map.values_mut().for_each(plain_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// How messages call an object.
pub(crate) fn title(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}
