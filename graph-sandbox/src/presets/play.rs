//! Playing a preset, and taking it back.

use std::collections::BTreeMap;

use serde::Serialize as DeriveSerialize;
use serde::de::DeserializeOwned;
use serde::ser::{Serialize, Serializer};
use serde_json::{Value, json};

use super::fill::Change;
use super::{Changed, Filled, find};
use crate::control::ControlError;
use crate::core::Core;
use crate::seed::Invalidation;

/// What a preset has set.
#[derive(Clone, Debug, DeriveSerialize)]
pub struct AppliedPreset {
    /// Its name.
    pub preset: String,
    /// Numbers of its faults.
    pub faults: Vec<u64>,
    /// The control calls that take it back; what cannot be undone is not among them.
    pub undo: Vec<Undo>,
}

/// A control call that takes a part of a preset back.
#[derive(Clone, Debug)]
pub struct Undo(Step);

#[derive(Clone, Debug)]
enum Step {
    Fault(u64),
    Switches(BTreeMap<String, String>),
    Change(Changed, String, Value),
}

impl Serialize for Undo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let call = match &self.0 {
            Step::Fault(id) => json!({"method": "DELETE", "path": format!("faults/{id}")}),
            Step::Switches(switches) => json!({"method": "PUT", "path": "switches", "body": switches}),
            Step::Change(of, key, body) => {
                let path = match of {
                    Changed::App => format!("apps/{key}"),
                    Changed::Page => format!("pages/{key}"),
                    Changed::Person => format!("people/{key}"),
                    Changed::Token => "tokens/restore".to_owned(),
                };
                json!({"method": "POST", "path": path, "body": body})
            }
        };
        call.serialize(serializer)
    }
}

impl Core {
    /// Plays a preset.
    pub(crate) fn play(&self, name: &str, given: &BTreeMap<String, String>) -> Result<AppliedPreset, ControlError> {
        let preset = find(name).map_err(ControlError::Missing)?;
        let Filled { faults, switches, changes } = preset.fill(given).map_err(ControlError::Refused)?;
        let mut undo = Vec::new();
        for Change { of, key, to, back } in changes {
            self.change(of, &key, to)?;
            undo.extend(back.map(|back| Step::Change(of, key, back)));
        }
        if !switches.is_empty() {
            let before = json!(self.world.lock().switches);
            let position = |name: &String| (name.clone(), before[name].as_str().unwrap_or_default().to_owned());
            undo.push(Step::Switches(switches.keys().map(position).collect()));
            self.set_switches(&switches)?;
        }
        let now = self.clock.now();
        let faults: Vec<u64> = faults.into_iter().map(|fault| self.faults.add(fault, now)).collect();
        let undo = faults.iter().map(|id| Step::Fault(*id)).chain(undo).map(Undo).collect();
        Ok(AppliedPreset { preset: name.to_owned(), faults, undo })
    }

    /// Takes back what a preset has set.
    pub(crate) fn take_back(&self, applied: &AppliedPreset) -> Result<(), ControlError> {
        for Undo(step) in &applied.undo {
            match step {
                // It may be gone by now.
                Step::Fault(id) => drop(self.faults.remove(*id)),
                Step::Switches(switches) => self.set_switches(switches)?,
                Step::Change(Changed::Token, key, _) => self.mark_token(key, None)?,
                Step::Change(of, key, body) => self.change(*of, key, body.clone())?,
            }
        }
        Ok(())
    }

    fn change(&self, of: Changed, key: &str, to: Value) -> Result<(), ControlError> {
        match of {
            Changed::App => self.change_app(key, read(to)?),
            Changed::Page => self.change_page(key, read(to)?),
            Changed::Person => self.change_person(key, read(to)?).map(|_| ()),
            Changed::Token => self.mark_token(key, Some(read::<Invalidation>(to)?)),
        }
    }
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, ControlError> {
    serde_json::from_value(value).map_err(|error| ControlError::Refused(error.to_string()))
}
