//! The API server refuses what the operator writes, each write in every way: it is told with the server's words and who has to act,
//! nothing is destroyed, and it heals on its own within a minute.

mod claims;
mod destroyed;
mod inbox;
mod keyring;
mod lease;
mod secrets;
mod statuses;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::json;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;
use crate::support::schedule::*;
use crate::support::service_accounts::{CLAIMS, MAILBOX, WATCHED};
use crate::support::write_obstacles::*;
use secrets::connected;

/// An operator that looks at what is changed as often as it is changed, and for which no slot comes by chance.
fn eager(env: &Env) -> Running {
    env.account.is_refused_on_purpose();
    env.unhurried_with(|operator| operator.policy.edit_interval = Duration::from_millis(1))
}

/// A write of Secrets in a namespace; `name` is that of one that exists.
fn of_secrets(namespace: &str, verb: &'static str, name: &str) -> Target {
    let sample = match verb {
        "create" => {
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "probe"}, "type": "metachannels.io/verify-token"})
        }
        _ => json!(name),
    };
    let (namespace, rules) = (namespace.to_owned(), WATCHED);
    Target { namespace, group: "", version: "v1", kind: "Secret", resource: "secrets", verb, rules, sample }
}

/// A write of claims.
fn of_claims(env: &Env, verb: &'static str, name: &str) -> Target {
    let claim = json!({
        "apiVersion": "metachannels.io/v1alpha1", "kind": "AssetClaim", "metadata": {"name": format!("facebook-page-{PAGE_C}")},
        "spec": {
            "assetKind": "FacebookPage", "assetId": PAGE_C, "appId": APP_ID,
            "holder": {"namespace": env.tenant_a, "name": "probe", "uid": "probe"},
            "proof": {"method": "DebugToken", "provenAt": "2026-11-20T09:30:00Z"},
        },
    });
    let (group, version, kind, resource) = ("metachannels.io", "v1alpha1", "AssetClaim", "assetclaims");
    let sample = if verb == "create" { claim } else { json!(name) };
    Target { namespace: env.claims.clone(), group, version, kind, resource, verb, rules: CLAIMS, sample }
}

fn strs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

/// The message that says why Ready is what it is says all that is to be said.
fn says(way: Way, conditions: &[Condition]) -> Result<()> {
    way.is_told_by(sentence(conditions).context("no Ready")?)
}

/// Nothing was deleted in the cluster, and nothing unsubscribed at Meta.
fn nothing_is_destroyed(env: &Env) -> Result<()> {
    let asked = env.account.asked();
    let deleted: Vec<_> = asked.keys().filter(|(right, _)| right.starts_with("delete ")).collect();
    ensure!(deleted.is_empty(), "{deleted:?}");
    let ended: Vec<_> = env.writes().into_iter().filter(|it| it.method == "DELETE").collect();
    ensure!(ended.is_empty(), "{ended:?}");
    Ok(())
}

/// A minute later a write that was refused is tried again, and refused again.
async fn is_tried_again(env: &Env, operator: &Running, kind: &str) -> Result<()> {
    let refused = || operator.count("refused_writes_total", kind);
    let tried = refused();
    env.advance(1);
    wait_for("the next try", PATIENCE, async || {
        ensure!(refused() > tried, "{tried} tries");
        Ok(())
    })
    .await
}

/// While the obstacle stands the write is tried again every minute, and nothing is written or asked for that.
async fn stays_quiet(env: &Env, operator: &Running, kind: &str) -> Result<()> {
    quiet(operator).await?;
    let before = versions(env).await?;
    let calls = env.sandbox.ledger().len();
    for _ in 0..2 {
        is_tried_again(env, operator, kind).await?;
        quiet(operator).await?;
    }
    assert_eq!(versions(env).await?, before, "nothing changed");
    assert_eq!(env.sandbox.ledger().len(), calls, "Meta has nothing to do with it");
    Ok(())
}

/// So many Warning Events of an object with this reason.
async fn told_by_event(env: &Env, namespace: &str, name: &str, way: Way, times: usize) -> Result<()> {
    let expected = format!("{name} {}", way.reason());
    wait_for(&format!("{times} times {expected}"), PATIENCE, async || {
        let told = warnings(env, namespace).await?;
        let found = told.iter().filter(|it| **it == expected).count();
        ensure!(found == times, "{told:?}");
        Ok(())
    })
    .await?;
    let texts = notes(env, namespace, way.reason(), |_| true).await?;
    ensure!(texts.iter().any(|text| text.contains(way.texts()[0])), "{texts:?}");
    Ok(())
}
