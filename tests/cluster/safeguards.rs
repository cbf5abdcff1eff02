//! What each safeguard is for: the same happens with it and without it, and only without it is there harm.

use std::time::Duration;

use anyhow::{Result, ensure};
use kube::api::{DeleteParams, Patch, PatchParams};
use meta_channel_operator::api::ClaimState;
use meta_channel_operator::controller::safeguards::Safeguards;
use meta_channel_operator::graph::{GraphClient, GraphOptions};
use serde_json::json;
use testkit::sandbox::Invalidation;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::grant_fixtures::*;
use crate::support::holding_proxy::{Hold, HoldingProxy};
use crate::support::observe::*;
use crate::support::subscriptions::row;

const CLAIM: &str = "facebook-page-2200000000000001";

async fn state_is(env: &Env, state: ClaimState) -> Result<()> {
    wait_for(&format!("the claim to be {}", state.as_str()), PATIENCE, async || {
        let claim = env.claims().get(CLAIM).await?;
        ensure!(claim.state() == state, "{:?}", claim.status);
        Ok(())
    })
    .await
}

/// A channel goes, and the unsubscription of its page takes long to get through. Meanwhile another channel of the namespace wants
/// the page. It says that it is connected at the end; whether it is.
async fn another_comes_during_a_cleanup(safeguards: Safeguards) -> Result<bool> {
    let env = Env::new().await?;
    let operator = env.operator_with(|operator| {
        operator.policy.safeguards = safeguards;
        let options = GraphOptions { timeout: PATIENCE, ..GraphOptions::new(&env.sandbox.url()).unwrap() };
        operator.graph = GraphClient::new(options, std::sync::Arc::new(operator.metrics.clone())).unwrap();
    });
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded"]).await?;
    env.channels(&env.tenant_a).delete("shop", &DeleteParams::default()).await?;
    state_is(&env, ClaimState::CleanupPending).await?;
    let slow = fault(&format!(
        "{{match: {{method: DELETE, template: '{PAGE_ROWS}'}}, times: 1, do: {{slow: {{ms: 20000}}}}}}"
    ));
    env.sandbox.add_fault(slow);
    env.advance(2);
    wait_for("the unsubscription to be sent", PATIENCE, async || {
        ensure!(env.requests("DELETE", PAGE_ROWS).len() == 1);
        Ok(())
    })
    .await?;
    env.put_channel(&env.tenant_a, "boutique", PAGE_A, TOKEN_A).await?;
    wait_for("the unsubscription to get through", PATIENCE, async || {
        ensure!(env.requests("DELETE", PAGE_ROWS)[0].status.is_some());
        Ok(())
    })
    .await?;
    env.channel_is(&env.tenant_a, "boutique", &["Ready=True/ReconcileSucceeded"]).await?;
    quiet(&operator).await?;
    Ok(!row(&env, PAGE_A).is_empty())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_mark_nobody_takes_a_page_up_that_is_being_cleaned_up() -> Result<()> {
    assert!(another_comes_during_a_cleanup(Safeguards::default()).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_mark_a_cleanup_cuts_off_who_has_the_page_by_then() -> Result<()> {
    let safeguards = Safeguards { mark: false, ..Safeguards::default() };
    assert!(!another_comes_during_a_cleanup(safeguards).await?);
    Ok(())
}

/// A channel goes, and an administrator moves its claim to another namespace, of which the operator's watch does not tell. Then another
/// channel of the first namespace wants the page. The namespace that has it at the end.
async fn a_claim_moves_before_it_is_adopted(safeguards: Safeguards) -> Result<(Env, String)> {
    let env = Env::new().await?;
    let watch = HoldingProxy::new(&env.account.client, Hold::Watch("assetclaims")).await?;
    let operator = env.operator_with(|operator| {
        operator.client = watch.client.clone();
        operator.policy.safeguards = safeguards;
    });
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded"]).await?;
    env.channels(&env.tenant_a).delete("shop", &DeleteParams::default()).await?;
    state_is(&env, ClaimState::CleanupPending).await?;
    quiet(&operator).await?;
    watch.hold();
    let moved = json!({ "spec": { "holder": { "namespace": env.tenant_b } } });
    env.claims().patch(CLAIM, &PatchParams::default(), &Patch::Merge(&moved)).await?;
    env.sandbox.clear_ledger();
    env.put_channel(&env.tenant_a, "boutique", PAGE_A, TOKEN_A).await?;
    wait_for("the other channel to be checked", PATIENCE, async || {
        ensure!(env.channels(&env.tenant_a).get("boutique").await?.status.is_some());
        Ok(())
    })
    .await?;
    quiet(&operator).await?;
    let holder = env.claims().get(CLAIM).await?.spec.holder.namespace;
    drop(operator);
    Ok((env, holder))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_moved_since_is_not_adopted_by_who_was_not_told() -> Result<()> {
    let (env, holder) = a_claim_moves_before_it_is_adopted(Safeguards::default()).await?;
    assert_eq!((holder, env.writes()), (env.tenant_b.clone(), vec![]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_second_look_a_claim_that_moved_is_taken_from_who_has_it() -> Result<()> {
    let safeguards = Safeguards { judge: false, ..Safeguards::default() };
    let (env, holder) = a_claim_moves_before_it_is_adopted(safeguards).await?;
    assert_eq!(holder, env.tenant_a);
    Ok(())
}

/// A token is renewed twice, the seed runs out, and the newest one dies. Whether the grant works at the end, and with a token that does.
async fn the_newest_token_dies(safeguards: Safeguards) -> Result<(bool, bool)> {
    let env = Env::seeded(|seed| add_system_user(seed, "robot", 39)).await?;
    let operator = env.operator_with(|operator| {
        operator.policy.token_period = Duration::from_secs(24 * 60 * 60);
        operator.policy.safeguards = safeguards;
    });
    env.put_app().await?;
    env.put_grant(&text("robot"), "{}").await?;
    env.grant_is(&["Ready=True/ReconcileSucceeded"]).await?;
    let mut tokens = vec![text("robot")];
    for days in [2, 41] {
        advance_and_pass(&env, &operator, days * DAY, "MetaGrant", 1).await?;
        wait_for("the renewal", PATIENCE, async || {
            let kept = env.kept("token").await?;
            ensure!(kept.as_ref() != tokens.last());
            tokens.extend(kept);
            Ok(())
        })
        .await?;
    }
    ensure!(!env.works(&tokens[0]).await? && env.works(&tokens[1]).await?, "{}", tokens.len());
    env.sandbox.invalidate_token(&tokens[2], Invalidation { subcode: Some(460), message: None })?;
    env.request_grant_look("now").await?;
    wait_for("the look", PATIENCE, async || {
        let status = env.grants().get("acme").await?.status.unwrap_or_default();
        ensure!(status.last_handled_requested_at.as_deref() == Some("now"));
        Ok(())
    })
    .await?;
    quiet(&operator).await?;
    let conditions = env.grants().get("acme").await?.status.unwrap_or_default().conditions;
    let says = missing(&conditions, &["Ready=True/ReconcileSucceeded", "Valid=True/TokenValid"]).is_ok();
    Ok((says, env.works(&env.in_use().await?).await?))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_whose_newest_token_dies_goes_on_with_the_one_before() -> Result<()> {
    assert_eq!(the_newest_token_dies(Safeguards::default()).await?, (true, true));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_former_token_a_grant_whose_newest_one_dies_needs_a_person() -> Result<()> {
    let safeguards = Safeguards { former_token: false, ..Safeguards::default() };
    assert_eq!(the_newest_token_dies(safeguards).await?, (false, false));
    Ok(())
}
