//! Putting switches into another position by name.

use super::{SWITCHES, Switches};

impl Switches {
    /// Puts one switch, named as in a seed, into another position.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), BadSwitch> {
        let known = SWITCHES.iter().find(|switch| switch.name == name).ok_or(BadSwitch::Name)?;
        if !known.values.contains(&value) {
            return Err(BadSwitch::Value(known.values));
        }
        // Through JSON, so that names and values live in one place only.
        let mut all = serde_json::to_value(&*self).map_err(|_| BadSwitch::Name)?;
        all[name] = value.into();
        *self = serde_json::from_value(all).map_err(|_| BadSwitch::Name)?;
        Ok(())
    }
}

/// A switch cannot be set like that.
#[derive(Debug, thiserror::Error)]
pub enum BadSwitch {
    /// There is no switch of this name.
    #[error("there is no such switch; `graph-sandbox switches` lists them")]
    Name,
    /// The switch has no such position.
    #[error("the switch accepts one of {0:?}")]
    Value(&'static [&'static str]),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_switch_reaches_every_position() {
        for switch in SWITCHES {
            for value in switch.values {
                let mut switches = Switches::default();
                switches.set(switch.name, value).unwrap();
                let position = serde_json::to_value(&switches).unwrap()[switch.name].clone();
                assert_eq!(position, *value, "{}", switch.name);
            }
        }
    }

    #[test]
    fn the_first_value_is_the_default() {
        let defaults = serde_json::to_value(Switches::default()).unwrap();
        for switch in SWITCHES {
            assert_eq!(defaults[switch.name], switch.default_value(), "{}", switch.name);
        }
    }

    #[test]
    fn unknown_names_and_values_are_refused() {
        let mut switches = Switches::default();
        let name = switches.set("no_such_switch", "served").unwrap_err();
        assert!(matches!(name, BadSwitch::Name));
        let value = switches.set("dead_version", "perhaps").unwrap_err();
        assert!(matches!(value, BadSwitch::Value(["served", "refused", "deprecated"])));
        assert_eq!(switches, Switches::default());
    }
}
