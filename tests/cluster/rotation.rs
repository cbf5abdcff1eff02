//! The app secret is rotated in any order of steps while Meta delivers twenty events a second: none is lost, and no channel
//! notices.

mod halfway;
mod orders;
mod verify_token;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use meta_channel_operator::api::{FacebookChannel, MetaApp, MetaAppStatus};
use reqwest::StatusCode;
use serde_json::{Value, json};
use testkit::sandbox::WebhookItem;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;
use crate::support::record::Record;
use crate::support::subscriptions::connected;
use crate::support::webhook_calls::{BODY, Caller, signature};

const CURRENT: &str = "app-secret";
const FORMER: &str = "previous-app-secret";

/// The app secret that is in force after so many rotations.
fn secret(number: usize) -> String {
    format!("sandbox-app-secret-{number:016}")
}

/// Merges entries into the Secret, as someone with kubectl would; `None` takes one out.
async fn write(env: &Env, entries: &[(&str, Option<&str>)]) -> Result<()> {
    let encoded = |value: &str| json!(k8s_openapi::ByteString(value.as_bytes().to_vec()));
    let data: BTreeMap<_, _> = entries.iter().map(|(key, value)| (*key, value.map(encoded))).collect();
    let patch = json!({ "data": data }).to_string();
    let patch = ["-n", &env.platform, "patch", "secret", "acme-app", "--type=merge", "-p", &patch];
    env.kubectl().run(&patch).await.map(drop)
}

async fn accepts(caller: &Caller, env: &Env, secret: &str) -> Result<bool> {
    let path = format!("/webhooks/{}/acme", env.platform);
    Ok(caller.post(&path, Some(&signature(secret, BODY))).await? == StatusCode::OK)
}

/// Waits until the gateway takes what is signed with these, and nothing that is signed with those.
async fn gateway_takes(env: &Env, taken: &[&str], refused: &[&str]) -> Result<()> {
    let caller = Caller::new(env);
    wait_for("the gateway to have read the Secret", PATIENCE, async || {
        for (secrets, expected) in [(taken, true), (refused, false)] {
            for secret in secrets {
                ensure!(accepts(&caller, env, secret).await? == expected, "{secret} is taken: {}", !expected);
            }
        }
        Ok(())
    })
    .await
}

/// Waits until the status names this entry as the one in use, with this secret, and says so of the other one.
async fn uses(env: &Env, key: &str, secret: &str, other: Option<bool>) -> Result<MetaAppStatus> {
    use meta_channel_operator::graph::AppSecret;
    let app = env.apps().get("acme").await?;
    let fingerprint = AppSecret::parse(secret.as_bytes())?.fingerprint(&app.metadata.uid.unwrap_or_default());
    wait_for(&format!("{key} to be in use, the other one accepted: {other:?}"), PATIENCE, async || {
        let status = app_status(env).await?;
        let used = status.secret_in_use.clone().unwrap_or_default();
        ensure!(used.key == key && used.fingerprint == fingerprint, "{used:?}");
        ensure!(status.other_secret.as_ref().map(|it| it.accepted) == other, "{:?}", status.other_secret);
        Ok(status)
    })
    .await
}

/// Asks for a look at the application and at a channel.
async fn ask(env: &Env, at: &str) -> Result<()> {
    env.request_look(&env.tenant_a, "shop", at).await?;
    let at = format!("metachannels.io/requested-at={at}");
    env.kubectl().run(&["-n", &env.platform, "annotate", "--overwrite", "mapp", "acme", &at]).await.map(drop)
}

/// Versions of everything that a rotation must not touch.
struct Steady {
    apps: Record<MetaApp>,
    channels: Record<FacebookChannel>,
}

impl Steady {
    fn watch(env: &Env) -> Self {
        Self { apps: env.record_apps(), channels: env.record(&env.tenant_a) }
    }

    /// No condition of anything ever was another one, or has become so anew.
    fn holds(&self) {
        let mut first = BTreeMap::new();
        let apps = self.apps.versions().into_iter().map(|it| (it.metadata.name, it.status.map(|it| it.conditions)));
        let channels =
            self.channels.versions().into_iter().map(|it| (it.metadata.name, it.status.map(|it| it.conditions)));
        let mut seen = 0;
        for (name, conditions) in apps.chain(channels) {
            let conditions = conditions.unwrap_or_default();
            let told = |it: &Condition| {
                (it.type_.clone(), it.status.clone(), it.reason.clone(), it.last_transition_time.clone())
            };
            let told: Vec<_> = conditions.iter().map(told).collect();
            let before = first.entry(name.clone()).or_insert_with(|| told.clone());
            let messages: Vec<_> = conditions.iter().map(|it| &it.message).collect();
            assert_eq!(*before, told, "{name:?}: {messages:?}");
            seen += 1;
        }
        assert!(seen > 3, "only {seen} versions were seen");
    }
}

/// Twenty events a second, until it is dropped.
async fn events(env: &Env, sent: &std::cell::Cell<usize>) -> Result<()> {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    loop {
        ticks.tick().await;
        let item: Value = json!({"sender": {"id": "7700000000000001"}, "message": {"mid": format!("m_{}", sent.get()), "text": "hi"}});
        let item = json!({"page": PAGE_A, "app": APP_ID, "field": "messages", "item": item});
        let dropped = env.sandbox.send_webhook(serde_json::from_value::<WebhookItem>(item)?)?;
        ensure!(dropped.is_none(), "{dropped:?}");
        sent.set(sent.get() + 1);
    }
}

/// Does the steps while events come, and then sees that every one of them arrives. Says how many were sent.
async fn while_events_come(env: &Env, steps: impl Future<Output = Result<()>>) -> Result<usize> {
    let sent = std::cell::Cell::new(0);
    tokio::select! {
        ended = events(env, &sent) => ended?,
        ended = steps => ended?,
    }
    // Meta repeats what was refused: after ten seconds, and what was refused for long at growing distances within the hour.
    for minutes in [1, 5, 10, 15, 30] {
        env.advance(minutes);
        env.sandbox.flush_webhooks().await;
        let taken = env.sandbox.deliveries().into_iter().filter(|it| it.status == Some(200));
        let taken: BTreeSet<_> = taken.filter_map(|it| it.post).collect();
        if taken.len() >= sent.get() {
            return Ok(sent.get());
        }
    }
    let dropped: Vec<_> = env.sandbox.deliveries().into_iter().filter(|it| it.dropped.is_some()).collect();
    anyhow::bail!("not all of {} events were taken; {dropped:?}", sent.get())
}
