//! The keyring: the operator tells the gateway what it has to know of each MetaApp, and nothing else; the gateway reads no Secret of
//! a tenant.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchParams};
use kube::{Api, ResourceExt};
use meta_channel_operator::api::keyring::key;
use meta_channel_operator::settings::DEFAULT_KEYRING;
use reqwest::StatusCode;
use serde_json::{Value, json};
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::change_app_secret;
use crate::support::observe::*;
use crate::support::release_binding;
use crate::support::release_binding::unbind;
use crate::support::schedule::*;
use crate::support::webhook_calls::{BODY, Caller, signature, verify_token};

const NEW: &str = "sandbox-app-secret-1111111111111111";

/// Waits for the answer to an event of MetaApp acme that is signed with this.
async fn answers(env: &Env, secret: &str, expected: StatusCode) -> Result<()> {
    let (caller, path) = (Caller::new(env), format!("/webhooks/{}/acme", env.platform));
    wait_for(&format!("an event to be answered with {expected}"), PATIENCE, async || {
        let status = caller.post(&path, Some(&signature(secret, BODY))).await?;
        ensure!(status == expected, "{status}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_is_told_what_it_needs_and_an_operator_with_nothing_to_tell_writes_nothing() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    env.put_app().await?;
    env.app_is(&["Ready=True"]).await?;
    let expected = json!({
        "appSecretRef": "acme-app", "verifyToken": verify_token(&env).await?, "appSecrets": {"app-secret": APP_SECRET},
    });
    assert_eq!(env.told().await?, [(env.own_key().await?, expected.clone())].into());
    let secret = env.keyring().get(DEFAULT_KEYRING).await?;
    assert_eq!(secret.type_.as_deref(), Some("metachannels.io/gateway-keyring"));
    let labels = json!({
        "app.kubernetes.io/name": "meta-channel-operator", "app.kubernetes.io/component": "gateway",
        "metachannels.io/purpose": "gateway-keyring",
    });
    assert_eq!(serde_json::to_value(secret.labels())?, labels);

    assert_eq!(secret.annotations()["metachannels.io/release"], env.release);

    // Neither a look, nor a change of what the gateway has no need to know, nor a restart writes it.
    env.advance(61);
    quiet(&operator).await?;
    env.apply(&env.app_manifest_with("webhook: {fields: [messages]}")).await?;
    env.app_is(&["Ready=True"]).await?;
    operator.stop().await;
    let operator = env.operator();
    wait_for("the first pass", PATIENCE, async || {
        ensure!(operator.passes("MetaApp") > 0);
        Ok(())
    })
    .await?;
    quiet(&operator).await?;
    let again = env.keyring().get(DEFAULT_KEYRING).await?;
    assert_eq!(again.resource_version(), secret.resource_version());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_meta_never_accepted_is_not_told_of_and_its_events_are_to_come_again() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    env.put_secret(&env.platform, "acme-app", "app-secret", "app-secret", NEW).await?;
    env.apply(&env.app_manifest()).await?;
    env.app_is(&["Ready=Unknown/Pending"]).await?;
    quiet(&operator).await?;
    assert_eq!(env.keyring().get_opt(DEFAULT_KEYRING).await?, None);
    answers(&env, NEW, StatusCode::SERVICE_UNAVAILABLE).await?;
    answers(&env, APP_SECRET, StatusCode::SERVICE_UNAVAILABLE).await?;
    change_app_secret(&env, NEW)?;
    env.advance(1);
    env.app_is(&["Ready=True"]).await?;
    answers(&env, NEW, StatusCode::OK).await?;
    answers(&env, APP_SECRET, StatusCode::FORBIDDEN).await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_app_secret_counts_at_once_though_meta_is_not_asked() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.unhurried();
    env.put_app().await?;
    env.app_is(&["Ready=True"]).await?;
    settled(&env, &operator).await?;
    env.apply(&env.app_manifest_with("webhook: {}\n  managementPolicy: Pause")).await?;
    env.app_is(&["Ready=Unknown/Paused"]).await?;
    quiet(&operator).await?;
    let calls = env.sandbox.ledger().len();
    let write = async |entries: Value| {
        let patch = ["-n", &env.platform, "patch", "secret", "acme-app", "--type=merge", "-p", &entries.to_string()];
        env.kubectl().run(&patch).await
    };
    write(json!({"stringData": {"app-secret": NEW, "previous-app-secret": APP_SECRET}})).await?;
    answers(&env, NEW, StatusCode::OK).await?;
    answers(&env, APP_SECRET, StatusCode::OK).await?;
    // What is not released any more is forgotten as fast.
    env.kubectl().run(&["-n", &env.platform, "label", "secret", "acme-app", "metachannels.io/purpose-"]).await?;
    answers(&env, NEW, StatusCode::FORBIDDEN).await?;
    quiet(&operator).await?;
    assert_eq!(env.sandbox.ledger().len(), calls, "Meta was asked");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyring_that_somebody_deletes_or_changes_is_written_anew() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.unhurried();
    env.put_app().await?;
    env.app_is(&["Ready=True"]).await?;
    let (told, own) = (env.told().await?, env.own_key().await?);
    settled(&env, &operator).await?;
    let calls = env.sandbox.ledger().len();
    env.keyring().delete(DEFAULT_KEYRING, &DeleteParams::default()).await?;
    env.keyring_holds(&told).await?;
    answers(&env, APP_SECRET, StatusCode::OK).await?;
    env.change_keyring(&json!({"stringData": {own.as_str(): "{}"}})).await?;
    env.keyring_holds(&told).await?;
    env.change_keyring(&json!({"data": {own.as_str(): null}})).await?;
    env.keyring_holds(&told).await?;
    // Nor is it of this release any more for having no annotation.
    env.change_keyring(&json!({"metadata": {"annotations": null}, "data": {own.as_str(): null}})).await?;
    env.keyring_holds(&told).await?;
    let beside = format!("{}.11111111-2222-3333-4444-555555555555", env.platform);
    env.change_keyring(&json!({"stringData": {beside: "{}"}})).await?;
    env.keyring_holds(&told).await?;
    answers(&env, APP_SECRET, StatusCode::OK).await?;
    quiet(&operator).await?;
    assert_eq!(env.sandbox.ledger().len(), calls, "Meta has nothing to do with it");
    env.app_is(&["Ready=True"]).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyring_that_somebody_changes_all_the_time_is_put_right_once_a_minute() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    env.put_app().await?;
    env.app_is(&["Ready=True"]).await?;
    let (told, own) = (env.told().await?, env.own_key().await?);
    quiet(&operator).await?;
    let change = json!({"stringData": {own: "{}"}});
    let mut put_off = false;
    for _ in 0..20 {
        env.change_keyring(&change).await?;
        quiet(&operator).await?;
        put_off = env.told().await? != told;
        if put_off {
            break;
        }
    }
    assert!(put_off, "each change was put right at once");
    env.advance(1);
    env.keyring_holds(&told).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_knew_of_an_app_goes_with_it_and_with_its_namespace() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    env.put_app().await?;
    release_binding::put_another_app(&env, &env.tenant_b).await?;
    env.app_is(&["Ready=True"]).await?;
    wait_for("both", PATIENCE, async || {
        let told = env.told().await?;
        ensure!(told.len() == 2, "{:?}", told.keys());
        Ok(())
    })
    .await?;
    let (own, mut told) = (env.own_key().await?, env.told().await?);
    unbind(&env.client, &env.tenant_b).await?;
    told.retain(|key, _| *key == own);
    env.keyring_holds(&told).await?;
    // What is left of a time before the start goes too, but nothing of what is there.
    operator.stop().await;
    let [elsewhere, gone] =
        ["elsewhere", &env.platform].map(|namespace| key(namespace, "11111111-2222-3333-4444-555555555555"));
    env.change_keyring(&json!({"stringData": {elsewhere: "{}", gone: "{}", "no-key-of-ours": "{}"}})).await?;
    let _operator = env.operator();
    env.keyring_holds(&told).await?;
    env.kubectl().run(&["-n", &env.platform, "delete", "mapp", "acme"]).await?;
    env.keyring_holds(&BTreeMap::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_somebody_elses_with_the_name_of_the_keyring_is_left_alone_and_told_of() -> Result<()> {
    let env = Env::new().await?;
    let theirs = json!({"metadata": {"name": DEFAULT_KEYRING}, "type": "Opaque", "stringData": {"theirs": "text"}});
    env.keyring().create(&PostParams::default(), &serde_json::from_value(theirs)?).await?;
    let _operator = env.operator();
    env.put_app().await?;
    let app = env.app_is(&["WebhookSubscribed=False/WriteRefused", "CredentialsValid=True"]).await?;
    let message = sentence(&app.status.context("no status")?.conditions).context("no Ready")?.to_owned();
    for text in
        ["it is not the keyring of this release", &format!("kubectl -n {} delete secret {DEFAULT_KEYRING}", env.inbox)]
    {
        ensure!(message.contains(text), "{message}");
    }
    let there = env.keyring().get(DEFAULT_KEYRING).await?.data.unwrap_or_default();
    assert_eq!(there.keys().collect::<Vec<_>>(), ["theirs"]);
    assert_eq!(env.writes().len(), 0, "Meta would ask for what the gateway does not know");
    env.keyring().delete(DEFAULT_KEYRING, &DeleteParams::default()).await?;
    env.app_is(&["Ready=True"]).await?;
    answers(&env, APP_SECRET, StatusCode::OK).await
}

/// What whoever takes the gateway over may do is what its account may.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_the_gateway_over_reads_no_secret_of_a_tenant_and_changes_no_keyring() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    env.put_app().await?;
    env.app_is(&["Ready=True"]).await?;
    answers(&env, APP_SECRET, StatusCode::OK).await?;
    let asked = env.gateway_account.asked();
    let read: Vec<_> = asked.keys().filter(|(right, _)| right.ends_with("secrets.")).collect();
    ensure!(!read.is_empty() && read.iter().all(|(_, namespace)| *namespace == env.inbox), "{read:?}");

    let gateway = &env.gateway_account;
    gateway.is_refused_on_purpose();
    let forbidden = async |namespace: &str, name: &str| {
        let secrets: Api<Secret> = Api::namespaced(gateway.client.clone(), namespace);
        let (delete, patch) = (DeleteParams::default(), Patch::Merge(json!({"data": null})));
        let all = [
            secrets.get(name).await.err(),
            secrets.list(&ListParams::default()).await.err(),
            secrets.watch(&WatchParams::default(), "0").await.err(),
            secrets.patch(name, &PatchParams::default(), &patch).await.err(),
            secrets.delete(name, &delete).await.err(),
        ];
        for (number, error) in all.into_iter().enumerate() {
            let error = error.with_context(|| format!("{number} in {namespace} is let in"))?.to_string();
            ensure!(error.contains(" cannot "), "{number} in {namespace}: {error}");
        }
        Ok(())
    };
    for namespace in [&env.platform, &env.tenant_a, &env.inbox] {
        forbidden(namespace, "acme-app").await?;
    }
    forbidden(&env.inbox, DEFAULT_KEYRING).await
}
