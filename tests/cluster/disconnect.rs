//! A page is disconnected by declaration, and connected again.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use meta_channel_operator::api::{ClaimState, Connection, FacebookChannel};
use testkit::sandbox::{Invalidation, PageChange, PageSubscriptionChange};
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;
use crate::support::subscriptions::change_row;
use crate::support::subscriptions::repaired;

const PARTED: [&str; 8] = [
    "Ready=True/ReconcileSucceeded",
    "Disconnected=True/DeclaredDisconnected",
    "Connected=False",
    "Expired=False",
    "Authorized=Unknown",
    "Subscribed=False",
    "!Stalled",
    "!Reconciling",
];

fn is_subscribed(env: &Env, page: &str) -> bool {
    env.sandbox.state().pages[page].subscriptions.contains_key(APP_ID)
}

async fn connected(env: &Env) -> Result<()> {
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "Connected=True"]).await?;
    env.app_is(&["Ready=True"]).await?;
    env.sandbox.clear_ledger();
    Ok(())
}

async fn declare(env: &Env, more: &str) -> Result<()> {
    env.apply(&env.channel_manifest_with(&env.tenant_a, "shop", PAGE_A, more)).await
}

async fn parted(env: &Env) -> Result<FacebookChannel> {
    let channel = env.channel_is(&env.tenant_a, "shop", &PARTED).await?;
    let claim = env.claims().get(&format!("facebook-page-{PAGE_A}")).await?;
    assert_eq!(claim.spec.holder.namespace, env.tenant_a, "the claim is kept");
    assert_eq!(channel.status.as_ref().unwrap().connection, Connection::Disconnected);
    Ok(channel)
}

