//! Another body for a proper answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Changes objects of an answer; what it does not find stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Edit {
    /// JSON pointer to the object; `*` stands for each item of a list. The whole answer by default.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub at: String,
    /// Only objects with these members.
    #[serde(rename = "where", skip_serializing_if = "Map::is_empty")]
    pub only: Map<String, Value>,
    /// Members it gets. Null is written as null.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub set: Map<String, Value>,
    /// Members it gets from parameters of the request: name of the member, then of the parameter.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub echo: BTreeMap<String, String>,
    /// Members it loses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// Removes it from the list it is in.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub drop: bool,
}

impl Edit {
    /// Changes an answer. `parameter` gives those of the request.
    pub(crate) fn apply(&self, answer: &mut Value, parameter: &dyn Fn(&str) -> Option<String>) {
        let path: Vec<&str> = self.at.split('/').skip(1).collect();
        self.descend(answer, &path, parameter);
    }

    /// Follows the path; says whether this value is to be dropped from its list.
    fn descend(&self, value: &mut Value, path: &[&str], parameter: &dyn Fn(&str) -> Option<String>) -> bool {
        let Some((step, rest)) = path.split_first() else {
            return self.change(value, parameter);
        };
        match value {
            Value::Array(items) if *step == "*" => items.retain_mut(|item| !self.descend(item, rest, parameter)),
            Value::Array(items) => {
                let index = step.parse().ok().filter(|index: &usize| *index < items.len());
                if let Some(index) = index
                    && items.get_mut(index).is_some_and(|item| self.descend(item, rest, parameter))
                {
                    items.remove(index);
                }
            }
            Value::Object(members) => {
                if let Some(member) = members.get_mut(*step) {
                    self.descend(member, rest, parameter);
                }
            }
            _ => {}
        }
        false
    }

    fn change(&self, value: &mut Value, parameter: &dyn Fn(&str) -> Option<String>) -> bool {
        let Value::Object(members) = value else {
            return self.drop && self.only.is_empty();
        };
        if self.only.iter().any(|(name, wanted)| members.get(name) != Some(wanted)) {
            return false;
        }
        members.extend(self.set.clone());
        let echoed = self.echo.iter().filter_map(|(name, source)| Some((name.clone(), parameter(source)?.into())));
        members.extend(echoed);
        for name in &self.remove {
            members.remove(name);
        }
        self.drop
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn edited(edit: Value, mut answer: Value) -> Value {
        let edit: Edit = serde_json::from_value(edit).unwrap();
        edit.apply(&mut answer, &|name| (name == "old").then(|| "text".to_owned()));
        answer
    }

    #[test]
    fn members_are_set_removed_and_echoed() {
        let node = json!({"id": "1", "name": "Shop"});
        assert_eq!(
            edited(json!({"set": {"id": "2", "x": null}}), node.clone()),
            json!({"id": "2", "name": "Shop", "x": null})
        );
        assert_eq!(edited(json!({"remove": ["name", "absent"]}), node.clone()), json!({"id": "1"}));
        assert_eq!(edited(json!({"echo": {"id": "old", "name": "absent"}}), node.clone())["id"], "text");
        assert_eq!(edited(json!({"at": "/absent/x", "set": {"y": 1}}), node.clone()), node);
    }

    #[test]
    fn rows_of_a_list_are_chosen_by_what_they_hold_or_by_place() {
        let list = json!({"data": [{"id": "1", "tasks": ["A"]}, {"id": "2", "tasks": ["A"]}, 3]});
        let one = edited(json!({"at": "/data/*", "where": {"id": "2"}, "set": {"tasks": null}}), list.clone());
        assert_eq!(one["data"][1], json!({"id": "2", "tasks": null}));
        assert_eq!(one["data"][0], list["data"][0]);
        let all = edited(json!({"at": "/data/*", "remove": ["tasks"]}), list.clone());
        assert_eq!(all, json!({"data": [{"id": "1"}, {"id": "2"}, 3]}));
        let dropped = edited(json!({"at": "/data/*", "where": {"id": "1"}, "drop": true}), list.clone());
        assert_eq!(dropped["data"].as_array().unwrap().len(), 2);
        assert_eq!(edited(json!({"at": "/data/0", "drop": true}), list.clone()), dropped);
        assert_eq!(edited(json!({"at": "/data/9", "drop": true}), list.clone()), list);
    }
}
