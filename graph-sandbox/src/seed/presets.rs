//! The presets that a seed plays.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// A preset to be played, with its parameters.
#[derive(Clone, Debug, Deserialize)]
pub struct SeedPreset {
    /// Its name.
    pub name: String,
    #[serde(flatten)]
    pub(crate) given: Given,
}

/// Parameters as JSON or YAML writes them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Given(BTreeMap<String, Value>);

impl Given {
    /// The values as texts; an id may be a number.
    pub(crate) fn texts(self) -> Result<BTreeMap<String, String>, String> {
        let text = |(name, value)| match value {
            Value::String(text) => Ok((name, text)),
            Value::Number(number) => Ok((name, number.to_string())),
            _ => Err(format!("the parameter {name} must be a text or a number")),
        };
        self.0.into_iter().map(text).collect()
    }
}
