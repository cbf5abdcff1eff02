//! Authorizing again in a real browser, through the program as its users run it. `hack/browser` drives the browser; set
//! PICTURES to a directory for pictures of what the person sees.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testkit::{Process, TlsFront, wait_for};

use crate::support::env::*;
use crate::support::server::PATIENCE;

/// Installing the browser takes a minute, and a slow machine some more. For its steps the driver has limits of its own.
const LONGEST: Duration = Duration::from_secs(900);
const HOST: &str = "hooks.example.com";
const PERSON: &str = "6600000000000001";

/// The demonstration, with roles on its pages.
fn seed() -> String {
    SEED.replace("    fields:", &format!("    tasks: {{{PERSON}: [MODERATE, MESSAGING]}}\n    fields:"))
}

/// What the driver prints last: the codes and states that went through the browser.
fn secrets(output: &str) -> Result<Vec<String>> {
    let line = output.lines().rfind(|line| line.starts_with("{\"secrets\"")).context("no last line")?;
    let value: Value = serde_json::from_str(line)?;
    Ok(serde_json::from_value(value["secrets"].clone())?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_authorizes_again_in_a_browser() -> Result<()> {
    let env = Env::with_seed(&seed()).await?;
    let graph = format!("--graph-url={}", env.sandbox.url());
    let flags = [graph.as_str(), "--allow-test-graph", "--log-filter=trace"];
    let (gateway, url) = env.gateway(&flags).await?;
    // The login dialog sends people to the real address; the front leads them back.
    env.sandbox.set_resolve(Default::default())?;
    let local = |url: &str| -> Result<SocketAddr> { Ok(url.trim_start_matches("http://").parse()?) };
    let hosts =
        HashMap::from([(HOST.to_owned(), local(&url)?), ("www.facebook.com".to_owned(), local(&env.sandbox.url())?)]);
    let front = TlsFront::start(hosts).await?;

    env.apply(&env.app("")).await?;
    env.tell_gateway().await?;
    env.apply(&grant(&env)).await?;
    status(
        &env,
        "metaapp/acme",
        &env.platform,
        &json!({"appName": "Acme Messaging", "oauthRedirectUri": format!("https://{HOST}/oauth/callback")}),
    )
    .await?;
    let pages = json!([
        {"id": PAGE_A, "name": "Acme Shop", "inUse": true},
        {"id": PAGE_B, "name": "Acme Support"},
    ]);
    let start = format!("/oauth/{}/acme/YS1yYW5kb20tYWRkcmVzcw/start", env.tenant);
    let address = format!("https://{HOST}{start}");
    let of_grant = json!({ "pages": pages, "reauthorizeUrl": address });
    status(&env, "metagrant/acme", &env.tenant, &of_grant).await?;
    meta_channel_operator::install_crypto_provider();
    let http = reqwest::Client::builder().no_proxy().build()?;
    wait_for("the start page", PATIENCE, async || {
        let text = http.get(format!("{url}{start}")).send().await?.error_for_status()?.text().await?;
        ensure!(text.contains(PAGE_A), "{text}");
        Ok(())
    })
    .await?;

    let scene = json!({
        "start": address,
        "port": front.address.port(),
        "spki": STANDARD.encode(front.public_key),
        "person": PERSON,
        "pages": {"used": PAGE_A, "unused": PAGE_B},
    });
    let mut command = testkit::browser(&scene);
    let driver = Process::spawn(command.args(std::env::var_os("PICTURES")))?;
    let ended = wait_for("the browser", LONGEST, async || driver.exit_status()?.context("it still runs")).await;
    let output = driver.logs();
    ensure!(ended?.success(), "{output}\n{}", gateway.process.last_lines(20));

    // What the finest logs, the metrics and the mail say of it.
    let mail = env.plane.kubectl().get(&["secrets", "-n", &env.claims]).await?;
    let tokens: Vec<_> =
        mail["items"].as_array().context("a list")?.iter().filter_map(|it| it["data"]["token"].as_str()).collect();
    ensure!(tokens.len() == 1, "{} tokens in the inbox", tokens.len());
    let token = String::from_utf8(STANDARD.decode(tokens[0])?)?;
    let (_, metrics) = gateway.get("/metrics").await?;
    for told in [gateway.process.logs(), metrics] {
        for secret in secrets(&output)?.iter().map(String::as_str).chain([token.as_str(), APP_SECRET]) {
            ensure!(!told.contains(secret), "a secret was told");
        }
    }
    gateway.ends_well("after the browser").await.map(|_| ())
}

fn grant(env: &Env) -> String {
    format!(
        "apiVersion: metachannels.io/v1alpha1\nkind: MetaGrant\nmetadata: {{name: acme, namespace: {}}}\nspec:\n  appRef: {{name: acme, namespace: {}}}\n  tokenSecretRef: {{name: acme-grant}}\n",
        env.tenant, env.platform
    )
}

/// What an operator would have written.
async fn status(env: &Env, object: &str, namespace: &str, status: &Value) -> Result<()> {
    let patch = json!({ "status": status }).to_string();
    let command = ["patch", object, "-n", namespace, "--subresource=status", "--type=merge", "-p", &patch];
    env.plane.kubectl().run(&command).await.map(|_| ())
}
