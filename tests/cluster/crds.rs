//! The kinds as the API server serves them: what is explained, refused, defaulted, selected and shown.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaPropsOrArray;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSONSchemaProps};
use kube::Api;
use serde_json::json;

use crate::support::env::*;
use crate::support::fixtures::*;

/// Every field below a schema, as a path.
fn paths(schema: &JSONSchemaProps, path: &str, into: &mut BTreeSet<String>) {
    for (name, field) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        let item = match &field.items {
            Some(JSONSchemaPropsOrArray::Schema(item)) => item,
            _ => field,
        };
        paths(item, &path, into);
        into.insert(path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_is_explained() -> Result<()> {
    let env = Env::new().await?;
    let crds: Api<CustomResourceDefinition> = Api::all(env.client.clone());
    let mut all = BTreeSet::new();
    for plural in ["metaapps", "facebookchannels", "metagrants", "assetclaims"] {
        let crd = crds.get(&format!("{plural}.metachannels.io")).await?;
        let version = crd.spec.versions.first().context("no version")?;
        let schema = version.schema.as_ref().and_then(|it| it.open_api_v3_schema.as_ref()).context("no schema")?;
        paths(schema, plural, &mut all);
        all.insert(plural.to_owned());
        let tree = env.kubectl().text(&["explain", "--recursive", plural]).await?;
        assert!(tree.contains("DESCRIPTION:") && tree.contains("spec\t<"), "{tree}");
    }
    assert!(all.len() > 80, "{all:?}");
    let kubectl = env.kubectl();
    let explained: Vec<(String, String)> = stream::iter(&all)
        .map(|path| async { anyhow::Ok((path.clone(), kubectl.text(&["explain", path]).await?)) })
        .buffer_unordered(4)
        .try_collect()
        .await?;
    for (path, text) in explained {
        let description = text.split_once("DESCRIPTION:\n").with_context(|| format!("{path}: {text}"))?.1;
        let description = description.split("\n\n").next().unwrap_or_default().trim();
        assert!(description.len() > 10 && !description.contains("<empty>"), "{path}: {text}");
        assert!(!text.contains("<no description>"), "{path}: {text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_valid_is_refused_with_a_sentence() -> Result<()> {
    let env = Env::new().await?;
    let namespace = &env.tenant_a;
    let channel = env.channel_manifest(namespace, "shop", PAGE_A);
    let app = env.app_manifest();
    env.apply(&channel).await?;
    env.apply(&app).await?;
    let grant = env.grant_manifest("{before: 20d}");
    env.apply(&grant).await?;
    let long = "x".repeat(64);
    let granted = env.granted_manifest(namespace, "other", PAGE_B, "acme-grant");
    let id = |digits: &str| env.channel_manifest(namespace, "other", digits);
    let endpoint = |yaml: &str| id(PAGE_B).replace("endpoint: {direct: {}}", &format!("endpoint: {yaml}"));
    let cases = [
        (
            "two endpoints",
            endpoint("{direct: {}, external: {url: 'https://a.example'}}"),
            "set exactly one of endpoint",
        ),
        (
            "two credentials",
            channel.replace("pageToken:", "grantRef: {name: x}\n    pageToken:"),
            "set exactly one of credentials",
        ),
        ("no credential", granted.replace("{grantRef: {name: acme-grant}}", "{}"), "set exactly one of credentials"),
        ("no endpoint", endpoint("{}"), "set exactly one of endpoint"),
        ("http endpoint", endpoint("{external: {url: 'http://a.example'}}"), "must start with https://"),
        ("another page", channel.replace(PAGE_A, PAGE_B), "pageId cannot be changed; create another FacebookChannel"),
        ("another app", app.replace(APP_ID, "9999000099990000"), "appId cannot be changed; create another MetaApp"),
        (
            "another appRef",
            channel.replace("name: acme,", "name: umbrella,"),
            "appRef cannot be changed; create another",
        ),
        (
            "http callback",
            env.app_manifest_with("webhook: {callbackUrl: 'http://a.example'}"),
            "must start with https://",
        ),
        (
            "another application of a grant",
            grant.replace("name: acme, namespace: platform", "name: other, namespace: platform"),
            "appRef cannot be changed; create another MetaGrant",
        ),
        ("a renewal all the time", grant.replace("20d", "60d"), "spec.renewal.before in body should match"),
        ("a renewal in hours", grant.replace("20d", "480h"), "spec.renewal.before in body should match"),
        (
            "long name of a grant",
            grant.replace("name: acme, namespace: tenant", &format!("name: {long}, namespace: tenant")),
            "at most 63 characters",
        ),
        (
            "inline token of a grant",
            grant.replace("{name: acme-grant}", "{name: x, token: EAAB}"),
            "field not declared",
        ),
        ("letters", id("22000000x0000001"), "spec.pageId in body should match"),
        ("leading zero", id("0200000000000001"), "spec.pageId in body should match"),
        ("a short id", id("2200"), "spec.pageId in body should match"),
        (
            "letters in appId",
            app.replace(APP_ID, "acme").replace("name: acme,", "name: other,"),
            "spec.appId in body should match",
        ),
        (
            "long name",
            env.channel_manifest(namespace, &long, PAGE_B).replace(&format!("{long}-token"), "t"),
            "at most 63 characters",
        ),
        ("long name of an app", app.replace("name: acme,", &format!("name: {long},")), "at most 63 characters"),
        (
            "inline token",
            channel.replace("secretRef: {name: shop-token, key: token}", "token: EAAB"),
            "field not declared in schema",
        ),
        (
            "inline app secret",
            app.replace("appSecretRef: {name: acme-app}", "appSecret: abc"),
            "field not declared in schema",
        ),
        (
            "an unknown policy",
            format!("{channel}  managementPolicy: Ignore\n"),
            "supported values: \"Manage\", \"Observe\", \"Pause\"",
        ),
        (
            "an unknown policy of an app",
            env.app_manifest_with("managementPolicy: manage"),
            "supported values: \"Manage\", \"Observe\", \"Pause\"",
        ),
        (
            "an unknown connection",
            format!("{channel}  connection: Expired\n"),
            "supported values: \"Connected\", \"Disconnected\"",
        ),
        ("unknown field", format!("{channel}  pageName: Shop\n"), "field not declared in schema"),
        (
            "a large field",
            endpoint(&format!("{{external: {{url: 'https://a.example/{}'}}}}", "x".repeat(1 << 20))),
            "Too long",
        ),
    ];
    for (what, yaml, sentence) in cases {
        let refused = env.apply(&yaml).await.expect_err(what).to_string();
        assert!(refused.contains(sentence), "{what}: {}", &refused[..refused.len().min(800)]);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_object_is_never_taken_for_observed() -> Result<()> {
    let env = Env::new().await?;
    env.apply(&env.app_manifest()).await?;
    env.apply(&env.channel_manifest(&env.tenant_a, "shop", PAGE_A)).await?;
    for (namespace, object) in [(&env.platform, "metaapp/acme"), (&env.tenant_a, "facebookchannel/shop")] {
        let object = env.kubectl().get(&["-n", namespace, object]).await?;
        let status = &object["status"];
        assert_eq!((&status["observedGeneration"], &status["conditions"]), (&json!(-1), &json!([])), "{object}");
        assert!([json!(null), json!("Pending")].contains(&status["connection"]), "{object}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_are_listed_selected_and_waited_for_with_kubectl() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    let namespace = &env.tenant_a;
    env.put_app().await?;
    env.put_channel(namespace, "shop", PAGE_A, TOKEN_A).await?;
    env.put_channel(namespace, "outlet", PAGE_C, TOKEN_C).await?;
    let kubectl = env.kubectl();
    let wait = ["-n", namespace, "wait", "--for=condition=Ready", "--timeout=180s"];
    kubectl.run(&[&wait[..], &["fbc/shop"]].concat()).await?;
    env.channel_is(namespace, "outlet", &["Expired=True"]).await?;
    kubectl.run(&["-n", namespace, "wait", "--for=condition=Stalled", "--timeout=180s", "fbc/outlet"]).await?;

    let get = async |more: &[&str]| kubectl.text(&[&["-n", namespace, "get"], more].concat()).await;
    let by_page = format!("--field-selector=spec.pageId={PAGE_C}");
    assert_eq!(get(&["fbc", &by_page, "-o", "name"]).await?.trim(), "facebookchannel.metachannels.io/outlet");
    let by_state = "--field-selector=status.connection=Connected";
    assert_eq!(get(&["fbc", by_state, "-o", "name"]).await?.trim(), "facebookchannel.metachannels.io/shop");

    let table = |text: String| -> Vec<Vec<String>> {
        // Columns are at least three blanks apart, so that "Acme Shop" stays together.
        let cells = |line: &str| line.split("   ").map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()).collect();
        text.lines().map(cells).collect()
    };
    let rows = table(get(&["fbc", "shop"]).await?);
    assert_eq!(rows[0], ["NAME", "PAGE", "CONNECTION", "READY", "REASON", "EXPIRES", "AGE"]);
    assert_eq!(rows[1][..5], ["shop", "Acme Shop", "Connected", "True", "ReconcileSucceeded"]);
    let wide = table(get(&["fbc", "outlet", "-o", "wide"]).await?);
    assert_eq!(wide[0][7..], ["PAGE ID", "APP", "GRANT"]);
    assert!(wide[1].ends_with(&[PAGE_C.into(), "acme".into()]), "{wide:?}");
    assert_eq!(wide[1][1..4], ["Expired", "False", "PasswordChanged"], "the page was never read: {wide:?}");
    let all = kubectl.text(&["get", "metachannels", "-A", "--no-headers"]).await?;
    assert!(all.lines().any(|line| line.contains(namespace.as_str()) && line.contains("shop")), "{all}");
    assert!(!all.contains("acme"), "only channels: {all}");
    let all = kubectl.text(&["get", "metachannels-all", "-A", "-o", "name"]).await?;
    for object in
        ["facebookchannel.metachannels.io/shop", "metaapp.metachannels.io/acme", "assetclaim.metachannels.io/"]
    {
        assert!(all.contains(object), "no {object} in {all}");
    }
    let apps = table(kubectl.text(&["-n", &env.platform, "get", "mapp", "-o", "wide"]).await?);
    assert_eq!(
        apps[0],
        ["NAME", "APP", "READY", "REASON", "CHANNELS", "CONNECTED", "AGE", "EXPIRED", "DISCONNECTED", "APP ID"]
    );
    let claims = table(kubectl.text(&["-n", &env.claims, "get", "mclaim"]).await?);
    assert_eq!(claims[0], ["NAME", "ASSET ID", "CLAIMED BY", "HOLDER", "STATE", "AGE"]);
    Ok(())
}
