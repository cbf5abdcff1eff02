//! What a tenant declares with the chart for channels, and what it refuses.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::support::{Chart, Manifests, path, read};

fn example(name: &str) -> Manifests {
    Chart::CHANNELS.render(&Chart::CHANNELS.example(name)).unwrap()
}

/// What Helm says about the values of a tenant with these arguments added.
fn refusal(argument: &str) -> String {
    match Chart::CHANNELS.render_with(&Chart::CHANNELS.example("tenant"), &[argument]) {
        Ok(manifests) => panic!("{argument} was taken: {:#?}", manifests.names()),
        Err(error) => error.to_string(),
    }
}

/// The keys that `values.schema.json` has of the kinds: theirs, closed, and what an object has beside its spec.
fn definitions() -> Map<String, Value> {
    let kinds = [("MetaApp", "metaapps"), ("MetaGrant", "metagrants"), ("FacebookChannel", "facebookchannels")];
    let mut definitions = Map::new();
    for (kind, plural) in kinds {
        let crd: Value =
            serde_yaml_ng::from_str(&read(&format!("crds/metachannels.io_{plural}.yaml")).unwrap()).unwrap();
        let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let mut schema = closed(spec);
        for key in ["labels", "annotations"] {
            schema["properties"][key] =
                json!({"description": format!("The object's {key}."), "$ref": "#/$defs/strings"});
        }
        if kind == "FacebookChannel" {
            let mut defaults = schema.clone();
            defaults["description"] = "What channels have in common.".into();
            defaults.as_object_mut().unwrap().remove("required");
            defaults["properties"].as_object_mut().unwrap().remove("pageId");
            definitions.insert("FacebookChannelDefaults".to_owned(), defaults);
            // What has a default here may be missing there.
            schema["required"] = json!(["pageId"]);
        }
        definitions.insert(kind.to_owned(), schema);
    }
    definitions
}

/// JSON schema of what a structural schema describes, with every object closed.
fn closed(schema: &Value) -> Value {
    let mut result = Map::new();
    for key in ["description", "type", "enum", "pattern", "minLength", "maxLength", "minItems", "maxItems", "required"]
    {
        if let Some(value) = schema.get(key) {
            result.insert(key.to_owned(), value.clone());
        }
    }
    for key in ["minimum", "maximum"] {
        if let Some(bound) = schema[key].as_f64() {
            result.insert(key.to_owned(), json!(bound as i64));
        }
    }
    if schema["format"] == "date-time" {
        result.insert("format".to_owned(), "date-time".into());
    }
    if schema["items"].is_object() {
        result.insert("items".to_owned(), closed(&schema["items"]));
    }
    if schema["type"] == "object" {
        let properties = schema["properties"].as_object().into_iter().flatten();
        let properties: Map<_, _> = properties.map(|(key, value)| (key.clone(), closed(value))).collect();
        result.insert("properties".to_owned(), properties.into());
        result.insert("additionalProperties".to_owned(), false.into());
    }
    result.into()
}

#[test]
fn the_schema_knows_the_fields_of_the_kinds_as_they_are() {
    let file = Chart::CHANNELS.file("values.schema.json");
    let found: Value = serde_json::from_str(&read(&file).unwrap()).unwrap();
    let mut expected = found.clone();
    expected["$defs"].as_object_mut().unwrap().extend(definitions());
    if std::env::var_os("UPDATE_CHARTS").is_some() {
        std::fs::write(path(&file), format!("{:#}\n", expected)).unwrap();
    } else {
        assert!(found == expected, "{file} is out of date: run make generate");
    }
}

#[test]
fn what_is_declared_becomes_the_spec_of_one_object_each() {
    let tenant = example("tenant");
    let names =
        ["FacebookChannel ops/outlet", "FacebookChannel ops/shop", "FacebookChannel ops/support", "MetaGrant ops/acme"];
    assert_eq!(tenant.names(), names);
    let spec = |name| tenant.one("FacebookChannel", name).unwrap()["spec"].clone();
    let (grant, direct) = (json!({"grantRef": {"name": "acme"}}), json!({"direct": {}}));
    assert_eq!(spec("shop"), json!({"pageId": "2200000000000001", "credentials": grant, "endpoint": direct}));
    // A key of a channel takes the place of the whole default, and is not mixed with it.
    let own = json!({"pageToken": {
        "secretRef": {"name": "outlet-page-token"},
        "appRef": {"name": "acme", "namespace": "platform"},
    }});
    let outlet =
        json!({"pageId": "2200000000000003", "credentials": own, "endpoint": direct, "managementPolicy": "Observe"});
    assert_eq!(spec("outlet"), outlet);
    assert_eq!(example("empty").iter().count(), 0);
}

