//! The namespaces that may use a MetaApp.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use kube::KubeSchema;
use kube::core::{Selector, SelectorExt};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Namespaces whose objects may use an application. That of the MetaApp always may.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[x_kube(validation = Rule::new("(has(self.from) && self.from == 'Selector') == has(self.selector)").message("selector is required if from is Selector, and must be absent otherwise"))]
pub struct AllowedNamespaces {
    /// Same: only the namespace of the MetaApp. All: every namespace that this release manages. Selector: the namespace of the MetaApp, and namespaces of this release whose labels match.
    #[serde(default)]
    pub from: NamespacesFrom,
    /// Labels of the namespaces, if from is Selector. An empty selector matches all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<NamespaceSelector>,
}

impl AllowedNamespaces {
    /// Whether a namespace with these labels may use an application that lies in `home`; `None` if that depends on labels
    /// that are not known.
    pub fn allow(&self, home: &str, namespace: &str, labels: Option<&BTreeMap<String, String>>) -> Option<bool> {
        match self.from {
            _ if home == namespace => Some(true),
            NamespacesFrom::Same => Some(false),
            NamespacesFrom::All => Some(true),
            NamespacesFrom::Selector => {
                // An object that predates the rules of its kind may lack what they demand: then it selects nothing.
                let Some(selector) = self.selector.as_ref().and_then(NamespaceSelector::parse) else {
                    return Some(false);
                };
                labels.map(|labels| selector.matches(labels))
            }
        }
    }
}

/// How the namespaces that may use an application are chosen.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum NamespacesFrom {
    /// Only the namespace of the MetaApp.
    #[default]
    Same,
    /// Every namespace that this release manages.
    All,
    /// Those whose labels match.
    Selector,
}

/// Selects namespaces by their labels: everything that is listed must hold.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceSelector {
    /// Labels with exactly these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels_schema")]
    #[x_kube(validation = Rule::new("self.all(key, key.size() <= 317)").message("a label's key has at most 317 characters"))]
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements for labels; all of them must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub match_expressions: Vec<LabelRequirement>,
}

/// Requirement for one label.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[x_kube(validation = Rule::new("(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)").message("values are required for In and NotIn, and must be absent otherwise"))]
pub struct LabelRequirement {
    /// Key of the label.
    #[schemars(length(min = 1, max = 317), regex(pattern = r"^[-._/a-zA-Z0-9]+$"))]
    pub key: String,
    /// Relation of the label to the values.
    pub operator: LabelOperator,
    /// The values, for In and NotIn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 63)))]
    pub values: Vec<String>,
}

/// How a label relates to values.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum LabelOperator {
    /// It has one of them.
    In,
    /// It has none of them, or is not there.
    NotIn,
    /// It is there, whatever its value.
    Exists,
    /// It is not there.
    DoesNotExist,
}

impl LabelOperator {
    const fn as_str(self) -> &'static str {
        match self {
            Self::In => "In",
            Self::NotIn => "NotIn",
            Self::Exists => "Exists",
            Self::DoesNotExist => "DoesNotExist",
        }
    }
}

impl NamespaceSelector {
    /// The selector as Kubernetes knows it; `None` if it is none.
    fn parse(&self) -> Option<Selector> {
        let expressions = self.match_expressions.iter().map(|it| LabelSelectorRequirement {
            key: it.key.clone(),
            operator: it.operator.as_str().to_owned(),
            values: (!it.values.is_empty()).then(|| it.values.clone()),
        });
        let selector = LabelSelector {
            match_expressions: Some(expressions.collect()),
            match_labels: Some(self.match_labels.clone()),
        };
        selector.try_into().ok()
    }
}

fn labels_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": { "type": "string", "maxLength": 63 }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn allow(allowed: &serde_json::Value, namespace: &str, labels: Option<&[(&str, &str)]>) -> Option<bool> {
        let allowed: AllowedNamespaces = serde_json::from_value(allowed.clone()).unwrap();
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let labels: Option<BTreeMap<_, _>> = labels.map(|labels| labels.iter().map(owned).collect());
        allowed.allow("platform", namespace, labels.as_ref())
    }

    #[test]
    fn the_namespace_of_the_app_may_always_use_it_and_others_as_declared() {
        let rows = [
            (json!({}), Some(false)),
            (json!({"from": "Same"}), Some(false)),
            (json!({"from": "All"}), Some(true)),
            (json!({"from": "Selector", "selector": {}}), None),
            (json!({"from": "Selector"}), Some(false)),
        ];
        for (allowed, other) in rows {
            assert_eq!(allow(&allowed, "platform", None), Some(true), "{allowed}");
            assert_eq!(allow(&allowed, "tenant-a", None), other, "{allowed}");
        }
    }

    #[test]
    fn a_selector_selects_as_kubernetes_does() {
        let team = |operator: &str, values: &[&str]| {
            let requirement = json!({"key": "team", "operator": operator, "values": values});
            json!({"matchExpressions": [requirement]})
        };
        let rows = [
            (json!({}), [true, true, true]),
            (json!({"matchLabels": {"team": "shop"}}), [false, true, false]),
            (json!({"matchLabels": {"team": "shop", "stage": "live"}}), [false, false, false]),
            (team("In", &["shop", "support"]), [false, true, true]),
            (team("NotIn", &["shop"]), [true, false, true]),
            (team("Exists", &[]), [false, true, true]),
            (team("DoesNotExist", &[]), [true, false, false]),
            // What the API server refuses selects nothing.
            (team("In", &[]), [false, false, false]),
            (
                json!({"matchLabels": {"team": "shop"}, "matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}),
                [false, false, false],
            ),
        ];
        let namespaces: [&[(&str, &str)]; 3] = [&[], &[("team", "shop")], &[("team", "support"), ("stage", "live")]];
        for (selector, expected) in rows {
            let allowed = json!({"from": "Selector", "selector": selector});
            let found = namespaces.map(|labels| allow(&allowed, "tenant-a", Some(labels)) == Some(true));
            assert_eq!(found, expected, "{selector}");
        }
    }
}
