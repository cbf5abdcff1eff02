//! A preset with its parameters filled in.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{ChangeTemplate, Changed, Preset, PresetParameter, unknown};
use crate::faults::Fault;

/// How often and how long, of every preset with faults.
const MEASURES: [&str; 3] = ["times", "after", "lasts"];

/// A preset ready to be played.
pub(crate) struct Filled {
    pub(crate) faults: Vec<Fault>,
    pub(crate) switches: BTreeMap<String, String>,
    pub(crate) changes: Vec<Change>,
}

/// A change of something named.
pub(crate) struct Change {
    pub(super) of: Changed,
    pub(super) key: String,
    pub(super) to: Value,
    pub(super) back: Option<Value>,
}

impl Preset {
    /// Its parameters: those of its own, whom it can be narrowed to, and how often and how long.
    pub fn parameters(&self) -> Vec<PresetParameter> {
        let mut found: BTreeMap<String, bool> = BTreeMap::new();
        found.extend(self.narrowed_by.iter().map(|narrowing| (narrowing.name().to_owned(), false)));
        for fault in &self.faults {
            scan(fault, &mut |name| found.insert(name.to_owned(), false));
        }
        for ChangeTemplate { of, to, back } in &self.changes {
            found.insert(of.name().to_owned(), true);
            for value in [Some(to), back.as_ref()].into_iter().flatten() {
                scan(value, &mut |name| found.insert(name.to_owned(), true));
            }
        }
        found.extend(self.needs.iter().map(|name| (name.clone(), true)));
        let measures = MEASURES.iter().filter(|_| !self.faults.is_empty()).map(|name| PresetParameter {
            name: (*name).to_owned(),
            needed: false,
            default: None,
        });
        let own = found.into_iter().map(|(name, needed)| {
            let default = self.values.get(&name).cloned();
            PresetParameter { needed: needed && default.is_none(), name, default }
        });
        own.chain(measures).collect()
    }

    /// Fills the parameters in.
    pub(crate) fn fill(&self, given: &BTreeMap<String, String>) -> Result<Filled, String> {
        let parameters = self.parameters();
        let names = || parameters.iter().map(|parameter| parameter.name.as_str());
        if let Some(name) = given.keys().find(|name| !names().any(|known| known == name.as_str())) {
            return Err(format!("{}: {}", self.name, unknown("parameter", name, names())));
        }
        let mut values = self.values.clone();
        values.extend(given.clone());
        if let Some(needed) = parameters.iter().find(|it| it.needed && !values.contains_key(&it.name)) {
            return Err(format!("{}: the parameter {} is needed", self.name, needed.name));
        }
        let faults = self.faults.iter().map(|fault| self.fault(fault, &values));
        Ok(Filled {
            faults: faults.collect::<Result<_, _>>()?,
            switches: self.switches.clone(),
            changes: self.changes.iter().filter_map(|change| change.fill(&values)).collect(),
        })
    }

    fn fault(&self, template: &Value, values: &BTreeMap<String, String>) -> Result<Fault, String> {
        let mut rule = template.clone();
        for narrowing in &self.narrowed_by {
            if let Some(value) = values.get(narrowing.name()) {
                rule["match"][narrowing.key()] = value.as_str().into();
            }
        }
        if values.contains_key("lasts") && !values.contains_key("times") {
            // A span takes the place of a usual number of times.
            rule.as_object_mut().map(|rule| rule.remove("times"));
        }
        for name in MEASURES {
            if let Some(value) = values.get(name) {
                rule[name] = value.parse::<u64>().map_or_else(|_| value.as_str().into(), Value::from);
            }
        }
        put_in(&mut rule, values);
        serde_json::from_value(rule).map_err(|error| format!("{}: {error}", self.name))
    }
}

impl ChangeTemplate {
    /// The change with its values, once it is known what is changed.
    fn fill(&self, values: &BTreeMap<String, String>) -> Option<Change> {
        let key = values.get(self.of.name())?.clone();
        let (mut to, mut back) = (self.to.clone(), self.back.clone());
        put_in(&mut to, values);
        if let Some(back) = &mut back {
            put_in(back, values);
        }
        Some(Change { of: self.of, key, to, back })
    }
}

/// Puts values in the place of placeholders; a member whose placeholder has none is left out.
fn put_in(value: &mut Value, values: &BTreeMap<String, String>) -> bool {
    match value {
        Value::String(text) => match filled(text, values) {
            Some(filled) => *text = filled,
            None => return false,
        },
        Value::Array(items) => items.retain_mut(|item| put_in(item, values)),
        Value::Object(members) => {
            let mut kept = Map::new();
            for (name, mut member) in std::mem::take(members) {
                if let Some(name) = filled(&name, values)
                    && put_in(&mut member, values)
                {
                    kept.insert(name, member);
                }
            }
            *members = kept;
        }
        _ => {}
    }
    true
}

/// The text with its placeholders filled; nothing if one has no value.
fn filled(text: &str, values: &BTreeMap<String, String>) -> Option<String> {
    let mut rest = text;
    let mut filled = String::new();
    while let Some((before, name, after)) = placeholder(rest) {
        filled.push_str(before);
        filled.push_str(values.get(name)?);
        rest = after;
    }
    Some(filled + rest)
}

/// The first placeholder of a text, with what is before and behind it.
fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{{")?;
    let (name, after) = rest.split_once("}}")?;
    Some((before, name, after))
}

/// Finds all placeholders.
fn scan(value: &Value, found: &mut dyn FnMut(&str) -> Option<bool>) {
    match value {
        Value::String(text) => scan_text(text, found),
        Value::Array(items) => items.iter().for_each(|item| scan(item, found)),
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            scan_text(name, found);
            scan(member, found);
        }),
        _ => {}
    }
}

fn scan_text(text: &str, found: &mut dyn FnMut(&str) -> Option<bool>) {
    let mut rest = text;
    while let Some((_, name, after)) = placeholder(rest) {
        found(name);
        rest = after;
    }
}
