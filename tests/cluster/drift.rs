//! Someone else changes what we wrote at Meta: it is found in the next slot and repaired by one write, or left alone.

use anyhow::{Result, ensure};
use testkit::sandbox::AppSubscriptionChange;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;
use crate::support::subscriptions::*;

const PAGE_INBOX: &str = "263902037430900";

#[tokio::test(flavor = "multi_thread")]
async fn a_page_row_that_lost_fields_or_vanished_is_repaired_by_one_write_that_is_read_back() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    let before = versions(&env).await?;
    let (shop, support) = (row(&env, PAGE_A), row(&env, PAGE_B));
    // The row of the page's own inbox stays at page A. It is not ours, though it holds every field.
    change_row(&env, PAGE_A, APP_ID, None)?;
    change_row(&env, PAGE_A, PAGE_INBOX, Some(&shop))?;
    let lost = ["messages", "standby"];
    let kept: Vec<_> = support.iter().filter(|it| !lost.contains(&it.as_str())).cloned().collect();
    assert_eq!(kept.len(), support.len() - lost.len());
    change_row(&env, PAGE_B, APP_ID, Some(&kept))?;
    // Each is visited, and woken by what that finds.
    advance_and_pass(&env, &operator, 16, "FacebookChannel", 4).await?;
    for (page, fields) in [(PAGE_A, shop), (PAGE_B, support)] {
        assert_eq!(row(&env, page), fields);
        assert_eq!(methods(&env, PAGE_ROWS, page), ["GET", "POST", "GET"]);
    }
    assert_eq!(env.writes().len(), 2);
    assert!(env.sandbox.state().pages[PAGE_A].subscriptions.contains_key(PAGE_INBOX));
    // Repaired within the pass, so that no status says anything else than before; and told.
    assert_eq!(versions(&env).await?, before);
    repaired(&env, &env.tenant_a, &["shop Repaired", "support Repaired"]).await?;
    Ok(())
}

