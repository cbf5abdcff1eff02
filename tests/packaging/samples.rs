//! The samples are about the sandbox's demo, so that what a newcomer applies is what the sandbox knows.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Manifests, kustomize, read};

/// Every string and number in the sandbox's seed, as text.
fn seed() -> BTreeSet<String> {
    fn collect(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::String(text) => drop(found.insert(text.clone())),
            Value::Number(number) => drop(found.insert(number.to_string())),
            Value::Array(list) => list.iter().for_each(|item| collect(item, found)),
            Value::Object(map) => map.values().for_each(|item| collect(item, found)),
            Value::Null | Value::Bool(_) => {}
        }
    }
    let seed: Value = serde_yaml_ng::from_str(&read("graph-sandbox/seeds/demo.yaml").unwrap()).unwrap();
    let mut found = BTreeSet::new();
    collect(&seed, &mut found);
    found
}

#[test]
fn ids_secrets_and_tokens_are_those_of_the_sandboxs_demo() {
    let (samples, seed) = (kustomize("config/samples").unwrap(), seed());
    let mut used = Vec::new();
    used.extend(samples.of_kind("MetaApp").map(|it| it["spec"]["appId"].clone()));
    used.extend(samples.of_kind("FacebookChannel").map(|it| it["spec"]["pageId"].clone()));
    for secret in samples.of_kind("Secret") {
        used.extend(secret["stringData"].as_object().unwrap().values().cloned());
    }
    assert_eq!(used.len(), 1 + 3 + 5);
    for value in used {
        assert!(seed.contains(value.as_str().unwrap()), "the sandbox's demo knows no {value}");
    }
}

#[test]
fn every_reference_of_the_samples_has_a_target_that_may_be_used() {
    let samples = kustomize("config/samples").unwrap();
    let secret = |namespace: &Value, name: &Value, purpose: &str, key: &str| {
        let mut secrets = samples.of_kind("Secret");
        let found = secrets.find(|it| it["metadata"]["name"] == *name && it["metadata"]["namespace"] == *namespace);
        let found = found.unwrap_or_else(|| panic!("there is no Secret {namespace}/{name}"));
        assert_eq!(found["metadata"]["labels"]["metachannels.io/purpose"], purpose);
        assert!(found["stringData"][key].is_string(), "{name} has no {key}");
    };
    for app in samples.of_kind("MetaApp") {
        secret(&app["metadata"]["namespace"], &app["spec"]["appSecretRef"]["name"], "app-secret", "app-secret");
    }
    for grant in samples.of_kind("MetaGrant") {
        secret(&grant["metadata"]["namespace"], &grant["spec"]["tokenSecretRef"]["name"], "grant-token", "token");
        let app = samples.one("MetaApp", grant["spec"]["appRef"]["name"].as_str().unwrap()).unwrap();
        assert_eq!(app["metadata"]["namespace"], grant["spec"]["appRef"]["namespace"]);
    }
    for channel in samples.of_kind("FacebookChannel") {
        let token = &channel["spec"]["credentials"]["pageToken"];
        let key = token["secretRef"]["key"].as_str().unwrap();
        secret(&channel["metadata"]["namespace"], &token["secretRef"]["name"], "page-token", key);
        let app = samples.one("MetaApp", token["appRef"]["name"].as_str().unwrap()).unwrap();
        assert_eq!(app["metadata"]["namespace"], token["appRef"]["namespace"]);
        assert_eq!(app["spec"]["allowedNamespaces"]["from"], "All");
    }
}

/// What counts of a Secret: where it is, the keys it has, and what it is released for.
#[derive(Debug, PartialEq)]
struct Shape {
    name: Value,
    namespace: Value,
    labels: Value,
    keys: BTreeSet<String>,
}

#[test]
fn synced_secrets_come_out_as_those_of_the_samples() {
    let keys = |map: &Value| map.as_object().unwrap().keys().cloned().collect();
    let shape = |object: &Value, name: &Value, labels: &Value, keys| Shape {
        name: name.clone(),
        namespace: object["metadata"]["namespace"].clone(),
        labels: labels.clone(),
        keys,
    };
    let samples = kustomize("config/samples").unwrap();
    let by_hand: Vec<_> = samples
        .of_kind("Secret")
        .map(|it| shape(it, &it["metadata"]["name"], &it["metadata"]["labels"], keys(&it["stringData"])))
        .collect();
    let synced = |file| Manifests::parse(&read(&format!("config/samples/synced-secrets/{file}")).unwrap()).unwrap();
    let (external, sealed) = (synced("externalsecrets.yaml"), synced("sealedsecrets.yaml"));
    let external = external.of_kind("ExternalSecret").map(|it| {
        let data = it["spec"]["data"].as_array().unwrap();
        let keys = data.iter().map(|row| row["secretKey"].as_str().unwrap().to_owned()).collect();
        let target = &it["spec"]["target"];
        shape(it, &target["name"], &target["template"]["metadata"]["labels"], keys)
    });
    let sealed = sealed.of_kind("SealedSecret").map(|it| {
        let labels = &it["spec"]["template"]["metadata"]["labels"];
        shape(it, &it["metadata"]["name"], labels, keys(&it["spec"]["encryptedData"]))
    });
    let all: Vec<_> = external.chain(sealed).collect();
    assert_eq!(all.len(), 2 + 2);
    for secret in all {
        assert!(by_hand.contains(&secret), "none of the samples' Secrets is {secret:?}");
    }
}

#[test]
fn the_default_base_watches_the_namespaces_of_the_samples() {
    let samples = kustomize("config/samples").unwrap();
    let names: Vec<_> = samples.of_kind("Namespace").map(|it| it["metadata"]["name"].as_str().unwrap()).collect();
    let base = kustomize("tests/packaging/overlays/with-gateway").unwrap();
    for component in ["operator", "gateway"] {
        let launch = crate::support::launch::Launch::of(&base, component, "pod").unwrap();
        assert_eq!(launch.flag("--watch-namespaces"), Some(names.join(",").as_str()));
    }
}
