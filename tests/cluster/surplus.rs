//! More objects than a namespace may have: who has a place goes on, and who has none is told so and is not gone.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use kube::api::DeleteParams;
use meta_channel_operator::api::{AssetClaim, ClaimState};
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::many_channels::{connected, name};
use crate::support::observe::*;
use crate::support::release_binding::{bind, unbind};

/// An operator that manages so many of each kind in each namespace.
fn limited(env: &Env, most: usize) -> Running {
    env.operator_with(|operator| operator.max_objects = most)
}

async fn put(env: &Env, name: &str, number: usize) -> Result<()> {
    env.put_channel(&env.tenant_a, name, &page(number), &text(&format!("page-{number}"))).await
}

async fn delete(env: &Env, name: &str) -> Result<()> {
    env.channels(&env.tenant_a).delete(name, &DeleteParams::default()).await?;
    Ok(())
}

async fn is(env: &Env, name: &str, expected: &str) -> Result<()> {
    env.channel_is(&env.tenant_a, name, &[expected]).await.map(|_| ())
}

const TOO_MANY: &str = "Ready=False/TooManyObjects";

async fn claim(env: &Env, number: usize) -> Result<AssetClaim> {
    Ok(env.claims().get(&format!("facebook-page-{}", page(number))).await?)
}

async fn version(env: &Env, name: &str) -> Result<Option<String>> {
    Ok(env.channels(&env.tenant_a).get(name).await?.resource_version())
}

