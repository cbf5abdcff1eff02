//! A cluster administrator moves a page by hand, and a page is used through another application than before.

use anyhow::{Result, ensure};
use kube::api::DeleteParams;
use meta_channel_operator::api::{AssetClaim, ClaimState};
use serde_json::{Value, json};
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;

const CLAIM: &str = "facebook-page-2200000000000001";
const OTHER_APP: &str = "9999000099990000";
const OTHER_TOKEN: &str = "EAAsandbox-other-app-page-a-00000000";

async fn connected() -> Result<(Env, Running)> {
    let env = Env::seeded(|seed| seed.tokens.push(page_token("rival", PAGE_A, ""))).await?;
    let operator = env.operator();
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "Connected=True"]).await?;
    env.app_is(&["Ready=True"]).await?;
    Ok((env, operator))
}

/// What an administrator does to the claim, with the command of docs/claims.md.
async fn edit(env: &Env, spec: Value) -> Result<()> {
    let patch = json!({ "spec": spec }).to_string();
    let command = ["-n", &env.claims, "patch", "assetclaim", CLAIM, "--type=merge", "-p", &patch];
    env.kubectl().run(&command).await.map(|_| ())
}

async fn tombstone(env: &Env) -> Result<AssetClaim> {
    env.channels(&env.tenant_a).delete("shop", &DeleteParams::default()).await?;
    wait_for("the tombstone", PATIENCE, async || {
        let claim = env.claims().get(CLAIM).await?;
        if claim.state() == ClaimState::CleanupPending {
            env.advance(2);
        }
        ensure!(claim.state() == ClaimState::Tombstone, "{:?}", claim.status);
        Ok(claim)
    })
    .await
}

