//! What someone tries who may write our objects in a namespace, but read no Secret there: each Secret that can be named
//! is named, with addresses of their own wherever an address can be given. docs/tenancy.md lists the other attacks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::extract::Request;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use testkit::wait_for;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;
use crate::support::schedule::*;

const OTHER_APP: &str = "9999000099990000";
const OTHER_SECRET: &str = "sandbox-other-secret-000000000000000";
const HOST: &str = "https://evil.example/collect";

/// Secrets of the namespace, by name: what they are released for, a key, and what must not get out.
const BAIT: [(&str, Option<&str>, &str, &str); 6] = [
    ("database", None, "token", "bait-of-no-purpose-0000000000000"),
    ("database-app", None, "app-secret", "b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0"),
    ("pages", Some("page-token"), "app-secret", "bait for a page 0000000000000000"),
    ("grants", Some("grant-token"), "app-secret", "bait-for-a-grant-000000000000000"),
    ("kept", Some("living-token"), "token", "bait-that-is-kept-00000000000000"),
    ("published", Some("published-page-token"), "token", "bait-that-is-published-0000000000"),
];

/// A host of the attacker's: what it was sent.
struct Host {
    got: Arc<Mutex<Vec<String>>>,
    url: String,
    serving: JoinHandle<()>,
}

impl Host {
    async fn new() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let got = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&got);
        let collect = async move |request: Request| {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
            let text = format!("{} {:?} {}", parts.uri, parts.headers, String::from_utf8_lossy(&body));
            into.lock().unwrap().push(text);
            // Meta wants its challenge back, and then subscribes.
            let query = parts.uri.query().unwrap_or_default().to_owned();
            query.split('&').find_map(|it| it.strip_prefix("hub.challenge=").map(str::to_owned)).unwrap_or_default()
        };
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, Router::new().fallback(collect)).await;
        });
        Ok(Self { got, url, serving })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn object(kind: &str, namespace: &str, name: &str, spec: &Value) -> String {
    let metadata = json!({"name": name, "namespace": namespace});
    json!({"apiVersion": "metachannels.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}).to_string()
}

/// An object of each kind that names this Secret, with an address of the attacker's where one can be given.
fn tries(env: &Env, number: usize, secret: &str, key: &str) -> Vec<String> {
    let tenant = &env.tenant_b;
    let own = json!({"appId": format!("777700007777000{number}"), "appSecretRef": {"name": secret}, "webhook": {"callbackUrl": HOST}});
    let app = json!({"name": "acme", "namespace": env.platform});
    let grant = json!({"appRef": app, "tokenSecretRef": {"name": secret}});
    let token = json!({"secretRef": {"name": secret, "key": key}, "appRef": app});
    let channel = json!({
        "pageId": page(number), "credentials": {"pageToken": token}, "publishToken": true, "endpoint": {"external": {"url": HOST}},
    });
    let name = format!("try-{secret}");
    [("MetaApp", own), ("MetaGrant", grant), ("FacebookChannel", channel)]
        .map(|(kind, spec)| object(kind, tenant, &name, &spec))
        .into()
}

/// The reasons for which objects of a kind are not Ready, by name.
async fn reasons(env: &Env, kind: &str) -> Result<BTreeMap<String, String>> {
    let list = env.kubectl().get(&[kind, "--namespace", &env.tenant_b]).await?;
    let items = list["items"].as_array().context("a list")?.clone();
    let reason = |item: &Value| {
        let ready = item["status"]["conditions"].as_array()?.iter().find(|it| it["type"] == "Ready")?.clone();
        Some((item["metadata"]["name"].as_str()?.to_owned(), ready["reason"].as_str()?.to_owned()))
    };
    Ok(items.iter().filter_map(reason).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_write_objects_but_read_no_secret_gets_none_used_sent_or_overwritten() -> Result<()> {
    let env = Env::seeded(|seed| add_pages(seed, BAIT.len())).await?;
    let host = Host::new().await?;
    let mut resolve = env.sandbox.resolve();
    resolve.insert("evil.example".to_owned(), host.url.clone());
    env.sandbox.set_resolve(resolve)?;
    let operator = env.unhurried();
    env.put_app().await?;
    env.app_is(&["Ready=True"]).await?;
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.tenant_b);
    for (name, purpose, key, value) in BAIT {
        env.put_secret(&env.tenant_b, name, purpose.unwrap_or_default(), key, value).await?;
    }
    let versions = async || -> Result<Vec<_>> {
        Ok(secrets
            .list(&Default::default())
            .await?
            .into_iter()
            .map(|it| (it.name_any(), it.resource_version()))
            // A channel gets a key of its own for its endpoint besides.
            .filter(|(name, _)| BAIT.iter().any(|bait| bait.0 == name))
            .collect())
    };
    let before = versions().await?;
    settled(&env, &operator).await?;
    env.sandbox.clear_ledger();

    let all: Vec<_> =
        BAIT.iter().enumerate().flat_map(|(number, (name, _, key, _))| tries(&env, number, name, key)).collect();
    env.apply(&all.join("\n---\n")).await?;
    for kind in ["metaapps", "metagrants", "facebookchannels"] {
        wait_for("each to be refused", PATIENCE, async || {
            let reasons = reasons(&env, kind).await?;
            // A Secret for a page is what a channel asks for; there is no token in it.
            let refused = ["SecretUnavailable", "SecretMalformed"];
            let all = reasons.len() == BAIT.len() && reasons.values().all(|it| refused.contains(&it.as_str()));
            ensure!(all, "{kind}: {reasons:?}");
            Ok(())
        })
        .await?;
    }
    quiet(&operator).await?;
    assert_eq!(env.sandbox.ledger(), [], "nothing of it was shown to Meta");
    assert_eq!(versions().await?, before);

    // What an application of the attacker's own may have sent to its callback is Meta's challenge, and the token for that.
    env.put_secret(&env.tenant_b, "own", "app-secret", "app-secret", OTHER_SECRET).await?;
    let own = json!({"appId": OTHER_APP, "appSecretRef": {"name": "own"}, "webhook": {"callbackUrl": HOST}});
    env.apply(&object("MetaApp", &env.tenant_b, "own", &own)).await?;
    wait_for("the challenge", PATIENCE, async || {
        ensure!(!host.got.lock().unwrap().is_empty());
        Ok(())
    })
    .await?;
    quiet(&operator).await?;
    let ours: Api<Secret> = Api::namespaced(env.client.clone(), &env.platform);
    let verify = ours.get("metaapp-acme-verify-token").await?.data.context("no data")?["verify-token"].0.clone();
    let mut needles: Vec<_> = BAIT.iter().map(|(_, _, _, value)| (*value).to_owned()).collect();
    needles.extend([APP_SECRET, OTHER_SECRET, TOKEN_A, TOKEN_B].map(str::to_owned));
    needles.push(String::from_utf8(verify)?);
    for request in host.got.lock().unwrap().iter() {
        assert!(needles.iter().all(|needle| !request.contains(needle.as_str())), "{request}");
    }
    Ok(())
}
