//! Page tokens published for bots: written, kept and deleted, and nobody else's Secret touched.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use meta_channel_operator::api::FacebookChannel;
use serde_json::json;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;
use crate::support::schedule::*;

const NAME: &str = "facebookchannel-shop-page-token";

fn secrets(env: &Env) -> Api<Secret> {
    Api::namespaced(env.client.clone(), &env.tenant_a)
}

fn content(secret: &Secret) -> BTreeMap<String, String> {
    let data = secret.data.iter().flatten();
    data.map(|(key, value)| (key.clone(), String::from_utf8(value.0.clone()).unwrap())).collect()
}

fn expected(token: &str) -> BTreeMap<String, String> {
    let pairs = [("token", token), ("page-id", PAGE_A), ("app-id", APP_ID), ("graph-version", "v25.0")];
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// Waits until the Secret holds this token.
async fn published(env: &Env, token: &str) -> Result<Secret> {
    wait_for("the published token", PATIENCE, async || {
        let secret = secrets(env).get(NAME).await?;
        ensure!(content(&secret) == expected(token), "other content");
        Ok(secret)
    })
    .await
}

async fn withdrawn(env: &Env) -> Result<()> {
    wait_for("the published token to go", PATIENCE, async || {
        ensure!(secrets(env).get_opt(NAME).await?.is_none());
        Ok(())
    })
    .await
}

async fn declare(env: &Env, more: &str) -> Result<()> {
    env.apply(&env.channel_manifest_with(&env.tenant_a, "shop", PAGE_A, more)).await
}

/// A connected channel whose token is published.
async fn publishing(env: &Env) -> Result<FacebookChannel> {
    env.put_app().await?;
    env.put_token(&env.tenant_a, "shop", TOKEN_A).await?;
    declare(env, "publishToken: true").await?;
    let channel = is_published(env).await?;
    env.app_is(&["Ready=True"]).await?;
    Ok(channel)
}

async fn is_published(env: &Env) -> Result<FacebookChannel> {
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "TokenPublished=True/SecretSynced"]).await
}

fn secret_reads(operator: &Running) -> f64 {
    operator.gauge("secret_reads_total")
}

