//! Every right that the charts give is one that is used: after a story with everything in it, each verb of each rule was
//! asked for. That none is missing is seen in all other tests.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::DeleteParams;
use meta_channel_operator::api::AssetClaim;
use reqwest::StatusCode;
use testkit::wait_for;

use crate::support::browser::Browser;
use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::grant_fixtures::*;
use crate::support::oauth_fixture::{grant_manifest, people};
use crate::support::observe::*;
use crate::support::service_accounts::*;
use crate::support::subscriptions::change_row;

/// The rights of a rule set, as `verb resource.group`. By those to inboxes, of which there are none, policies know who someone is.
fn granted(set: Rules) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for rule in rules(set)? {
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten().filter(|resource| *resource != "inboxes") {
                all.extend(rule.verbs.iter().map(|verb| format!("{verb} {resource}.{group}")));
            }
        }
    }
    Ok(all)
}

/// The rights of a rule set that an account never used in these namespaces.
fn unused(account: &Account, set: Rules, namespaces: &[&str]) -> Result<BTreeSet<String>> {
    let asked = account.asked();
    let here = asked.keys().filter(|(_, namespace)| namespaces.contains(&namespace.as_str()));
    let used: BTreeSet<_> = here.map(|(right, _)| right.clone()).collect();
    Ok(granted(set)?.difference(&used).cloned().collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_right_that_is_given_is_used() -> Result<()> {
    let world = World::seeded(|seed| {
        people(seed);
        add_system_user(seed, "robot", 39);
        add_pages(seed, 1);
    })
    .await?;
    let operator = world.daily();
    connected(&world, &operator).await?;
    renewed_and_parted(&world, &operator).await?;
    repaired_twice(&world, &operator).await?;
    left_behind_twice(&world, &operator).await?;
    authorized_by_a_person(&world, &operator).await?;

    let watched = [world.platform.as_str(), &world.tenant_a, &world.tenant_b];
    let rows = [
        (&world.account, WATCHED, watched.as_slice()),
        (&world.account, CLAIMS, &[world.claims.as_str()]),
        (&world.account, MAILBOX, &[world.inbox.as_str()]),
        (&world.gateway_account, GATEWAY, watched.as_slice()),
        (&world.gateway_account, GATEWAY_MAILBOX, &[world.inbox.as_str()]),
    ];
    let mut idle = Vec::new();
    for (account, set, namespaces) in rows {
        idle.extend(unused(account, set, namespaces)?.into_iter().map(|right| format!("{}: {right}", set.1)));
    }
    assert_eq!(idle, [""; 0], "rights that nobody used");
    Ok(())
}

async fn connected(world: &World, operator: &Running) -> Result<()> {
    world.put_app().await?;
    world.app_is(&["Ready=True"]).await?;
    quiet(operator).await?;
    // Whom a selector selects is said by labels.
    world.apply(&world.app_manifest().replace("{from: All}", "{from: Selector, selector: {}}")).await?;
    world.app_is(&["Ready=True"]).await?;
    world.put_grant(&text("robot"), "{}").await?;
    let shop = world.granted_manifest(&world.tenant_a, "shop", &page(0), "acme");
    world.apply(&format!("{shop}  publishToken: true\n")).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True", "TokenPublished=True"]).await?;
    quiet(operator).await?;
    world.apply(&world.app_manifest()).await?;
    world.app_is(&["Ready=True"]).await?;
    Ok(())
}

/// A token that is renewed is published anew, and goes with the connection.
async fn renewed_and_parted(world: &World, operator: &Running) -> Result<()> {
    advance_and_pass(world, operator, 2 * DAY, "MetaGrant", 1).await?;
    world.grant_is(&["Renewed=True/UpToDate"]).await?;
    wait_for("the renewed token", PATIENCE, async || {
        ensure!(world.in_use().await? != text("robot"));
        Ok(())
    })
    .await?;
    quiet(operator).await?;
    world
        .kubectl()
        .run(&[
            "-n",
            &world.tenant_a,
            "patch",
            "fbc",
            "shop",
            "--type=merge",
            "--patch",
            r#"{"spec":{"connection":"Disconnected"}}"#,
        ])
        .await?;
    world
        .channel_is(&world.tenant_a, "shop", &["Ready=True", "Disconnected=True/DeclaredDisconnected"])
        .await
        .map(|_| ())
}

/// The same Event twice is one that is counted.
async fn repaired_twice(world: &World, operator: &Running) -> Result<()> {
    world.put_channel(&world.tenant_a, "outlet", PAGE_B, TOKEN_B).await?;
    world.channel_is(&world.tenant_a, "outlet", &["Ready=True"]).await?;
    for _ in 0..2 {
        change_row(world, PAGE_B, APP_ID, None)?;
        advance_and_sweep(world, operator, 16).await?;
        world.channel_is(&world.tenant_a, "outlet", &["Ready=True"]).await?;
    }
    Ok(())
}

/// Without the application's secret nobody can clean up after a channel.
async fn left_behind_twice(world: &World, operator: &Running) -> Result<()> {
    for _ in 0..2 {
        world.put_channel(&world.tenant_a, "outlet", PAGE_B, TOKEN_B).await?;
        world.channel_is(&world.tenant_a, "outlet", &["Ready=True"]).await?;
        quiet(operator).await?;
        let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.platform);
        secrets.delete("acme-app", &DeleteParams::default()).await?;
        world.channels(&world.tenant_a).delete("outlet", &DeleteParams::default()).await?;
        quiet(operator).await?;
        world.advance(2);
        wait_for("the claim to say what stays", PATIENCE, async || {
            let claim = world.claims().get(&AssetClaim::page_name(PAGE_B)).await?;
            ensure!(claim.state().as_str() == "LeftBehind", "{:?}", claim.status);
            Ok(())
        })
        .await?;
        world.put_app().await?;
        world.app_is(&["Ready=True"]).await?;
    }
    Ok(())
}

async fn authorized_by_a_person(world: &World, operator: &Running) -> Result<()> {
    world.apply(&grant_manifest(world, &world.tenant_b)).await?;
    quiet(operator).await?;
    let mut browser = Browser::new(&world.sandbox.resolve()["hooks.example.com"]);
    browser.cluster = Some(world.client.clone());
    let name = format!("{}/acme", world.tenant_b);
    let offer =
        wait_for("the gateway to know the grant", PATIENCE, async || browser.up_to_the_offer(&name, PERSON, &[]).await)
            .await?;
    browser.answer(&offer, "use").await?.is(StatusCode::OK, "Thank you")?;
    wait_for("the mail to be taken", PATIENCE, async || {
        let asked = world.account.asked();
        ensure!(asked.contains_key(&("delete secrets.".to_owned(), world.inbox.clone())));
        Ok(())
    })
    .await
}
