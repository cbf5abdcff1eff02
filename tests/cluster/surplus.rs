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
fn limited(world: &World, most: usize) -> Running {
    world.operator_with(|operator| operator.max_objects = most)
}

async fn put(world: &World, name: &str, number: usize) -> Result<()> {
    world.put_channel(&world.tenant_a, name, &page(number), &text(&format!("page-{number}"))).await
}

async fn delete(world: &World, name: &str) -> Result<()> {
    world.channels(&world.tenant_a).delete(name, &DeleteParams::default()).await?;
    Ok(())
}

async fn is(world: &World, name: &str, expected: &str) -> Result<()> {
    world.channel_is(&world.tenant_a, name, &[expected]).await.map(|_| ())
}

const TOO_MANY: &str = "Ready=False/TooManyObjects";

async fn claim(world: &World, number: usize) -> Result<AssetClaim> {
    Ok(world.claims().get(&format!("facebook-page-{}", page(number))).await?)
}

async fn version(world: &World, name: &str) -> Result<Option<String>> {
    Ok(world.channels(&world.tenant_a).get(name).await?.resource_version())
}

/// Times of creation are in seconds.
async fn later() {
    tokio::time::sleep(Duration::from_millis(1100)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_too_many_is_told_so_and_gets_its_turn_by_itself_and_who_has_a_place_keeps_it() -> Result<()> {
    let world = World::seeded(|seed| add_pages(seed, 5)).await?;
    let operator = limited(&world, 3);
    connected(&world, &operator, 3).await?;
    later().await;
    put(&world, "channel-3", 3).await?;
    world.channel_is(&world.tenant_a, "channel-3", &[TOO_MANY, "Stalled=True"]).await?;
    let told = world.channels(&world.tenant_a).get("channel-3").await?.status.context("a status")?;
    let ready = told.conditions.iter().find(|it| it.type_ == "Ready").context("Ready")?;
    assert!(ready.message.contains("more than 3 objects of kind FacebookChannel"), "{}", ready.message);
    assert!(told.next_step.as_ref().is_some_and(|it| it.contains("--max-objects-per-namespace")), "{told:?}");
    warned(&world, &world.tenant_a, &["channel-3 TooManyObjects"]).await?;
    let gauge = format!("surplus_objects{{kind=\"FacebookChannel\",namespace=\"{}\"}}", world.tenant_a);
    assert_eq!(operator.gauge(&gauge), 1.0);
    assert_eq!((world.sandbox.ledger(), claim(&world, 3).await.is_ok()), (vec![], false), "nothing is done for it");

    // Told once; the others go on.
    let before = version(&world, "channel-3").await?;
    advance_and_sweep(&world, &operator, 16).await?;
    assert_eq!(version(&world, "channel-3").await?, before);
    for number in 0..3 {
        is(&world, &name(number), "Ready=True").await?;
    }

    // Who comes then waits behind it, whatever it is called.
    later().await;
    put(&world, "another", 4).await?;
    is(&world, "another", TOO_MANY).await?;
    delete(&world, "channel-0").await?;
    is(&world, "channel-3", "Ready=True/ReconcileSucceeded").await?;
    is(&world, "another", TOO_MANY).await?;

    // There are too many Secrets, too: that of the fourth is used and its changes are heard of all the same.
    let secrets = format!("surplus_objects{{kind=\"Secret\",namespace=\"{}\"}}", world.tenant_a);
    assert_eq!(operator.gauge(&secrets), 2.0);
    world.put_token(&world.tenant_a, "channel-3", &text("page-4")).await?;
    is(&world, "channel-3", "Ready=False/WrongPage").await?;
    world.put_token(&world.tenant_a, "channel-3", &text("page-3")).await?;
    is(&world, "channel-3", "Ready=True/ReconcileSucceeded").await?;
    operator.stop().await;

    // The same after a restart.
    let operator = limited(&world, 3);
    awake(&operator).await?;
    quiet(&operator).await?;
    advance_and_sweep(&world, &operator, 16).await?;
    is(&world, "another", TOO_MANY).await?;
    for number in 1..4 {
        is(&world, &name(number), "Ready=True").await?;
    }
    assert_eq!(operator.gauge(&gauge), 1.0);
    // Once it is in, nothing of that is left.
    delete(&world, "channel-1").await?;
    world.channel_is(&world.tenant_a, "another", &["Ready=True/ReconcileSucceeded", "!Stalled"]).await?;
    assert_eq!(operator.gauge(&gauge), 0.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_place_after_a_restart_keeps_what_it_holds_until_it_is_deleted() -> Result<()> {
    let world = World::seeded(|seed| {
        add_pages(seed, 3);
        seed.tokens.push(page_token("rival", &page(2), ""));
    })
    .await?;
    let operator = limited(&world, 3);
    connected(&world, &operator, 3).await?;
    operator.stop().await;
    let before = claim(&world, 2).await?;

    let operator = limited(&world, 1);
    for number in 1..3 {
        world.channel_is(&world.tenant_a, &name(number), &[TOO_MANY, "Connected=True", "Authorized=True"]).await?;
    }
    is(&world, &name(0), "Ready=True").await?;
    world.put_channel(&world.tenant_b, "copy", &page(2), &text("rival")).await?;
    world.channel_is(&world.tenant_b, "copy", &["Ready=False/ClaimedElsewhere"]).await?;
    for _ in 0..3 {
        world.advance(600);
        quiet(&operator).await?;
    }
    let now = claim(&world, 2).await?;
    assert_eq!((now.spec.holder.uid.as_str(), now.state()), (before.spec.holder.uid.as_str(), ClaimState::Held));
    assert_eq!(now.status.as_ref().and_then(|it| it.gone_since), None, "it is not taken for a deleted one");
    assert_eq!(world.writes(), [], "nothing is undone at Meta");

    // That it is deleted is seen all the same.
    delete(&world, &name(2)).await?;
    wait_for("the cleanup to be due", PATIENCE, async || {
        let claim = claim(&world, 2).await?;
        ensure!(claim.state() == ClaimState::CleanupPending, "{:?}", claim.status);
        Ok(())
    })
    .await?;
    world.advance(2);
    wait_for("the page to be cleaned up", PATIENCE, async || {
        let claim = claim(&world, 2).await?;
        ensure!(claim.state() == ClaimState::Tombstone, "{:?}", claim.status);
        Ok(())
    })
    .await?;
    let requests = world.requests("DELETE", PAGE_ROWS);
    assert!(requests.len() == 1 && requests[0].path.contains(&page(2)), "{requests:?}");
    is(&world, &name(1), TOO_MANY).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_without_a_place_keeps_its_webhook_and_is_waited_for_and_grants_are_counted_apart() -> Result<()> {
    let world = World::new().await?;
    let operator = world.operator();
    let older = |more| world.app_manifest_with(more).replace("name: acme,", "name: older,");
    world.apply(&older("audience: Everyone")).await?;
    later().await;
    world.put_app().await?;
    world.app_is(&["Ready=True", "WebhookSubscribed=True"]).await?;
    world.put_channel(&world.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    is(&world, "shop", "Ready=True").await?;
    world.put_grant(&text("grant"), "{}").await?;
    later().await;
    world
        .apply(&world.grant_manifest("{}").replace("name: acme, namespace: tenant", "name: next, namespace: tenant"))
        .await?;
    quiet(&operator).await?;
    operator.stop().await;
    world.sandbox.clear_ledger();

    let operator = limited(&world, 1);
    world.app_is(&[TOO_MANY, "WebhookSubscribed=True"]).await?;
    let namespaced = format!("surplus_objects{{kind=\"MetaGrant\",namespace=\"{}\"}}", world.tenant_a);
    assert_eq!(operator.gauge(&namespaced), 1.0);
    quiet(&operator).await?;
    assert!(world.told().await?.contains_key(&world.own_key().await?), "the gateway goes on knowing it");
    world.apply(&older("webhook: {}")).await?;
    wait_for("the other app to be refused the webhook", PATIENCE, async || {
        let status = world.apps().get("older").await?.status.context("no status")?;
        missing(&status.conditions, &["WebhookSubscribed=False/DuplicateInNamespace"])
    })
    .await?;
    delete(&world, "shop").await?;
    let claim = format!("facebook-page-{PAGE_A}");
    wait_for("the cleanup to wait for the app", PATIENCE, async || {
        world.advance(2);
        let claim = world.claims().get(&claim).await?;
        let told = format!("{:?}", claim.status);
        ensure!(claim.state() != ClaimState::Tombstone && told.contains("too many in its namespace"), "{told}");
        Ok(())
    })
    .await?;
    assert_eq!(world.writes(), []);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_in_a_namespace_of_another_release_is_told_once_it_is_ours() -> Result<()> {
    let world = World::new().await?;
    unbind(&world.client, &world.tenant_a).await?;
    bind(&world.client, &world.tenant_a, "elsewhere/other").await?;
    world.put_app().await?;
    world.put_channel(&world.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    later().await;
    world.put_channel(&world.tenant_a, "support", PAGE_B, TOKEN_B).await?;
    let operator = limited(&world, 1);
    world.app_is(&["Ready=True"]).await?;
    quiet(&operator).await?;
    let untold = world.channels(&world.tenant_a).get("support").await?.status.context("what is there by default")?;
    assert_eq!((untold.conditions, operator.gauge("surplus_objects{kind=\"FacebookChannel\"")), (vec![], 0.0));
    unbind(&world.client, &world.tenant_a).await?;
    bind(&world.client, &world.tenant_a, &world.release).await?;
    is(&world, "support", TOO_MANY).await?;
    is(&world, "shop", "Ready=True").await
}
