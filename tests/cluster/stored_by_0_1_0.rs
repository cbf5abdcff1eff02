//! What 0.1.0 left in a cluster goes on as it was: its statuses get the names of today, and that costs no write at Meta.

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use meta_channel_operator::api::Reason;
use serde::Deserialize;
use serde_json::{Value, json};
use testkit::sandbox::{Seed, SeedAppSubscription, SeedPageSubscription};
use testkit::{ControlPlane, wait_for};

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::grant_channels::*;
use crate::support::grant_fixtures::*;
use crate::support::observe::*;
use crate::support::schedule::settled;

const STORED: &str = include_str!("data/stored_by_0_1_0.yaml");
/// Some minutes after it was recorded.
const SINCE: &str = "2026-11-30T17:50:00Z";

const CHANNELS: &str = "facebookchannels";
const KINDS: [(&str, &str); 4] = [
    ("MetaApp", "metaapps"),
    ("MetaGrant", "metagrants"),
    ("FacebookChannel", CHANNELS),
    ("AssetClaim", "assetclaims"),
];

fn stored() -> Result<Vec<Value>> {
    serde_yaml_ng::Deserializer::from_str(STORED).map(|it| Ok(Value::deserialize(it)?)).collect()
}

/// The objects of a kind among those that were stored.
fn of_kind<'a>(stored: &'a [Value], kind: &str) -> impl Iterator<Item = &'a Value> {
    stored.iter().filter(move |it| it["kind"] == kind)
}

fn named<'a>(stored: &'a [Value], kind: &str, name: &str) -> &'a Value {
    of_kind(stored, kind).find(|it| it["metadata"]["name"] == name).unwrap()
}

/// What a Secret holds under a key.
fn content(secret: &Value, key: &str) -> String {
    let bytes: k8s_openapi::ByteString = serde_json::from_value(secret["data"][key].clone()).unwrap();
    String::from_utf8(bytes.0).unwrap()
}

/// Meta as 0.1.0 left it: the rows that it subscribed, the token that it obtained, and what people did since.
fn as_left(seed: &mut Seed, stored: &[Value]) {
    person_manages_pages(seed);
    add_pages(seed, 4);
    let row = |subscription: &Value| json!({ "app": APP_ID, "fields": subscription["fields"] });
    for channel in of_kind(stored, "FacebookChannel").filter(|it| it["status"]["subscription"].is_object()) {
        let page = seed.pages.iter_mut().find(|page| channel["spec"]["pageId"] == json!(page.id)).unwrap();
        let row: SeedPageSubscription = serde_json::from_value(row(&channel["status"]["subscription"])).unwrap();
        page.subscriptions.push(row);
    }
    let app = named(stored, "MetaApp", "acme")["status"]["subscription"].clone();
    let callback = json!({ "callback_url": app["callbackUrl"], "fields": app["fields"] });
    let callback: SeedAppSubscription = serde_json::from_value(callback).unwrap();
    seed.apps[0].subscriptions.push(callback);
    seed.pages.last_mut().unwrap().published = false;
    let outlet = seed.tokens.iter_mut().find(|it| it.alias.as_deref() == Some("outlet")).unwrap();
    outlet.invalid = serde_yaml_ng::from_str("{subcode: 460}").unwrap();

    seed.tokens.retain(|it| it.alias.as_deref() != Some("user"));
    let scopes = ["pages_show_list", "pages_manage_metadata", "pages_messaging"];
    let mut add = |secret: &str, times: Value| {
        let token = content(named(stored, "Secret", secret), "token");
        let mut token = json!({ "token": token, "kind": "user", "app": APP_ID, "user": PERSON, "scopes": scopes });
        token.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
        seed.tokens.push(serde_json::from_value(token).unwrap());
    };
    for grant in of_kind(stored, "MetaGrant") {
        let status = &grant["status"];
        let times = json!({ "issued_at": status["issuedAt"], "expires_at": status["expiresAt"] });
        add(status["livingSecretName"].as_str().unwrap(), times);
    }
    add("acme-grant", json!({ "expires_at": "2026-11-30T20:00:00Z" }));
    add("older-grant", json!({ "issued_at": "2026-11-10T12:00:00Z", "expires_at": "2027-01-09T12:00:00Z" }));
}

/// The objects of the kinds that have a status, as they are now.
async fn current(env: &Env) -> Result<Vec<Value>> {
    let kinds = KINDS.map(|(_, plural)| plural).join(",");
    let mut all = Vec::new();
    for namespace in [&env.platform, &env.tenant_a, &env.tenant_b, &env.claims] {
        let list = env.kubectl().get(&["--namespace", namespace, &kinds]).await?;
        all.extend(list["items"].as_array().context("a list")?.iter().cloned());
    }
    Ok(all)
}

