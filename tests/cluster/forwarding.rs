//! Events go to the endpoint that a channel declares, signed with its own key.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use testkit::sandbox::WebhookItem;
use testkit::wait_for;
use tokio::net::TcpListener;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::webhook_calls::signature;

const KEY_SECRET: &str = "facebookchannel-shop-endpoint-key";

/// A bot: what it was sent, and how it answers the next requests; afterwards it accepts all.
#[derive(Clone, Default)]
struct Bot {
    requests: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    answers: Arc<Mutex<VecDeque<StatusCode>>>,
}

impl Bot {
    async fn start() -> Result<(Self, SocketAddr)> {
        let (bot, listener) = (Self::default(), TcpListener::bind("127.0.0.1:0").await?);
        let (address, heard) = (listener.local_addr()?, bot.clone());
        let receive = async move |headers: HeaderMap, body: Bytes| {
            heard.requests.lock().unwrap().push((headers, body));
            heard.answers.lock().unwrap().pop_front().unwrap_or(StatusCode::OK)
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/hook", post(receive))).await });
        Ok((bot, address))
    }

    fn answer(&self, answers: impl IntoIterator<Item = StatusCode>) {
        self.answers.lock().unwrap().extend(answers);
    }

    /// The texts that it was sent, in their order.
    fn texts(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        let bodies = requests.iter().map(|(_, body)| serde_json::from_slice::<Value>(body).unwrap());
        let entries = bodies.flat_map(|body| body["entry"].as_array().unwrap().clone());
        entries.map(|entry| entry["messaging"][0]["message"]["text"].as_str().unwrap().to_owned()).collect()
    }

    async fn hears(&self, expected: &[&str]) -> Result<()> {
        wait_for("the bot to hear it", PATIENCE, async || {
            let texts = self.texts();
            ensure!(texts == expected, "{texts:?}");
            Ok(())
        })
        .await
    }

    fn last(&self) -> (HeaderMap, Bytes) {
        self.requests.lock().unwrap().last().cloned().unwrap()
    }
}

/// A person writes on a page.
fn write(env: &Env, page: &str, text: &str) -> Result<()> {
    let at = env.sandbox.now().as_millisecond();
    let item = json!({
        "sender": {"id": "7700000000000001"}, "recipient": {"id": page}, "timestamp": at,
        "message": {"mid": format!("m_{text}"), "text": text},
    });
    let item = json!({"page": page, "app": APP_ID, "field": "messages", "item": item});
    let dropped = env.sandbox.send_webhook(serde_json::from_value::<WebhookItem>(item)?)?;
    ensure!(dropped.is_none(), "{dropped:?}");
    Ok(())
}

/// The key that the bot was told.
async fn key(env: &Env) -> Result<String> {
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.tenant_a);
    let data = secrets.get(KEY_SECRET).await?.data.context("an empty Secret")?;
    Ok(String::from_utf8(data["app-secret"].0.clone())?)
}

/// A channel whose traffic goes to a bot, in a cluster with the Service of the bot.
async fn with_bot(env: &Env, port: u16) -> Result<()> {
    env.put_app().await?;
    env.app_is(&["Ready=True"]).await?;
    env.put_token(&env.tenant_a, "shop", TOKEN_A).await?;
    let channel = env.channel_manifest(&env.tenant_a, "shop", PAGE_A);
    let endpoint = format!("{{bot: {{serviceRef: {{name: bot, port: {port}, path: /hook}}}}}}");
    let forwarded = channel.replace("{direct: {}}", &endpoint);
    ensure!(forwarded != channel, "{channel}");
    env.apply(&forwarded).await?;
    env.channel_is(&env.tenant_a, "shop", &["EndpointReady=False/ServiceNotFound", "Connected=True"]).await?;
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "bot", "namespace": env.tenant_a},
        "spec": {"selector": {"app": "bot"}, "ports": [{"port": port}]},
    });
    env.apply(&service.to_string()).await?;
    env.request_look(&env.tenant_a, "shop", "bot").await?;
    env.channel_is(&env.tenant_a, "shop", &["EndpointReady=True", "Ready=True/ReconcileSucceeded"]).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_on_a_page_reach_the_bot_that_its_channel_names_once_and_in_order() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    let (bot, address) = Bot::start().await?;
    with_bot(&env, address.port()).await?;
    env.put_channel(&env.tenant_b, "kiosk", PAGE_B, TOKEN_B).await?;
    env.channel_is(&env.tenant_b, "kiosk", &["Ready=True"]).await?;

    // The application's own callback handles what is written on the other page.
    write(&env, PAGE_B, "elsewhere")?;
    write(&env, PAGE_A, "one")?;
    bot.hears(&["one"]).await?;
    let (headers, body) = bot.last();
    let body = str::from_utf8(&body)?;
    assert_eq!(headers["x-hub-signature-256"], signature(&key(&env).await?, body));
    assert!(headers.contains_key("x-hub-signature") && headers.contains_key("webhook-signature"), "{headers:?}");

    // It is down for a moment.
    bot.answer([StatusCode::SERVICE_UNAVAILABLE]);
    write(&env, PAGE_A, "two")?;
    bot.hears(&["one", "two", "two"]).await?;
    write(&env, PAGE_A, "three")?;
    bot.hears(&["one", "two", "two", "three"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_deletes_the_key_gets_another_one_with_which_the_next_events_are_signed() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    let (bot, address) = Bot::start().await?;
    with_bot(&env, address.port()).await?;
    let first = key(&env).await?;
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.tenant_a);
    secrets.delete(KEY_SECRET, &DeleteParams::default()).await?;
    wait_for("another key", PATIENCE, async || {
        ensure!(key(&env).await? != first);
        let status = env.channels(&env.tenant_a).get("shop").await?.status.context("no status")?;
        ensure!(status.endpoint.context("no endpoint")?.key_generation == Some(2));
        Ok(())
    })
    .await?;
    let second = key(&env).await?;
    wait_for("the gateway to sign with it", PATIENCE, async || {
        write(&env, PAGE_A, "again")?;
        let requests = bot.requests.lock().unwrap();
        let (headers, body) = requests.last().context("nothing was sent")?;
        ensure!(headers["x-hub-signature-256"] == signature(&second, str::from_utf8(body)?));
        Ok(())
    })
    .await
}
