//! What is declared to be observed is only read, and what is paused is left alone.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use meta_channel_operator::api::Connection;
use testkit::sandbox::{AppChange, AppSubscriptionChange, PageChange, PageSubscriptionChange};
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;
use crate::support::schedule::*;
use crate::support::subscriptions::FOREIGN;

/// Puts the row of our application at a page; `None` removes it.
fn change_row(env: &Env, page: &str, fields: Option<&[&str]>) -> Result<()> {
    let fields = fields.map(|fields| fields.iter().map(|it| (*it).to_owned()).collect());
    let subscription = Some(PageSubscriptionChange { app: APP_ID.parse()?, fields });
    env.sandbox.change_page(page, PageChange { subscription, ..PageChange::default() })?;
    Ok(())
}

fn change_app(env: &Env, change: AppSubscriptionChange) -> Result<()> {
    env.sandbox.change_app(APP_ID, AppChange { subscription: Some(change), ..AppChange::default() })?;
    Ok(())
}

/// Both pages connected, and declared with this policy afterwards; the app too.
async fn connected_then(env: &Env, policy: &str) -> Result<()> {
    env.put_app().await?;
    env.put_channels(&env.tenant_a, &[("shop", PAGE_A, TOKEN_A), ("support", PAGE_B, TOKEN_B)]).await?;
    for name in ["shop", "support"] {
        env.channel_is(&env.tenant_a, name, &["Ready=True"]).await?;
    }
    env.app_is(&["Ready=True"]).await?;
    declare(env, policy).await
}

