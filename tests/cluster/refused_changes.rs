//! What is declared anew and refused by Meta undoes nothing that was verified: the channels stay connected, events go on.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::DeleteParams;
use meta_channel_operator::api::{Connection, FacebookChannel};
use reqwest::StatusCode;
use testkit::sandbox::AppChange;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;
use crate::support::record::Record;
use crate::support::subscriptions::{connected, row};
use crate::support::webhook_calls::{BODY, Caller, signature, verify_token};

const APP_NODE: &str = "/{version}/{app-id}";
const NEW_SECRET: &str = "sandbox-app-secret-1111111111111111";
const FIELDS: &str = "[messages, messaging_postbacks, standby]";

/// Every channel of the env is as it was when it was connected.
async fn all_connected(env: &Env) -> Result<()> {
    for name in ["shop", "support"] {
        env.channel_is(&env.tenant_a, name, &["Ready=True/ReconcileSucceeded", "Connected=True", "!Stalled"]).await?;
    }
    Ok(())
}

/// Watches the channels, and tells at the end whether one of them was ever called anything but connected.
struct Steady(Record<FacebookChannel>);

impl Steady {
    fn watch(env: &Env) -> Self {
        Self(env.record(&env.tenant_a))
    }

    fn always_connected(&self) {
        for version in self.0.versions() {
            let status = version.status.unwrap_or_default();
            assert_eq!(status.connection, Connection::Connected, "{:?}", shown(&status.conditions));
        }
    }
}

/// An event of Meta, signed with this secret, is taken.
async fn delivers(env: &Env, secret: &str) -> Result<()> {
    let path = format!("/webhooks/{}/acme", env.platform);
    let taken = Caller::new(env).post(&path, Some(&signature(secret, BODY))).await?;
    ensure!(taken == StatusCode::OK, "{taken}");
    Ok(())
}