/// A restarted operator passes over everything and asks for nothing to be ended again.
async fn rests(env: &Env, operator: Running) -> Result<Running> {
    env.sandbox.clear_ledger();
    let before = versions(env).await?;
    operator.stop().await;
    let operator = env.operator();
    wait_for("a pass", PATIENCE, async || {
        ensure!(operator.passes("FacebookChannel") >= 1);
        Ok(())
    })
    .await?;
    assert_eq!(env.sandbox.ledger(), []);
    for _ in 0..3 {
        advance_and_sweep(env, &operator, 125).await?;
    }
    assert_eq!(env.writes(), []);
    assert_eq!(versions(env).await?, before);
    Ok(operator)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_disconnected_by_declaration_kept_so_and_connected_again() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    declare(&env, "connection: Disconnected").await?;
    let channel = parted(&env).await?;
    assert_eq!(channel.status.unwrap().page_name.as_deref(), Some("Acme Shop"), "what was known is kept");
    assert!(!is_subscribed(&env, PAGE_A));
    assert_eq!(env.writes().len(), 1);
    assert_eq!(env.requests("DELETE", PAGE_ROWS).len(), 1);
    assert_eq!(made_with(&env, "page-a").iter().filter(|it| it.method == "DELETE").count(), 0, "the app token does it");
    let operator = rests(&env, operator).await?;
    warned(&env, &env.tenant_a, &[""; 0]).await?;

    // Someone subscribes the page again: undone within a slot.
    let subscription = Some(PageSubscriptionChange { app: APP_ID.parse()?, fields: Some(vec!["messages".to_owned()]) });
    env.sandbox.change_page(PAGE_A, PageChange { subscription, ..PageChange::default() })?;
    advance_and_pass(&env, &operator, 16, "FacebookChannel", 1).await?;
    assert!(!is_subscribed(&env, PAGE_A));
    assert_eq!(env.writes().len(), 1);

    declare(&env, "connection: Connected").await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "Connected=True", "Authorized=True"]).await?;
    assert!(is_subscribed(&env, PAGE_A));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_token_or_none_at_all_does_not_keep_a_page_from_being_disconnected() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    env.sandbox.invalidate_token("page-a", Invalidation { subcode: Some(460), message: None })?;
    advance_and_pass(&env, &operator, 16, "FacebookChannel", 1).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=False/PasswordChanged", "Expired=True"]).await?;
    declare(&env, "connection: Disconnected").await?;
    parted(&env).await?;
    assert!(!is_subscribed(&env, PAGE_A));
    assert_eq!(env.writes().len(), 1);
    let operator = rests(&env, operator).await?;

    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.tenant_a);
    secrets.delete("shop-token", &Default::default()).await?;
    // An edit has it confirmed once more, since the page may have been subscribed in between.
    declare(&env, "connection: Disconnected\n  subscribedFields: [messages]").await?;
    parted(&env).await?;
    assert_eq!(env.writes().len(), 1);
    let operator = rests(&env, operator).await?;
    drop(operator);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn meta_that_does_not_answer_delays_the_disconnection_and_turns_nothing_false() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    connected(&env).await?;
    env.sandbox.add_fault(fault("{match: {}, do: html}"));
    declare(&env, "connection: Disconnected").await?;
    let delayed = ["Ready=Unknown/Pending", "Reconciling=True", "Connected=True", "Claimed=True"];
    env.channel_is(&env.tenant_a, "shop", &delayed).await?;
    env.sandbox.clear_faults();
    env.advance(10);
    parted(&env).await?;
    assert!(!is_subscribed(&env, PAGE_A));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_namespace_holds_is_not_disconnected() -> Result<()> {
    let env = Env::seeded(|seed| seed.tokens.push(page_token("rival", PAGE_A, ""))).await?;
    let _operator = env.operator();
    connected(&env).await?;
    env.put_token(&env.tenant_b, "copy", &text("rival")).await?;
    let copy = env.channel_manifest_with(&env.tenant_b, "copy", PAGE_A, "connection: Disconnected");
    env.apply(&copy).await?;
    let reached =
        ["Ready=True/ReconcileSucceeded", "Disconnected=True/DeclaredDisconnected", "Claimed=False/ClaimedElsewhere"];
    env.channel_is(&env.tenant_b, "copy", &reached).await?;
    assert_eq!(env.writes(), []);
    assert_eq!(made_with(&env, "rival"), []);
    assert!(is_subscribed(&env, PAGE_A));

    // It is still refused while the holder is disconnected, and a channel that is disconnected from the start claims a page
    // it proves.
    declare(&env, "connection: Disconnected").await?;
    parted(&env).await?;
    env.apply(&env.channel_manifest(&env.tenant_b, "copy", PAGE_A)).await?;
    let refused = ["Ready=False/ClaimedElsewhere", "Stalled=True", "Claimed=False/ClaimedElsewhere"];
    env.channel_is(&env.tenant_b, "copy", &refused).await?;
    assert!(!is_subscribed(&env, PAGE_A));
    env.apply(&copy).await?;
    env.channel_is(&env.tenant_b, "copy", &reached).await?;
    env.put_token(&env.tenant_b, "support", TOKEN_B).await?;
    let support = env.channel_manifest_with(&env.tenant_b, "support", PAGE_B, "connection: Disconnected");
    env.apply(&support).await?;
    env.channel_is(&env.tenant_b, "support", &[&PARTED[..], &["Claimed=True"]].concat()).await?;
    assert_eq!(env.requests("DELETE", PAGE_ROWS).len(), 1, "page B was not subscribed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undone_disconnection_is_reported_under_observe() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    connected(&env).await?;
    declare(&env, "connection: Disconnected\n  managementPolicy: Observe").await?;
    let drift = ["Ready=False/DriftObserved", "Stalled=True", "Connected=True", "Subscribed=True"];
    let channel = env.channel_is(&env.tenant_a, "shop", &drift).await?;
    assert!(channel.status.unwrap().next_step.unwrap().contains("ends the page's subscription"));
    assert_eq!(env.writes(), []);
    declare(&env, "connection: Disconnected").await?;
    parted(&env).await?;
    assert_eq!(env.requests("DELETE", PAGE_ROWS).len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_somebody_subscribes_again_and_again_is_left_alone_after_three_repairs() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    declare(&env, "connection: Disconnected").await?;
    parted(&env).await?;
    env.sandbox.clear_ledger();
    let taken = || change_row(&env, PAGE_A, APP_ID, Some(&["messages".to_owned()]));
    taken()?;
    for (minutes, count) in [(16, 1), (1, 2), (1, 3)] {
        repaired(&env, &operator, minutes, PAGE_ROWS, count).await?;
        taken()?;
    }
    env.advance(1);
    let channel = env.channel_is(&env.tenant_a, "shop", &["Ready=False/RepairFight", "Stalled=True"]).await?;
    assert!(sentence(&channel.status.unwrap().conditions).unwrap().contains("Found: messages."));
    advance_and_sweep(&env, &operator, 125).await?;
    // A restart forgets nothing of it.
    operator.stop().await;
    let operator = env.operator();
    advance_and_sweep(&env, &operator, 125).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=False/RepairFight"]).await?;
    assert_eq!(env.writes().len(), 3);
    warned(&env, &env.tenant_a, &["shop RepairFight"]).await?;
    let told = told(&env, &env.tenant_a, "Normal").await?;
    assert_eq!(told.iter().filter(|told| *told == "shop Repaired").count(), 3, "{told:?}");
    // A person says that it may be ended once more.
    env.request_look(&env.tenant_a, "shop", "now").await?;
    parted(&env).await?;
    assert!(!is_subscribed(&env, PAGE_A));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_without_a_token_disconnects_the_page_of_the_one_before_it() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    connected(&env).await?;
    let proof = || async { anyhow::Ok(env.claims().get(&format!("facebook-page-{PAGE_A}")).await?.spec.proof) };
    let before = proof().await?;
    env.channels(&env.tenant_a).delete("shop", &Default::default()).await?;
    let next = env.channel_manifest_with(&env.tenant_a, "next", PAGE_A, "connection: Disconnected");
    env.apply(&next).await?;
    env.channel_is(&env.tenant_a, "next", &[&PARTED[..], &["Claimed=True"]].concat()).await?;
    assert!(!is_subscribed(&env, PAGE_A));
    // A status that could not be written, since the claim's adoption came between, has it asked for once more.
    assert!((1..=2).contains(&env.requests("DELETE", PAGE_ROWS).len()));
    assert_eq!(proof().await?, before, "nothing was proven anew");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_disconnected_page_nothing_is_said_to_be_left_behind() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    connected(&env).await?;
    let name = format!("facebook-page-{PAGE_A}");
    assert!(!env.claims().get(&name).await?.spec.subscribed_fields.is_empty());
    declare(&env, "connection: Disconnected").await?;
    parted(&env).await?;
    assert_eq!(env.claims().get(&name).await?.spec.subscribed_fields, [""; 0]);
    env.apps().delete("acme", &Default::default()).await?;
    env.channels(&env.tenant_a).delete("shop", &Default::default()).await?;
    let state = async |expected: ClaimState| {
        wait_for(&format!("the claim to be {}", expected.as_str()), PATIENCE, async || {
            let claim = env.claims().get(&name).await?;
            ensure!(claim.state() == expected, "{:?}", claim.status);
            Ok(())
        })
        .await
    };
    state(ClaimState::CleanupPending).await?;
    env.advance(2);
    state(ClaimState::Tombstone).await
}