#[test]
fn objects_carry_the_labels_of_the_release_and_what_is_said_of_them() {
    let full = example("full");
    let app = &full.one("MetaApp", "acme").unwrap();
    let labels = &app["metadata"]["labels"];
    for (key, value) in [
        ("app.kubernetes.io/instance", "acme"),
        ("app.kubernetes.io/managed-by", "Helm"),
        ("example.com/team", "shops"),
        ("example.com/stage", "live"),
    ] {
        assert_eq!(labels[key], value, "{key}");
    }
    let annotations: BTreeMap<String, String> = serde_json::from_value(app["metadata"]["annotations"].clone()).unwrap();
    assert_eq!(annotations["example.com/owner"], "shops@example.com");
    assert_eq!(annotations["helm.sh/resource-policy"], "keep");
    assert!(app["spec"]["labels"].is_null() && app["spec"]["annotations"].is_null());
}

#[test]
fn secrets_and_tokens_have_no_place_in_the_values() {
    for argument in [
        "--set=apps.acme.appSecret=x",
        "--set=apps.acme.appSecretRef.value=x",
        "--set=grants.acme.token=x",
        "--set=grants.acme.tokenSecretRef.token=x",
        "--set=channels.shop.credentials.pageToken.token=x",
        "--set=channels.shop.credentials.pageToken.secretRef.value=x",
        "--set=channelDefaults.credentials.pageToken.token=x",
    ] {
        let error = refusal(argument);
        assert!(error.contains("additional properties") && error.contains("not allowed"), "{argument}: {error}");
    }
    for values in Chart::CHANNELS.examples().unwrap() {
        let secrets = Chart::CHANNELS.render(&values).unwrap().of_kind("Secret").count();
        assert_eq!(secrets, 0, "{}", values.display());
    }
}

#[test]
fn values_that_cannot_be_meant_are_refused_with_the_place() {
    let cases = [
        // A number would lose digits.
        ("--set=channels.shop.pageId=2200000000000001", "at '/channels/shop/pageId': got number, want string"),
        ("--set-string=channels.shop.pageId=page", "at '/channels/shop/pageId'"),
        ("--set-string=channels.new.connection=Connected", "missing property 'pageId'"),
        ("--set-string=channelDefaults.pageId=2200000000000001", "additional properties 'pageId' not allowed"),
        ("--set=channels.shop.connection=Off", "at '/channels/shop/connection': value must be one of"),
        ("--set-json=apps={\"acme\":{\"appId\":\"1111000011110000\"}}", "missing property 'appSecretRef'"),
        ("--set=grants.acme.renewal.before=500d", "at '/grants/acme/renewal/before'"),
        ("--set-json=channels.Shop={\"pageId\":\"2200000000000009\"}", "'Shop'"),
    ];
    for (argument, sentence) in cases {
        let error = refusal(argument);
        assert!(error.contains(sentence), "{argument}: {error}");
    }
}

#[test]
fn channels_that_contradict_each_other_or_themselves_are_refused_with_a_sentence() {
    let cases = [
        (
            "--set-json=channels.other={\"pageId\":\"2200000000000001\"}",
            "channels.other and channels.shop are about the same page 2200000000000001",
        ),
        ("--set-json=channelDefaults={}", "channels.outlet has no endpoint, and neither has channelDefaults"),
        (
            "--set-json=channels.shop.endpoint={\"direct\":{},\"external\":{\"url\":\"https://a.example\"}}",
            "channels.shop.endpoint: set exactly one of direct, external, bot, chat; here it is direct and external",
        ),
        (
            "--set-json=channels.shop.credentials={}",
            "channels.shop.credentials: set exactly one of grantRef, pageToken; here it is none",
        ),
    ];
    for (argument, sentence) in cases {
        let error = refusal(argument);
        assert!(error.contains(sentence), "{argument}: {error}");
    }
}