/// Waits until exactly these repairs were told.
async fn repaired(env: &Env, namespace: &str, expected: &[&str]) -> Result<()> {
    wait_for(&format!("the Events {expected:?}"), PATIENCE, async || {
        let mut told = told(env, namespace, "Normal").await?;
        told.retain(|it| it.ends_with(" Repaired"));
        ensure!(told == expected, "{told:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_row_that_lost_fields_or_was_set_inactive_is_repaired_by_one_write() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    let before = versions(&env).await?;
    let webhook = || env.sandbox.state().apps[APP_ID].subscriptions["page"].clone();
    let all = webhook().fields;
    let some = all[1..].to_vec();
    let drifts = [
        AppSubscriptionChange { fields: Some(some), ..AppSubscriptionChange::default() },
        AppSubscriptionChange { active: Some(false), ..AppSubscriptionChange::default() },
        AppSubscriptionChange { removed: true, ..AppSubscriptionChange::default() },
    ];
    for drift in drifts {
        let what = format!("{drift:?}");
        change_app(&env, drift)?;
        env.sandbox.clear_ledger();
        advance_and_pass(&env, &operator, 61, "MetaApp", 1).await?;
        wait_for("the repair", PATIENCE, async || {
            ensure!(env.sandbox.state().apps[APP_ID].subscriptions.contains_key("page"), "{what}");
            let webhook = webhook();
            ensure!(webhook.active && webhook.fields == all, "{what}: {webhook:?}");
            Ok(())
        })
        .await?;
        assert_eq!(methods(&env, APP_ROWS, APP_ID), ["GET", "POST", "GET"], "{what}");
        assert_eq!(env.writes().len(), 1, "{what}");
    }
    assert_eq!(versions(&env).await?, before);
    repaired(&env, &env.platform, &["acme Repaired"; 3]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_callback_is_left_alone_until_the_spec_lets_it_be_replaced() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    let fields = Some(vec!["messages".to_owned()]);
    let callback_url = Some(FOREIGN.to_owned());
    change_app(&env, AppSubscriptionChange { callback_url, fields, ..AppSubscriptionChange::default() })?;
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    let app =
        env.app_is(&["Ready=False/ForeignCallback", "WebhookSubscribed=False/ForeignCallback", "Stalled=True"]).await?;
    let status = app.status.unwrap();
    assert!(sentence(&status.conditions).unwrap().contains(FOREIGN), "{}", sentence(&status.conditions).unwrap());
    assert!(status.next_step.unwrap().contains("takeOverFrom"));
    // One cause, one alarm: the channel waits for its app and writes nothing either.
    env.channel_is(&env.tenant_a, "shop", &["Ready=False/AppNotReady", "Reconciling=True", "!Stalled"]).await?;
    advance_and_pass(&env, &operator, 125, "MetaApp", 1).await?;
    assert_eq!(env.writes(), []);
    warned(&env, &env.platform, &["acme ForeignCallback"]).await?;
    warned(&env, &env.tenant_a, &[""; 0]).await?;

    env.apply(&env.app_manifest_with("webhook: {takeOverFrom: https://other.example/bot}")).await?;
    env.app_is(&["Ready=False/ForeignCallback"]).await?;
    assert_eq!(env.writes(), []);
    env.apply(&env.app_manifest_with(&format!("webhook: {{takeOverFrom: {FOREIGN}}}"))).await?;
    env.app_is(&["Ready=True", "WebhookSubscribed=True"]).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    let written = &env.sandbox.state().apps[APP_ID].subscriptions["page"].callback_url;
    assert_eq!(written, &format!("https://hooks.example.com/webhooks/{}/acme", env.platform));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_somebody_else_put_in_the_place_of_ours_is_repaired_by_one_write() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    let before = versions(&env).await?;
    let callback = || env.sandbox.state().apps[APP_ID].subscriptions["page"].callback_url.clone();
    let ours = callback();
    let callback_url = Some(FOREIGN.to_owned());
    change_app(&env, AppSubscriptionChange { callback_url, ..AppSubscriptionChange::default() })?;
    // Also after a restart it is known whose callback stood there.
    operator.stop().await;
    let operator = env.operator();
    wait_for("the first pass", PATIENCE, async || {
        ensure!(operator.passes("MetaApp") >= 1);
        Ok(())
    })
    .await?;
    advance_and_pass(&env, &operator, 61, "MetaApp", 1).await?;
    assert_eq!(callback(), ours);
    assert_eq!(methods(&env, APP_ROWS, APP_ID), ["GET", "POST", "GET"]);
    assert_eq!(env.writes().len(), 1);
    assert_eq!(versions(&env).await?, before);
    warned(&env, &env.platform, &[""; 0]).await?;
    assert!(told(&env, &env.platform, "Normal").await?.contains(&"acme Repaired".to_owned()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn success_without_effect_is_seen_and_repeated_rarely() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    let support = row(&env, PAGE_B);
    env.sandbox.add_fault(fault("{match: {method: POST}, do: success_without_effect}"));
    change_row(&env, PAGE_A, APP_ID, None)?;
    change_row(&env, PAGE_B, APP_ID, Some(&["messages".to_owned()]))?;
    env.advance(16);
    env.channel_is(&env.tenant_a, "shop", &["Ready=False/WriteHadNoEffect", "Reconciling=True"]).await?;
    let lacking =
        env.channel_is(&env.tenant_a, "support", &["Ready=False/WriteHadNoEffect", "Reconciling=True"]).await?;
    let status = lacking.status.unwrap();
    assert!(
        sentence(&status.conditions).unwrap().contains("messaging_postbacks"),
        "{}",
        sentence(&status.conditions).unwrap()
    );
    assert_eq!(status.subscription.unwrap().fields, ["messages"]);
    // Each try is one write that is read back: at once, after 1, 5 and 10 minutes, then every two hours.
    for minutes in [1, 5, 10] {
        let before = env.requests("POST", PAGE_ROWS).len();
        env.advance(minutes);
        wait_for("a try at each page", PATIENCE, async || {
            ensure!(env.requests("POST", PAGE_ROWS).len() >= before + 2);
            Ok(())
        })
        .await?;
        quiet(&operator).await?;
    }
    for _ in 0..24 {
        env.advance(15);
        quiet(&operator).await?;
    }
    // Six hours have three slots of two hours.
    let writes = env.requests("POST", PAGE_ROWS).len();
    assert!(writes <= 2 + 2 * (1 + 3 + 3), "{writes} writes to two pages in six hours");
    warned(&env, &env.tenant_a, &[""; 0]).await?;

    env.sandbox.clear_faults();
    env.advance(120);
    for name in ["shop", "support"] {
        env.channel_is(&env.tenant_a, name, &["Ready=True", "!Reconciling"]).await?;
    }
    assert_eq!(row(&env, PAGE_B), support);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_the_app_does_not_deliver_are_named_and_the_others_are_subscribed() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    env.put_secret(&env.platform, "acme-app", "app-secret", "app-secret", APP_SECRET).await?;
    env.apply(&env.app_manifest_with("webhook: {fields: [messages, standby]}")).await?;
    env.put_token(&env.tenant_a, "shop", TOKEN_A).await?;
    let shop = env.channel_manifest(&env.tenant_a, "shop", PAGE_A);
    env.apply(&format!("{shop}  subscribedFields: [messages, message_reads]\n")).await?;
    let expected = ["Ready=False/AppFieldsMissing", "Subscribed=True", "Connected=True", "Stalled=True"];
    let channel = env.channel_is(&env.tenant_a, "shop", &expected).await?;
    let message = sentence(&channel.status.as_ref().unwrap().conditions).unwrap();
    assert!(message.contains("message_reads") && !message.contains("messages,"), "{message}");
    assert!(channel.status.unwrap().next_step.unwrap().contains("spec.webhook.fields"));
    assert_eq!(row(&env, PAGE_A), ["messages"]);
    // The app's maintainer adds the field: that wakes the channel.
    env.apply(&env.app_manifest_with("webhook: {fields: [messages, standby, message_reads]}")).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    assert_eq!(row(&env, PAGE_A), ["message_reads", "messages"]);
    Ok(())
}