fn subscribed(env: &Env) -> Vec<String> {
    let state = env.sandbox.state();
    let apps = state.pages[PAGE_A].subscriptions.keys().map(ToString::to_string);
    apps.filter(|app| [APP_ID, OTHER_APP].contains(&app.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_an_administrator_moves_is_lost_with_one_warning_and_adopted_there() -> Result<()> {
    let (env, operator) = connected().await?;
    quiet(&operator).await?;
    env.sandbox.clear_ledger();
    edit(&env, json!({ "holder": { "namespace": env.tenant_b } })).await?;
    let lost = ["Ready=False/ClaimedElsewhere", "Stalled=True", "Disconnected=True/ClaimedElsewhere"];
    let shop = env.channel_is(&env.tenant_a, "shop", &lost).await?.status.unwrap();
    let message = sentence(&shop.conditions).unwrap();
    assert!(message.contains(&format!("Namespace {} holds page", env.tenant_b)), "{message}");
    assert_eq!(shop.claim_name, None);
    env.put_channel(&env.tenant_b, "copy", PAGE_A, &text("rival")).await?;
    env.channel_is(&env.tenant_b, "copy", &["Ready=True/ReconcileSucceeded", "Claimed=True"]).await?;
    let copy = env.channels(&env.tenant_b).get("copy").await?;
    let claim = env.claims().get(CLAIM).await?;
    assert_eq!(Some(&claim.spec.holder.uid), copy.metadata.uid.as_ref());
    // The row was there and is used on: nobody had to write, and the former holder did not.
    advance_and_sweep(&env, &operator, 16).await?;
    env.request_look(&env.tenant_a, "shop", "now").await?;
    quiet(&operator).await?;
    env.channel_is(&env.tenant_a, "shop", &lost).await?;
    assert_eq!(env.writes(), []);
    warned(&env, &env.tenant_a, &["shop ClaimedElsewhere"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_moved_to_where_nobody_wants_it_is_cleaned_up_and_reserved_there() -> Result<()> {
    let (env, _operator) = connected().await?;
    edit(&env, json!({ "holder": { "namespace": env.tenant_b } })).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=False/ClaimedElsewhere"]).await?;
    wait_for("the tombstone", PATIENCE, async || {
        let claim = env.claims().get(CLAIM).await?;
        if claim.state() == ClaimState::CleanupPending {
            env.advance(2);
        }
        ensure!(claim.state() == ClaimState::Tombstone, "{:?}", claim.status);
        Ok(())
    })
    .await?;
    assert_eq!(subscribed(&env), [""; 0]);
    env.put_channel(&env.tenant_b, "copy", PAGE_A, &text("rival")).await?;
    env.channel_is(&env.tenant_b, "copy", &["Ready=True/ReconcileSucceeded"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_that_an_administrator_gives_away_is_taken() -> Result<()> {
    let (env, _operator) = connected().await?;
    tombstone(&env).await?;
    env.put_channel(&env.tenant_b, "copy", PAGE_A, &text("rival")).await?;
    env.channel_is(&env.tenant_b, "copy", &["Ready=False/ClaimedElsewhere"]).await?;
    edit(&env, json!({ "transferTo": env.tenant_b })).await?;
    env.channel_is(&env.tenant_b, "copy", &["Ready=True/ReconcileSucceeded", "Claimed=True"]).await?;
    let claim = env.claims().get(CLAIM).await?;
    assert_eq!((&claim.spec.holder.namespace, &claim.spec.transfer_to), (&env.tenant_b, &None));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_an_administrator_deletes_is_made_anew_by_who_proves_the_page() -> Result<()> {
    let (env, operator) = connected().await?;
    quiet(&operator).await?;
    let before = env.claims().get(CLAIM).await?;
    env.sandbox.clear_ledger();
    env.claims().delete(CLAIM, &DeleteParams::default()).await?;
    wait_for("another claim", PATIENCE, async || {
        let claim = env.claims().get(CLAIM).await?;
        ensure!(claim.metadata.uid != before.metadata.uid);
        assert_eq!(claim.spec.holder, before.spec.holder);
        Ok(())
    })
    .await?;
    quiet(&operator).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "Claimed=True"]).await?;
    assert_eq!(made_about(&env, "page-a").len(), 1, "it was proven anew");
    assert_eq!(env.writes(), []);
    Ok(())
}

/// Applies the MetaApp of the other application beside the first.
async fn put_other_app(env: &Env) -> Result<()> {
    env.put_secret(&env.platform, "other-app", "app-secret", "app-secret", "sandbox-other-secret-000000000000000")
        .await?;
    let manifest = env.app_manifest_with("audience: Everyone").replace("name: acme,", "name: other,");
    env.apply(&manifest.replace("name: acme-app", "name: other-app").replace(APP_ID, OTHER_APP)).await
}

/// Declares the page through the other application, in place of the channel that is there.
async fn change_app(env: &Env) -> Result<()> {
    env.channels(&env.tenant_a).delete("shop", &DeleteParams::default()).await?;
    env.put_token(&env.tenant_a, "next", OTHER_TOKEN).await?;
    let manifest = env.channel_manifest(&env.tenant_a, "next", PAGE_A);
    env.apply(&manifest.replace("name: acme,", "name: other,")).await?;
    env.channel_is(&env.tenant_a, "next", &["Ready=True/ReconcileSucceeded", "Connected=True"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_used_through_another_app_is_unsubscribed_from_the_one_before_first() -> Result<()> {
    let (env, operator) = connected().await?;
    put_other_app(&env).await?;
    env.sandbox.clear_ledger();
    change_app(&env).await?;
    assert_eq!(subscribed(&env), [OTHER_APP]);
    let sent = env.writes();
    let mut writes: Vec<_> = sent.iter().map(|it| it.method.clone()).collect();
    // What is unsubscribed and could not be recorded in the claim, since someone else wrote first, is unsubscribed again.
    writes.dedup();
    assert_eq!(writes, ["DELETE", "POST"]);
    let claim = env.claims().get(CLAIM).await?;
    assert_eq!((claim.spec.app_id.as_str(), claim.spec.holder.name.as_str()), (OTHER_APP, "next"));
    assert_eq!(claim.spec.app_ref.unwrap().name, "other");
    // Nothing is left of it, and nothing is written again.
    advance_and_sweep(&env, &operator, 125).await?;
    assert_eq!(env.writes(), sent);
    warned(&env, &env.tenant_a, &[""; 0]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_of_an_app_that_is_gone_is_told_once_and_keeps_nobody_from_the_next() -> Result<()> {
    let (env, operator) = connected().await?;
    put_other_app(&env).await?;
    env.apps().delete("acme", &DeleteParams::default()).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=False/AppNotFound"]).await?;
    change_app(&env).await?;
    assert_eq!(subscribed(&env), [APP_ID, OTHER_APP]);
    advance_and_sweep(&env, &operator, 125).await?;
    warned(&env, &env.tenant_a, &["next LeftBehind"]).await?;
    assert_eq!(env.claims().get(CLAIM).await?.spec.app_id, OTHER_APP);
    Ok(())
}