async fn declare(env: &Env, policy: &str) -> Result<()> {
    let more = format!("managementPolicy: {policy}");
    let channel = |name, page| env.channel_manifest_with(&env.tenant_a, name, page, &more);
    let app = env.app_manifest_with(&format!("webhook: {{}}\n  {more}"));
    env.apply(&[channel("shop", PAGE_A), channel("support", PAGE_B), app].join("---\n")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn under_observe_every_drift_is_found_with_what_would_be_written_and_nothing_is() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected_then(&env, "Observe").await?;
    for name in ["shop", "support"] {
        env.channel_is(&env.tenant_a, name, &["Ready=True/ReconcileSucceeded"]).await?;
    }
    env.app_is(&["Ready=True/ReconcileSucceeded"]).await?;
    env.sandbox.clear_ledger();

    change_row(&env, PAGE_A, None)?;
    change_row(&env, PAGE_B, Some(&["messages"]))?;
    advance_and_pass(&env, &operator, 16, "FacebookChannel", 2).await?;
    for name in ["shop", "support"] {
        env.channel_is(&env.tenant_a, name, &["Ready=True/ReconcileSucceeded"]).await?;
    }
    // What is missing and not written back counts the second time.
    env.advance(1);
    let drift = ["Ready=False/DriftObserved", "Subscribed=False/DriftObserved", "Stalled=True", "!Reconciling"];
    for (name, what) in [("shop", "not subscribed"), ("support", "messaging_postbacks")] {
        let channel = env.channel_is(&env.tenant_a, name, &drift).await?;
        let message = sentence(&channel.status.as_ref().unwrap().conditions).unwrap();
        assert!(message.contains(what) && message.contains("Manage") && message.contains("standby"), "{message}");
    }
    warned(&env, &env.tenant_a, &["shop DriftObserved", "support DriftObserved"]).await?;
    // Looking on goes on at the regular times, and what is put right is found right.
    change_row(&env, PAGE_A, Some(meta_channel_operator::api::DEFAULT_FIELDS))?;
    advance_and_pass(&env, &operator, 16, "FacebookChannel", 2).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "!Stalled"]).await?;

    let fields = Some(vec!["messages".to_owned()]);
    change_app(&env, AppSubscriptionChange { fields, ..AppSubscriptionChange::default() })?;
    advance_and_pass(&env, &operator, 61, "MetaApp", 1).await?;
    env.app_is(&["Ready=True/ReconcileSucceeded", "WebhookSubscribed=True"]).await?;
    // What is missing and not written back counts the second time.
    env.advance(1);
    let drift = ["Ready=False/DriftObserved", "WebhookSubscribed=False/DriftObserved", "Stalled=True"];
    let app = env.app_is(&drift).await?;
    assert!(app.status.unwrap().next_step.unwrap().contains("https://hooks.example.com"));
    let fields = Some(meta_channel_operator::api::DEFAULT_FIELDS.iter().map(|it| (*it).to_owned()).collect());
    change_app(&env, AppSubscriptionChange { fields, active: Some(false), ..AppSubscriptionChange::default() })?;
    env.advance(61);
    wait_for("the other drift", PATIENCE, async || {
        let app = env.app_is(&drift).await?;
        ensure!(sentence(&app.status.unwrap().conditions).unwrap().contains("inactive"));
        Ok(())
    })
    .await?;
    assert_eq!(env.writes(), []);

    declare(&env, "Manage").await?;
    env.app_is(&["Ready=True"]).await?;
    for name in ["shop", "support"] {
        env.channel_is(&env.tenant_a, name, &["Ready=True", "!Stalled"]).await?;
    }
    assert_eq!(env.writes().len(), 2, "the webhook and page B");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn new_objects_under_observe_are_the_plan_before_it_is_applied() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    env.put_secret(&env.platform, "acme-app", "app-secret", "app-secret", APP_SECRET).await?;
    env.put_token(&env.tenant_a, "shop", TOKEN_A).await?;
    env.apply(&env.app_manifest_with("managementPolicy: Observe")).await?;
    let more = "managementPolicy: Observe";
    env.apply(&env.channel_manifest_with(&env.tenant_a, "shop", PAGE_A, more)).await?;
    env.app_is(&["Ready=True"]).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=False/DriftObserved", "Claimed=True", "Authorized=True"]).await?;
    env.apply(&env.app_manifest_with("webhook: {}\n  managementPolicy: Observe")).await?;
    env.app_is(&["Ready=Unknown/Pending", "WebhookSubscribed=Unknown/Pending"]).await?;
    env.advance(1);
    env.app_is(&["Ready=False/DriftObserved", "Stalled=True"]).await?;
    assert_eq!(env.writes(), []);
    // Someone else's callback is named, and nothing is written over it; leave to replace it changes nothing of that.
    let callback_url = Some(FOREIGN.to_owned());
    let fields = Some(vec!["messages".to_owned()]);
    change_app(&env, AppSubscriptionChange { callback_url, fields, ..AppSubscriptionChange::default() })?;
    for more in [String::new(), format!("takeOverFrom: {FOREIGN}")] {
        env.apply(&env.app_manifest_with(&format!("webhook: {{{more}}}\n  managementPolicy: Observe"))).await?;
        env.advance(61);
        wait_for("the callback to be named", PATIENCE, async || {
            let app = env.app_is(&["Ready=False", "Stalled=True"]).await?;
            let conditions = app.status.unwrap_or_default().conditions;
            ensure!(sentence(&conditions).is_some_and(|it| it.contains(FOREIGN)), "{conditions:?}");
            Ok(())
        })
        .await?;
    }
    assert_eq!(env.writes(), []);
    // The page is claimed, since nobody may look at it otherwise; the webhook is not, and there is no verify token.
    let claims = env.claims().list(&Default::default()).await?;
    assert_eq!(claims.items.len(), 1);
    assert_eq!(claims.items[0].spec.asset_id, PAGE_A);
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.platform);
    assert_eq!(secrets.list(&Default::default()).await?.items.len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn under_pause_meta_is_left_alone_and_nothing_grows_old() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected_then(&env, "Pause").await?;
    let paused =
        ["Ready=Unknown/Paused", "Connected=True/ConnectionVerified", "Claimed=True", "!Reconciling", "!Stalled"];
    for name in ["shop", "support"] {
        let channel = env.channel_is(&env.tenant_a, name, &paused).await?;
        let status = channel.status.unwrap();
        assert_eq!((status.observed_generation, status.connection), (2, Connection::Connected));
        let kept = status.conditions.iter().filter(|it| it.observed_generation == Some(1)).count();
        assert_eq!(kept, status.conditions.len() - 1, "{:?}", status.conditions);
    }
    env.app_is(&["Ready=Unknown/Paused", "CredentialsValid=True", "WebhookSubscribed=True", "!Reconciling"]).await?;
    env.put_channel(&env.tenant_b, "outlet", PAGE_C, TOKEN_C).await?;
    env.channel_is(&env.tenant_b, "outlet", &["Expired=True/PasswordChanged"]).await?;
    let new = env.channel_manifest_with(&env.tenant_b, "new", PAGE_B, "managementPolicy: Pause");
    env.put_token(&env.tenant_b, "new", TOKEN_B).await?;
    env.apply(&new).await?;
    env.channel_is(&env.tenant_b, "new", &["Ready=Unknown/Paused", "Connected=Unknown/Paused", "Claimed=Unknown"])
        .await?;

    env.channels(&env.tenant_b).delete("outlet", &Default::default()).await?;
    wait_for("the deletion to be seen", PATIENCE, async || {
        ensure!(!operator.metrics.text().contains("name=\"outlet\""));
        Ok(())
    })
    .await?;
    quiet(&operator).await?;
    env.sandbox.clear_ledger();
    let before = versions(&env).await?;
    change_row(&env, PAGE_A, None)?;
    env.sandbox.invalidate_token("page-b", Default::default())?;
    let passes = operator.passes("FacebookChannel") + operator.passes("MetaApp");
    for _ in 0..4 {
        env.advance(125);
        quiet(&operator).await?;
    }
    assert_eq!(operator.passes("FacebookChannel") + operator.passes("MetaApp"), passes, "time alone wakes nobody");
    env.request_look(&env.tenant_a, "shop", "now").await?;
    wait_for("a pass", PATIENCE, async || {
        ensure!(operator.passes("FacebookChannel") > passes.saturating_sub(operator.passes("MetaApp")));
        Ok(())
    })
    .await?;
    operator.stop().await;
    let operator = env.operator();
    wait_for("a pass over each object", PATIENCE, async || {
        ensure!(operator.passes("FacebookChannel") >= 3 && operator.passes("MetaApp") >= 1);
        Ok(())
    })
    .await?;
    assert_eq!(env.sandbox.ledger(), []);
    let untouched = |all: Vec<(String, Option<String>)>| -> Vec<_> {
        all.into_iter().filter(|(name, _)| !["shop", "outlet"].contains(&name.as_str())).collect()
    };
    assert_eq!(untouched(versions(&env).await?), untouched(before));
    env.channel_is(&env.tenant_a, "shop", &paused).await?;

    // Leaving it causes a check at once.
    declare(&env, "Manage").await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "Connected=True"]).await?;
    env.channel_is(&env.tenant_a, "support", &["Ready=False", "Expired=True"]).await?;
    assert_eq!(env.requests("POST", PAGE_ROWS).len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_of_a_paused_app_go_on_with_what_was_known_of_it() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    env.app_is(&["Ready=True"]).await?;
    between_slots(&env, &operator).await?;
    let before = env.channels(&env.tenant_a).get("shop").await?;
    env.sandbox.clear_ledger();
    let passes = operator.passes("FacebookChannel");
    env.apply(&env.app_manifest_with("webhook: {}\n  managementPolicy: Pause")).await?;
    env.app_is(&["Ready=Unknown/Paused"]).await?;
    assert_eq!(env.sandbox.ledger(), []);
    assert_eq!(operator.passes("FacebookChannel"), passes, "no channel is woken by the pause");

    change_row(&env, PAGE_A, None)?;
    env.advance(16);
    wait_for("the channel to be managed still", PATIENCE, async || {
        ensure!(env.requests("POST", PAGE_ROWS).len() == 1);
        Ok(())
    })
    .await?;
    advance_and_pass(&env, &operator, 125, "FacebookChannel", 1).await?;
    let after = env.channels(&env.tenant_a).get("shop").await?;
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version);
    assert_eq!(env.requests("GET", APP_ROWS), []);
    // A channel that is new to the app is connected through it too.
    env.put_channel(&env.tenant_b, "support", PAGE_B, TOKEN_B).await?;
    env.channel_is(&env.tenant_b, "support", &["Ready=True"]).await?;
    Ok(())
}