/// The conditions of an object, by the names of today, with the times at which they took their values.
fn conditions(object: &Value) -> Vec<[String; 4]> {
    let listed = object["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |condition: &Value, field: &str| condition[field].as_str().unwrap().to_owned();
    let told = |condition: &Value| {
        let type_ = text(condition, "type").replace("SeedAccepted", "SourceTokenAccepted");
        let reason = Reason::parse(&text(condition, "reason")).unwrap().as_str().to_owned();
        [type_, text(condition, "status"), reason, text(condition, "lastTransitionTime")]
    };
    listed.iter().map(told).collect()
}

/// What else a status says that outlasts the release: not how it is worded, and not what the page token of a grant is, which
/// another sandbox gives.
fn lasting(object: &Value) -> Value {
    let mut status = object["status"].clone();
    let Some(fields) = status.as_object_mut() else { return status };
    for passing in ["conditions", "inputs", "lastVerifiedAt", "nextStep"] {
        fields.remove(passing);
    }
    if let Some(fingerprint) = fields.remove("seedFingerprint") {
        fields.insert("sourceTokenFingerprint".to_owned(), fingerprint);
    }
    if object["spec"]["credentials"]["grantRef"].is_object() {
        status["authorization"]["fingerprint"] = Value::Null;
    }
    status
}

/// Waits until every status was written anew, by the names of today.
async fn renamed(env: &Env) -> Result<Vec<Value>> {
    wait_for("the names of today", PATIENCE, async || {
        let all = current(env).await?;
        let shown = all.iter().flat_map(|it| it["status"]["conditions"].as_array().into_iter().flatten());
        for condition in shown {
            let named = |names: &[&str], field: &str| names.contains(&condition[field].as_str().unwrap_or_default());
            let reasons: Vec<_> = Reason::ALL.iter().map(|it| it.as_str()).collect();
            ensure!(named(&reasons, "reason") && !named(&["SeedAccepted"], "type"), "{condition}");
        }
        Ok(all)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_0_1_0_stored_stays_as_it_is_under_the_names_of_today_without_a_write_at_meta() -> Result<()> {
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().await?));
    let stored = stored()?;
    let env = Env::alone(plane, |seed| as_left(seed, &stored)).await?;
    env.set_clock(SINCE.parse::<Timestamp>()?)?;
    for object in &stored {
        let plural = KINDS.iter().find(|(kind, _)| object["kind"] == *kind).map(|(_, plural)| *plural);
        let resource = plural.map_or_else(|| "secrets".to_owned(), |plural| format!("metachannels.io/{plural}"));
        plane.store(&resource, object).await?;
    }
    let graph_url = named(&stored, "MetaApp", "acme")["status"]["graphUrl"].as_str().context("a URL")?;
    let operator = env.operator_with(|operator| graph_url.clone_into(&mut operator.policy.graph_url));
    awake(&operator).await?;
    // By then everything was checked in a slot of its own, what is broken too.
    env.advance(2 * 60 + 1);
    renamed(&env).await?;
    settled(&env, &operator).await?;

    let current = renamed(&env).await?;
    for (kind, _) in KINDS {
        assert_eq!(of_kind(&current, kind).count(), of_kind(&stored, kind).count(), "{kind}");
        for before in of_kind(&stored, kind) {
            let name = before["metadata"]["name"].as_str().context("a name")?;
            let now = named(&current, kind, name);
            assert_eq!(conditions(now), conditions(before), "{kind} {name}");
            assert_eq!(lasting(now), lasting(before), "{kind} {name}");
        }
    }
    assert_eq!(env.writes(), []);
    assert_eq!(env.requests("GET", EXCHANGE), [], "the token of the grant is not exchanged anew");
    for namespace in [&env.platform, &env.tenant_a, &env.tenant_b, &env.claims] {
        let events = [told(&env, namespace, "Warning").await?, told(&env, namespace, "Normal").await?];
        assert_eq!(events, [vec![""; 0], vec![""; 0]], "{namespace}: what was told is not told again");
    }
    for secret in of_kind(&stored, "Secret") {
        let field = |name: &str| secret["metadata"][name].as_str().unwrap_or_default();
        let now = env.kubectl().get(&["--namespace", field("namespace"), "secret", field("name")]).await?;
        assert_eq!((&now["data"], &now["type"]), (&secret["data"], &secret["type"]), "{}", field("name"));
    }
    Ok(())
}