fn asked_with(env: &Env, version: &str) -> usize {
    env.sandbox.ledger().iter().filter(|it| it.version.as_deref() == Some(version)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_meta_does_not_know_is_named_and_all_channels_stay_connected() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    let rows = [row(&env, PAGE_A), row(&env, PAGE_B)];
    let steady = Steady::watch(&env);
    let declare =
        async |fields: &str| env.apply(&env.app_manifest_with(&format!("webhook: {{fields: {fields}}}"))).await;
    declare("[messages, mesage_reads]").await?;
    let app = env
        .app_is(&["Ready=False/FieldRefused", "Stalled=True", "WebhookSubscribed=True", "CredentialsValid=True"])
        .await?;
    let status = app.status.unwrap();
    let ready = sentence(&status.conditions).unwrap();
    assert!(ready.contains("mesage_reads (did you mean message_reads?)"), "{ready}");
    assert!(ready.contains("Meta said: \"(#100) Param fields["), "{ready}");
    assert_eq!(status.subscription.unwrap().refused, ["mesage_reads"]);
    quiet(&operator).await?;
    all_connected(&env).await?;
    // Slots pass: it is not asked for again, nobody's page is asked for it, and events go on flowing.
    env.sandbox.clear_ledger();
    advance_and_sweep(&env, &operator, 16).await?;
    advance_and_pass(&env, &operator, 61, "MetaApp", 1).await?;
    assert!(env.writes().is_empty(), "{:?}", env.writes());
    all_connected(&env).await?;
    assert_eq!([row(&env, PAGE_A), row(&env, PAGE_B)], rows);
    delivers(&env, APP_SECRET).await?;
    warned(&env, &env.tenant_a, &[""; 0]).await?;
    warned(&env, &env.platform, &["acme FieldRefused"]).await?;
    steady.always_connected();
    // What is missing besides is subscribed to in the same pass.
    declare("[messages, mesage_reads, feed]").await?;
    wait_for("the other field", PATIENCE, async || {
        let fields = env.apps().get("acme").await?.status.unwrap_or_default().subscription.unwrap_or_default().fields;
        ensure!(fields == ["feed", "messages"], "{fields:?}");
        Ok(())
    })
    .await?;
    env.app_is(&["Ready=False/FieldRefused", "WebhookSubscribed=True"]).await?;
    // Corrected, it heals on its own.
    declare("[messages, message_reads]").await?;
    env.app_is(&["Ready=True", "!Stalled"]).await?;
    all_connected(&env).await?;
    wait_for("the pages to be subscribed to it", PATIENCE, async || {
        let rows = [row(&env, PAGE_A), row(&env, PAGE_B)];
        ensure!(rows.iter().all(|row| *row == ["message_reads", "messages"]), "{rows:?}");
        Ok(())
    })
    .await?;
    let posts = env.requests("POST", PAGE_ROWS);
    assert!(!posts.iter().any(|it| it.subscribed_fields.contains(&"mesage_reads".to_owned())), "{posts:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_app_with_a_mistyped_field_connects_its_channels_with_all_others() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    env.put_secret(&env.platform, "acme-app", "app-secret", "app-secret", APP_SECRET).await?;
    env.apply(&env.app_manifest_with("webhook: {fields: [messages, mesage_reads, standby]}")).await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.app_is(&["Ready=False/FieldRefused", "WebhookSubscribed=True/FieldsMatch"]).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "Connected=True"]).await?;
    quiet(&operator).await?;
    assert_eq!(row(&env, PAGE_A), ["messages", "standby"]);
    let posts = env.requests("POST", PAGE_ROWS);
    assert!(!posts.is_empty() && posts.iter().all(|it| it.subscribed_fields == ["messages", "standby"]), "{posts:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_meta_refuses_for_another_reason_leaves_the_channels_connected() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    let steady = Steady::watch(&env);
    let effect = "{graph_error: {code: 100, message: 'Something about the application'}}";
    env.sandbox.add_fault(fault(&format!("{{match: {{template: '{APP_ROWS}', method: POST}}, do: {effect}}}")));
    let declared = format!("webhook: {{fields: {}, feed]}}", FIELDS.trim_end_matches(']'));
    env.apply(&env.app_manifest_with(&declared)).await?;
    let app = env.app_is(&["Ready=False/RequestRejected", "Stalled=True", "WebhookSubscribed=True"]).await?;
    let ready = sentence(&app.status.unwrap().conditions).unwrap().to_owned();
    assert!(ready.contains("code 100") && ready.contains("Something about the application"), "{ready}");
    quiet(&operator).await?;
    all_connected(&env).await?;
    env.sandbox.clear_faults();
    advance_and_pass(&env, &operator, 121, "MetaApp", 1).await?;
    env.app_is(&["Ready=True"]).await?;
    all_connected(&env).await?;
    steady.always_connected();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_meta_does_not_serve_leaves_everything_with_the_one_before() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    let steady = Steady::watch(&env);
    for version in ["v27.0", "v25.1"] {
        env.sandbox.clear_ledger();
        env.apply(&env.app_manifest_with(&format!("webhook: {{}}\n  graphVersion: {version}"))).await?;
        let app = env
            .app_is(&[
                "Ready=False/GraphVersionUnknown",
                "Stalled=True",
                "CredentialsValid=True",
                "WebhookSubscribed=True",
            ])
            .await?;
        let ready = sentence(&app.status.unwrap().conditions).unwrap().to_owned();
        assert!(ready.contains(version) && ready.contains("v25.0"), "{ready}");
        quiet(&operator).await?;
        assert_eq!(asked_with(&env, version), 1, "{:?}", env.sandbox.ledger());
        advance_and_sweep(&env, &operator, 16).await?;
        all_connected(&env).await?;
        advance_and_pass(&env, &operator, 61, "MetaApp", 1).await?;
        assert!((2..=3).contains(&asked_with(&env, version)), "with each look of the app");
        assert!(env.writes().is_empty());
        all_connected(&env).await?;
    }
    steady.always_connected();
    env.apply(&env.app_manifest_with("webhook: {}\n  graphVersion: v26.0")).await?;
    env.app_is(&["Ready=True"]).await?;
    assert_eq!(app_status(&env).await?.graph_version.as_deref(), Some("v26.0"));
    all_connected(&env).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_app_says_which_version_meta_does_not_serve() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    env.put_secret(&env.platform, "acme-app", "app-secret", "app-secret", APP_SECRET).await?;
    env.apply(&env.app_manifest_with("webhook: {}\n  graphVersion: v27.0")).await?;
    let app = env.app_is(&["Ready=False/GraphVersionUnknown", "Stalled=True", "CredentialsValid=Unknown"]).await?;
    assert!(sentence(&app.status.unwrap().conditions).unwrap().contains("v27.0"));
    env.apply(&env.app_manifest()).await?;
    env.app_is(&["Ready=True"]).await?;
    Ok(())
}

async fn rotate(env: &Env, current: &str, former: &str) -> Result<()> {
    let data = format!("{{\"stringData\":{{\"app-secret\":\"{current}\",\"previous-app-secret\":\"{former}\"}}}}");
    let patch = ["-n", &env.platform, "patch", "secret", "acme-app", "--type=merge", "-p", &data];
    env.kubectl().run(&patch).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_when_meta_switches_to_the_app_secret_that_was_declared_before() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    let steady = Steady::watch(&env);
    let uses = async |key: &str| {
        wait_for(&format!("the entry {key}"), PATIENCE, async || {
            let entry = app_status(&env).await?.secret_in_use.unwrap_or_default().key;
            ensure!(entry == key, "{entry}");
            Ok(())
        })
        .await
    };
    uses("app-secret").await?;
    rotate(&env, NEW_SECRET, APP_SECRET).await?;
    uses("previous-app-secret").await?;
    env.app_is(&["Ready=True", "CredentialsValid=True"]).await?;
    advance_and_sweep(&env, &operator, 16).await?;
    all_connected(&env).await?;
    // Meta switches. What meets it first is a channel or one of the looks that come every five minutes.
    env.sandbox.change_app(APP_ID, AppChange { secret: Some(NEW_SECRET.into()), ..AppChange::default() })?;
    advance_and_sweep(&env, &operator, 16).await?;
    uses("app-secret").await?;
    advance_and_sweep(&env, &operator, 16).await?;
    env.app_is(&["Ready=True", "CredentialsValid=True"]).await?;
    all_connected(&env).await?;
    for secret in [APP_SECRET, NEW_SECRET] {
        delivers(&env, secret).await?;
    }
    steady.always_connected();
    warned(&env, &env.tenant_a, &[""; 0]).await?;
    warned(&env, &env.platform, &[""; 0]).await?;
    // Only if both are refused, and twice, something is wrong.
    env.sandbox.change_app(
        APP_ID,
        AppChange { secret: Some("sandbox-app-secret-2222222222222222".into()), ..AppChange::default() },
    )?;
    // By then the former entry may be known to be over, so that a channel is the first to meet it.
    advance_and_sweep(&env, &operator, 16).await?;
    env.advance(1);
    let app = env.app_is(&["Ready=False/SecretMismatch", "CredentialsValid=False"]).await?;
    assert!(sentence(&app.status.unwrap().conditions).unwrap().contains("with either entry of the Secret"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verify_token_that_is_deleted_is_made_anew_and_meta_is_given_it_while_the_old_one_still_counts() -> Result<()>
{
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    let steady = Steady::watch(&env);
    let old = verify_token(&env).await?;
    let caller = Caller::new(&env);
    let answers = async |token: &str| {
        let query = format!("?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=1158201444");
        let (status, _) = caller.get(&format!("/webhooks/{}/acme{query}", env.platform)).await?;
        anyhow::Ok(status == StatusCode::OK)
    };
    // Meta refuses to be told the new one for now.
    let effect = "{graph_error: {code: 2, is_transient: true}}";
    env.sandbox.add_fault(fault(&format!("{{match: {{template: '{APP_ROWS}', method: POST}}, do: {effect}}}")));
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.platform);
    secrets.delete("metaapp-acme-verify-token", &DeleteParams::default()).await?;
    wait_for("the new verify token to be answered", PATIENCE, async || {
        let new = verify_token(&env).await?;
        ensure!(new != old && answers(&new).await?, "not yet");
        Ok(())
    })
    .await?;
    ensure!(answers(&old).await?, "Meta still knows the old one");
    env.sandbox.clear_faults();
    env.advance(6);
    wait_for("Meta to be given the new one", PATIENCE, async || {
        ensure!(!answers(&old).await?, "the old one is still answered");
        Ok(())
    })
    .await?;
    ensure!(answers(&verify_token(&env).await?).await?);
    env.app_is(&["Ready=True", "WebhookSubscribed=True"]).await?;
    quiet(&operator).await?;
    let given: Vec<_> = env.requests("POST", APP_ROWS).into_iter().filter(|it| it.status == Some(200)).collect();
    assert_eq!(given.len(), 1, "{given:?}");
    all_connected(&env).await?;
    steady.always_connected();
    warned(&env, &env.platform, &[""; 0]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_somebody_else_answers_is_told_from_one_that_nobody_answers() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    let page = "/webhooks";
    let elsewhere = axum_page().await?;
    let mut resolve = env.sandbox.resolve();
    let gateway = resolve.insert("hooks.example.com".to_owned(), elsewhere).context("no gateway")?;
    env.sandbox.set_resolve(resolve.clone())?;
    env.put_app().await?;
    for switch in ["code_2200", "code_2201"] {
        env.sandbox.set_switch("challenge_mismatch", switch)?;
        let app = env.app_is(&["Ready=False/CallbackVerificationFailed", "Reconciling=True"]).await?;
        let status = app.status.unwrap();
        let ready = sentence(&status.conditions).unwrap();
        assert!(ready.contains("Something answers at the callback") && ready.contains(page), "{ready}");
        assert!(!status.next_step.unwrap_or_default().is_empty());
    }
    resolve.insert("hooks.example.com".to_owned(), gateway);
    env.sandbox.set_resolve(resolve)?;
    env.advance(6);
    env.app_is(&["Ready=True"]).await?;
    Ok(())
}

/// Something that answers everything with a page of its own; its URL.
async fn axum_page() -> Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let page = axum::Router::new().fallback(|| async { axum::response::Html("<html>Please log in</html>") });
    tokio::spawn(async move { axum::serve(listener, page).await });
    Ok(url)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_rejection_of_the_credentials_is_asked_about_again_before_it_counts() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    let before = versions(&env).await?;
    let effect = "{graph_error: {code: 190, message: 'Error validating application.'}}";
    env.sandbox.add_fault(fault(&format!("{{match: {{template: '{APP_NODE}'}}, times: 1, do: {effect}}}")));
    advance_and_pass(&env, &operator, 61, "MetaApp", 1).await?;
    ensure!(env.sandbox.faults().is_empty() || env.sandbox.faults()[0].matched == 1);
    assert_eq!(versions(&env).await?, before);
    advance_and_pass(&env, &operator, 1, "MetaApp", 1).await?;
    assert_eq!(versions(&env).await?, before);
    warned(&env, &env.platform, &[""; 0]).await?;
    Ok(())
}

/// What a list about the application contains once, or always: nothing.
fn leaves_out(env: &Env, template: &str, times: &str) {
    let effect = "{edit: {set: {data: []}}}";
    env.sandbox.add_fault(fault(&format!("{{match: {{template: '{template}', method: GET}}, do: {effect}{times}}}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_answer_about_an_observed_app_leaves_out_disconnects_nobody_and_the_second_counts() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    env.apply(&env.app_manifest_with("webhook: {}\n  managementPolicy: Observe")).await?;
    env.app_is(&["Ready=True/ReconcileSucceeded"]).await?;
    quiet(&operator).await?;
    let told = async || {
        let status = app_status(&env).await?;
        anyhow::Ok((status.conditions, status.subscription, status.permissions))
    };
    let (before, steady) = (told().await?, Steady::watch(&env));
    let lists = [
        (APP_ROWS, "WebhookSubscribed", "DriftObserved"),
        ("/{version}/{app-id}/permissions", "PermissionsApproved", "PermissionNotApproved"),
    ];
    for (template, ..) in lists {
        leaves_out(&env, template, ", times: 1");
        for minutes in [61, 1] {
            advance_and_pass(&env, &operator, minutes, "MetaApp", 1).await?;
            assert_eq!(told().await?, before, "{template}");
        }
        env.sandbox.clear_faults();
    }
    warned(&env, &env.platform, &[""; 0]).await?;
    steady.always_connected();
    for (template, condition, reason) in lists {
        leaves_out(&env, template, "");
        advance_and_pass(&env, &operator, 61, "MetaApp", 1).await?;
        env.app_is(&["Ready=True/ReconcileSucceeded", &format!("{condition}=True")]).await?;
        env.advance(1);
        env.app_is(&[&format!("Ready=False/{reason}"), &format!("{condition}=False/{reason}"), "Stalled=True"]).await?;
        env.sandbox.clear_faults();
        advance_and_pass(&env, &operator, 121, "MetaApp", 1).await?;
        env.app_is(&["Ready=True/ReconcileSucceeded"]).await?;
    }
    warned(&env, &env.platform, &["acme DriftObserved", "acme PermissionNotApproved"]).await?;
    assert_eq!(env.writes(), []);
    Ok(())
}
