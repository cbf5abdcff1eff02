//! Every right that the charts give is one that is used: after a story with everything in it, each verb of each rule was
//! asked for. That none is missing is seen in all other tests.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::DeleteParams;
use meta_channel_operator::api::AssetClaim;
use reqwest::StatusCode;
use serde_json::json;
use testkit::wait_for;

use crate::support::browser::Browser;
use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::grant_fixtures::*;
use crate::support::oauth_fixture::{grant_manifest, people};
use crate::support::observe::*;
use crate::support::service_accounts::*;
use crate::support::subscriptions::change_row;

/// The rights of a rule set, as `verb resource.group`. By those to what there is none of, policies know who someone is.
fn granted(set: Rules) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for rule in rules(set)? {
        for group in rule.api_groups.iter().flatten() {
            let is_there = |resource: &&String| !["inboxes", "facebookchannels/inbound"].contains(&resource.as_str());
            for resource in rule.resources.iter().flatten().filter(is_there) {
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
    let env = Env::seeded(|seed| {
        people(seed);
        add_system_user(seed, "robot", 39);
        add_pages(seed, 1);
    })
    .await?;
    let operator = env.daily();
    connected(&env, &operator).await?;
    renewed_and_parted(&env, &operator).await?;
    repaired_twice(&env, &operator).await?;
    left_behind_twice(&env, &operator).await?;
    authorized_by_a_person(&env, &operator).await?;

    let watched = [env.platform.as_str(), &env.tenant_a, &env.tenant_b];
    let rows = [
        (&env.account, WATCHED, watched.as_slice()),
        (&env.account, CLAIMS, &[env.claims.as_str()]),
        (&env.account, MAILBOX, &[env.inbox.as_str()]),
        (&env.gateway_account, GATEWAY, watched.as_slice()),
        (&env.gateway_account, GATEWAY_MAILBOX, &[env.inbox.as_str()]),
    ];
    let mut idle = Vec::new();
    for (account, set, namespaces) in rows {
        idle.extend(unused(account, set, namespaces)?.into_iter().map(|right| format!("{}: {right}", set.1)));
    }
    assert_eq!(idle, [""; 0], "rights that nobody used");
    Ok(())
}

async fn connected(env: &Env, operator: &Running) -> Result<()> {
    env.put_app().await?;
    env.app_is(&["Ready=True"]).await?;
    quiet(operator).await?;
    // Whom a selector selects is said by labels.
    env.apply(&env.app_manifest().replace("{from: All}", "{from: Selector, selector: {}}")).await?;
    env.app_is(&["Ready=True"]).await?;
    env.put_grant(&text("robot"), "{}").await?;
    let shop = env.granted_manifest(&env.tenant_a, "shop", &page(0), "acme");
    env.apply(&format!("{shop}  publishToken: true\n")).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "TokenPublished=True"]).await?;
    wait_for("the gateway to report a role", PATIENCE, async || {
        env.sandbox
            .tell_role(&page(0), &serde_json::from_value(json!({"app": APP_ID, "role": "primary_receiver"}))?)?;
        let status = env.channels(&env.tenant_a).get("shop").await?.status;
        ensure!(status.and_then(|status| status.inbound).is_some(), "not yet");
        Ok(())
    })
    .await?;
    // The Service of a bot is looked for.
    let bot = shop.replace("{direct: {}}", "{bot: {serviceRef: {name: bot, port: 80}}}");
    env.apply(&bot).await?;
    env.channel_is(&env.tenant_a, "shop", &["EndpointReady=False/ServiceNotFound"]).await?;
    env.apply(&format!("{shop}  publishToken: true\n")).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "TokenPublished=True"]).await?;
    quiet(operator).await?;
    env.apply(&env.app_manifest()).await?;
    env.app_is(&["Ready=True"]).await?;
    Ok(())
}

/// A token that is renewed is published anew, and goes with the connection.
async fn renewed_and_parted(env: &Env, operator: &Running) -> Result<()> {
    advance_and_pass(env, operator, 2 * DAY, "MetaGrant", 1).await?;
    env.grant_is(&["Renewed=True/UpToDate"]).await?;
    wait_for("the renewed token", PATIENCE, async || {
        ensure!(env.in_use().await? != text("robot"));
        Ok(())
    })
    .await?;
    quiet(operator).await?;
    env.kubectl()
        .run(&[
            "-n",
            &env.tenant_a,
            "patch",
            "fbc",
            "shop",
            "--type=merge",
            "--patch",
            r#"{"spec":{"connection":"Disconnected"}}"#,
        ])
        .await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "Disconnected=True/DeclaredDisconnected"]).await.map(|_| ())
}

/// The same Event twice is one that is counted.
async fn repaired_twice(env: &Env, operator: &Running) -> Result<()> {
    env.put_channel(&env.tenant_a, "outlet", PAGE_B, TOKEN_B).await?;
    env.channel_is(&env.tenant_a, "outlet", &["Ready=True"]).await?;
    for _ in 0..2 {
        change_row(env, PAGE_B, APP_ID, None)?;
        advance_and_sweep(env, operator, 16).await?;
        env.channel_is(&env.tenant_a, "outlet", &["Ready=True"]).await?;
    }
    Ok(())
}

/// Without the application's secret nobody can clean up after a channel.
async fn left_behind_twice(env: &Env, operator: &Running) -> Result<()> {
    for _ in 0..2 {
        env.put_channel(&env.tenant_a, "outlet", PAGE_B, TOKEN_B).await?;
        env.channel_is(&env.tenant_a, "outlet", &["Ready=True"]).await?;
        quiet(operator).await?;
        let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.platform);
        secrets.delete("acme-app", &DeleteParams::default()).await?;
        env.channels(&env.tenant_a).delete("outlet", &DeleteParams::default()).await?;
        quiet(operator).await?;
        env.advance(2);
        wait_for("the claim to say what stays", PATIENCE, async || {
            let claim = env.claims().get(&AssetClaim::page_name(PAGE_B)).await?;
            ensure!(claim.state().as_str() == "LeftBehind", "{:?}", claim.status);
            Ok(())
        })
        .await?;
        env.put_app().await?;
        env.app_is(&["Ready=True"]).await?;
    }
    Ok(())
}

async fn authorized_by_a_person(env: &Env, operator: &Running) -> Result<()> {
    env.apply(&grant_manifest(env, &env.tenant_b)).await?;
    quiet(operator).await?;
    let mut browser = Browser::new(&env.sandbox.resolve()["hooks.example.com"]);
    browser.cluster = Some(env.client.clone());
    let name = format!("{}/acme", env.tenant_b);
    let offer =
        wait_for("the gateway to know the grant", PATIENCE, async || browser.up_to_the_offer(&name, PERSON, &[]).await)
            .await?;
    browser.answer(&offer, "use").await?.is(StatusCode::OK, "Thank you")?;
    wait_for("the mail to be taken", PATIENCE, async || {
        let asked = env.account.asked();
        ensure!(asked.contains_key(&("delete secrets.".to_owned(), env.inbox.clone())));
        Ok(())
    })
    .await
}