/// Times of creation are in seconds.
async fn later() {
    tokio::time::sleep(Duration::from_millis(1100)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_too_many_is_told_so_and_gets_its_turn_by_itself_and_who_has_a_place_keeps_it() -> Result<()> {
    let env = Env::seeded(|seed| add_pages(seed, 5)).await?;
    let operator = limited(&env, 3);
    connected(&env, &operator, 3).await?;
    later().await;
    put(&env, "channel-3", 3).await?;
    env.channel_is(&env.tenant_a, "channel-3", &[TOO_MANY, "Stalled=True"]).await?;
    let told = env.channels(&env.tenant_a).get("channel-3").await?.status.context("a status")?;
    let ready = told.conditions.iter().find(|it| it.type_ == "Ready").context("Ready")?;
    assert!(ready.message.contains("more than 3 objects of kind FacebookChannel"), "{}", ready.message);
    assert!(told.next_step.as_ref().is_some_and(|it| it.contains("--max-objects-per-namespace")), "{told:?}");
    warned(&env, &env.tenant_a, &["channel-3 TooManyObjects"]).await?;
    let gauge = format!("surplus_objects{{kind=\"FacebookChannel\",namespace=\"{}\"}}", env.tenant_a);
    assert_eq!(operator.gauge(&gauge), 1.0);
    assert_eq!((env.sandbox.ledger(), claim(&env, 3).await.is_ok()), (vec![], false), "nothing is done for it");

    // Told once; the others go on.
    let before = version(&env, "channel-3").await?;
    advance_and_sweep(&env, &operator, 16).await?;
    assert_eq!(version(&env, "channel-3").await?, before);
    for number in 0..3 {
        is(&env, &name(number), "Ready=True").await?;
    }

    // Who comes then waits behind it, whatever it is called.
    later().await;
    put(&env, "another", 4).await?;
    is(&env, "another", TOO_MANY).await?;
    delete(&env, "channel-0").await?;
    is(&env, "channel-3", "Ready=True/ReconcileSucceeded").await?;
    is(&env, "another", TOO_MANY).await?;

    // There are too many Secrets, too: that of the fourth is used and its changes are heard of all the same.
    let secrets = format!("surplus_objects{{kind=\"Secret\",namespace=\"{}\"}}", env.tenant_a);
    assert_eq!(operator.gauge(&secrets), 2.0);
    env.put_token(&env.tenant_a, "channel-3", &text("page-4")).await?;
    is(&env, "channel-3", "Ready=False/WrongPage").await?;
    env.put_token(&env.tenant_a, "channel-3", &text("page-3")).await?;
    is(&env, "channel-3", "Ready=True/ReconcileSucceeded").await?;
    operator.stop().await;

    // The same after a restart.
    let operator = limited(&env, 3);
    awake(&operator).await?;
    quiet(&operator).await?;
    advance_and_sweep(&env, &operator, 16).await?;
    is(&env, "another", TOO_MANY).await?;
    for number in 1..4 {
        is(&env, &name(number), "Ready=True").await?;
    }
    assert_eq!(operator.gauge(&gauge), 1.0);
    // Once it is in, nothing of that is left.
    delete(&env, "channel-1").await?;
    env.channel_is(&env.tenant_a, "another", &["Ready=True/ReconcileSucceeded", "!Stalled"]).await?;
    assert_eq!(operator.gauge(&gauge), 0.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_place_after_a_restart_keeps_what_it_holds_until_it_is_deleted() -> Result<()> {
    let env = Env::seeded(|seed| {
        add_pages(seed, 3);
        seed.tokens.push(page_token("rival", &page(2), ""));
    })
    .await?;
    let operator = limited(&env, 3);
    connected(&env, &operator, 3).await?;
    operator.stop().await;
    let before = claim(&env, 2).await?;

    let operator = limited(&env, 1);
    for number in 1..3 {
        env.channel_is(&env.tenant_a, &name(number), &[TOO_MANY, "Connected=True", "Authorized=True"]).await?;
    }
    is(&env, &name(0), "Ready=True").await?;
    env.put_channel(&env.tenant_b, "copy", &page(2), &text("rival")).await?;
    env.channel_is(&env.tenant_b, "copy", &["Ready=False/ClaimedElsewhere"]).await?;
    for _ in 0..3 {
        env.advance(600);
        quiet(&operator).await?;
    }
    let now = claim(&env, 2).await?;
    assert_eq!((now.spec.holder.uid.as_str(), now.state()), (before.spec.holder.uid.as_str(), ClaimState::Held));
    assert_eq!(now.status.as_ref().and_then(|it| it.gone_since), None, "it is not taken for a deleted one");
    assert_eq!(env.writes(), [], "nothing is undone at Meta");

    // That it is deleted is seen all the same.
    delete(&env, &name(2)).await?;
    wait_for("the cleanup to be due", PATIENCE, async || {
        let claim = claim(&env, 2).await?;
        ensure!(claim.state() == ClaimState::CleanupPending, "{:?}", claim.status);
        Ok(())
    })
    .await?;
    env.advance(2);
    wait_for("the page to be cleaned up", PATIENCE, async || {
        let claim = claim(&env, 2).await?;
        ensure!(claim.state() == ClaimState::Tombstone, "{:?}", claim.status);
        Ok(())
    })
    .await?;
    let requests = env.requests("DELETE", PAGE_ROWS);
    assert!(requests.len() == 1 && requests[0].path.contains(&page(2)), "{requests:?}");
    is(&env, &name(1), TOO_MANY).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_without_a_place_keeps_its_webhook_and_is_waited_for_and_grants_are_counted_apart() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    let older = |more| env.app_manifest_with(more).replace("name: acme,", "name: older,");
    env.apply(&older("audience: Everyone")).await?;
    later().await;
    env.put_app().await?;
    env.app_is(&["Ready=True", "WebhookSubscribed=True"]).await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    is(&env, "shop", "Ready=True").await?;
    env.put_grant(&text("grant"), "{}").await?;
    later().await;
    env.apply(&env.grant_manifest("{}").replace("name: acme, namespace: tenant", "name: next, namespace: tenant"))
        .await?;
    quiet(&operator).await?;
    operator.stop().await;
    env.sandbox.clear_ledger();

    let operator = limited(&env, 1);
    env.app_is(&[TOO_MANY, "WebhookSubscribed=True"]).await?;
    let namespaced = format!("surplus_objects{{kind=\"MetaGrant\",namespace=\"{}\"}}", env.tenant_a);
    assert_eq!(operator.gauge(&namespaced), 1.0);
    quiet(&operator).await?;
    assert!(env.told().await?.contains_key(&env.own_key().await?), "the gateway goes on knowing it");
    env.apply(&older("webhook: {}")).await?;
    wait_for("the other app to be refused the webhook", PATIENCE, async || {
        let status = env.apps().get("older").await?.status.context("no status")?;
        missing(&status.conditions, &["WebhookSubscribed=False/DuplicateInNamespace"])
    })
    .await?;
    delete(&env, "shop").await?;
    let claim = format!("facebook-page-{PAGE_A}");
    wait_for("the cleanup to wait for the app", PATIENCE, async || {
        env.advance(2);
        let claim = env.claims().get(&claim).await?;
        let told = format!("{:?}", claim.status);
        ensure!(claim.state() != ClaimState::Tombstone && told.contains("too many in its namespace"), "{told}");
        Ok(())
    })
    .await?;
    assert_eq!(env.writes(), []);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_in_a_namespace_of_another_release_is_told_once_it_is_ours() -> Result<()> {
    let env = Env::new().await?;
    unbind(&env.client, &env.tenant_a).await?;
    bind(&env.client, &env.tenant_a, "elsewhere/other").await?;
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    later().await;
    env.put_channel(&env.tenant_a, "support", PAGE_B, TOKEN_B).await?;
    let operator = limited(&env, 1);
    env.app_is(&["Ready=True"]).await?;
    quiet(&operator).await?;
    let untold = env.channels(&env.tenant_a).get("support").await?.status.context("what is there by default")?;
    assert_eq!((untold.conditions, operator.gauge("surplus_objects{kind=\"FacebookChannel\"")), (vec![], 0.0));
    unbind(&env.client, &env.tenant_a).await?;
    bind(&env.client, &env.tenant_a, &env.release).await?;
    is(&env, "support", TOO_MANY).await?;
    is(&env, "shop", "Ready=True").await
}
