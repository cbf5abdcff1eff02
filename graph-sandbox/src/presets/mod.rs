//! Presets: cases that happen at Meta, to be played by name.
//!
//! The table lies in `presets/*.yaml`. A preset consists of faults, switches and changes of the
//! state; `{{name}}` in it stands for a parameter.

mod fill;
mod play;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use fill::Filled;
pub use play::{AppliedPreset, Undo};

/// A case that happens at Meta.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Name, as a seed or a control call writes it.
    pub name: String,
    /// What it plays.
    pub plays: String,
    /// Where it is known from.
    pub known_from: String,
    /// Whom its faults can be narrowed to.
    #[serde(default)]
    narrowed_by: Vec<Narrowing>,
    /// Parameters it cannot do without, beside those that say what is changed.
    #[serde(default)]
    needs: Vec<String>,
    /// Parameters of its own with what they are when nothing is said.
    #[serde(default)]
    values: BTreeMap<String, String>,
    #[serde(default)]
    faults: Vec<Value>,
    #[serde(default)]
    switches: BTreeMap<String, String>,
    #[serde(default)]
    changes: Vec<ChangeTemplate>,
}

/// A parameter that narrows faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Narrowing {
    App,
    Page,
    Person,
    /// The alias of a token.
    Token,
}

/// A change of the state: what is changed, how, and back again.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeTemplate {
    of: Changed,
    to: Value,
    #[serde(default)]
    back: Option<Value>,
}

/// What a preset changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Changed {
    App,
    Page,
    Person,
    /// The token of an alias ends.
    Token,
}

/// A parameter of a preset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PresetParameter {
    /// Name.
    pub name: String,
    /// Whether the preset cannot do without.
    pub needed: bool,
    /// What it is when nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

const TABLE: &[&str] = &[
    include_str!("../../presets/pages.yaml"),
    include_str!("../../presets/subscriptions.yaml"),
    include_str!("../../presets/listings.yaml"),
    include_str!("../../presets/tokens.yaml"),
    include_str!("../../presets/apps.yaml"),
    include_str!("../../presets/logins.yaml"),
];

/// Every preset, in the order of the table.
pub fn presets() -> &'static [Preset] {
    static PRESETS: LazyLock<Vec<Preset>> = LazyLock::new(|| {
        let read = |text: &&str| {
            serde_yaml_ng::from_str::<Vec<Preset>>(text).unwrap_or_else(|error| {
                // Only a bad edit of the table leads here; a test reads it.
                tracing::error!(%error, "the table of presets cannot be read");
                Vec::new()
            })
        };
        TABLE.iter().flat_map(read).collect()
    });
    &PRESETS
}

impl Narrowing {
    fn name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Page => "page",
            Self::Person => "person",
            Self::Token => "token",
        }
    }

    /// The key in the match of a fault.
    fn key(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Page => "page",
            Self::Person => "user",
            Self::Token => "alias",
        }
    }
}

impl Changed {
    fn name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Page => "page",
            Self::Person => "person",
            Self::Token => "token",
        }
    }
}

/// Finds a preset, or says which name comes nearest.
pub(crate) fn find(name: &str) -> Result<&'static Preset, String> {
    let found = presets().iter().find(|preset| preset.name == name);
    found.ok_or_else(|| unknown("preset", name, presets().iter().map(|preset| preset.name.as_str())))
}

/// There is nothing of this name; the nearest one is named.
fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let distance = |known: &&str| strsim::damerau_levenshtein(name, known);
    match known.min_by_key(distance) {
        Some(nearest) => format!("there is no {what} {name:?}; the nearest is {nearest:?}"),
        None => format!("there is no {what} {name:?}, nor any other"),
    }
}