/// Waits until the operator has seen what was changed after so many passes.
async fn seen(operator: &Running, passes: u64) -> Result<()> {
    wait_for("a pass over what was changed", PATIENCE, async || {
        ensure!(operator.passes("FacebookChannel") > passes);
        Ok(())
    })
    .await?;
    quiet(operator).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_token_is_owned_by_its_channel_and_comes_back_without_a_question_to_meta() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    let channel = publishing(&env).await?;
    assert_eq!(channel.status.as_ref().unwrap().published_secret_name.as_deref(), Some(NAME));
    let secret = published(&env, TOKEN_A).await?;
    assert_eq!(secret.type_.as_deref(), Some("metachannels.io/published-page-token"));
    assert_eq!(secret.labels()["metachannels.io/purpose"], "published-page-token");
    let owner = &secret.owner_references()[0];
    assert_eq!((&owner.uid, owner.controller), (channel.metadata.uid.as_ref().unwrap(), Some(true)));
    between_slots(&env, &operator).await?;
    let (reads, writes) = (secret_reads(&operator), operator.count("status_writes_total", "FacebookChannel"));
    env.sandbox.clear_ledger();

    secrets(&env).delete(NAME, &DeleteParams::default()).await?;
    let again = published(&env, TOKEN_A).await?;
    assert_ne!(again.uid(), secret.uid());
    quiet(&operator).await?;
    assert_eq!(env.sandbox.ledger(), []);
    assert_eq!(operator.count("status_writes_total", "FacebookChannel"), writes);

    // Changed by hand it is put right in the next slot; until then nobody is raced with.
    let passes = operator.passes("FacebookChannel");
    let change = Patch::Merge(json!({"stringData": {"token": "changed", "more": "x"}}));
    let changed = secrets(&env).patch(NAME, &PatchParams::default(), &change).await?;
    seen(&operator, passes).await?;
    assert_eq!(secrets(&env).get(NAME).await?.resource_version(), changed.resource_version());
    advance_and_sweep(&env, &operator, 16).await?;
    let right = published(&env, TOKEN_A).await?;
    assert_eq!(right.uid(), again.uid());

    // Without its label it is found all the same; made immutable it is made anew.
    let change = Patch::Merge(json!({"metadata": {"labels": {"metachannels.io/purpose": null}}}));
    secrets(&env).patch(NAME, &PatchParams::default(), &change).await?;
    wait_for("the label", PATIENCE, async || {
        ensure!(secrets(&env).get(NAME).await?.labels().contains_key("metachannels.io/purpose"));
        Ok(())
    })
    .await?;
    quiet(&operator).await?;
    let passes = operator.passes("FacebookChannel");
    let change = Patch::Merge(json!({"immutable": true, "stringData": {"token": "changed"}}));
    secrets(&env).patch(NAME, &PatchParams::default(), &change).await?;
    seen(&operator, passes).await?;
    advance_and_sweep(&env, &operator, 16).await?;
    let anew = published(&env, TOKEN_A).await?;
    assert_eq!(anew.immutable, None);
    quiet(&operator).await?;
    assert_eq!(secret_reads(&operator), reads, "what was published is known by its metadata");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_follows_the_token_and_an_unchanged_one_is_left_alone() -> Result<()> {
    let env = Env::seeded(|seed| seed.tokens.push(page_token("fresh", PAGE_A, ""))).await?;
    let operator = env.operator();
    publishing(&env).await?;
    let first = published(&env, TOKEN_A).await?;
    env.put_token(&env.tenant_a, "shop", &text("fresh")).await?;
    let second = published(&env, &text("fresh")).await?;
    assert_eq!(second.uid(), first.uid(), "what mounts it sees the change");
    is_published(&env).await?;
    quiet(&operator).await?;
    // A dead token neither takes its place nor withdraws it.
    env.put_token(&env.tenant_a, "shop", "EAAthis-token-was-never-issued-by-anybody").await?;
    let dead = ["Disconnected=True/TokenUnknown", "TokenPublished=Unknown/CredentialUnverified"];
    let channel = env.channel_is(&env.tenant_a, "shop", &dead).await?;
    assert_eq!(channel.status.unwrap().published_secret_name.as_deref(), Some(NAME));
    env.put_token(&env.tenant_a, "shop", &text("fresh")).await?;
    is_published(&env).await?;
    let third = published(&env, &text("fresh")).await?;
    assert_eq!(third.resource_version(), second.resource_version());

    operator.stop().await;
    let before = versions(&env).await?;
    let operator = env.operator();
    awake(&operator).await?;
    // The app's secret, which application and channel may read at once, its verify token, and the channel's own token.
    let reads = secret_reads(&operator);
    assert!(reads <= 4.0, "{reads}");
    // In the first slot what was published is looked into, once.
    for _ in 0..2 {
        advance_and_sweep(&env, &operator, 16).await?;
        assert_eq!(secret_reads(&operator), reads + 1.0);
    }
    assert_eq!(versions(&env).await?, before);
    assert_eq!(published(&env, &text("fresh")).await?.resource_version(), second.resource_version());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_and_edited_while_no_operator_ran_is_put_right_in_the_first_slot() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    publishing(&env).await?;
    let secret = published(&env, TOKEN_A).await?;
    operator.stop().await;
    let change = Patch::Merge(json!({"stringData": {"token": "changed"}}));
    secrets(&env).patch(NAME, &PatchParams::default(), &change).await?;
    let operator = env.operator();
    awake(&operator).await?;
    advance_and_sweep(&env, &operator, 16).await?;
    let right = published(&env, TOKEN_A).await?;
    assert_eq!(right.uid(), secret.uid(), "what mounts it sees the change");
    is_published(&env).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_token_that_a_restore_brought_along_is_taken_up_by_its_type_and_name() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    publishing(&env).await?;
    operator.stop().await;
    // As tools for backups leave it: without an owner, without our annotations, without its label.
    for lost in
        [json!({"ownerReferences": null}), json!({"ownerReferences": null, "annotations": null, "labels": null})]
    {
        let shop = env.channels(&env.tenant_a);
        let secret =
            secrets(&env).patch(NAME, &PatchParams::default(), &Patch::Merge(json!({ "metadata": lost }))).await?;
        shop.delete("shop", &DeleteParams::default()).await?;
        declare(&env, "publishToken: true").await?;
        let operator = env.operator();
        let channel = is_published(&env).await?;
        let again = published(&env, TOKEN_A).await?;
        assert_eq!(again.uid(), secret.uid(), "it was never away");
        assert_eq!(Some(&again.owner_references()[0].uid), channel.metadata.uid.as_ref());
        assert_eq!(again.labels()["metachannels.io/purpose"], "published-page-token");
        operator.stop().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_token_goes_when_it_is_not_declared_any_more_and_when_the_page_is_disconnected() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    publishing(&env).await?;
    declare(&env, "publishToken: false").await?;
    withdrawn(&env).await?;
    let channel = env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "!TokenPublished"]).await?;
    assert_eq!(channel.status.unwrap().published_secret_name, None);

    declare(&env, "publishToken: true").await?;
    is_published(&env).await?;
    published(&env, TOKEN_A).await?;
    declare(&env, "publishToken: true\n  connection: Disconnected").await?;
    withdrawn(&env).await?;
    let parted = ["Ready=True/ReconcileSucceeded", "Disconnected=True/DeclaredDisconnected", "TokenPublished=False"];
    env.channel_is(&env.tenant_a, "shop", &parted).await?;

    declare(&env, "publishToken: true").await?;
    is_published(&env).await?;
    published(&env, TOKEN_A).await?;
    // The page is given to another namespace.
    quiet(&operator).await?;
    let mut claim = env.claims().get(&format!("facebook-page-{PAGE_A}")).await?;
    claim.spec.holder.namespace = "elsewhere".to_owned();
    claim.spec.holder.uid = "another".to_owned();
    env.claims().replace(&claim.name_any(), &PostParams::default(), &claim).await?;
    withdrawn(&env).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=False/ClaimedElsewhere", "Stalled=True"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_that_name_that_is_somebody_elses_is_neither_read_nor_changed() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    let foreign = Secret {
        metadata: ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() },
        string_data: Some(BTreeMap::from([("mine".to_owned(), "content".to_owned())])),
        ..Secret::default()
    };
    let foreign = secrets(&env).create(&PostParams::default(), &foreign).await?;
    env.put_app().await?;
    env.put_token(&env.tenant_a, "shop", TOKEN_A).await?;
    declare(&env, "publishToken: true").await?;
    let taken = ["Ready=False/SecretNameTaken", "Stalled=True", "TokenPublished=False", "Connected=True"];
    let channel = env.channel_is(&env.tenant_a, "shop", &taken).await?;
    assert!(channel.status.unwrap().next_step.unwrap().contains(NAME));
    warned(&env, &env.tenant_a, &["shop SecretNameTaken"]).await?;
    quiet(&operator).await?;
    assert_eq!(secrets(&env).get(NAME).await?, foreign);
    // Not even when it is not to be published any more.
    declare(&env, "publishToken: false").await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "!TokenPublished"]).await?;
    assert_eq!(secrets(&env).get(NAME).await?, foreign);

    declare(&env, "publishToken: true").await?;
    env.channel_is(&env.tenant_a, "shop", &taken).await?;
    secrets(&env).delete(NAME, &DeleteParams::default()).await?;
    env.request_look(&env.tenant_a, "shop", "now").await?;
    is_published(&env).await?;
    published(&env, TOKEN_A).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_channel_of_the_name_left_is_no_obstacle() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    publishing(&env).await?;
    let first = published(&env, TOKEN_A).await?;
    // Nothing collects garbage here, so that the Secret of the old channel stays.
    let record = env.record(&env.tenant_a);
    env.channels(&env.tenant_a).delete("shop", &DeleteParams::default()).await?;
    declare(&env, "publishToken: true").await?;
    is_published(&env).await?;
    let second = published(&env, TOKEN_A).await?;
    assert_ne!(second.owner_references()[0].uid, first.owner_references()[0].uid);
    for version in record.versions() {
        let conditions = version.status.map(|status| shown(&status.conditions)).unwrap_or_default();
        assert!(!conditions.iter().any(|it| it.starts_with("Stalled")), "{conditions:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn under_observe_no_secret_is_written_or_deleted_and_what_differs_is_said() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    publishing(&env).await?;
    let before = published(&env, TOKEN_A).await?;
    declare(&env, "managementPolicy: Observe").await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "!TokenPublished"]).await?;
    quiet(&operator).await?;
    assert_eq!(secrets(&env).get(NAME).await?, before);

    declare(&env, "publishToken: true\n  managementPolicy: Observe").await?;
    is_published(&env).await?;
    secrets(&env).delete(NAME, &DeleteParams::default()).await?;
    let drift = ["Ready=False/DriftObserved", "Stalled=True", "TokenPublished=False/DriftObserved", "Connected=True"];
    env.channel_is(&env.tenant_a, "shop", &drift).await?;
    quiet(&operator).await?;
    withdrawn(&env).await?;
    declare(&env, "publishToken: true").await?;
    is_published(&env).await?;
    published(&env, TOKEN_A).await?;
    Ok(())
}
