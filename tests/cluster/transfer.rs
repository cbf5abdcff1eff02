//! A page is given to another namespace, by both sides and by declaration alone.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use meta_channel_operator::api::{AssetClaim, ClaimState};
use serde_json::json;
use testkit::sandbox::LedgerEntry;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::kill_after::killed;
use crate::support::observe::*;
use crate::support::release_binding::{bind, put_another_app, unbind};
use crate::support::subscriptions;

const CLAIM: &str = "facebook-page-2200000000000001";

const GIVEN: [&str; 7] = [
    "Ready=True/ReconcileSucceeded",
    "Disconnected=True/Transferred",
    "Claimed=False/Transferred",
    "Connected=False",
    "Expired=False",
    "!Stalled",
    "!Reconciling",
];
const OFFERED: [&str; 4] = [
    "Ready=True/ReconcileSucceeded",
    "Disconnected=True/TransferOffered",
    "Claimed=True/ClaimHeld",
    "Subscribed=False/TransferOffered",
];

/// An env in which each namespace has a token of its own for page A, and channel shop of the first is connected.
async fn connected() -> Result<Env> {
    let env = Env::seeded(|seed| {
        seed.tokens.extend(["rival", "third"].map(|alias| page_token(alias, PAGE_A, "")));
    })
    .await?;
    Ok(env)
}

async fn start(env: &Env, more: &str) -> Result<()> {
    env.put_app().await?;
    env.put_token(&env.tenant_a, "shop", TOKEN_A).await?;
    declare(env, more).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "Connected=True"]).await?;
    env.app_is(&["Ready=True"]).await?;
    Ok(())
}

async fn declare(env: &Env, more: &str) -> Result<()> {
    env.apply(&env.channel_manifest_with(&env.tenant_a, "shop", PAGE_A, more)).await
}

fn given_to(namespace: &str) -> String {
    format!("transferTo: {namespace}")
}

fn is_subscribed(env: &Env) -> bool {
    env.sandbox.state().pages[PAGE_A].subscriptions.contains_key(APP_ID)
}

/// The writes at Meta as `METHOD token`.
fn writes(env: &Env) -> Vec<String> {
    let alias = |it: &LedgerEntry| it.token.as_ref().and_then(|it| it.alias.clone()).unwrap_or_default();
    env.writes().iter().map(|it| format!("{} {}", it.method, alias(it)).trim().to_owned()).collect()
}

async fn claim_is(env: &Env, what: &str, is: impl Fn(&AssetClaim) -> bool) -> Result<AssetClaim> {
    wait_for(&format!("the claim to be {what}"), PATIENCE, async || {
        let claim = env.claims().get(CLAIM).await?;
        ensure!(is(&claim), "{:?} {:?}", claim.spec, claim.status);
        Ok(claim)
    })
    .await
}

