//! What the chart for the cluster's administrator consists of.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Chart, Manifests, kustomize, yaml_files};

const COPIES: &str = "charts/meta-channel-operator-admin/files/crds";

fn example(name: &str) -> Manifests {
    Chart::ADMIN.render(&Chart::ADMIN.example(name)).unwrap()
}

/// The generated kinds: file name and text.
fn generated() -> BTreeMap<String, String> {
    let mut files = folder("crds");
    files.remove("kustomization.yaml").unwrap();
    assert_eq!(files.len(), 4, "{:?}", files.keys());
    files
}

fn folder(folder: &str) -> BTreeMap<String, String> {
    let name = |path: &std::path::Path| path.file_name().unwrap().to_string_lossy().into_owned();
    yaml_files(folder).unwrap().iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn the_chart_holds_the_generated_kinds() {
    assert!(folder(COPIES) == generated(), "{COPIES} is not a copy of crds/: run make generate");
}

#[test]
fn the_base_holds_the_generated_kinds() {
    let base = kustomize("config/crd").unwrap();
    assert_eq!(base.iter().count(), generated().len());
    for text in generated().values() {
        let crd = Manifests::parse(text).unwrap();
        let crd = crd.iter().next().unwrap();
        assert_eq!(base.one("CustomResourceDefinition", crd["metadata"]["name"].as_str().unwrap()).unwrap(), crd);
    }
}

#[test]
fn rendering_changes_nothing_but_labels_and_adds_that_kinds_stay() {
    let rendered = example("full");
    for text in generated().values() {
        let crd = Manifests::parse(text).unwrap();
        let expected = crd.iter().next().unwrap();
        let name = expected["metadata"]["name"].as_str().unwrap();
        let mut found = rendered.one("CustomResourceDefinition", name).unwrap().clone();
        assert_eq!(found["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
        assert_eq!(found["metadata"]["labels"]["example.com/team"], "messaging");
        let metadata = found["metadata"].as_object_mut().unwrap();
        metadata.remove("annotations");
        metadata.remove("labels");
        assert_eq!(&found, expected);
    }
}

#[test]
fn chart_and_base_hold_the_same_policies() {
    let copies = folder("charts/meta-channel-operator-admin/files/policies");
    assert!(copies == folder("config/admission/policies"), "the chart's policies are no copy: run make generate");
    let (rendered, base) = (example("default"), kustomize("config/admission").unwrap());
    assert_eq!(base.iter().count(), 2 * copies.len());
    for expected in base.iter() {
        let (kind, name) = (expected["kind"].as_str().unwrap(), expected["metadata"]["name"].as_str().unwrap());
        let mut found = rendered.one(kind, name).unwrap().clone();
        assert_eq!(found["metadata"]["labels"]["app.kubernetes.io/part-of"], "meta-channel-operator");
        found["metadata"].as_object_mut().unwrap().remove("labels");
        assert_eq!(&found, expected);
    }
}

#[test]
fn the_readme_names_every_policy_and_which_do_not_fail_closed() {
    let readme = std::fs::read_to_string("charts/meta-channel-operator-admin/README.md").unwrap();
    let (_, exceptions) = readme.split_once("All policies fail closed").unwrap();
    let (exceptions, _) = exceptions.split_once(". ").unwrap();
    for policy in example("default").iter().filter(|it| it["kind"] == "ValidatingAdmissionPolicy") {
        let name = format!("`{}`", policy["metadata"]["name"].as_str().unwrap());
        assert!(readme.contains(&format!("| {name} |")), "{name} is not in the table");
        assert_eq!(policy["spec"]["failurePolicy"] != "Fail", exceptions.contains(&name), "{name}");
    }
}

#[test]
fn whatever_names_the_kinds_names_all_four() {
    let kinds: Vec<_> = generated().values().map(|text| Manifests::parse(text).unwrap()).collect();
    let kinds: Vec<_> = kinds.iter().map(|crd| crd.iter().next().unwrap()["spec"]["names"].clone()).collect();
    let readme = std::fs::read_to_string("charts/meta-channel-operator-admin/README.md").unwrap();
    // What the chart provides, and what is said of these two values.
    let (installs, _) = readme.split_once("## Policies").unwrap();
    let row = |value: &str| readme.lines().find(|line| line.starts_with(&format!("| {value} |"))).unwrap();
    let notes = Chart::ADMIN.notes(&Chart::ADMIN.example("default")).unwrap();
    for kind in kinds.iter().map(|names| names["kind"].as_str().unwrap()) {
        for text in [installs, row("crds.enabled"), row("roles.create"), &notes] {
            assert!(text.contains(kind), "{kind} is missing in {text}");
        }
    }
    let rendered = example("default");
    let view = &rendered.one("ClusterRole", "metachannels-view").unwrap()["rules"];
    let mut plurals: Vec<_> = kinds.iter().map(|names| names["plural"].clone()).collect();
    let mut seen = view[0]["resources"].as_array().unwrap().clone();
    plurals.sort_by_key(Value::to_string);
    seen.sort_by_key(Value::to_string);
    assert_eq!(seen, plurals);
}

#[test]
fn the_policies_follow_the_name_of_the_claims_namespace() {
    let rendered = example("full");
    let selector = |name: &str| {
        let binding = rendered.one("ValidatingAdmissionPolicyBinding", name).unwrap();
        binding["spec"]["matchResources"]["namespaceSelector"].clone()
    };
    assert_eq!(selector("claims.metachannels.io")["matchLabels"]["kubernetes.io/metadata.name"], "page-claims");
    let elsewhere = &selector("claims-elsewhere.metachannels.io")["matchExpressions"][0];
    assert_eq!((&elsewhere["operator"], &elsewhere["values"][0]), (&"NotIn".into(), &"page-claims".into()));
}

#[test]
fn the_claims_namespace_stays_too() {
    let rendered = example("full");
    let namespace = rendered.one("Namespace", "page-claims").unwrap();
    assert_eq!(namespace["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    assert_eq!(namespace["metadata"]["annotations"]["example.com/owner"], "platform");
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
}

#[test]
fn each_part_can_be_left_out() {
    let is_policy = |object: &&Value| object["apiVersion"] == "admissionregistration.k8s.io/v1";
    let kinds = |manifests: &Manifests| -> Vec<Value> {
        manifests.iter().filter(|it| !is_policy(it)).map(|it| it["kind"].clone()).collect()
    };
    assert_eq!(kinds(&example("bare")), ["CustomResourceDefinition"; 4]);
    let values = Chart::ADMIN.example("default");
    let without = Chart::ADMIN.render_with(&values, &["--set=crds.enabled=false"]).unwrap();
    assert_eq!(without.iter().filter(is_policy).count(), 26);
    assert_eq!(kinds(&without), ["Namespace", "ClusterRole", "ClusterRole", "ClusterRole", "ClusterRole"]);
    let without = Chart::ADMIN.render_with(&values, &["--set=policies.enabled=false"]).unwrap();
    assert_eq!(without.iter().filter(is_policy).count(), 0);
}

#[test]
fn both_charts_mean_the_same_claims_namespace() {
    let admin = example("default");
    let claims = admin.of_kind("Namespace").next().unwrap()["metadata"]["name"].as_str().unwrap();
    let operator = Chart::OPERATOR.render(&Chart::OPERATOR.example("minimal")).unwrap();
    let role = operator.one("Role", "ops.acme-meta-channel-operator-claims").unwrap();
    assert_eq!(role["metadata"]["namespace"], claims);
}
