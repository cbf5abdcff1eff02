//! Pages get connected, whatever the order in which things appear, and stay quiet afterwards.

use anyhow::{Result, ensure};
use meta_channel_operator::api::Connection;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::observe::{quiet, versions};

#[tokio::test(flavor = "multi_thread")]
async fn two_pages_are_connected_and_a_third_is_expired_with_its_reason() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.put_channel(&env.tenant_a, "support", PAGE_B, TOKEN_B).await?;
    env.put_channel(&env.tenant_b, "outlet", PAGE_C, TOKEN_C).await?;
    for (name, page) in [("shop", "Acme Shop"), ("support", "Acme Support")] {
        let channel = env
            .channel_is(
                &env.tenant_a,
                name,
                &[
                    "Ready=True/ReconcileSucceeded",
                    "Connected=True",
                    "Expired=False",
                    "Disconnected=False",
                    "!Reconciling",
                    "!Stalled",
                ],
            )
            .await?;
        let status = channel.status.unwrap();
        assert_eq!(status.connection, Connection::Connected);
        assert_eq!(status.page_name.as_deref(), Some(page));
        assert_eq!(status.next_step, None);
    }
    let outlet = env
        .channel_is(
            &env.tenant_b,
            "outlet",
            &[
                "Ready=False/PasswordChanged",
                "Expired=True/PasswordChanged",
                "Connected=False",
                "Disconnected=False",
                "Stalled=True",
                "Subscribed=Unknown",
            ],
        )
        .await?
        .status
        .unwrap();
    assert_eq!(outlet.connection, Connection::Expired);
    let next_step = outlet.next_step.unwrap();
    assert!(next_step.contains("authorize") && next_step.contains("outlet-token"), "{next_step}");
    env.app_is(&[
        "Ready=True/ReconcileSucceeded",
        "CredentialsValid=True",
        "WebhookSubscribed=True",
        "PermissionsApproved=True",
    ])
    .await?;

    // The application's subscription came before any page's, each was written once, with a proof where one is due.
    let writes = env.writes();
    let templates: Vec<_> = writes.iter().map(|it| it.template.as_deref().unwrap_or_default()).collect();
    assert_eq!(templates[0], "/{version}/{app-id}/subscriptions");
    assert_eq!(templates[1..], ["/{version}/{page-id}/subscribed_apps"; 2]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_applied_before_its_app_and_secret_ends_ready_without_ever_being_stalled() -> Result<()> {
    let env = Env::new().await?;
    let record = env.record(&env.tenant_a);
    let _operator = env.operator();
    env.apply(&env.channel_manifest(&env.tenant_a, "shop", PAGE_A)).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=False/AppNotFound", "Reconciling=True", "Connected=Unknown"])
        .await?;
    env.apply(&env.app_manifest()).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=False/SecretUnavailable", "Reconciling=True"]).await?;
    env.put_token(&env.tenant_a, "shop", TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=False/AppNotReady", "Reconciling=True"]).await?;
    env.put_secret(&env.platform, "acme-app", "app-secret", "app-secret", APP_SECRET).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    for version in record.versions() {
        let conditions = version.status.map(|status| shown(&status.conditions)).unwrap_or_default();
        assert!(!conditions.iter().any(|it| it.starts_with("Stalled")), "{conditions:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_meta_does_not_know_cuts_the_channel_and_the_old_one_heals_it_without_a_touch() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    let ready = env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    env.put_token(&env.tenant_a, "shop", "EAAthis-token-was-never-issued-by-anybody").await?;
    let unknown = ["Disconnected=True/TokenUnknown", "Ready=False", "Connected=False", "Expired=False"];
    let cut = env.channel_is(&env.tenant_a, "shop", &unknown).await?;
    assert_eq!(cut.metadata.generation, ready.metadata.generation);
    env.put_token(&env.tenant_a, "shop", TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "Expired=False", "Connected=True"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_pass_over_unchanged_objects_asks_meta_nothing_and_writes_nothing() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.unhurried();
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.put_channel(&env.tenant_a, "support", PAGE_B, TOKEN_B).await?;
    env.put_channel(&env.tenant_b, "outlet", PAGE_C, TOKEN_C).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    env.channel_is(&env.tenant_a, "support", &["Ready=True"]).await?;
    env.channel_is(&env.tenant_b, "outlet", &["Expired=True"]).await?;
    env.app_is(&["Ready=True"]).await?;
    operator.stop().await;
    let before = versions(&env).await?;
    env.sandbox.clear_ledger();

    // A restarted operator passes over everything.
    let operator = env.unhurried();
    wait_for("a pass over each object", PATIENCE, async || {
        ensure!(operator.passes("FacebookChannel") >= 3 && operator.passes("MetaApp") >= 1);
        Ok(())
    })
    .await?;
    // A Secret that is written without a change of its content causes a pass too.
    let passes = operator.passes("FacebookChannel");
    env.kubectl().run(&["-n", &env.tenant_a, "annotate", "secret", "shop-token", "touched=yes"]).await?;
    wait_for("another pass", PATIENCE, async || {
        ensure!(operator.passes("FacebookChannel") > passes);
        Ok(())
    })
    .await?;
    quiet(&operator).await?;
    assert_eq!(env.sandbox.ledger(), []);
    assert_eq!(versions(&env).await?, before);
    Ok(())
}