/// A release for the namespace of the second tenant beside one for all others. Neither sees anything of the other's.
async fn two_releases(env: &Env) -> Result<(Running, Running)> {
    unbind(&env.client, &env.tenant_b).await?;
    bind(&env.client, &env.tenant_b, "elsewhere/other").await?;
    put_another_app(env, &env.tenant_b).await?;
    let first = env.operator_with(|operator| operator.scopes.retain(|it| *it != env.tenant_b));
    let second = env.operator_with(|operator| {
        operator.scopes = vec![env.tenant_b.clone()];
        operator.release = "elsewhere/other".to_owned();
        // Its application leaves the webhook to the other one, so that it has nothing to tell a gateway.
        operator.policy.gateway_url = None;
    });
    Ok((first, second))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_given_away_is_taken_by_who_waits_for_it_and_the_giver_may_go() -> Result<()> {
    let env = connected().await?;
    let (_theirs, _ours) = two_releases(&env).await?;
    start(&env, "publishToken: true").await?;
    env.channel_is(&env.tenant_a, "shop", &["TokenPublished=True"]).await?;
    let before = env.claims().get(CLAIM).await?;
    env.put_token(&env.tenant_b, "copy", &text("rival")).await?;
    let copy = env.channel_manifest(&env.tenant_b, "copy", PAGE_A);
    env.apply(&copy.replace(&env.platform, &env.tenant_b)).await?;
    env.put_channel(&env.platform, "other", PAGE_A, &text("third")).await?;
    env.channel_is(&env.platform, "other", &["Ready=False/ClaimedElsewhere"]).await?;
    let copy = env.channel_is(&env.tenant_b, "copy", &["Ready=False/ClaimedElsewhere", "Stalled=True"]).await?;
    let step = copy.status.unwrap().next_step.unwrap();
    assert!(step.contains(&format!("spec.transferTo: {}", env.tenant_b)), "{step}");
    env.sandbox.clear_ledger();

    declare(&env, &format!("publishToken: true\n  {}", given_to(&env.tenant_b))).await?;
    env.channel_is(&env.tenant_b, "copy", &["Ready=True/ReconcileSucceeded", "Connected=True", "Claimed=True"]).await?;
    let shop = env.channel_is(&env.tenant_a, "shop", &GIVEN).await?.status.unwrap();
    assert_eq!((shop.claim_name, shop.published_secret_name), (None, None));
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.tenant_a);
    wait_for("the published token to be gone", PATIENCE, async || {
        ensure!(secrets.get_opt("facebookchannel-shop-page-token").await?.is_none());
        Ok(())
    })
    .await?;
    assert_eq!(writes(&env), ["DELETE", "POST rival"], "unsubscribed by the app before it was taken");
    let claim = env.claims().get(CLAIM).await?;
    assert_eq!(claim.metadata.uid, before.metadata.uid, "the claim moved");
    assert_eq!((&claim.spec.holder.namespace, &claim.spec.transfer_to), (&env.tenant_b, &None));
    assert!(claim.spec.proof.proven_at >= before.spec.proof.proven_at);
    env.channel_is(&env.platform, "other", &["Ready=False/ClaimedElsewhere"]).await?;
    assert_eq!(made_with(&env, "third"), [], "whom it was not given to learns nothing of the page");

    // Deleted, the giver leaves nothing to be done: the claim is not its own.
    env.channels(&env.tenant_a).delete("shop", &Default::default()).await?;
    env.advance(10);
    env.request_look(&env.tenant_b, "copy", "now").await?;
    wait_for("another look at the page", PATIENCE, async || {
        ensure!(made_about(&env, "rival").len() >= 2);
        Ok(())
    })
    .await?;
    env.channel_is(&env.tenant_b, "copy", &["Ready=True", "Claimed=True"]).await?;
    assert_eq!((writes(&env).len(), is_subscribed(&env)), (2, true));
    warned(&env, &env.tenant_a, &[""; 0]).await?;
    warned(&env, &env.tenant_b, &["copy ClaimedElsewhere"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_nobody_took_is_kept_unsubscribed_and_connected_again_when_it_is_taken_back() -> Result<()> {
    let env = connected().await?;
    let operator = env.operator();
    start(&env, "connection: Connected").await?;
    env.put_channel(&env.platform, "other", PAGE_A, &text("third")).await?;
    env.channel_is(&env.platform, "other", &["Ready=False/ClaimedElsewhere"]).await?;
    env.sandbox.clear_ledger();
    declare(&env, &given_to(&env.tenant_b)).await?;
    let shop = env.channel_is(&env.tenant_a, "shop", &OFFERED).await?;
    let message = sentence(&shop.status.unwrap().conditions).unwrap().to_owned();
    assert!(message.contains(&env.tenant_b) && message.contains("must create one"), "{message}");
    let claim = env.claims().get(CLAIM).await?;
    assert_eq!(claim.spec.transfer_to.as_ref(), Some(&env.tenant_b));
    assert_eq!(claim.spec.subscribed_fields, [""; 0]);

    // Nothing more is written, also after a restart, and someone else does not get it.
    quiet(&operator).await?;
    let before = versions(&env).await?;
    operator.stop().await;
    let operator = env.operator();
    awake(&operator).await?;
    advance_and_sweep(&env, &operator, 125).await?;
    assert_eq!(versions(&env).await?, before);
    assert_eq!(writes(&env), ["DELETE"]);
    env.channel_is(&env.platform, "other", &["Ready=False/ClaimedElsewhere"]).await?;

    declare(&env, "connection: Connected").await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "Connected=True", "Claimed=True/ClaimHeld"]).await?;
    assert_eq!(env.claims().get(CLAIM).await?.spec.transfer_to, None);
    assert_eq!(writes(&env), ["DELETE", "POST page-a"]);
    env.put_channel(&env.tenant_b, "copy", PAGE_A, &text("rival")).await?;
    env.channel_is(&env.tenant_b, "copy", &["Ready=False/ClaimedElsewhere"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_subscribed_again_while_it_is_offered_is_withdrawn_unsubscribed_and_offered_again() -> Result<()> {
    let env = connected().await?;
    let operator = env.operator();
    start(&env, "connection: Connected").await?;
    declare(&env, &given_to(&env.tenant_b)).await?;
    env.channel_is(&env.tenant_a, "shop", &OFFERED).await?;
    quiet(&operator).await?;
    let before = env.claims().get(CLAIM).await?.metadata.generation.unwrap();
    env.sandbox.clear_ledger();
    subscriptions::change_row(&env, PAGE_A, APP_ID, Some(&["messages".to_owned()]))?;
    advance_and_sweep(&env, &operator, 16).await?;
    assert!(!is_subscribed(&env));
    assert_eq!(writes(&env), ["DELETE"]);
    let claim = env.claims().get(CLAIM).await?;
    assert_eq!(claim.spec.transfer_to.as_ref(), Some(&env.tenant_b));
    assert_eq!(claim.metadata.generation, Some(before + 2), "withdrawn first, and made again after");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_giver_is_gone_can_be_taken_before_and_after_it_was_cleaned_up() -> Result<()> {
    for cleaned in [false, true] {
        let env = connected().await?;
        let _operator = env.operator();
        start(&env, "connection: Connected").await?;
        declare(&env, &given_to(&env.tenant_b)).await?;
        env.channel_is(&env.tenant_a, "shop", &OFFERED).await?;
        env.channels(&env.tenant_a).delete("shop", &Default::default()).await?;
        claim_is(&env, "pending", |it| it.state() == ClaimState::CleanupPending).await?;
        if cleaned {
            env.advance(2);
            let claim = claim_is(&env, "a tombstone", |it| it.state() == ClaimState::Tombstone).await?;
            assert_eq!(claim.spec.transfer_to.as_ref(), Some(&env.tenant_b));
            let message = sentence(&claim.status.as_ref().unwrap().conditions).unwrap();
            assert!(message.contains(&format!("given to namespace {}", env.tenant_b)), "{message}");
        }
        env.put_channel(&env.tenant_b, "copy", PAGE_A, &text("rival")).await?;
        env.channel_is(&env.tenant_b, "copy", &["Ready=True/ReconcileSucceeded", "Claimed=True"]).await?;
        let claim = claim_is(&env, "held", |it| it.state() == ClaimState::Held).await?;
        assert_eq!((&claim.spec.holder.namespace, &claim.spec.transfer_to), (&env.tenant_b, &None));
        env.advance(10);
        env.channel_is(&env.tenant_b, "copy", &["Ready=True"]).await?;
        assert!(is_subscribed(&env));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_token_keeps_nobody_from_giving_and_one_that_proves_nothing_from_getting() -> Result<()> {
    let env = connected().await?;
    let operator = env.operator();
    start(&env, "connection: Connected").await?;
    env.sandbox.invalidate_token("page-a", testkit::sandbox::Invalidation { subcode: Some(460), message: None })?;
    advance_and_sweep(&env, &operator, 16).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=False/PasswordChanged"]).await?;
    // The token of another page proves nothing.
    env.put_channel(&env.tenant_b, "copy", PAGE_A, TOKEN_B).await?;
    env.channel_is(&env.tenant_b, "copy", &["Authorized=False/WrongPage"]).await?;
    declare(&env, &given_to(&env.tenant_b)).await?;
    env.channel_is(&env.tenant_a, "shop", &OFFERED).await?;
    assert!(!is_subscribed(&env));
    env.channel_is(&env.tenant_b, "copy", &["Authorized=False/WrongPage", "Claimed=Unknown/CredentialUnverified"])
        .await?;
    assert_eq!(env.claims().get(CLAIM).await?.spec.holder.namespace, env.tenant_a);
    env.put_token(&env.tenant_b, "copy", &text("rival")).await?;
    env.channel_is(&env.tenant_b, "copy", &["Ready=True/ReconcileSucceeded"]).await?;
    env.channel_is(&env.tenant_a, "shop", &GIVEN).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_cannot_be_given_to_the_namespace_that_has_it() -> Result<()> {
    let env = connected().await?;
    let _operator = env.operator();
    start(&env, "connection: Connected").await?;
    env.sandbox.clear_ledger();
    let own = json!({ "spec": { "transferTo": env.tenant_a } });
    env.channels(&env.tenant_a).patch("shop", &PatchParams::default(), &Patch::Merge(&own)).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=False/InvalidSpec", "Stalled=True", "Connected=True"]).await?;
    assert_eq!((writes(&env).len(), env.claims().get(CLAIM).await?.spec.transfer_to), (0, None));
    let upper = json!({ "spec": { "transferTo": "Not a namespace" } });
    let refused = env.channels(&env.tenant_a).patch("shop", &PatchParams::default(), &Patch::Merge(&upper)).await;
    assert!(refused.is_err());
    Ok(())
}

/// Has every write of a transfer be the last one of an operator, one after the other; in the end none of them is.
#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_is_cut_off_after_any_write_is_made_up_for() -> Result<()> {
    for after in 1.. {
        assert!(after < 25, "a transfer is no more than some writes");
        let env = connected().await?;
        let operator = env.operator();
        start(&env, "connection: Connected").await?;
        env.put_channel(&env.tenant_b, "copy", PAGE_A, &text("rival")).await?;
        env.channel_is(&env.tenant_b, "copy", &["Ready=False/ClaimedElsewhere"]).await?;
        quiet(&operator).await?;
        operator.stop().await;
        env.sandbox.clear_ledger();
        declare(&env, &given_to(&env.tenant_b)).await?;
        let done = async |env: &Env| {
            let shown = async |namespace, name| {
                let status = env.channels(namespace).get(name).await?.status.unwrap_or_default();
                anyhow::Ok(shown(&status.conditions).join(" "))
            };
            let given = shown(&env.tenant_a, "shop").await?.contains("Claimed=False/Transferred");
            Ok(given && shown(&env.tenant_b, "copy").await?.contains("Ready=True"))
        };
        let burnt = killed(&env, after, done).await?;
        // The request that was cut off may still be on its way; whoever succeeds waits a little.
        env.advance(2);
        let operator = env.operator();
        env.channel_is(&env.tenant_b, "copy", &["Ready=True/ReconcileSucceeded", "Claimed=True"]).await?;
        env.channel_is(&env.tenant_a, "shop", &GIVEN).await?;
        quiet(&operator).await?;
        assert!(is_subscribed(&env), "cut off after write {after}");
        let writes = writes(&env);
        let parted = writes.iter().take_while(|it| *it == "DELETE").count();
        assert!((1..=2).contains(&parted), "cut off after write {after}: {writes:?}");
        assert_eq!(writes[parted..], ["POST rival"], "cut off after write {after}");
        if !burnt {
            break;
        }
    }
    Ok(())
}
